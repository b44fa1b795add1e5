// Convolution, stride 1; equations, names and order of conv2d.py. The grids are those of GemmConfig in gemm.py. A long
// sum is made in gridDim.z parts, which the host adds (add_parts). In a training step block.cu does this.
#include "windows.cuh"

// y[n,i,j,o] = sum over a,b,c of x[n, i+a-top, j+b-left, c] * w[a,b,c,o] (eq. 30, 42); part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_forward(
    const REAL* x, const REAL* weight, REAL* y, int N, int H, int W, int C, int O, int KH, int KW, int HO, int WO, int top,
    int left)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {x, x, C, 0, N, H, W, HO, WO, KH, KW, 1, top, left}, {weight, O, 0, KW, 1}, blockIdx.z, gridDim.z,
             Plain{y + (int64)blockIdx.z * N * HO * WO * O, O});
}

// dx[n,i,j,c] = sum over a,b,o of dy[n, i-a+top, j-b+left, o] * w[a,b,c,o] (eq. 34, 41, 43-44), as a convolution of dy with
// the flipped kernel, of which `weight` (KH, KW, O, C) has the channels swapped already; part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_backward_input(
    const REAL* dy, const REAL* weight, REAL* dx, int N, int H, int W, int C, int O, int KH, int KW, int HO, int WO, int top,
    int left)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {dy, dy, O, 0, N, HO, WO, H, W, KH, KW, 1, KH - 1 - top, KW - 1 - left},
             {weight, C, KH * KW - 1, -KW, -1}, blockIdx.z, gridDim.z, Plain{dx + (int64)blockIdx.z * N * H * W * C, C});
}

// dw[a,b,c,o] = sum over n,i,j of x[n, i+a-top, j+b-left, c] * dy[n,i,j,o] (eq. 36, 47); part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) conv2d_backward_weight(
    const REAL* dy, const REAL* x, REAL* dweight, int N, int H, int W, int C, int O, int KH, int KW, int HO, int WO, int top,
    int left)
{
    SHARED_MEMORY(Shared, shared);
    weight_gradient(shared, {x, x, C, 0, N, H, W, HO, WO, KH, KW, 1, top, left}, dy, O, blockIdx.z, gridDim.z,
                    Plain{dweight + (int64)blockIdx.z * KH * KW * C * O, O});
}
