// What has no word in C++: one function for each instruction. The tests have their own, for a CPU.
#pragma once

#include "common.cuh"

#ifdef __CUDACC__

// A block's own TYPE, in shared memory. The host gives a block SHARED_BYTES of it when it starts a kernel.
#define SHARED_MEMORY(TYPE, name) \
    extern __shared__ float4 memory_of_block[]; \
    static_assert(sizeof(TYPE) <= SHARED_BYTES, "gemm.py gives as much as this needs"); \
    TYPE& name = *(TYPE*)memory_of_block

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

// d += a * b for a (16, 8), b (8, 8) and d (16, 8) that the 32 threads of a warp hold together. With g = thread / 4 and
// m = thread % 4 of the warp, a thread has a[g + 8*(e%2), m + 4*(e/2)], b[m + 4*e, g] and d[g + 8*(e/2), 2*m + e%2].
__device__ inline void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
          "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// a = a tile (16, 8) of shared memory as `multiply_add` takes it (ldmatrix); thread t of the warp points to the elements 4*(t/16) ...
// of row t % 16, at a multiple of 16 bytes.
__device__ inline void load_tile(float (&a)[4], const float* row)
{
    unsigned x[4];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"((unsigned)__cvta_generic_to_shared(row)) : "memory");
    #pragma unroll
    for (int e = 0; e < 4; e++) a[e] = __uint_as_float(x[e]);
}

// Let tensor cores that read shared memory by themselves see what this thread has written, after the next barrier.
__device__ inline void publish()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Let the compiler move no reading or writing of these numbers from one side of this to the other.
template <int COUNT>
__device__ inline void keep_registers(float (&x)[COUNT])
{
    #pragma unroll
    for (int e = 0; e < COUNT; e++) asm volatile("" : "+f"(x[e]) :: "memory");
}

// Products of a group of 128 threads, wgmma, which go on while the threads do: from `begin_products` to
// `wait_for_products` nobody may touch the sums d and the factors a, or write what is multiplied.
template <int NUMBER>
__device__ inline void begin_products(float (&a)[NUMBER][4])
{
    #pragma unroll
    for (int i = 0; i < NUMBER; i++) keep_registers(a[i]);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ inline void close_products()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int COUNT, int STEPS, int NUMBER>
__device__ inline void wait_for_products(float (&d)[COUNT], float (&a)[STEPS][NUMBER][4])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    keep_registers(d);
    #pragma unroll
    for (int i = 0; i < STEPS * NUMBER; i++) keep_registers(a[i / NUMBER][i % NUMBER]);
}

// The matrix descriptor of b (8, COLUMNS), which lies in shared memory as [k / 4][column][k % 4]. ACROSS is the distance from k
// to k + 4, the leading dimension's offset, and DOWN that from a column to the eighth after it, the stride dimension's
// offset, both in units of 16 bytes.
template <int ACROSS, int DOWN>
__device__ inline uint64 matrix_at(const float* p)
{
    return (__cvta_generic_to_shared(p) & 0x3ffff) >> 4 | (uint64)ACROSS << 16 | (uint64)DOWN << 32;
}

#define EIGHT(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
                 "+f"(d[i + 7])
#define FACTORS "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])), \
                "l"(b), "r"(keep)
#define START(n, sums, factors, b, keep) \
    "{ .reg .pred p; setp.ne.b32 p, " keep ", 0; wgmma.mma_async.sync.aligned.m64n" n "k8.f32.tf32.tf32 {" sums "}, {" factors "}, " \
    b ", p, 1, 1; }"

__device__ inline void start_product(float (&d)[8], const float (&a)[4], uint64 b, int keep)
{
    asm volatile(START("16", "%0, %1, %2, %3, %4, %5, %6, %7",
                       "%8, %9, %10, %11", "%12", "%13")
        : EIGHT(0) : FACTORS);
}
__device__ inline void start_product(float (&d)[16], const float (&a)[4], uint64 b, int keep)
{
    asm volatile(START("32", "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15",
                       "%16, %17, %18, %19", "%20", "%21")
        : EIGHT(0), EIGHT(8) : FACTORS);
}
__device__ inline void start_product(float (&d)[32], const float (&a)[4], uint64 b, int keep)
{
    asm volatile(START("64", "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, "
                       "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31",
                       "%32, %33, %34, %35", "%36", "%37")
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24) : FACTORS);
}
__device__ inline void start_product(float (&d)[40], const float (&a)[4], uint64 b, int keep)
{
    asm volatile(START("80", "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, "
                       "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39",
                       "%40, %41, %42, %43", "%44", "%45")
        : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32) : FACTORS);
}

// Start d += a * b, or d = a * b unless `keep`, for a (64, 8), b (8, COLUMNS) and d (64, COLUMNS); b is a matrix of shared
// memory. With w = thread / 32 % 4, g = thread / 4 % 8 and m = thread % 4, a thread has a[16*w + g + 8*(e%2), m + 4*(e/2)] and
// d[16*w + g + 8*(e/2%2), 8*(e/4) + 2*m + e%2].
#undef EIGHT
#undef FACTORS
#undef START
template <int COLUMNS, int ACROSS, int DOWN>
__device__ inline void multiply_group(float (&d)[COLUMNS / 2], const float (&a)[4], const float* b, bool keep)
{
    start_product(d, a, matrix_at<ACROSS, DOWN>(b), keep);
}

#endif

__device__ inline void stop() { asm volatile("trap;"); }

// Return x, of which the compiler does not know that it is the same.
__device__ inline int anew(int x)
{
    asm volatile("" : "+r"(x));
    return x;
}

#endif

// x rounded to 11 significant bits, ties away from 0; tensor cores take no more. x - high_part(x) is at most 2^12 units of
// x's last bit. NaN and infinity may become something else, of which the difference is NaN.
__device__ inline float high_part(float x)
{
    return __uint_as_float((__float_as_uint(x) + 0x1000) & ~0x1fffu);
}

// The same, where NaN and infinity stay what they are.
__device__ inline float round_to_tf32(float x)
{
    return (__float_as_uint(x) & 0x7f800000) == 0x7f800000 ? x : high_part(x);
}

// Copy COUNT elements so.
template <int COUNT>
__device__ inline void copy(REAL* shared, const REAL* global, bool inside)
{
    const int BYTES = COUNT * sizeof(REAL), AT_ONCE = BYTES < 16 ? BYTES : 16;
    #pragma unroll
    for (int i = 0; i < BYTES; i += AT_ONCE) copy_async<AT_ONCE>((char*)shared + i, (const char*)global + i, inside);
}
