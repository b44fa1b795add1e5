// What the kernels share. REAL is float; -DREAL=double is for gradient checks.
#pragma once

typedef long long int64;
typedef unsigned long long uint64;

// What `step` holds, where a kernel takes the state of a training step (step_state.py).
enum { STEP_NUMBER, STEP_RATE, STEP_CORRECTION };

// This thread's number in a grid of one dimension.
__device__ inline int64 thread_number()
{
    return blockIdx.x * (int64)blockDim.x + threadIdx.x;
}

// Return the sum of `value` over the block, to every thread; with `across` above 1, over the threads a multiple of it away.
// The number of threads and `across` are powers of two and `shared` has one element for each thread. The tree is fixed, so
// that reruns are bit-equal.
template <class T>
__device__ T block_sum(T value, T* shared, int across = 1)
{
    __syncthreads();                                        // whoever still reads an earlier sum
    shared[threadIdx.x] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= across; half /= 2) {
        if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    return shared[threadIdx.x % across];
}

// Sum value(pixel, c) over a part of the pixels, for 32 channels at once, or where there are fewer for the next power of two.
// A block's threads lie in lines of so many.
// grid ceil(C / 32), number of parts; block 256; parts (number of parts, C)
template <class T, class Value>
__device__ void column_sums(T (&shared)[256], T* parts, int64 pixels, int C, const Value& value)
{
    int width = 1;
    while (width < C && width < 32) width *= 2;
    int c = blockIdx.x * width + threadIdx.x % width, line = threadIdx.x / width;
    int64 end = pixels * (blockIdx.y + 1) / gridDim.y;
    T sum = 0;
    if (c < C)
        #pragma unroll 8                                    // so many numbers on their way
        for (int64 pixel = pixels * blockIdx.y / gridDim.y + line; pixel < end; pixel += 256 / width) sum += value(pixel, c);
    sum = block_sum(sum, shared, width);
    if (line == 0 && c < C) parts[(int64)blockIdx.y * C + c] = sum;
}
