// Dice cost; equations, names and order of dice.py.
#include "common.cuh"

// Sums over a block's share of the pixels and the classes 1 to K-1: sum of p y, and sum of p + y, in double; a label that
// is no class makes them NaN. grid: number of parts; block 256; parts (number of parts, 2)
extern "C" __global__ void dice_sets(const REAL* p, const unsigned char* labels, double* parts, int64 pixels, int K)
{
    __shared__ double shared[256];
    double overlap = 0, total = 0;
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        int label = labels[t];
        for (int k = 1; k < K; k++) total += p[t * K + k];
        if (label > 0 && label < K) {
            overlap += p[t * K + label];
            total += 1;
        }
        if (label >= K) total = nan("");
    }
    overlap = block_sum(overlap, shared);
    total = block_sum(total, shared);
    if (threadIdx.x == 0) {
        parts[2 * blockIdx.x] = overlap;
        parts[2 * blockIdx.x + 1] = total;
    }
}

// C = 1 - DC (eq. 7), DC = 2 |p and y| / (|p| + |y|) (eq. 6), C = 0 for two empty sets; sets = (|p and y|,
// |p| + |y|). One thread
extern "C" __global__ void dice_forward(const double* sets, double* cost)
{
    cost[0] = sets[1] == 0 ? 0 : 1 - 2 * sets[0] / sets[1];
}

// dp = (DC - 2 y) / (|p| + |y|) for the cell classes, 0 for class 0; one thread for each element, block 256
extern "C" __global__ void dice_backward(const unsigned char* labels, const double* sets, REAL* dp, int K, int64 elements)
{
    int64 t = thread_number();
    if (t >= elements) return;
    int k = t % K;
    double truth = labels[t / K] == k;
    dp[t] = k == 0 || sets[1] == 0 ? REAL(0) : REAL((2 * sets[0] / sets[1] - 2 * truth) / sets[1]);
}
