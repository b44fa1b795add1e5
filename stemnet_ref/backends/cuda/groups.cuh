// The convolution of windows.cuh on the tensor cores of Hopper (compute capability 9.0), for windows one pixel apart (S = 1).
// Four warps, a group, start products of 64 x 8 by 8 x TILE_COLUMNS numbers. The tensor cores read the filters from shared
// memory by themselves, and the group waits for the products later. Operands are split or rounded as in sums_tensor.cuh, the
// filters before the convolution (filters.cu).
//
// A block makes 16 x 8 pixels, its two groups 8 x 8 each. It takes 8 channels in at a time: of the image (16 + KERNEL - 1) x
// (8 + KERNEL - 1) pixels of them, and then for each of the kernel's rows KERNEL x 8 x TILE_COLUMNS weights. While a row is
// multiplied, the weights of rows after it are copied, and at two of the rows a share of the next 8 channels of the image. A
// thread loads its operands for one element of the row while the element before is multiplied.
#pragma once

#include "group_products.cuh"

static_assert(CHUNK == 8 && KERNEL > 2 && TILE_ROWS == 128 && TILE_WIDTH == 8, "what gemm.py chooses for them");

const int THREADS = 256, BLOCKS = 2;
const int WIDTH = 8, HEIGHT = 16;
const int HALO_WIDTH = WIDTH + KERNEL - 1, HALO_HEIGHT = HEIGHT + KERNEL - 1;
// Rows of the filters: that which is multiplied, and those on their way. The image has two pieces.
const int STAGES = KERNEL == 5 && PARTS == 1 ? 4 : 3;
const int PIXEL = CHUNK + 4;                                // from pixel to pixel, so that a warp's meet in no bank

typedef REAL Tile[TILE_ROWS][TILE_COLUMNS + 4];             // all sums of a block
typedef REAL Filters8[PARTS][2][TILE_COLUMNS][4];           // of eight channels: part, four channels, columns

union Shared {
    struct {
        alignas(16) REAL image[2][HALO_WIDTH * HALO_HEIGHT][PIXEL];         // one is multiplied, the other on its way
        alignas(16) Filters8 filters[STAGES][KERNEL];
    };
    alignas(16) Tile sums;
};

struct Sums {
    float sum[TILE_COLUMNS / 2] = {};

    enum Added { PIXELS };
    __device__ void put(Tile& tile, Added) const
    {
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;               // eight warps, the first four of them a group
        #pragma unroll
        for (int e = 0; e < TILE_COLUMNS / 2; e++)
            tile[16 * warp + lane / 4 + e / 2 % 2 * 8][e / 4 * 8 + lane % 4 * 2 + e % 2] = sum[e];
    }
};

#include "finish.cuh"

// A piece of the image is copied in two shares. A share is FOURS copies of FOUR elements each, and a thread makes every
// THREADS-th of them, AGAIN at most.
const int SHARES = 2, EACH_PIXEL = CHUNK / FOUR, FOURS = HALO_HEIGHT * HALO_WIDTH * EACH_PIXEL / SHARES;
const int AGAIN = (FOURS + THREADS - 1) / THREADS;
static_assert(SHARES + STAGES - 2 <= KERNEL, "the image has arrived when its first row is multiplied");

struct Corner {                                             // the first pixel of a block
    int n, i, j;
    __device__ Corner(const Windows& v, int block)
    {
        int across = (v.WO + WIDTH - 1) / WIDTH, down = (v.HO + HEIGHT - 1) / HEIGHT;
        n = block / across / down;
        i = block / across % down * HEIGHT;
        j = block % across * WIDTH;
    }
};

