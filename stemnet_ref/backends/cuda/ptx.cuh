// What has no word in C++: one function for each instruction. The tests have their own, for a CPU.
#pragma once

#include "common.cuh"

#ifdef __CUDACC__

// Copy BYTES (4, 8 or 16, aligned) to shared memory, or write zeros where not `inside`. The copy may be on its way until
// `wait_for_copies` on the group that it belongs to; nobody else sees it before the next barrier either.
template <int BYTES>
__device__ inline void copy_async(void* shared, const void* global, bool inside)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::
                 "r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "n"(BYTES), "r"(inside ? BYTES : 0));
#else
    struct alignas(BYTES) Words { int x[BYTES / 4]; };
    *(Words*)shared = inside ? *(const Words*)global : Words();
#endif
}

// Make a group of this thread's copies since the last one.
__device__ inline void group_copies()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Wait for this thread's groups of copies, but for the `LATER` latest ones.
template <int LATER>
__device__ inline void wait_for_copies()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" :: "n"(LATER) : "memory");
#endif
}

#if __CUDA_ARCH__ >= 800

// Return x with 10 bits after the leading one, the nearest; of two, that away from 0.
__device__ inline float round_to_tf32(float x)
{
    unsigned out;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(out) : "f"(x));
    return __uint_as_float(out);
}

// d += a * b for a (16, 8), b (8, 8) and d (16, 8) that the 32 threads of a warp hold together. With g = thread / 4 and
// m = thread % 4 of the warp, a thread has a[g + 8*(e%2), m + 4*(e/2)], b[m + 4*e, g] and d[g + 8*(e/2), 2*m + e%2].
__device__ inline void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
          "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

#endif
#endif

// Copy COUNT elements so.
template <int COUNT>
__device__ inline void copy(REAL* shared, const REAL* global, bool inside)
{
    const int BYTES = COUNT * sizeof(REAL), AT_ONCE = BYTES < 16 ? BYTES : 16;
    #pragma unroll
    for (int i = 0; i < BYTES; i += AT_ONCE) copy_async<AT_ONCE>((char*)shared + i, (const char*)global + i, inside);
}
