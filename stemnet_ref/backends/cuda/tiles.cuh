// The two products of windows.cuh, fast: a block copies pieces of image and filters into shared memory, where many of its
// threads use them, and while one piece is multiplied the next is on its way. The sums stay in registers.
//
// For example the convolution 5 x 5 from 128 to 64 channels at 128 x 128 on tensor cores. backends/cuda/gemm.py chooses
// TILE_ROWS 128, TILE_COLUMNS 64, TILE_WIDTH 32, KERNEL 5 and CHUNK 8. A block of 128 threads, 4 warps, makes 4 x 32 pixels
// and all 64 channels out, 64 sums in each thread. It takes 8 channels in at a time: of the image (4 + 4) x (32 + 4) pixels
// of them, and then for each of the kernel's 5 rows 5 x 8 x 64 weights. Every element of a row shifts the 4 x 32 pixels within
// the 8 x 36. While a row is multiplied, the next row's weights are copied, and at four of the rows a share of the next 8
// channels of the image. One barrier for each row suffices: whoever has passed it knows that all threads have done with the
// row before, into whose place the next is copied. After 16 times 5 rows all sums go through shared memory, to be written in
// order. On ordinary cores (PRODUCT 1) an element of the kernel takes the place of a row, and two are on their way.
#pragma once

#if PRODUCT == 1
#include "sums.cuh"
#else
#include "sums_tensor.cuh"
#endif

// `convolve`: a block makes HEIGHT x WIDTH pixels. Of the image it needs KERNEL - 1 rows and columns more, once for all
// elements of the kernel.
const int WIDTH = TILE_WIDTH, HEIGHT = TILE_ROWS / WIDTH;
const int HALO_WIDTH = WIDTH + KERNEL - 1, HALO_HEIGHT = HEIGHT + KERNEL - 1;
// Elements that are copied at once
const int FOUR = VECTOR ? 4 : 1;
// Pieces in shared memory: that which is multiplied, and those on their way. An image serves KERNEL x KERNEL pieces of the
// filters, so that two of them suffice.
const int STAGES = TAPS > 1 ? 2 : 3, PLACES_STAGES = 3, IMAGES = KERNEL > 1 ? 2 : 3;

union Shared {
    struct {
        alignas(16) REAL image[IMAGES][HALO_HEIGHT * HALO_WIDTH][PIXEL];
        alignas(16) REAL filters[STAGES][TAPS][CHUNK][TILE_COLUMNS + PAD];
    };
    struct {
        alignas(16) REAL places[PLACES_STAGES][PIXELS][TILE_ROWS + PAD];
        alignas(16) REAL gradients[PLACES_STAGES][PIXELS][TILE_COLUMNS + PAD];
    };
    alignas(16) Tile sums;
};

// Copy rows of a matrix (.., COLUMNS) from p on, which is in column `column`; `count` rows exist.
template <int ROWS>
__device__ void copy_rows(REAL (*tile)[TILE_COLUMNS + PAD], const REAL* p, int count, int column, int COLUMNS)
{
    const int EACH_ROW = TILE_COLUMNS / FOUR, COUNT = ROWS * EACH_ROW;
    #pragma unroll
    for (int i = 0; i < (COUNT + THREADS - 1) / THREADS; i++) {
        int e = threadIdx.x + i * THREADS, row = e / EACH_ROW, at = e % EACH_ROW * FOUR;
        if (COUNT % THREADS == 0 || e < COUNT)
            copy<FOUR>(&tile[row][at], p + (int64)row * COLUMNS + at, (row < count) & (column + at < COLUMNS));
    }
}

// A piece of the work: channels from c on, for KERNEL x KERNEL elements of the kernel from (a, b) on. With KERNEL above 1
// the windows lie one pixel apart (S = 1), since an element shifts the pixels within the image's piece.
struct Piece {
    int a, b, c;
    __device__ void next(const Windows& v, int first, int end)
    {
        c += CHUNK;                                         // first all channels,
        if (c < end) return;
        c = first;
        b += KERNEL;                                        // then other elements, where the kernel is larger
        if (b < v.KW) return;
        b = 0;
        a += KERNEL;
    }
};