// Part `part` of `parts`: a share of the channels in. Grid over blocks of HEIGHT x WIDTH pixels, and columns. The filters are
// those of filters.cu.
template <class Store>
__device__ void convolve(Shared& shared, const Windows& v, const Filters& f, int part, int parts, Store store)
{
    Corner corner(v, blockIdx.x);
    int column = blockIdx.y * TILE_COLUMNS;
    int chunks = (v.C() + CHUNK - 1) / CHUNK;
    int first = chunks * part / parts * CHUNK, end = chunks * (part + 1) / parts * CHUNK;
    Sums sums;
    int pixels[SHARES][AGAIN];                              // of the image, that this thread copies; -1 outside
    #pragma unroll
    for (int k = 0; k < SHARES * AGAIN; k++) {
        int pixel = (k / AGAIN * FOURS + k % AGAIN * THREADS + threadIdx.x) / EACH_PIXEL;
        int h = corner.i + pixel / HALO_WIDTH - v.TOP, w = corner.j + pixel % HALO_WIDTH - v.LEFT;
        pixels[k / AGAIN][k % AGAIN] = v.inside(h, w, 0) ? (corner.n * v.H + h) * v.W + w : -1;
    }
    auto copy_image = [&](int to, int c, int share) {
        #pragma unroll
        for (int k = 0; k < AGAIN; k++) {
            int four = k * THREADS + threadIdx.x, e = share * FOURS + four, channel = c + e % EACH_PIXEL * FOUR;
            int from = share == 0 ? pixels[0][k] : pixels[1][k];
            if (FOURS % THREADS == 0 || four < FOURS)
                copy<FOUR>(&shared.image[to][e / EACH_PIXEL][channel - c], v.at(from, channel), from >= 0 && channel < v.C());
        }
    };
    const int EACH_TAP = PARTS * 2 * TILE_COLUMNS, STEP = EACH_TAP < THREADS ? THREADS / EACH_TAP : 1;
    int which = threadIdx.x % EACH_TAP / TILE_COLUMNS, o = threadIdx.x % TILE_COLUMNS;      // of a row of the filters
    auto copy_filters = [&](int to, int c, int row) {
        int fours = (v.C() + 7) / 8 * 2, tap = threadIdx.x / EACH_TAP;
        int element = which / 2 * v.KH * v.KW + f.FIRST + row * f.DOWN + tap * f.ACROSS;
        const REAL* from = f.p + (((int64)element * fours + c / 4 + which % 2) * f.COLUMNS + column + o) * 4;
        #pragma unroll
        for (int first = 0; first < KERNEL; first += STEP, from += (int64)4 * STEP * f.ACROSS * fours * f.COLUMNS)
            if (KERNEL % STEP == 0 || first + tap < KERNEL)
                copy<4>(shared.filters[to][first + tap][which / 2][which % 2][o], from, column + o < f.COLUMNS);
    };
    for (int share = 0; share < SHARES; share++) copy_image(0, first, share);
    for (int row = 0; row < STAGES - 1; row++) {
        copy_filters(row, first, row);
        group_copies();
    }
    int now = 0, at = 0;                                    // which filters and which image are multiplied
    for (int c = first; c < end; c += CHUNK, at ^= 1)
        #pragma unroll 1
        for (int row = 0; row < KERNEL; row++) {
            wait_for_copies<STAGES - 2>();
            publish();
            __syncthreads();                                // and all have done with what is overwritten next
            // A warp's 16 pixels lie in two lines. This thread points to one of them, and to half of its channels.
            int lane = threadIdx.x % 32, line = threadIdx.x / 32 * 2 + lane % 16 / 8 + row;
            const REAL* image = shared.image[at][line * HALO_WIDTH + lane % 8] + lane / 16 * 4;
            add_products<KERNEL>(sums.sum, [&](int tap, float (&x)[4]) { load_tile(x, image + tap * PIXEL); },
                                 [&](int tap, int part) { return shared.filters[now][tap][part][0][0]; }, [&]() {
                int later = row + STAGES - 1, to = now == 0 ? STAGES - 1 : now - 1;
                bool more = c + CHUNK < end;                // channels, whose rows follow
                if (row < SHARES && more) copy_image(at ^ 1, c + CHUNK, row);
                if (later < KERNEL || more)
                    copy_filters(to, later < KERNEL ? c : c + CHUNK, later < KERNEL ? later : later - KERNEL);
                group_copies();
                __syncwarp();                               // the copies may have taken its threads apart
            });
            now = now == STAGES - 1 ? 0 : now + 1;
        }
    Corner out(v, anew(blockIdx.x));                        // computed anew, since registers that kept it would be spilled
    finish<TILE_COLUMNS, Store::FOURS>(shared, sums, Sums::PIXELS, [&](int row, int at, const Four& sum) {
        int h = out.i + row / WIDTH, w = out.j + row % WIDTH;
        if (h < v.HO && w < v.WO && column + at < f.COLUMNS)
            store((out.n * v.HO + h) * v.WO + w, column + at, sum);
    });
}

// The gradient by a kernel has its own tiles, those of tiles.cuh.
__device__ inline void weight_gradient(Shared&, const Windows&, const REAL*, int, int, int, const Plain&)
{
    stop();
}
