// What a GPU can do at most: the benchmark's yardsticks. One thread for each element; block 256.
#include "common.cuh"

// b = a, four numbers at a time
extern "C" __global__ void ceiling_copy(const float* a, float* b, int64 fours)
{
    int64 t = thread_number();
    if (t < fours) ((float4*)b)[t] = ((const float4*)a)[t];
}

// Eight chains of multiplications with addition that do not wait for each other
extern "C" __global__ void ceiling_fma(float* out, int rounds, float factor)
{
    int64 t = thread_number();
    float sum[8] = {};
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < 8; i++) sum[i] = sum[i] * factor + 1;
    float all = 0;
    for (int i = 0; i < 8; i++) all += sum[i];
    out[t] = all;
}
