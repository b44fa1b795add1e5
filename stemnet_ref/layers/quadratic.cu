// Quadratic cost; equations, names and order of quadratic.py.
#include "common.cuh"

// Sum of |y - p|^2 (eq. 3-4 of section 7.2.1) over a block's share of the pixels, in double; a label that is no class
// makes it NaN. grid: number of parts; block 256
extern "C" __global__ void quadratic_forward(const REAL* p, const unsigned char* labels, double* parts, int64 pixels,
                                             int K)
{
    __shared__ double shared[256];
    double sum = 0;
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        for (int k = 0; k < K; k++) {
            REAL error = p[t * K + k] - REAL(k == labels[t]);
            sum += error * error;
        }
        if (labels[t] >= K) sum = nan("");
    }
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// dp = (p - y) / n, one thread for each element; block 256
extern "C" __global__ void quadratic_backward(const REAL* p, const unsigned char* labels, REAL* dp, int K,
                                              int64 elements)
{
    int64 t = thread_number();
    if (t < elements) dp[t] = (p[t] - REAL(t % K == labels[t / K])) / REAL(elements / K);
}
