// The weight gradient of windows.cuh on the tensor cores of Hopper (compute capability 9.0), for windows one pixel apart (S = 1)
// of a kernel KERNEL elements wide. Its dy is split, or rounded, and ordered by filters.cu: a line of pixels takes the place of
// the channels in. groups.cuh says what a group is.
//
// A block takes CHUNK channels of the image and all elements b of a row of the kernel as rows, of which a group has 64, and
// TILE_COLUMNS channels out as columns. Where these are 16 only, it takes them for all rows of the kernel at once, since tensor
// cores need as long for 16 columns as for 40. It takes TILE_WIDTH pixels of a line at a time: of dy, and of the image KERNEL - 1
// more, in which every b has its own.
#pragma once

#include "group_products.cuh"

static_assert(TILE_ROWS % 64 == 0 && TILE_ROWS >= KERNEL * CHUNK && CHUNK % 16 == 0, "what gemm.py chooses for them");

const int THREADS = 2 * TILE_ROWS, BLOCKS = THREADS > 256 ? 1 : 2;
const int LINES = TILE_COLUMNS == 16 ? KERNEL : 1;          // rows of the kernel at once
const int COLUMNS = LINES * TILE_COLUMNS;
const int PIXELS = TILE_WIDTH, HALO = PIXELS + KERNEL - 1;
const int PIXEL = CHUNK + 8;                                // from pixel to pixel, so that a warp's meet in no bank
const int STAGES = PIXELS == 64 ? 3 : 4;                    // pieces: the one that is multiplied, and those on their way
const int STEPS = PARTS == 1 || THREADS == 384 ? 4 : 2;      // of eight pixels, whose products tensor cores add up

typedef REAL Tile[TILE_ROWS][COLUMNS + 4];                  // all sums of a block

union Shared {
    struct {
        alignas(16) REAL image[STAGES][HALO][PIXEL];
        alignas(16) REAL gradients[STAGES][PARTS][PIXELS / 4][COLUMNS][4];
    };
    alignas(16) Tile sums;
};

struct Sums {
    float sum[COLUMNS / 2] = {};

    // The rows that tensor cores take for a warp's threads 4*g and those 8 rows further lie together.
    __device__ static int row(int half) { return threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 * 2 + half; }

    enum Added { PLACES };
    __device__ void put(Tile& tile, Added) const
    {
        #pragma unroll
        for (int e = 0; e < COLUMNS / 2; e++) tile[row(e / 2 % 2)][e / 4 * 8 + threadIdx.x % 4 * 2 + e % 2] = sum[e];
    }
};

#include "finish.cuh"

// Part `part` of `parts`: a share of the lines, of the image or, with LINES 1, of dy. Grid over CHUNK channels and, with LINES
// 1, the kernel's rows; and columns.
__device__ inline void weight_gradient(Shared& shared, const Windows& v, const REAL* dy, int O, int part, int parts,
                                       const Plain& store)
{
    int column = blockIdx.y * TILE_COLUMNS;
    int a = LINES == 1 ? blockIdx.x % KERNEL : 0, channel = blockIdx.x / (KERNEL / LINES) * CHUNK;      // of the block
    int lines = LINES == 1 ? v.HO : v.H, each = (v.WO + PIXELS - 1) / PIXELS, fours = (v.WO + 7) / 8 * 2;
    int64 all = (int64)v.N * lines * each;
    int begin = (int)(all * part / parts), end = (int)(all * (part + 1) / parts);
    int n = begin / each / lines, line = begin / each % lines, j = begin % each * PIXELS;   // of the piece copied next
    auto copy_piece = [&](int piece) {
        if (piece >= end) {
            group_copies();
            return;
        }
        const int EACH_PIXEL = CHUNK / FOUR;
        int to = (unsigned)piece % STAGES, h = line + (LINES == 1 ? a - v.TOP : 0);
        #pragma unroll 1
        for (int e = threadIdx.x; e < HALO * EACH_PIXEL; e += THREADS) {
            int pixel = e / EACH_PIXEL, w = j + pixel - v.LEFT, c = e % EACH_PIXEL * FOUR;
            copy<FOUR>(&shared.image[to][pixel][c], v.at(n, h, w, channel + c), v.inside(h, w, channel + c));
        }
        #pragma unroll 1
        for (int e = threadIdx.x; e < PIXELS / 4 * COLUMNS; e += THREADS) {
            int four = e / COLUMNS, at = e % COLUMNS, o = column + at % TILE_COLUMNS;
            int i = line + (LINES == 1 ? 0 : v.TOP - at / TILE_COLUMNS);
            int64 from = ((int64)(n * v.HO + i) * fours + j / 4 + four) * O + o;
            bool inside = ((unsigned)i < (unsigned)v.HO) & (j / 4 + four < fours) & (o < O);
            copy<4>(shared.gradients[to][0][four][at], dy + from * 4, inside);
            if (PARTS == 2)                                 // what is low lies after all that is high
                copy<4>(shared.gradients[to][PARTS - 1][four][at], dy + ((int64)v.N * v.HO * fours * O + from) * 4, inside);
        }
        group_copies();
        j += PIXELS;
        if (j < v.WO) return;
        j = 0;
        line++;
        if (line < lines) return;
        line = 0;
        n++;
    };
    Sums sums;
    int b = Sums::row(0) / CHUNK, mine = (b < KERNEL ? b : 0) * PIXEL + Sums::row(0) % CHUNK;     // two rows of this thread
    #pragma unroll 1
    for (int stage = 0; stage < STAGES - 1; stage++) copy_piece(begin + stage);
    for (int piece = begin; piece < end; piece++) {
        wait_for_copies<STAGES - 2>();
        publish();
        __syncthreads();                                    // and all have done with what is overwritten next
        int now = (unsigned)piece % STAGES;
        #pragma unroll 1
        for (int first = 0; first < PIXELS; first += 8 * STEPS) {
            add_products<STEPS>(sums.sum, [&](int step, float (&x)[4]) {
                #pragma unroll
                for (int e = 0; e < 4; e += 2) {
                    const REAL* pixel = shared.image[now][first + 8 * step + e / 2 * 4 + threadIdx.x % 4];
                    Neighbours<2> two = *(const Neighbours<2>*)(pixel + mine);
                    x[e] = two.x[0];
                    x[e + 1] = two.x[1];
                }
            }, [&](int step, int part) { return shared.gradients[now][part][first / 4 + 2 * step][0]; }, []() {});
            if (first == 0) {                               // while other groups multiply
                copy_piece(piece + STAGES - 1);
                __syncwarp();                               // the copies may have taken its threads apart
            }
        }
    }
    finish<COLUMNS, Plain::FOURS>(shared, sums, Sums::PLACES, [&](int row, int at, const Four& sum) {
        int c = channel + row % CHUNK, b = row / CHUNK, o = column + at % TILE_COLUMNS;
        if (b < KERNEL && c < v.C() && o < O) store(((a + at / TILE_COLUMNS) * KERNEL + b) * v.C() + c, o, sum);
    });
}

// A convolution has its own tiles, those of groups.cuh.
template <class Store>
__device__ void convolve(Shared&, const Windows&, const Filters&, int, int, Store)
{
    stop();
}
