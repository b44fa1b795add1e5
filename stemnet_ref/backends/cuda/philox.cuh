// The random bits of dropout.py, from the same counters.
#pragma once

#include "common.cuh"

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

// The mask of one layer in one step; an element is kept where its 16-bit number is below `threshold`.
struct Mask {
    int threshold;                                          // 65536 keeps all
    uint64 seed, layer;
    const double* step;                                     // the state of the step, whose number is read for each draw
    int64 drawn = -1;                                       // the last four words are of elements 16*drawn ... 16*drawn+15
    uint64 words[4] = {};

    __device__ Mask(int threshold, uint64 seed, const double* step, uint64 layer)
        : threshold(threshold), seed(seed), layer(layer), step(step) {}

    // The word for elements 4*four ... 4*four+3
    __device__ uint64 word(int64 four)
    {
        if (four / 4 != drawn) {
            drawn = four / 4;
            words[0] = (uint64)drawn + 1;
            words[1] = (uint64)step[STEP_NUMBER];
            words[2] = words[3] = 0;
            philox(words, seed, layer);
        }
        int i = four % 4;
        return i == 0 ? words[0] : i == 1 ? words[1] : i == 2 ? words[2] : words[3];
    }
    // Whether elements t ... t+3 are kept; ALIGNED where t is a multiple of 4
    template <bool ALIGNED>
    __device__ void keeps(bool (&kept)[4], int64 t)
    {
        uint64 bits = 0;
        #pragma unroll
        for (int e = 0; e < 4; e++) {
            if (threshold < 65536 && (e == 0 || (!ALIGNED && (t + e) % 4 == 0))) bits = word((t + e) / 4);
            int place = ALIGNED ? e : (int)((t + e) % 4);
            kept[e] = threshold == 65536 || (int)(bits >> 16 * place & 0xffff) < threshold;
        }
    }
};
