// Transposed convolution, bias and ReLU; equations, names and order of conv_transpose_block.py.
#include "_phases.cuh"

struct ActivePhase {
    const REAL* bias;
    REAL* y;
    Phase phase;
    int HO, WO, O;
    __device__ void operator()(int row, int o, const REAL (&sum)[EACH], int count) const
    {
        REAL* out = y + phase.pixel(row, HO, WO) * O + o;
        FOR_EACH_SUM(j, count) {
            REAL z = sum[j] + bias[o + j];
            out[j] = z <= 0 ? REAL(0) : z;                  // NaN stays NaN
        }
    }
};

// y = relu(transposed convolution + b); one phase for each blockIdx.z
// grid ceil(N*ceil(HO/s)*ceil(WO/s) / 64), ceil(O / 64), s*s; block 256
extern "C" __global__ void conv_transpose_block_forward(const REAL* x, const REAL* weight, const REAL* bias, REAL* y,
                                                        int N, int H, int W, int C, int O, int KH, int KW, int stride,
                                                        int HO, int WO, int top, int left)
{
    __shared__ Tiles tiles;
    Phase phase(H, W, C, KH, KW, stride, HO, WO, top, left, blockIdx.z);
    product(tiles, N * phase.ROWS * phase.COLUMNS, O, 0, phase.taps() * C, PhaseRows{x, phase},
            PhaseFilters{weight, phase, O}, ActivePhase{bias, y, phase, HO, WO, O});
}
