// What the kernels share. REAL is float; -DREAL=double is for gradient checks.
#pragma once

typedef long long int64;
typedef unsigned long long uint64;

// This thread's number in a grid of one dimension.
__device__ inline int64 thread_number()
{
    return blockIdx.x * (int64)blockDim.x + threadIdx.x;
}

// Return the sum of `value` over the block, to every thread. The number of threads is a power of two and `shared` has
// one element for each. The tree is fixed, so that reruns are bit-equal.
template <class T>
__device__ T block_sum(T value, T* shared)
{
    __syncthreads();                                        // whoever still reads an earlier sum
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[0];
}

// Sum value(pixel, c) over a part of the pixels for 32 channels at once; the block's 8 lines are added in their order.
// grid ceil(C / 32), number of parts; block 256; parts (number of parts, C)
template <class T, class Value>
__device__ void column_sums(T (*shared)[32], T* parts, int64 pixels, int C, const Value& value)
{
    int channel = threadIdx.x % 32, line = threadIdx.x / 32, c = blockIdx.x * 32 + channel;
    int64 end = pixels * (blockIdx.y + 1) / gridDim.y;
    T sum = 0;
    if (c < C)
        for (int64 pixel = pixels * blockIdx.y / gridDim.y + line; pixel < end; pixel += 8) sum += value(pixel, c);
    shared[line][channel] = sum;
    __syncthreads();
    if (line > 0 || c >= C) return;
    for (int i = 1; i < 8; i++) sum += shared[i][channel];
    parts[(int64)blockIdx.y * C + c] = sum;
}
