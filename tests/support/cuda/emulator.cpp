// Runs the threads of kernels that were compiled with cuda_on_cpu.h.
//
// The threads of a block are fibres on one thread of the system. They run one after the other, in an order that is
// shuffled anew between any two barriers; shared memory and registers of a new fibre start as NaN; an access outside an
// array meets a guard page, and one outside a local or shared array a trap of the compiler (-fsanitize=bounds).
#include "cuda_on_cpu.h"

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <vector>
#include <sys/mman.h>
#include <xmmintrin.h>

namespace emulator {

enum { FINE, OUTSIDE, TRAP, BARRIER, DEEP };                // what `run` returns
const size_t STACK = 32 << 10, FILLED = 8 << 10;            // bytes of a fibre, and of these what a kernel can use
const unsigned WARP = 32;
enum Wait : char { RUNS, BLOCK, ITS_WARP, ENDED };          // what a fibre waits for

struct Copy { void* to; const void* from; int bytes, group; };
struct Factor { const float* place; float values[4]; };     // of a product, as begin_products found it
struct Mark { unsigned thread; int published; };            // who copied a word, and how often it had called publish before

struct Fibre {
    void* place[5];                                         // where it goes on
    bool begun;
    std::vector<Copy> copies;                               // asynchronous ones, not made before they are waited for
    int groups;                                             // of copies that have been closed
    std::vector<Product> later;                             // of groups, not made before they are waited for
    size_t closed;                                          // of these, how many close_products has seen
    std::vector<Factor> factors;                            // since the last wait_for_products
    int published, before;                                  // how often it has called publish, and before its last barrier
    unsigned products, tiles;                               // multiply_add and load_tile, so far
};

// What the threads of a warp offer to each other for two products in turn, so that a thread may offer the next one
// before the others have read this one
struct Offered { double a[2][16][8], b[2][8][8]; const float* rows[2][32]; };

dim3 thread_index, block_index, block_size, grid_size;

static std::vector<Fibre> fibres;
static std::vector<Wait> waits;                             // of each fibre
static std::vector<Offered> offered;                        // of each warp
static char* stacks;
static unsigned current;
static void* scheduler[5];
static sigjmp_buf crash;
static void (*start)(void**);
static void** start_arguments;
static uint64_t random_state;
static char* shared_begin;
static std::vector<Mark> marks;                             // of each word of shared memory that was copied

static unsigned random_below(unsigned n)                    // xorshift: one seed, one order of threads
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

// GCC's own setjmp and longjmp, since those of the C library take longer; noipa, since whoever calls them finds that other
// fibres have used all registers
__attribute__((noipa)) static void leave() { __builtin_longjmp(scheduler, 1); }
__attribute__((noipa)) static void enter(Fibre& fibre) { __builtin_longjmp(fibre.place, 1); }

__attribute__((noipa)) static void wait_for(Wait what)
{
    waits[current] = what;
    if (!__builtin_setjmp(fibres[current].place)) leave();
}

void wait_for_block()
{
    fibres[current].before = fibres[current].published;
    wait_for(BLOCK);
}

void wait_for_warp() { wait_for(ITS_WARP); }

static void fibre_main()
{
    start(start_arguments);
    waits[current] = ENDED;
    leave();
}

__attribute__((noipa)) static void resume(unsigned t)
{
    Fibre& fibre = fibres[t];
    current = t;
    thread_index = {t, 0, 0};
    waits[t] = RUNS;
    if (__builtin_setjmp(scheduler)) return;
    if (fibre.begun) enter(fibre);
    fibre.begun = true;
    asm volatile("movq %0, %%rsp; call *%1" :: "r"(stacks + (t + 1) * STACK), "r"(fibre_main) : "memory");
    __builtin_unreachable();
}

static void shuffle(std::vector<unsigned>& order)
{
    for (unsigned i = order.size(); i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
}

// Run one block; return FINE, DEEP, or BARRIER where some threads ended and others wait for them.
static int run_block(std::vector<unsigned>& order)
{
    unsigned threads = block_size.x;
    for (unsigned t = 0; t < threads; t++) {
        fibres[t].begun = false;
        fibres[t].copies.clear();
        fibres[t].later.clear();
        fibres[t].factors.clear();
        fibres[t].closed = 0;
        fibres[t].published = fibres[t].before = 1;
        fibres[t].groups = fibres[t].products = fibres[t].tiles = 0;
        memset(stacks + (t + 1) * STACK - FILLED, 0xff, FILLED);            // what is not written is NaN
    }
    for (;;) {
        shuffle(order);
        for (unsigned t : order) resume(t);
        for (unsigned first = 0; first < threads; first += WARP)
            for (;;) {                                      // as long as a warp waits for nobody else
                unsigned count = std::min(WARP, threads - first), waiting = 0;
                for (unsigned t = first; t < first + count; t++) waiting += waits[t] == ITS_WARP;
                if (!waiting) break;
                if (waiting < count) return BARRIER;
                for (unsigned i = 0, turn = random_below(WARP); i < count; i++) resume(first + (turn + i) % count);
            }
        unsigned ended = 0;
        for (unsigned t = 0; t < threads; t++) ended += waits[t] == ENDED;
        if (ended == threads) break;
        if (ended) return BARRIER;
    }
    auto* below = (const uint64_t*)(stacks + random_below(threads) * STACK);        // one for all: they run the same text
    return std::all_of(below, below + (STACK - FILLED) / 8, [](uint64_t word) { return !word; }) ? FINE : DEEP;
}

static void on_signal(int number, siginfo_t*, void*)
{
    siglongjmp(crash, number == SIGSEGV || number == SIGBUS ? OUTSIDE : TRAP);
}

static Mark* mark_of(const void* shared)
{
    size_t word = ((const char*)shared - shared_begin) / 4;
    if (word >= marks.size()) __builtin_trap();
    return &marks[word];
}

static void make(const Copy& copy)
{
    if (copy.from) memcpy(copy.to, copy.from, copy.bytes);
    else memset(copy.to, 0, copy.bytes);
    Mark* mark = mark_of(copy.to);
    std::fill(mark, mark + copy.bytes / 4, Mark{current, fibres[current].published});
}

// A copy is made at once, or when it is waited for: so a wait that is missing is noticed, and one that comes too early.
void copy_later(void* to, const void* from, int bytes)
{
    Copy copy = {to, from, bytes, fibres[current].groups};
    if (random_below(2)) make(copy);
    else fibres[current].copies.push_back(copy);
}

void close_group() { fibres[current].groups++; }

void finish_copies(int later)
{
    Fibre& fibre = fibres[current];
    size_t kept = 0;
    for (const Copy& copy : fibre.copies)
        if (copy.group >= fibre.groups - later) fibre.copies[kept++] = copy;
        else make(copy);
    fibre.copies.resize(kept);
}

int run(const unsigned* grid, unsigned threads, uint64_t seed, void (*kernel)(void**), void** arguments, bool flush,
        char* shared, char* shared_end)
{
    if (fibres.size() < threads) {
        fibres.resize(threads);
        waits.resize(threads);
        offered.resize((threads + WARP - 1) / WARP);
        stacks = (char*)mmap(nullptr, threads * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    start = kernel;
    start_arguments = arguments;
    random_state = seed * 2 + 1;
    shared_begin = shared;
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
    const unsigned rounding = _mm_getcsr();
    volatile int result = sigsetjmp(crash, 1);
    if (flush) _mm_setcsr(rounding | 0x8040);
    if (result == FINE)
        for (unsigned b : blocks) {
            block_index = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
            if (shared) memset(shared, 0xff, shared_end - shared);
            marks.assign((shared_end - shared) / 4, {0, 0});
            result = run_block(order);
            if (result != FINE) break;
        }
    _mm_setcsr(rounding);
    if (result != FINE) memset(stacks, 0, fibres.size() * STACK);           // for the next run to find nothing there
    for (int i = 0; i < 4; i++) sigaction(numbers[i], &before[i], nullptr);
    sigaltstack(&before_stack, nullptr);
    return result;
}

}  // namespace emulator

#include "products.h"
