// Convolution, dropout, bias and ReLU; equations, names and order of block.py. The input is `a` and `b` side by side,
// CA and CB channels; CB may be 0. Batch normalisation (eq. 56) is that of batch_norm.cu. The grids are
// those of GemmConfig in gemm.py.
#include "philox.cuh"
#include "windows.cuh"

// y = relu(m / keep_prob * sum + b): what is done with four finished sums of the convolution, of elements t ... t+3
struct Activation {
    enum { FOURS = 4 };
    const REAL* bias;
    REAL* y;
    int O;
    REAL scale;
    Mask mask;
    __device__ void operator()(int row, int column, const Four& sum)
    {
        int64 t = (int64)row * O + column;
        Four z = sum, b = load(bias + column, O - column);
        bool kept[4];
        mask.keeps<VECTOR>(kept, t);
        for (int e = 0; e < 4; e++) {
            z.x[e] = (kept[e] ? z.x[e] * scale : REAL(0)) + b.x[e];
            z.x[e] = z.x[e] <= 0 ? REAL(0) : z.x[e];        // NaN stays NaN
        }
        put(y + t, z, O - column);
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_forward(
    const REAL* a, const REAL* b, const REAL* weight, const REAL* bias, REAL* y, int N, int H, int W, int CA, int CB, int O,
    int KH, int KW, REAL scale, int threshold, uint64 seed, const double* step, uint64 layer)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {a, b, CA, CB, N, H, W, H, W, KH, KW, 1, (KH - 1) / 2, (KW - 1) / 2}, {weight, O, 0, KW, 1}, 0, 1,
             Activation{bias, y, O, scale, {threshold, seed, step, layer}});
}

// Part blockIdx.z of a sum, the channels in two arrays side by side
struct Apart {
    enum { FOURS = 1 };
    REAL *da, *db;
    int CA, CB, N, H, W;
    __device__ void operator()(int row, int c, const Four& sum) const
    {
        int64 pixel = (int64)blockIdx.z * N * H * W + row;  // a pointer kept all the time would take registers
        REAL *a = da + pixel * CA, *b = db + pixel * CB;
        if (VECTOR) put(c < CA ? a + c : b + c - CA, sum, 4);
        else
            for (int e = 0; e < 4 && c + e < CA + CB; e++) *(c + e < CA ? a + c + e : b + c + e - CA) = sum.x[e];
    }
};

// The convolution alone, where a small map is summed in parts: part blockIdx.z, into parts (gridDim.z, N, H, W, O)
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_sums(
    const REAL* a, const REAL* b, const REAL* weight, REAL* parts, int N, int H, int W, int CA, int CB, int O, int KH, int KW)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {a, b, CA, CB, N, H, W, H, W, KH, KW, 1, (KH - 1) / 2, (KW - 1) / 2}, {weight, O, 0, KW, 1},
             blockIdx.z, gridDim.z, Apart{parts, parts, O, 0, N, H, W});
}

// What is left to do then; one thread for each four channels of a pixel, block 256
extern "C" __global__ void block_activation(const REAL* parts, const REAL* bias, REAL* y, int count, int64 pixels, int O,
                                            REAL scale, int threshold, uint64 seed, const double* step, uint64 layer)
{
    int fours = (O + 3) / 4;
    int64 row = thread_number() / fours;
    int column = (int)(thread_number() % fours) * 4;
    if (row >= pixels) return;
    Four sum = {};
    for (int p = 0; p < count; p++) {
        Four part = load(parts + (p * pixels + row) * O + column, O - column);
        for (int e = 0; e < 4; e++) sum.x[e] += part.x[e];
    }
    Activation{bias, y, O, scale, {threshold, seed, step, layer}}((int)row, column, sum);
}

