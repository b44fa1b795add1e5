// What has no word in C++: one function for each instruction. The tests have their own, for a CPU.
#pragma once

#include "_common.cuh"

#ifdef __CUDACC__

// Copy BYTES (4, 8 or 16, aligned) to shared memory, or write zeros where not `inside`. The copy may be on its way until
// `wait_for_copies`; nobody else sees it before the next barrier either.
template <int BYTES>
__device__ inline void copy_async(void* shared, const void* global, bool inside)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::
                 "r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "n"(BYTES), "r"(inside ? BYTES : 0));
#else
    for (int i = 0; i < BYTES / 4; i++) ((int*)shared)[i] = inside ? ((const int*)global)[i] : 0;
#endif
}

// Wait for this thread's copies.
__device__ inline void wait_for_copies()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

#endif

// Copy COUNT elements so.
template <int COUNT>
__device__ inline void copy(REAL* shared, const REAL* global, bool inside)
{
    const int BYTES = COUNT * sizeof(REAL), AT_ONCE = BYTES < 16 ? BYTES : 16;
    #pragma unroll
    for (int i = 0; i < BYTES; i += AT_ONCE) copy_async<AT_ONCE>((char*)shared + i, (const char*)global + i, inside);
}
