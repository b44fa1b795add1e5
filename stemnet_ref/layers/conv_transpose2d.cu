// Transposed convolution; equations, names and order of conv_transpose2d.py.
#include "_phases.cuh"

struct PhaseStore {
    REAL* y;
    Phase phase;
    int HO, WO, O;
    __device__ void operator()(int row, int o, const REAL (&sum)[EACH], int count) const
    {
        REAL* out = y + phase.pixel(row, HO, WO) * O + o;
        FOR_EACH_SUM(j, count) out[j] = sum[j];
    }
};

// y[n, s*i+a-top, s*j+b-left, o] += x[n,i,j,c] * w[a,b,o,c]; one phase for each blockIdx.z
// grid ceil(N*ceil(HO/s)*ceil(WO/s) / 64), ceil(O / 64), s*s; block 256
extern "C" __global__ void conv_transpose2d_forward(const REAL* x, const REAL* weight, REAL* y, int N, int H, int W,
                                                    int C, int O, int KH, int KW, int stride, int HO, int WO, int top,
                                                    int left)
{
    __shared__ Tiles tiles;
    Phase phase(H, W, C, KH, KW, stride, HO, WO, top, left, blockIdx.z);
    product(tiles, N * phase.ROWS * phase.COLUMNS, O, 0, phase.taps() * C, PhaseRows{x, phase},
            PhaseFilters{weight, phase, O}, PhaseStore{y, phase, HO, WO, O});
}

// dx[n,i,j,c] = sum over a,b,o of dy[n, s*i+a-top, s*j+b-left, o] * w[a,b,o,c]: a convolution with stride s
// grid ceil(N*H*W / 64), ceil(C / 64); block 256
extern "C" __global__ void conv_transpose2d_backward_input(const REAL* dy, const REAL* weight, REAL* dx, int N, int H,
                                                           int W, int C, int O, int KH, int KW, int stride, int HO,
                                                           int WO, int top, int left)
{
    __shared__ Tiles tiles;
    PixelRows pixels = {{dy, dy, O, HO, WO, O, H, W, KW, stride, top, left}};
    Matrix<false> filters = {weight, C};
    product(tiles, N * H * W, C, 0, KH * KW * O, pixels, filters, Plain{dx, C});
}

// dw[a,b,o,c] = sum over n,i,j of dy[n, s*i+a-top, s*j+b-left, o] * x[n,i,j,c]; one part of the pixels for each blockIdx.z
// grid ceil(KH*KW*O / 64), ceil(C / 64), number of parts; block 256
extern "C" __global__ void conv_transpose2d_backward_weight(const REAL* dy, const REAL* x, REAL* parts, int N, int H,
                                                            int W, int C, int O, int KH, int KW, int stride, int HO,
                                                            int WO, int top, int left)
{
    __shared__ Tiles tiles;
    PlaceRows places = {{dy, dy, O, HO, WO, O, H, W, KW, stride, top, left}};
    Matrix<false> inputs = {x, C};
    int pixels = N * H * W, rows = KH * KW * O;
    product(tiles, rows, C, share(pixels, blockIdx.z, gridDim.z), share(pixels, blockIdx.z + 1, gridDim.z), places,
            inputs, Plain{parts + (int64)blockIdx.z * rows * C, C});
}
