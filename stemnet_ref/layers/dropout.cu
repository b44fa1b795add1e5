// Dropout; equations, names and order of dropout.py: the same masks from the same counters.
#include "_common.cuh"

// Philox4x64-10: four 64-bit words from a counter and a key (Salmon et al. 2011; the constants are theirs).
__device__ inline void philox(uint64 word[4], uint64 key0, uint64 key1)
{
    for (int round = 0; round < 10; round++) {
        uint64 high0 = __umul64hi(0xD2E7470EE14C6C93ull, word[0]), low0 = 0xD2E7470EE14C6C93ull * word[0];
        uint64 high1 = __umul64hi(0xCA5A826395121157ull, word[2]), low1 = 0xCA5A826395121157ull * word[2];
        word[0] = high1 ^ word[1] ^ key0;
        word[1] = low1;
        word[2] = high0 ^ word[3] ^ key1;
        word[3] = low0;
        key0 += 0x9E3779B97F4A7C15ull;
        key1 += 0xBB67AE8584CAA73Bull;
    }
}

// One thread for each block of sixteen elements: counter (block, step, 0, 0), key (seed, layer), an element is kept where
// its 16-bit number is below `threshold`. grid ceil(elements / 16 / 256), block 256
extern "C" __global__ void dropout_draw_mask(bool* mask, int64 elements, int threshold, uint64 seed, uint64 step,
                                             uint64 layer)
{
    int64 block = thread_number();
    if (16 * block >= elements) return;
    uint64 word[4] = {(uint64)block + 1, step, 0, 0};
    philox(word, seed, layer);
    mask += 16 * block;
    elements -= 16 * block;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (4 * i + j < elements) mask[4 * i + j] = (int)(word[i] >> 16 * j & 0xffff) < threshold;
}

// y = x m / keep_prob, scale = 1 / keep_prob; one thread for each element, block 256
extern "C" __global__ void dropout_forward(const REAL* x, const bool* mask, REAL* y, REAL scale, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) y[t] = x[t] * REAL(mask[t]) * scale;
}
