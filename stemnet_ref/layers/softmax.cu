// Softmax over the last axis; equations, names and order of softmax.py. One thread for each row of K values; block 256.
#include "common.cuh"

// p_j = e^(z_j - max z) / sum over k of e^(z_k - max z) (eq. 8)
extern "C" __global__ void softmax_forward(const REAL* z, REAL* p, int64 rows, int K)
{
    int64 t = thread_number();
    if (t >= rows) return;
    z += t * K;
    p += t * K;
    REAL largest = z[0], total = 0;
    for (int k = 1; k < K; k++) largest = z[k] > largest ? z[k] : largest;
    for (int k = 0; k < K; k++) total += exp(z[k] - largest);
    for (int k = 0; k < K; k++) p[k] = exp(z[k] - largest) / total;
}

// dz_j = p_j (dp_j - sum over k of dp_k p_k) (eq. 38)
extern "C" __global__ void softmax_backward(const REAL* dp, const REAL* p, REAL* dz, int64 rows, int K)
{
    int64 t = thread_number();
    if (t >= rows) return;
    dp += t * K;
    p += t * K;
    dz += t * K;
    REAL sum = 0;
    for (int k = 0; k < K; k++) sum += dp[k] * p[k];
    for (int k = 0; k < K; k++) dz[k] = p[k] * (dp[k] - sum);
}
