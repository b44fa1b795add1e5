// Sigmoid; equations, names and order of sigmoid.py. One thread for each element; block 256.
#include "common.cuh"

// y = 1 / (1 + e^-x) (eq. 2), without overflow
extern "C" __global__ void sigmoid_forward(const REAL* x, REAL* y, int64 elements)
{
    int64 t = thread_number();
    if (t >= elements) return;
    REAL e = exp(-fabs(x[t]));
    y[t] = (x[t] >= 0 ? REAL(1) : e) / (1 + e);
}

// dx = dy y (1-y) (sigma'(z) of eq. 32-34)
extern "C" __global__ void sigmoid_backward(const REAL* dy, const REAL* y, REAL* dx, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) dx[t] = dy[t] * y[t] * (1 - y[t]);
}
