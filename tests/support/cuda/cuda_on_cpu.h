// Gives CUDA's words a meaning on a CPU, so that the text which a GPU runs can be run by g++ in a test.
//
// Every kernel is compiled with this, some hundred times, so it includes little. What runs the threads is compiled once:
// emulator.cpp.
#pragma once

#include <stdint.h>
#include <string.h>

#define __global__ inline                                  // what nobody starts is not compiled
#define __device__
#define __host__
#define __restrict__ __restrict
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))

struct dim3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

// What kernels use of <math.h>, which takes longer to read than a kernel to compile; as in CUDA, float stays float
extern "C" {
    double exp(double);
    double fabs(double);
    double floor(double);
    double log(double);
    double nan(const char*);
    double sqrt(double);
    float floorf(float);
}
inline float exp(float x) { return __builtin_expf(x); }
inline float fabs(float x) { return __builtin_fabsf(x); }
inline float floor(float x) { return __builtin_floorf(x); }
inline float log(float x) { return __builtin_logf(x); }
inline float sqrt(float x) { return __builtin_sqrtf(x); }

namespace emulator {

extern dim3 thread_index, block_index, block_size, grid_size;

void wait_for_block();
void wait_for_warp();
void copy_later(void* to, const void* from, int bytes);     // from nullptr: zeros
void close_group();
void finish_copies(int later);                              // of all groups but the `later` last ones

// Run kernel(arguments) in all threads of all blocks; return 0 or a key of RESULTS. The kernels' shared memory
// lies from `shared` to `shared_end`; where `flush`, the smallest numbers are 0.
int run(const unsigned* grid, unsigned threads, uint64_t seed, void (*kernel)(void**), void** arguments, bool flush,
        char* shared, char* shared_end);

}  // namespace emulator

#define threadIdx emulator::thread_index
#define blockIdx emulator::block_index
#define blockDim emulator::block_size
#define gridDim emulator::grid_size

inline void __syncthreads() { emulator::wait_for_block(); }
inline void __syncwarp() { emulator::wait_for_warp(); }

// The functions of ptx.cuh
template <int BYTES>
void copy_async(void* shared, const void* global, bool inside)
{
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "what the instruction can copy");
    if ((uintptr_t)shared % BYTES || (inside && (uintptr_t)global % BYTES)) __builtin_trap();
    emulator::copy_later(shared, inside ? global : nullptr, BYTES);
}

inline void group_copies() { emulator::close_group(); }

template <int LATER>
void wait_for_copies() { emulator::finish_copies(LATER); }

inline uint32_t __float_as_uint(float x)
{
    uint32_t out;
    memcpy(&out, &x, 4);
    return out;
}

inline float __uint_as_float(uint32_t x)
{
    float out;
    memcpy(&out, &x, 4);
    return out;
}

#define SHARED_MEMORY(TYPE, name) \
    static_assert(sizeof(TYPE) <= SHARED_BYTES, "gemm.py gives as much as this needs"); \
    __shared__ TYPE name

void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2]);
void load_tile(float (&a)[4], const float* row);

// The products of a group are made when they are waited for, so that whoever changes an operand too early is noticed.
namespace emulator {
struct Product { float* d; const float *a, *b; int columns, across, down; bool keep; };
void publish();
void begin_products(const float* factors, int number);      // each of four numbers
void close_products();
void multiply_later(const Product& product);
void finish_products();
}

inline void publish() { emulator::publish(); }
template <int NUMBER>
void begin_products(float (&a)[NUMBER][4]) { emulator::begin_products(a[0], NUMBER); }
inline void close_products() { emulator::close_products(); }
template <int COUNT, int STEPS, int NUMBER>
void wait_for_products(float (&)[COUNT], float (&)[STEPS][NUMBER][4]) { emulator::finish_products(); }

template <int COLUMNS, int ACROSS, int DOWN>
void multiply_group(float (&d)[COLUMNS / 2], const float (&a)[4], const float* b, bool keep)
{
    if ((uintptr_t)b % 16) __builtin_trap();
    emulator::multiply_later({d, a, b, COLUMNS, ACROSS, DOWN, keep});
}

inline void stop() { __builtin_trap(); }
inline int anew(int x) { return x; }

extern "C" char __start_cuda_shared __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cuda_shared __attribute__((weak, visibility("hidden")));
