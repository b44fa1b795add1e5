// Counts for the measures of metrics.py.
#include "_common.cuh"

// How many pixels of a block's share have their largest probability at their label; the lowest class wins a tie.
// grid: number of parts; block 256
extern "C" __global__ void count_right(const REAL* p, const unsigned char* labels, double* parts, int64 pixels, int K)
{
    __shared__ double shared[256];
    double right = 0;
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        int best = 0;
        for (int k = 1; k < K; k++)
            if (p[t * K + k] > p[t * K + best]) best = k;
        right += best == labels[t];
    }
    right = block_sum(right, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = right;
}
