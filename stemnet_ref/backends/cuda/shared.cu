// What several layers start; names of launch.py.
#include "common.cuh"

// out[t] = factor * sum over p of parts[p, t]: the last step of every sum that several blocks share. A block makes `across`
// elements, and 256 / across threads share one of them, each with every (256 / across)-th part. The order is fixed, so that
// reruns are bit-equal.
// grid ceil(elements / across); block 256; across a power of two
extern "C" __global__ void sum_parts(const REAL* parts, REAL* out, REAL factor, int count, int64 elements, int across)
{
    __shared__ REAL shared[256];
    int64 t = blockIdx.x * (int64)across + threadIdx.x % across;
    REAL sum = 0;
    if (t < elements)
        #pragma unroll 8                                    // so many numbers on their way
        for (int part = threadIdx.x / across; part < count; part += 256 / across) sum += parts[part * elements + t];
    sum = block_sum(sum, shared, across);
    if ((int)threadIdx.x < across && t < elements) out[t] = factor * sum;
}

// out[k, j, i] = in[k, i, j] for in (K, I, J): a kernel's channels in and out swapped
// grid ceil(J / 32), ceil(I / 32), K; block 256
extern "C" __global__ void swap_channels(const REAL* in, REAL* out, int I, int J)
{
    __shared__ REAL tile[32][33];                           // 33, so that a column lies in 32 banks
    int64 offset = (int64)blockIdx.z * I * J;
    int across = threadIdx.x % 32, down = threadIdx.x / 32, i0 = blockIdx.y * 32, j0 = blockIdx.x * 32;
    for (int r = down; r < 32; r += 8)
        if (i0 + r < I && j0 + across < J) tile[r][across] = in[offset + (int64)(i0 + r) * J + j0 + across];
    __syncthreads();
    for (int r = down; r < 32; r += 8)
        if (j0 + r < J && i0 + across < I) out[offset + (int64)(j0 + r) * I + i0 + across] = tile[across][r];
}
