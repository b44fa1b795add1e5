// Bias; equations, names and order of bias.py.
#include "common.cuh"

// y = x + b (eq. 30, the term b), one thread for each element; grid ceil(elements / 256), block 256
extern "C" __global__ void bias_forward(const REAL* x, const REAL* b, REAL* y, int C, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) y[t] = x[t] + b[t % C];
}

struct Gradients {
    const REAL* dy;
    int C;
    __device__ REAL operator()(int64 pixel, int c) const { return dy[pixel * C + c]; }
};

// db[c] = sum over pixels of dy[pixel, c] (eq. 35, 49), in parts; grid ceil(C / 32), number of parts; block 256
extern "C" __global__ void bias_backward(const REAL* dy, REAL* parts, int64 pixels, int C)
{
    __shared__ REAL shared[256];
    column_sums(shared, parts, pixels, C, Gradients{dy, C});
}
