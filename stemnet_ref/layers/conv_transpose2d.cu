// Transposed convolution; equations, names and order of conv_transpose2d.py.
#include "_product.cuh"

// Outputs (Y, X) whose places modulo the stride are (py, px), row = (n, I, J) with Y = S*I + py, X = S*J + px. Of the
// kernel they see every S-th element, k = (ta, tb, c) with a = ra + S*ta, so that no product with 0 is taken.
struct Phase {
    int H, W, C, KH, KW, S, TOP, LEFT, ROWS, COLUMNS, TAPS;     // ROWS, COLUMNS of I and J; TAPS of tb
    int py, px, ra, rb;

    __device__ Phase(int H, int W, int C, int KH, int KW, int S, int HO, int WO, int TOP, int LEFT, int phase)
        : H(H), W(W), C(C), KH(KH), KW(KW), S(S), TOP(TOP), LEFT(LEFT), py(phase / S), px(phase % S)
    {
        ROWS = (HO - py + S - 1) / S;
        COLUMNS = (WO - px + S - 1) / S;
        ra = (py + TOP) % S;
        rb = (px + LEFT) % S;
        TAPS = (KW - rb + S - 1) / S;
    }
    __device__ int taps() const { return (KH - ra + S - 1) / S * TAPS; }
    __device__ int a(int tap) const { return ra + S * (tap / TAPS); }
    __device__ int b(int tap) const { return rb + S * (tap % TAPS); }
};

struct PhaseRows {
    const REAL* x;
    Phase phase;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int row, int k) const
    {
        const Phase& f = phase;
        int J = row % f.COLUMNS, I = row / f.COLUMNS % f.ROWS, n = row / f.COLUMNS / f.ROWS;
        int c = k % f.C, tap = k / f.C;
        int i = (f.S * I + f.py + f.TOP - f.a(tap)) / f.S, j = (f.S * J + f.px + f.LEFT - f.b(tap)) / f.S;    // exact
        bool inside = f.S * I + f.py + f.TOP >= f.a(tap) && f.S * J + f.px + f.LEFT >= f.b(tap) && i < f.H && j < f.W;
        return inside ? x[(((int64)n * f.H + i) * f.W + j) * f.C + c] : REAL(0);
    }
};

struct PhaseFilters {
    const REAL* weight;
    Phase phase;
    int O;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int o, int k) const
    {
        int c = k % phase.C, tap = k / phase.C;
        return weight[(((int64)phase.a(tap) * phase.KW + phase.b(tap)) * O + o) * phase.C + c];
    }
};

struct PhaseStore {
    REAL* y;
    Phase phase;
    int HO, WO, O;
    __device__ void operator()(int row, int o, REAL sum) const
    {
        int J = row % phase.COLUMNS, I = row / phase.COLUMNS % phase.ROWS, n = row / phase.COLUMNS / phase.ROWS;
        y[(((int64)n * HO + phase.S * I + phase.py) * WO + phase.S * J + phase.px) * O + o] = sum;
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
    PixelRows pixels = {{dy, HO, WO, O, H, W, KW, stride, top, left}};
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
    PlaceRows places = {{dy, HO, WO, O, H, W, KW, stride, top, left}};
    Matrix<false> inputs = {x, C};
    int pixels = N * H * W, rows = KH * KW * O;
    product(tiles, rows, C, share(pixels, blockIdx.z, gridDim.z), share(pixels, blockIdx.z + 1, gridDim.z), places,
            inputs, Plain{parts + (int64)blockIdx.z * rows * C, C});
}
