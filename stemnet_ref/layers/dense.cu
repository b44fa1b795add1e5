// Fully connected layer, a 1 x 1 convolution of N pixels; equations, names and order of dense.py. Its dbias is that of
// bias.cu (eq. 35, 48-49). The grids are those of GemmConfig in gemm.py.
#include "windows.cuh"

struct AddBias {
    enum { FOURS = Plain::FOURS };
    const REAL* bias;
    Plain plain;
    __device__ void operator()(int n, int m, const Four& sum) const
    {
        Four z = load(bias + m, plain.COLUMNS - m);
        for (int e = 0; e < 4; e++) z.x[e] += sum.x[e];
        plain(n, m, z);
    }
};

__device__ inline Windows examples(const REAL* x, int N, int D) { return {x, x, D, 0, 1, 1, N, 1, N, 1, 1, 1, 0, 0}; }

// y = x w + b (eq. 30, 42)
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) dense_forward(
    const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int N, int D, int M)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, examples(x, N, D), {weight, M, 0, 1, 1}, 0, 1, AddBias{bias, {y, M}});
}

// dx = dy w^T (eq. 34, 41, 43-44), of which `weight` (M, D) is transposed already; part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) dense_backward_input(
    const REAL* dy, const REAL* weight, REAL* dx, int N, int D, int M)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, examples(dy, N, M), {weight, D, 0, 1, 1}, blockIdx.z, gridDim.z,
             Plain{dx + (int64)blockIdx.z * N * D, D});
}

// dw = x^T dy (eq. 36, 45-47); part blockIdx.z of the sum
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) dense_backward_weight(
    const REAL* dy, const REAL* x, REAL* dweight, int N, int D, int M)
{
    SHARED_MEMORY(Shared, shared);
    weight_gradient(shared, examples(x, N, D), dy, M, blockIdx.z, gridDim.z, Plain{dweight + (int64)blockIdx.z * D * M, M});
}
