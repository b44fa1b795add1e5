// Softmax and weighted cross-entropy; equations, names and order of weighted_cross_entropy.py.
#include "_common.cuh"

// Probabilities, and -w[y] ln p[y] summed over a block's share of the pixels, in double; a label that is no class makes
// the cost NaN. grid: number of parts; block 256
extern "C" __global__ void weighted_cross_entropy_forward(const REAL* logits, const unsigned char* labels,
                                                          const REAL* class_weights, REAL* p, double* parts,
                                                          int64 pixels, int K)
{
    __shared__ double shared[256];
    double cost = 0;
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        const REAL* z = logits + t * K;
        REAL most = z[0], total = 0;
        for (int k = 1; k < K; k++) most = z[k] > most ? z[k] : most;
        for (int k = 0; k < K; k++) total += exp(z[k] - most);
        for (int k = 0; k < K; k++) p[t * K + k] = exp(z[k] - most) / total;
        int label = labels[t];
        if (label < K) cost -= class_weights[label] * (z[label] - most - log(total));
        else cost = nan("");
    }
    cost = block_sum(cost, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = cost;
}

// dz_k = w[y] / n * (p_k - [k = y]), one thread for each pixel; grid ceil(pixels / 256), block 256
extern "C" __global__ void weighted_cross_entropy_backward(const REAL* p, const unsigned char* labels,
                                                           const REAL* class_weights, REAL* dlogits, int64 pixels, int K)
{
    int64 t = thread_number();
    if (t >= pixels) return;
    int label = labels[t];
    REAL factor = label < K ? class_weights[label] / REAL(pixels) : REAL(nan(""));
    for (int k = 0; k < K; k++) dlogits[t * K + k] = (p[t * K + k] - REAL(k == label)) * factor;
}