// Copy share `share` of the image of a piece: CHUNK channels under the windows of pixel (n, i, j) and those after it.
const int SHARES = KERNEL > 1 ? KERNEL - 1 : 1;
__device__ inline void copy_image(REAL (*image)[PIXEL], const Windows& v, int n, int i, int j, const Piece& piece, int share)
{
    const int EACH_PIXEL = CHUNK / FOUR, COUNT = HALO_HEIGHT * HALO_WIDTH * EACH_PIXEL;
    for (int e = COUNT * share / SHARES + threadIdx.x; e < COUNT * (share + 1) / SHARES; e += THREADS) {
        int pixel = e / EACH_PIXEL, c = e % EACH_PIXEL * FOUR;
        int h = v.S * (i + pixel / HALO_WIDTH) + piece.a - v.TOP, w = v.S * (j + pixel % HALO_WIDTH) + piece.b - v.LEFT;
        copy<FOUR>(&image[pixel][c], v.at(n, h, w, piece.c + c), v.inside(h, w, piece.c + c));
    }
}

#include "finish.cuh"

// Part `part` of `parts`: a share of the channels in. Grid over blocks of HEIGHT x WIDTH pixels, and columns.
template <class Store>
__device__ void convolve(Shared& shared, const Windows& v, const Filters& f, int part, int parts, Store store)
{
    int across = (v.WO + WIDTH - 1) / WIDTH, down = (v.HO + HEIGHT - 1) / HEIGHT, block = blockIdx.x;
    int n = block / across / down, i = block / across % down * HEIGHT, j = block % across * WIDTH;
    int column = blockIdx.y * TILE_COLUMNS;
    int chunks = (v.C() + CHUNK - 1) / CHUNK, first = chunks * part / parts * CHUNK, end = chunks * (part + 1) / parts * CHUNK;
    Sums sums;
    bool any = first < end && v.KW > 0 && n < v.N;
    Piece piece = {any ? 0 : v.KH, 0, first}, image = piece, filters = piece;   // multiplied, and copied, next
    int x = 0, y = 0, at = 0, to = 0, now = 0;              // in the filters copied next; which image, and which filters
    auto copy_next = [&](int share) {                       // filters, and a share of the image of a piece to come
        if (share < SHARES && image.a < v.KH) copy_image(shared.image[to], v, n, i, j, image, share);
        if (share == SHARES - 1) {
            image.next(v, first, end);
            to = to == IMAGES - 1 ? 0 : to + 1;
        }
        if (filters.a < v.KH) {
            const REAL* from = f.at(filters.a + y, filters.b + x, filters.c, v.C(), column);
            #pragma unroll
            for (int tap = 0; tap < TAPS; tap++) {
                copy_rows<CHUNK>(shared.filters[now][tap], from, v.C() - filters.c, column, f.COLUMNS);
                from += (int64)f.ACROSS * v.C() * f.COLUMNS;
            }
        }
        group_copies();
        now = now == STAGES - 1 ? 0 : now + 1;
        x += TAPS;
        if (x < KERNEL) return;
        x = 0;
        if (++y < KERNEL) return;
        y = 0;
        filters.next(v, first, end);
    };
    for (int share = 0; share < SHARES - 1; share++) copy_image(shared.image[0], v, n, i, j, image, share);
    copy_next(SHARES - 1);
    for (int stage = 0; stage < STAGES - 2; stage++) copy_next(KERNEL > 1 ? SHARES : 0);
    for (; piece.a < v.KH; piece.next(v, first, end)) {
        #pragma unroll 1
        for (int row = 0; row < KERNEL; row++)
            #pragma unroll 1
            for (int element = 0; element < KERNEL; element += TAPS) {
                wait_for_copies<STAGES - 2>();
                __syncthreads();                            // and all have done with what is overwritten next
                int filter = now == STAGES - 1 ? 0 : now + 1;
                copy_next(element == 0 ? row : SHARES);
                sums.add_pixels<WIDTH, HALO_WIDTH>(shared.image[at] + row * HALO_WIDTH + element, shared.filters[filter]);
            }
        at = at == IMAGES - 1 ? 0 : at + 1;
    }
    finish<TILE_COLUMNS, Store::FOURS>(shared, sums, Sums::PIXELS, [&](int row, int at, const Four& sum) {
        int h = i + row / WIDTH, w = j + row % WIDTH;
        if (n < v.N && h < v.HO && w < v.WO && column + at < f.COLUMNS) store((n * v.HO + h) * v.WO + w, column + at, sum);
    });
}

