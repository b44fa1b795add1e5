// Transposed convolution; equations, names and order of conv_transpose2d.py. The grids are those of GemmConfig in gemm.py.
#include "phases.cuh"

struct PhaseStore {
    enum { FOURS = 1 };
    REAL* y;
    Phase phase;
    int O;
    __device__ void operator()(int row, int o, const Four& sum) const { put(y + phase.pixel(row) * O + o, sum, O - o); }
};

// y[n, s*i+a-top, s*j+b-left, o] += x[n,i,j,c] * w[a,b,o,c]; `weight` (KH, KW, C, O) has the channels swapped already;
// one of s*s phases for each blockIdx.z
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_transpose2d_forward(
    const REAL* x, const REAL* weight, REAL* y, int N, int H, int W, int C, int O, int KH, int KW, int stride, int HO, int WO,
    int top, int left)
{
    SHARED_MEMORY(Shared, shared);
    Phase phase(KH, KW, stride, HO, WO, top, left, blockIdx.z);
    convolve(shared, phase.windows(x, C, N, H, W), phase.filters(weight, O), 0, 1, PhaseStore{y, phase, O});
}

// dx[n,i,j,c] = sum over a,b,o of dy[n, s*i+a-top, s*j+b-left, o] * w[a,b,o,c] (eq. 34, 41, 43-44): a convolution with
// stride s; part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_transpose2d_backward_input(
    const REAL* dy, const REAL* weight, REAL* dx, int N, int H, int W, int C, int O, int KH, int KW, int stride, int HO,
    int WO, int top, int left)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {dy, dy, O, 0, N, HO, WO, H, W, KH, KW, stride, top, left}, {weight, C, 0, KW, 1}, blockIdx.z,
             gridDim.z, Plain{dx + (int64)blockIdx.z * N * H * W * C, C});
}

// dw[a,b,o,c] = sum over n,i,j of dy[n, s*i+a-top, s*j+b-left, o] * x[n,i,j,c] (eq. 36, 47); part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv_transpose2d_backward_weight(
    const REAL* dy, const REAL* x, REAL* dweight, int N, int H, int W, int C, int O, int KH, int KW, int stride, int HO,
    int WO, int top, int left)
{
    SHARED_MEMORY(Shared, shared);
    weight_gradient(shared, {dy, dy, O, 0, N, HO, WO, H, W, KH, KW, stride, top, left}, x, C, blockIdx.z, gridDim.z,
                    Plain{dweight + (int64)blockIdx.z * KH * KW * O * C, C});
}
