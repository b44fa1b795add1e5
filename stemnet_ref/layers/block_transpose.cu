// The block with a transposed convolution of a 2 x 2 kernel: this, bias and ReLU; equations of block.py. The kernel's
// elements do not overlap in y, so that the transposed convolution is a matrix product, which has four times O columns.
#include "windows.cuh"

// y[n, 2i+a, 2j+b, o] = relu(sum + bias[o]) for row (n*H + i)*W + j of the product, and column (2a + b)*O + o
struct Enlarged {
    enum { FOURS = 1 };
    const REAL* bias;
    REAL* y;
    int W, O;
    __device__ REAL* at(int row, int column) const
    {
        int a = column / (2 * O), rest = column % (2 * O);  // of b and o
        return y + ((int64)(row / W * 2 + a) * W + row % W) * 2 * O + rest;
    }
    __device__ void operator()(int row, int column, const Four& sum) const
    {
        Four z = sum;
        for (int e = 0; e < 4 && column + e < 4 * O; e++) {
            z.x[e] += bias[(column + e) % O];
            z.x[e] = z.x[e] <= 0 ? REAL(0) : z.x[e];        // NaN stays NaN
            if (!VECTOR) *at(row, column + e) = z.x[e];
        }
        if (VECTOR) put(at(row, column), z, 4);
    }
};

// y = relu(transposed convolution + b), y (N, 2H, 2W, O) and `weight` as (C, 4*O); grid that of GemmConfig in gemm.py
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) block_transpose_forward(
    const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int N, int H, int W, int C, int O)
{
    SHARED_MEMORY(Shared, shared);
    convolve(shared, {x, x, C, 0, N, H, W, H, W, 1, 1, 1, 0, 0}, {weight, 4 * O, 0, 1, 1}, 0, 1, Enlarged{bias, y, W, O});
}