// Part `part` of `parts`: a share of the pixels. Grid over KH*KW*C rows, and columns.
__device__ inline void weight_gradient(Shared& shared, const Windows& v, const REAL* dy, int O, int part, int parts,
                                       const Plain& store)
{
    // Of the tile's rows, this thread copies those that it always does: COUNT times FOUR, of every STRIDE-th pixel.
    const int EACH_PIXEL = TILE_ROWS / FOUR, COUNT = EACH_PIXEL > THREADS ? EACH_PIXEL / THREADS : 1;
    const int STRIDE = EACH_PIXEL > THREADS ? 1 : THREADS / EACH_PIXEL;
    int rows = v.KH * v.KW * v.C(), column = blockIdx.y * TILE_COLUMNS;
    int a[COUNT], b[COUNT], c[COUNT], mine = threadIdx.x / EACH_PIXEL;
    #pragma unroll
    for (int i = 0; i < COUNT; i++) {
        int row = blockIdx.x * TILE_ROWS + (threadIdx.x % EACH_PIXEL + i * THREADS) * FOUR, element = row / v.C();
        a[i] = element / v.KW - v.TOP;
        b[i] = element % v.KW - v.LEFT;
        c[i] = row < rows ? row % v.C() : v.C();            // of no channel
    }
    int each = (v.WO + PIXELS - 1) / PIXELS;                // pieces of a line of pixels
    int64 all = (int64)v.N * v.HO * each, step = all * part / parts, end = all * (part + 1) / parts;
    int line = (int)(step / each), j = (int)(step % each) * PIXELS, n = line / v.HO, i = line % v.HO;
    int now = 0;                                            // where the next pixels are copied to
    auto copy_next = [&]() {
        if (step >= end) {
            group_copies();
            return;
        }
        #pragma unroll
        for (int k = 0; k < COUNT; k++) {
            int at = (threadIdx.x % EACH_PIXEL + k * THREADS) * FOUR, h = v.S * i + a[k], w = v.S * (j + mine) + b[k];
            const REAL* from = v.at(n, h, w, c[k]);
            int distance = v.S * STRIDE * v.beside(c[k]);
            #pragma unroll
            for (int p = 0; p < PIXELS; p += STRIDE) {
                if (PIXELS % STRIDE == 0 || p + mine < PIXELS)
                    copy<FOUR>(&shared.places[now][p + mine][at], from, v.inside(h, w, c[k]) & (j + mine + p < v.WO));
                from += distance;
                w += v.S * STRIDE;
            }
        }
        copy_rows<PIXELS>(shared.gradients[now], dy + ((int64)(n * v.HO + i) * v.WO + j) * O + column, v.WO - j, column, O);
        group_copies();
        now = now == PLACES_STAGES - 1 ? 0 : now + 1;
        step++;
        j += PIXELS;
        if (j < v.WO) return;
        j = 0;
        i++;
        if (i < v.HO) return;
        i = 0;
        n++;
    };
    Sums sums;
    int64 left = end - step;
    for (int stage = 0; stage < PLACES_STAGES - 1; stage++) copy_next();
    for (int at = 0; left > 0; left--) {
        wait_for_copies<PLACES_STAGES - 2>();
        __syncthreads();                                    // and all have done with what is overwritten next
        copy_next();
        sums.add_places<PIXELS>(shared.places[at], shared.gradients[at]);
        at = at == PLACES_STAGES - 1 ? 0 : at + 1;
    }
    finish<TILE_COLUMNS, Plain::FOURS>(shared, sums, Sums::PLACES, [&](int row, int at, const Four& sum) {
        row += blockIdx.x * TILE_ROWS;
        if (row < rows && column + at < O) store(row, column + at, sum);
    });
}
