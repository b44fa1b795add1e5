// Softmax and weighted cross-entropy; equations, names and order of weighted_cross_entropy.py.
#include "common.cuh"

// w[y] + v; v is 0 unless pixels have weights of their own (`weighted`).
struct Weights {
    const REAL *class_weights, *pixel_weights;
    int weighted;
    __device__ REAL of(int label, int64 t) const { return class_weights[label] + (weighted ? pixel_weights[t] : REAL(0)); }
};

// Probabilities (eq. 8), and -(w[y] + v) ln p[y] summed over a block's share of the pixels (eq. 60; eq. 5 where w = 1),
// in double; the host adds the parts and divides by n (`factor` of sum_over). A label that is no class makes the cost
// NaN. grid: number of parts; block 256
extern "C" __global__ void weighted_cross_entropy_forward(const REAL* logits, const unsigned char* labels,
                                                          const REAL* class_weights, const REAL* pixel_weights,
                                                          int weighted, REAL* p, double* parts, int64 pixels, int K)
{
    __shared__ double shared[256];
    Weights weights = {class_weights, pixel_weights, weighted};
    double cost = 0;
    int64 end = pixels * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = pixels * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        const REAL* z = logits + t * K;
        REAL largest = z[0], total = 0;
        for (int k = 1; k < K; k++) largest = z[k] > largest ? z[k] : largest;
        for (int k = 0; k < K; k++) total += exp(z[k] - largest);
        for (int k = 0; k < K; k++) p[t * K + k] = exp(z[k] - largest) / total;
        int label = labels[t];
        if (label < K) cost -= weights.of(label, t) * (z[label] - largest - log(total));
        else cost = nan("");
    }
    cost = block_sum(cost, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = cost;
}

// dz_k = (w[y] + v) / n * (p_k - [k = y]) (eq. 38), one thread for each pixel; grid ceil(pixels / 256), block 256
extern "C" __global__ void weighted_cross_entropy_backward(const REAL* p, const unsigned char* labels,
                                                           const REAL* class_weights, const REAL* pixel_weights,
                                                           int weighted, REAL* dlogits, int64 pixels, int K)
{
    int64 t = thread_number();
    if (t >= pixels) return;
    Weights weights = {class_weights, pixel_weights, weighted};
    int label = labels[t];
    REAL factor = label < K ? weights.of(label, t) / REAL(pixels) : REAL(nan(""));
    for (int k = 0; k < K; k++) dlogits[t * K + k] = (p[t * K + k] - REAL(k == label)) * factor;
}