// dz = m / keep_prob * dy where y > 0, else 0;  db[c] = sum over pixels of dy where y > 0, in parts (number of parts, O)
// (eq. 35, 37)
// A thread has sixteen channels, for which the mask is drawn at once, of every (256 / across)-th pixel.
// grid number of parts, ceil(O / 16 / across); block 256; across at most 16, a power of two
extern "C" __global__ void __launch_bounds__(256, 2) block_gradient(
    const REAL* dy, const REAL* y, REAL* dz, REAL* parts, REAL scale, int threshold, uint64 seed, const double* step,
    uint64 layer, int64 pixels, int O, int across)
{
    __shared__ REAL shared[256][17];                        // 17, so that neighbours fall into other banks
    const int GROUP = 16;
    int lines = 256 / across, line = threadIdx.x / across, first = (blockIdx.y * across + threadIdx.x % across) * GROUP;
    int64 begin = pixels * blockIdx.x / gridDim.x, end = pixels * (blockIdx.x + 1) / gridDim.x;
    Mask mask(threshold, seed, step, layer);
    Four db[4] = {};
    for (int64 pixel = begin + line; pixel < end; pixel += lines) {
        Four g[4], out[4];                                  // all are on their way before the first is used
        #pragma unroll
        for (int k = 0; k < 4; k++) {
            int64 t = pixel * O + first + 4 * k;
            g[k] = load(dy + t, O - first - 4 * k);
            out[k] = load(y + t, O - first - 4 * k);
        }
        #pragma unroll
        for (int k = 0; k < 4; k++) {
            int column = first + 4 * k;
            if (column >= O) continue;
            bool kept[4];
            mask.keeps<VECTOR>(kept, pixel * O + column);
            for (int e = 0; e < 4; e++) {
                REAL active = out[k].x[e] > 0 ? g[k].x[e] : REAL(0);
                db[k].x[e] += active;
                out[k].x[e] = kept[e] ? active * scale : REAL(0);
            }
            put(dz + pixel * O + column, out[k], O - column);
        }
    }
    for (int c = 0; c < GROUP; c++) shared[threadIdx.x][c] = db[c / 4].x[c % 4];
    __syncthreads();
    // A channel's lines, sixteen by sixteen, then what these give
    int outputs = across * GROUP, output = threadIdx.x % outputs, share = threadIdx.x / outputs;
    REAL sum = 0;
    for (int l = share * 16; l < share * 16 + 16; l++) sum += shared[l * across + output / GROUP][output % GROUP];
    shared[threadIdx.x][GROUP] = sum;
    __syncthreads();
    int c = blockIdx.y * outputs + output;
    if (share > 0 || c >= O) return;
    for (int i = 1; i < 256 / outputs; i++) sum += shared[i * outputs + output][GROUP];
    parts[(int64)blockIdx.x * O + c] = sum;
}

// dx = dz correlated with the flipped kernel (eq. 34, 41, 43-44), of which `weight` (KH, KW, O, CA+CB) has the channels
// swapped already; part blockIdx.z of the sum, into da (gridDim.z, N, H, W, CA) and db
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_backward_input(
    const REAL* dz, const REAL* weight, REAL* da, REAL* db, int N, int H, int W, int CA, int CB, int O, int KH, int KW)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {dz, dz, O, 0, N, H, W, H, W, KH, KW, 1, KH / 2, KW / 2}, {weight, CA + CB, KH * KW - 1, -KW, -1},
             blockIdx.z, gridDim.z, Apart{da, db, CA, CB, N, H, W});
}

// dw = x under the kernel times dz (eq. 36, 47); part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_backward_weight(
    const REAL* dz, const REAL* a, const REAL* b, REAL* dweight, int N, int H, int W, int CA, int CB, int O, int KH, int KW)
{
    SHARED_MEMORY(Shared, shared);
    weight_gradient(shared, {a, b, CA, CB, N, H, W, H, W, KH, KW, 1, (KH - 1) / 2, (KW - 1) / 2}, dz, O, blockIdx.z,
                    gridDim.z, Plain{dweight + (int64)blockIdx.z * KH * KW * (CA + CB) * O, O});
}
