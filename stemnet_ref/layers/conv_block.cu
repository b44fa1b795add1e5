// Convolution, dropout, bias and ReLU; equations, names and order of conv_block.py. The input is `a` and `b` side by side,
// CA and CB channels; CB may be 0.
#include "_philox.cuh"
#include "_windows.cuh"

// y = relu(m / keep_prob * sum + b): what is done with a finished sum of the convolution
struct Activation {
    const REAL* bias;
    REAL* y;
    int O;
    REAL scale;
    Mask mask;
    __device__ void operator()(int row, int column, const REAL (&sum)[EACH], int count) const
    {
        int64 first = (int64)row * O + column, drawn = -1;
        uint64 word = 0;
        FOR_EACH_SUM(j, count) {
            int64 t = first + j;
            REAL z = sum[j];
            if (mask.threshold < 65536) {
                if (t / 4 != drawn) word = mask.word(t / 4);        // once for all four sums, where O is a multiple of 4
                drawn = t / 4;
                z = mask.keeps(word, t % 4) ? z * scale : REAL(0);
            }
            z += bias[column + j];
            y[t] = z <= 0 ? REAL(0) : z;                    // NaN stays NaN
        }
    }
};

// grid ceil(N*H*W / 64), ceil(O / 64); block 256
extern "C" __global__ void conv_block_forward(const REAL* a, const REAL* b, const REAL* weight, const REAL* bias, REAL* y,
                                              int N, int H, int W, int CA, int CB, int O, int KH, int KW, REAL scale,
                                              int threshold, uint64 seed, uint64 step, uint64 layer)
{
    __shared__ Tiles tiles;
    int C = CA + CB;
    PixelRows pixels = {{a, b, CA, H, W, C, H, W, KW, 1, (KH - 1) / 2, (KW - 1) / 2}};
    Activation activation = {bias, y, O, scale, {threshold, seed, step, layer}};
    product(tiles, N * H * W, O, 0, KH * KW * C, pixels, Matrix<false>{weight, O}, activation);
}

// dz = m / keep_prob * dy where y > 0, else 0; one thread for each sixteen elements, block 256
extern "C" __global__ void conv_block_gradient(const REAL* dy, const REAL* y, REAL* dz, REAL scale, int threshold,
                                               uint64 seed, uint64 step, uint64 layer, int64 elements)
{
    int64 block = thread_number();
    if (16 * block >= elements) return;
    Mask mask = {threshold, seed, step, layer};
    uint64 word[4];
    mask.draw(word, block);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int64 t = 16 * block + 4 * i + j;
            if (t < elements) dz[t] = y[t] > 0 && mask.keeps(word[i], j) ? dy[t] * scale : REAL(0);
        }
}

struct Active {                                             // dy where y > 0
    const REAL *dy, *y;
    int C;
    __device__ REAL operator()(int64 pixel, int c) const
    {
        int64 t = pixel * C + c;
        return y[t] > 0 ? dy[t] : REAL(0);
    }
};

// db[c] = sum over pixels of dy where y > 0, in parts; grid ceil(C / 32), number of parts; block 256
extern "C" __global__ void conv_block_bias(const REAL* dy, const REAL* y, REAL* parts, int64 pixels, int C)
{
    __shared__ REAL shared[8][32];
    column_sums(shared, parts, pixels, C, Active{dy, y, C});
}

struct Apart {                                              // dx into the gradients of a and of b
    REAL *da, *db;
    int CA, CB;
    __device__ void operator()(int row, int c, const REAL (&sum)[EACH], int count) const
    {
        FOR_EACH_SUM(j, count) {
            if (c + j < CA) da[(int64)row * CA + c + j] = sum[j];
            else db[(int64)row * CB + c + j - CA] = sum[j];
        }
    }
};

// dx = dz correlated with the flipped kernel; grid ceil(N*H*W / 64), ceil((CA+CB) / 64); block 256
extern "C" __global__ void conv_block_backward_input(const REAL* dz, const REAL* weight, REAL* da, REAL* db, int N, int H,
                                                     int W, int CA, int CB, int O, int KH, int KW)
{
    __shared__ Tiles tiles;
    int C = CA + CB;
    PixelRows pixels = {{dz, dz, O, H, W, O, H, W, KW, 1, KH / 2, KW / 2}};
    product(tiles, N * H * W, C, 0, KH * KW * O, pixels, FlippedFilters{weight, KH, KW, C, O}, Apart{da, db, CA, CB});
}

// dw = x under the kernel times dz; one part of the pixels for each blockIdx.z
// grid ceil(KH*KW*(CA+CB) / 64), ceil(O / 64), number of parts; block 256
extern "C" __global__ void conv_block_backward_weight(const REAL* dz, const REAL* a, const REAL* b, REAL* parts, int N,
                                                      int H, int W, int CA, int CB, int O, int KH, int KW)
{
    __shared__ Tiles tiles;
    int C = CA + CB, pixels = N * H * W, rows = KH * KW * C;
    PlaceRows places = {{a, b, CA, H, W, C, H, W, KW, 1, (KH - 1) / 2, (KW - 1) / 2}};
    product(tiles, rows, O, share(pixels, blockIdx.z, gridDim.z), share(pixels, blockIdx.z + 1, gridDim.z), places,
            Matrix<false>{dz, O}, Plain{parts + (int64)blockIdx.z * rows * O, O});
}
