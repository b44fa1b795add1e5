// Counts for the measures of metrics.py.
#include "common.cuh"

// TP, FP, TN, FN of a block's share of the pixels; predicted is the class of the largest probability, of equals the
// lowest, and class 0 is background.
// grid: number of parts; block 256; parts (number of parts, 4)
extern "C" __global__ void outcomes(const REAL* p, const unsigned char* labels, double* parts, int64 pixels, int K)
{
    __shared__ double shared[256];
    double counts[4] = {};
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        bool cell = false;
        REAL largest = p[t * K];
        for (int k = 1; k < K; k++)
            if (p[t * K + k] > largest) {
                largest = p[t * K + k];
                cell = true;
            }
        bool truth = labels[t] > 0;
        counts[0] += cell && truth;
        counts[1] += cell && !truth;
        counts[2] += !cell && !truth;
        counts[3] += !cell && truth;
    }
    for (int i = 0; i < 4; i++) {
        double sum = block_sum(counts[i], shared);
        if (threadIdx.x == 0) parts[4 * blockIdx.x + i] = sum;
    }
}
