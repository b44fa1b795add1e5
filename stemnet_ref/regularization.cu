// L1 and L2; equations, names and order of regularization.py.
#include "common.cuh"

// cost' = cost + l1 sum |w| + l2 sum w^2, from the sums of penalty_sums (eq. 50-52); l1 is lambda / N and l2 is
// lambda / 2N; one block of 256
extern "C" __global__ void add_penalty(double* cost, const double* parts, double l1, double l2, int count)
{
    __shared__ double shared[256];
    double term = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) term += l1 * parts[2 * i] + l2 * parts[2 * i + 1];
    term = block_sum(term, shared);
    if (threadIdx.x == 0) cost[0] += term;
}

// Sums of |w| and of w^2 over a block's share, in double; grid: number of parts; block 256; parts (number of parts, 2)
extern "C" __global__ void penalty_sums(const REAL* w, double* parts, int64 elements)
{
    __shared__ double shared[256];
    double absolute = 0, squares = 0;
    int64 end = elements * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = elements * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        absolute += fabs(w[t]);
        squares += w[t] * w[t];
    }
    absolute = block_sum(absolute, shared);
    squares = block_sum(squares, shared);
    if (threadIdx.x == 0) {
        parts[2 * blockIdx.x] = absolute;
        parts[2 * blockIdx.x + 1] = squares;
    }
}

// g' = g + l1 sign w + l2 w (eq. 53-55; L1: eq. 51); l1 and l2 are lambda / N; one thread for each element, block 256
extern "C" __global__ void add_penalty_gradients(REAL* g, const REAL* w, REAL l1, REAL l2, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) g[t] += l1 * REAL((w[t] > 0) - (w[t] < 0)) + l2 * w[t];
}
