// Rectified linear unit; equations, names and order of relu.py. One thread for each element; block 256.
#include "common.cuh"

// y = max(0, x) (eq. 37); NaN stays NaN
extern "C" __global__ void relu_forward(const REAL* x, REAL* y, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) y[t] = x[t] <= 0 ? REAL(0) : x[t];
}

// dx = dy where y > 0, else 0 (the factor sigma'(z) of eq. 33-34)
extern "C" __global__ void relu_backward(const REAL* dy, const REAL* y, REAL* dx, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) dx[t] = y[t] > 0 ? dy[t] : REAL(0);
}
