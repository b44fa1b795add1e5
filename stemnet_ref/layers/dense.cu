// Fully connected layer; equations, names and order of dense.py. Its dbias is that of bias.cu.
#include "_product.cuh"

struct AddBias {
    REAL* y;
    const REAL* bias;
    int M;
    __device__ void operator()(int n, int m, const REAL (&sum)[EACH], int count) const
    {
        FOR_EACH_SUM(j, count) y[(int64)n * M + m + j] = sum[j] + bias[m + j];
    }
};

// y = x w + b; grid ceil(N / 64), ceil(M / 64); block 256
extern "C" __global__ void dense_forward(const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int N, int D, int M)
{
    __shared__ Tiles tiles;
    product(tiles, N, M, 0, D, Matrix<true>{x, D}, Matrix<false>{weight, M}, AddBias{y, bias, M});
}

// dx = dy w^T; grid ceil(N / 64), ceil(D / 64); block 256
extern "C" __global__ void dense_backward_input(const REAL* dy, const REAL* weight, REAL* dx, int N, int D, int M)
{
    __shared__ Tiles tiles;
    product(tiles, N, D, 0, M, Matrix<true>{dy, M}, Matrix<true>{weight, M}, Plain{dx, D});
}

// dw = x^T dy; grid ceil(D / 64), ceil(M / 64); block 256
extern "C" __global__ void dense_backward_weight(const REAL* dy, const REAL* x, REAL* dweight, int N, int D, int M)
{
    __shared__ Tiles tiles;
    product(tiles, D, M, 0, N, Matrix<false>{x, D}, Matrix<false>{dy, M}, Plain{dweight, M});
}
