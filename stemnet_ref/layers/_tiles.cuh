// The two products of _windows.cuh, fast: a block copies pieces of image and filters into shared memory, where many of its
// threads use them, and while one piece is multiplied the next is on its way. The sums stay in registers.
#pragma once

#include "_ptx.cuh"
#if PRODUCT == 1
#include "_sums.cuh"
#else
#include "_sums_tensor.cuh"
#endif

// `convolve`: a block makes HEIGHT x WIDTH pixels. Of the image it needs KERNEL - 1 rows and columns more, once for all
// elements of the kernel.
const int WIDTH = 32, HEIGHT = TILE_ROWS / WIDTH;
const int HALO_WIDTH = WIDTH + KERNEL - 1, HALO_HEIGHT = HEIGHT + KERNEL - 1;
// `weight_gradient`: pixels that are taken at once
const int PIXELS = 8;
// Elements that are copied at once
const int FOUR = VECTOR ? 4 : 1;

union Shared {
    struct {
        alignas(16) REAL image[2][HALO_HEIGHT * HALO_WIDTH][PIXEL];
        alignas(16) REAL filters[2][CHUNK][TILE_COLUMNS + PAD];
    };
    struct {
        alignas(16) REAL places[2][PIXELS][TILE_ROWS + PAD];
        alignas(16) REAL gradients[2][PIXELS][TILE_COLUMNS + PAD];
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

// Copy CHUNK channels from c on of the image under the windows of (n, i, j) and the pixels after it, at element (a, b).
__device__ inline void copy_image(REAL (*image)[PIXEL], const Windows& v, int n, int i, int j, int a, int b, int c)
{
    const int EACH_PIXEL = CHUNK / FOUR;
    for (int e = threadIdx.x; e < HALO_HEIGHT * HALO_WIDTH * EACH_PIXEL; e += THREADS) {
        int pixel = e / EACH_PIXEL, channel = e % EACH_PIXEL * FOUR;
        int h = v.S * (i + pixel / HALO_WIDTH) + a - v.TOP, w = v.S * (j + pixel % HALO_WIDTH) + b - v.LEFT;
        copy<FOUR>(&image[pixel][channel], v.at(n, h, w, c + channel), v.inside(h, w, c + channel));
    }
}

// Hand all sums to store(row, column, sums), four at a time; a thread takes the four fours of sixteen columns in turn.
template <class Store>
__device__ void finish(Shared& shared, const Sums& sums, Sums::Added added, Store store)
{
    wait_for_copies();
    __syncthreads();
    sums.put(shared.sums, added);
    __syncthreads();
    #pragma unroll 1
    for (int e = threadIdx.x * 4; e < TILE_ROWS * TILE_COLUMNS / 4; e += e % 4 == 3 ? 4 * THREADS - 3 : 1) {
        int row = e / (TILE_COLUMNS / 4), column = e % (TILE_COLUMNS / 4) * 4;
        store(row, column, *(const Four*)(shared.sums[row] + column));
    }
}

// Part `part` of `parts`: a share of the channels in. Grid over blocks of HEIGHT x WIDTH pixels, and columns.
template <class Store>
__device__ void convolve(Shared& shared, const Windows& v, const Filters& f, int part, int parts, Store store)
{
    int across = (v.WO + WIDTH - 1) / WIDTH, down = (v.HO + HEIGHT - 1) / HEIGHT, block = blockIdx.x;
    int n = block / across / down, i = block / across % down * HEIGHT, j = block % across * WIDTH;
    int column = blockIdx.y * TILE_COLUMNS;
    int chunks = (v.C() + CHUNK - 1) / CHUNK, first = chunks * part / parts * CHUNK, end = chunks * (part + 1) / parts * CHUNK;
    Sums sums;
    // A piece of the image: channels from c on, for KERNEL x KERNEL elements of the kernel from (a, b) on. Every element
    // has a piece of the filters.
    int a = 0, b = 0, c = first, piece = 0, now = 0;
    bool more = first < end && v.KH > 0 && v.KW > 0 && n < v.N;
    if (more) {
        copy_image(shared.image[0], v, n, i, j, a, b, c);
        copy_rows<CHUNK>(shared.filters[0], f.at(a, b, c, v.C(), column), v.C() - c, column, f.COLUMNS);
    }
    while (more) {
        wait_for_copies();
        __syncthreads();
        const REAL* p = f.at(a, b, c, v.C(), column);
        int count = v.C() - c;
        c += CHUNK;                                         // the next piece: first all channels,
        if (c >= end) {
            c = first;
            b += KERNEL;                                    // then other elements, where the kernel is larger
            if (b >= v.KW) {
                b = 0;
                a += KERNEL;
            }
        }
        more = a < v.KH;
        if (more) copy_image(shared.image[piece ^ 1], v, n, i, j, a, b, c);
        #pragma unroll 1
        for (int y = 0; y < KERNEL; y++)
            #pragma unroll 1
            for (int x = 0; x < KERNEL; x++) {
                bool last = y == KERNEL - 1 && x == KERNEL - 1;
                p += (int64)(x < KERNEL - 1 ? f.ACROSS : f.DOWN - (KERNEL - 1) * f.ACROSS) * v.C() * f.COLUMNS;
                if (last) {
                    p = f.at(a, b, c, v.C(), column);
                    count = more ? v.C() - c : 0;
                }
                copy_rows<CHUNK>(shared.filters[now ^ 1], p, count, column, f.COLUMNS);
                sums.add_pixels<WIDTH, HALO_WIDTH>(shared.image[piece] + y * HALO_WIDTH + x, shared.filters[now]);
                now ^= 1;
                if (!last) {
                    wait_for_copies();
                    __syncthreads();
                }
            }
        piece ^= 1;
    }
    finish(shared, sums, Sums::PIXELS, [&](int row, int at, const Four& sum) {
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
    auto fetch = [&](int to) {
        #pragma unroll
        for (int k = 0; k < COUNT; k++) {
            int at = (threadIdx.x % EACH_PIXEL + k * THREADS) * FOUR, h = v.S * i + a[k], w = v.S * (j + mine) + b[k];
            const REAL* from = v.at(n, h, w, c[k]);
            int step = v.S * STRIDE * v.beside(c[k]);
            #pragma unroll
            for (int p = 0; p < PIXELS; p += STRIDE) {
                if (PIXELS % STRIDE == 0 || p + mine < PIXELS)
                    copy<FOUR>(&shared.places[to][p + mine][at], from, v.inside(h, w, c[k]) & (j + mine + p < v.WO));
                from += step;
                w += v.S * STRIDE;
            }
        }
        copy_rows<PIXELS>(shared.gradients[to], dy + ((int64)(n * v.HO + i) * v.WO + j) * O + column, v.WO - j, column, O);
    };
    Sums sums;
    if (step < end) fetch(0);
    for (int now = 0; step < end; now ^= 1) {
        wait_for_copies();
        __syncthreads();                                    // and all have done with what is overwritten next
        step++;
        j += PIXELS;
        if (j >= v.WO) {
            j = 0;
            i++;
            if (i == v.HO) {
                i = 0;
                n++;
            }
        }
        if (step < end) fetch(now ^ 1);
        sums.add_places<PIXELS>(shared.places[now], shared.gradients[now]);
    }
    finish(shared, sums, Sums::PLACES, [&](int row, int at, const Four& sum) {
        row += blockIdx.x * TILE_ROWS;
        if (row < rows && column + at < O) store(row, column + at, sum);
    });
}
