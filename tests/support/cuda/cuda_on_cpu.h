// Gives CUDA's words a meaning on a CPU, so that the text which a GPU runs can be run by g++ in a test.
//
// The threads of a block are fibres on one thread of the system. They run one after the other, in an order that is
// shuffled anew between any two barriers; shared memory and registers of a new fibre start as NaN; an access outside an
// array meets a guard page, and one outside a local or shared array a trap of the compiler (-fsanitize=bounds).
#pragma once

#include "standard.h"

#define __global__
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

namespace emulator {

enum { FINE, OUTSIDE, TRAP, BARRIER };                      // what launch returns
const size_t STACK = 64 << 10;
const unsigned WARP = 32;

struct Copy { void* to; const void* from; size_t bytes; int group; };

struct Fibre {
    ucontext_t start;
    jmp_buf place;
    bool begun, done;
    int waits;                                              // 0: runs; 1: at the block's barrier; 2: at its warp's
    float a[4], b[2];                                       // offered to the other threads of its warp
    std::vector<Copy> copies;                               // asynchronous ones, not made before they are waited for
    int groups;                                             // of copies that have been closed
};

inline dim3 thread_index, block_index, block_size, grid_size;
inline std::vector<Fibre> fibres;
inline char* stacks;
inline unsigned current;
inline jmp_buf scheduler, crash;
inline const std::function<void()>* kernel;
inline void* fault_address;
inline uint64_t random_state;

inline unsigned random_below(unsigned n)                    // xorshift: one seed, one order of threads
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

inline void wait(int kind)
{
    fibres[current].waits = kind;
    if (!_setjmp(fibres[current].place)) _longjmp(scheduler, 1);
}

inline void fibre_main()
{
    (*kernel)();
    fibres[current].done = true;
    _longjmp(scheduler, 1);
}

inline void resume(unsigned t)
{
    Fibre& fibre = fibres[t];
    current = t;
    thread_index = {t, 0, 0};
    fibre.waits = 0;
    if (_setjmp(scheduler)) return;
    if (fibre.begun) _longjmp(fibre.place, 1);
    fibre.begun = true;
    setcontext(&fibre.start);
}

inline void shuffle(std::vector<unsigned>& order)
{
    for (unsigned i = order.size(); i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
}

__attribute__((noinline)) inline void prepare(Fibre& fibre, char* stack)
{
    fibre.begun = fibre.done = false;
    fibre.copies.clear();
    fibre.groups = 0;
    memset(stack + STACK / 2, 0xff, STACK / 2);             // what is not written is NaN
    getcontext(&fibre.start);
    fibre.start.uc_stack.ss_sp = stack;
    fibre.start.uc_stack.ss_size = STACK;
    fibre.start.uc_link = nullptr;
    makecontext(&fibre.start, fibre_main, 0);
}

// Run one block; return FINE, or BARRIER where some threads ended and others wait for them.
inline int run_block(std::vector<unsigned>& order)
{
    unsigned threads = block_size.x;
    for (unsigned t = 0; t < threads; t++) prepare(fibres[t], stacks + t * STACK);
    for (;;) {
        shuffle(order);
        for (unsigned t : order) resume(t);
        for (unsigned first = 0; first < threads; first += WARP)
            for (;;) {                                      // as long as a warp waits for nobody else
                unsigned last = std::min(first + WARP, threads), waiting = 0;
                for (unsigned t = first; t < last; t++) waiting += fibres[t].waits == 2;
                if (!waiting) break;
                if (waiting < last - first) return BARRIER;
                for (unsigned i = 0, turn = random_below(WARP); i < last - first; i++) resume(first + (turn + i) % (last - first));
            }
        unsigned done = 0;
        for (unsigned t : order) done += fibres[t].done;
        if (done == threads) return FINE;
        if (done) return BARRIER;
    }
}

inline void on_signal(int number, siginfo_t* info, void*)
{
    fault_address = info->si_addr;
    siglongjmp(crash, number == SIGSEGV || number == SIGBUS ? OUTSIDE : TRAP);
}

}  // namespace emulator

#define threadIdx emulator::thread_index
#define blockIdx emulator::block_index
#define blockDim emulator::block_size
#define gridDim emulator::grid_size

inline void __syncthreads() { emulator::wait(1); }
inline void __syncwarp() { emulator::wait(2); }

// The functions of ptx.cuh
template <int BYTES>
void copy_async(void* shared, const void* global, bool inside)
{
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "what the instruction can copy");
    if ((uintptr_t)shared % BYTES || (inside && (uintptr_t)global % BYTES)) __builtin_trap();
    emulator::Fibre& fibre = emulator::fibres[emulator::current];
    fibre.copies.push_back({shared, inside ? global : nullptr, BYTES, fibre.groups});
}

