// The block with a transposed convolution: this, bias and ReLU; equations of block.py.
#include "phases.cuh"

struct ActivePhase {
    const REAL* bias;
    REAL* y;
    Phase phase;
    int O;
    __device__ void operator()(int row, int o, const Four& sum) const
    {
        Four z = load(bias + o, O - o);
        for (int e = 0; e < 4; e++) {
            z.x[e] += sum.x[e];
            z.x[e] = z.x[e] <= 0 ? REAL(0) : z.x[e];        // NaN stays NaN
        }
        put(y + phase.pixel(row) * O + o, z, O - o);
    }
};

// y = relu(transposed convolution + b), arguments and grid those of conv_transpose2d_forward
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_transpose_forward(
    const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int N, int H, int W, int C, int O, int KH, int KW,
    int stride, int HO, int WO, int top, int left)
{
    SHARED_MEMORY(Shared, shared);
    Phase phase(KH, KW, stride, HO, WO, top, left, blockIdx.z);
    convolve(shared, phase.windows(x, C, N, H, W), phase.filters(weight, O), 0, 1, ActivePhase{bias, y, phase, O});
}
