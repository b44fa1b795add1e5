// The random bits of dropout.py, from the same counters.
#pragma once

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

// The mask of one layer in one step; an element is kept where its 16-bit number is below `threshold`.
struct Mask {
    int threshold;                                          // 65536 keeps all
    uint64 seed, step, layer;

    // Four words for elements 16*block ... 16*block+15
    __device__ void draw(uint64 word[4], int64 block) const
    {
        word[0] = (uint64)block + 1;
        word[1] = step;
        word[2] = word[3] = 0;
        philox(word, seed, layer);
    }
    // The word for elements 4*four ... 4*four+3
    __device__ uint64 word(int64 four) const
    {
        uint64 words[4];
        draw(words, four / 4);
        return four % 4 == 0 ? words[0] : four % 4 == 1 ? words[1] : four % 4 == 2 ? words[2] : words[3];
    }
    __device__ bool keeps(uint64 word, int place) const { return (int)(word >> 16 * place & 0xffff) < threshold; }
};