inline void group_copies() { emulator::fibres[emulator::current].groups++; }

template <int LATER>
void wait_for_copies()
{
    emulator::Fibre& fibre = emulator::fibres[emulator::current];
    size_t kept = 0;
    for (const emulator::Copy& copy : fibre.copies)
        if (copy.group >= fibre.groups - LATER) fibre.copies[kept++] = copy;
        else if (copy.from) memcpy(copy.to, copy.from, copy.bytes);
        else memset(copy.to, 0, copy.bytes);
    fibre.copies.resize(kept);
}

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

inline float round_to_tf32(float x)
{
    return std::isfinite(x) ? __uint_as_float((__float_as_uint(x) + 0x1000) & ~0x1fffu) : x;
}

// The sum of the products is exact here and rounded towards 0 once; what tensor cores do is not documented, but no worse
// than truncating. They do not look at the 13 last bits of a and b.
inline void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2])
{
    using namespace emulator;
    Fibre& fibre = fibres[current];
    for (int e = 0; e < 4; e++) fibre.a[e] = __uint_as_float(__float_as_uint(a[e]) & ~0x1fffu);
    for (int e = 0; e < 2; e++) fibre.b[e] = __uint_as_float(__float_as_uint(b[e]) & ~0x1fffu);
    wait(2);
    unsigned first = current / WARP * WARP, g = current % WARP / 4, m = current % 4;
    for (int e = 0; e < 4; e++) {
        unsigned row = g + e / 2 * 8, column = 2 * m + e % 2;
        double exact = d[e];
        for (unsigned k = 0; k < 8; k++)
            exact += (double)fibres[first + row % 8 * 4 + k % 4].a[row / 8 + k / 4 * 2]
                   * fibres[first + column * 4 + k % 4].b[k / 4];
        float nearest = (float)exact;
        d[e] = std::fabs((double)nearest) > std::fabs(exact) ? std::nextafter(nearest, 0.0f) : nearest;
    }
    wait(2);                                                // before anybody offers the next
}

extern "C" char __start_cuda_shared __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cuda_shared __attribute__((weak, visibility("hidden")));

// Run all blocks of a grid, in a shuffled order; return FINE, OUTSIDE, TRAP or BARRIER.
inline int emulate(const unsigned* grid, unsigned threads, uint64_t seed, const std::function<void()>& kernel)
{
    using namespace emulator;
    if (fibres.size() < threads) {
        fibres.resize(threads);
        stacks = (char*)mmap(nullptr, threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    emulator::kernel = &kernel;
    random_state = seed * 2 + 1;
    grid_size = {grid[0], grid[1], grid[2]};
    block_size = {threads, 1, 1};
    std::vector<unsigned> order(threads), blocks(grid[0] * grid[1] * grid[2]);
    for (unsigned t = 0; t < threads; t++) order[t] = t;
    for (unsigned b = 0; b < blocks.size(); b++) blocks[b] = b;
    shuffle(blocks);

    static char signal_stack[1 << 16];
    stack_t alternate = {}, before_stack;
    alternate.ss_sp = signal_stack;
    alternate.ss_size = sizeof signal_stack;
    sigaltstack(&alternate, &before_stack);
    struct sigaction action = {}, before[4];
    const int numbers[4] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; i++) sigaction(numbers[i], &action, &before[i]);
    volatile int result = sigsetjmp(crash, 1);
    unsigned rounding = _mm_getcsr();
    if (sizeof(REAL) == 4) _mm_setcsr(rounding | 0x8040);   // the smallest numbers are 0, as CuPy compiles float
    if (result == FINE)
        for (unsigned b : blocks) {
            block_index = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
            if (&__start_cuda_shared) memset(&__start_cuda_shared, 0xff, &__stop_cuda_shared - &__start_cuda_shared);
            result = run_block(order);
            if (result != FINE) break;
        }
    _mm_setcsr(rounding);
    for (int i = 0; i < 4; i++) sigaction(numbers[i], &before[i], nullptr);
    sigaltstack(&before_stack, nullptr);
    return result;
}
