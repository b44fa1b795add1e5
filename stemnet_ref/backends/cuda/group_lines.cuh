// The convolution of windows.cuh on the tensor cores of Hopper (compute capability 9.0), for windows one pixel apart (S = 1),
// a kernel of 5 x 5, up to 32 channels in, and 16 channels out at a time. groups.cuh says what a group is. It would multiply
// by 16 columns here, and tensor cores need as long for these as for 40.
//
// So a group multiplies a line of the image by all five rows of the kernel at once, 5 x 16 columns, whose products belong to
// five lines of the output. It takes the lines of the image one after another, and adds to five sums: with each line one
// is finished and another begins. A block's four groups make 64 pixels of a line each. All filters stay in shared memory.
#pragma once

#include "group_products.cuh"

static_assert(KERNEL == 5 && TILE_COLUMNS == 16 && TILE_ROWS == TILE_WIDTH && CHUNK % 8 == 0, "what gemm.py chooses for them");

const int THREADS = 2 * TILE_ROWS, BLOCKS = 1;
const int WIDTH = TILE_WIDTH + KERNEL - 1, PIXEL = CHUNK + 4;               // so that a warp's pixels meet in no bank
const int COLUMNS = KERNEL * TILE_COLUMNS;                  // which a group multiplies by
const int EACH = TILE_COLUMNS / 2;                          // sums of a thread for a line of the output

struct Shared {
    alignas(16) REAL filters[PARTS * KERNEL][CHUNK / 4][COLUMNS][4];      // by the kernel's columns; low after high
    alignas(16) REAL image[2][WIDTH][PIXEL];                // a line that is multiplied, and the next, on its way
    alignas(16) REAL sums[TILE_ROWS][TILE_COLUMNS + 4];
};

// Multiply COUNT elements of a row of the kernel, from those on to which `image` and `filters` point, by eight channels.
template <int COUNT>
__device__ void add_taps(float (&sum)[COLUMNS / 2], const REAL* image, const REAL (*filters)[CHUNK / 4][COLUMNS][4], int c)
{
    add_products<COUNT>(sum, [&](int tap, float (&x)[4]) { load_tile(x, image + tap * PIXEL + c); },
                        [&](int tap, int part) { return filters[part * KERNEL + tap][c / 4][0]; }, []() {});
}

struct Segment {                                            // of an image, TILE_ROWS pixels across: a share of its lines
    int n, j, begin, end;
    __device__ Segment(const Windows& v, int block)
    {
        int across = (v.WO + TILE_ROWS - 1) / TILE_ROWS, segments = gridDim.x / across / v.N;
        n = block / across / segments;
        j = block % across * TILE_ROWS;
        begin = (int)((int64)v.HO * (block / across % segments) / segments);
        end = (int)((int64)v.HO * (block / across % segments + 1) / segments);
    }
};

// Grid over segments, as many in each image, and columns. The filters are those of filters.cu.
template <class Store>
__device__ void convolve(Shared& shared, const Windows& v, const Filters& f, int, int, Store store)
{
    int column = blockIdx.y * TILE_COLUMNS;
    Segment in(v, blockIdx.x);
    #pragma unroll 1
    for (int e = threadIdx.x; e < PARTS * KERNEL * CHUNK / 4 * COLUMNS; e += THREADS) {
        int o = e % TILE_COLUMNS, a = e / TILE_COLUMNS % KERNEL, four = e / COLUMNS % (CHUNK / 4), b = e / COLUMNS / (CHUNK / 4);
        int element = b / KERNEL * KERNEL * KERNEL + f.FIRST + a * f.DOWN + b % KERNEL * f.ACROSS;
        copy<4>(shared.filters[b][four][a * TILE_COLUMNS + o],
                f.p + (((int64)element * (CHUNK / 4) + four) * f.COLUMNS + column + o) * 4, column + o < f.COLUMNS);
    }
    auto copy_line = [&](int h) {
        const int EACH_PIXEL = CHUNK / FOUR;
        #pragma unroll 1
        for (int e = threadIdx.x; e < WIDTH * EACH_PIXEL; e += THREADS) {
            int pixel = e / EACH_PIXEL, c = e % EACH_PIXEL * FOUR, w = in.j + pixel - v.LEFT;
            copy<FOUR>(&shared.image[h & 1][pixel][c], v.at(in.n, h, w, c), v.inside(h, w, c));
        }
        group_copies();
    };
    copy_line(in.begin - v.TOP);
    float sum[COLUMNS / 2] = {};
    int lane = threadIdx.x % 32, first = threadIdx.x / 32 * 16;             // of this warp's sixteen pixels
    for (int i = in.begin - KERNEL + 1; i < in.end; i++) {        // the line that is finished when line h is multiplied
        int h = i + KERNEL - 1 - v.TOP;
        wait_for_copies<0>();
        publish();
        __syncthreads();                                    // and all have done with what is overwritten next
        if (i + 1 < in.end) copy_line(h + 1);
        __syncwarp();                                       // the copies may have taken its threads apart
        if (h >= 0 && h < v.H)
            #pragma unroll 1
            for (int c = 0; c < CHUNK; c += 8) {
                const REAL* image = shared.image[h & 1][first + lane % 16] + lane / 16 * 4;
                if (PARTS == 1) add_taps<KERNEL>(sum, image, shared.filters, c);
                else {                                      // as many at a time as there are registers for
                    add_taps<3>(sum, image, shared.filters, c);
                    add_taps<KERNEL - 3>(sum, image + 3 * PIXEL, shared.filters + 3, c);
                }
            }
        Segment out(v, anew(blockIdx.x));                   // computed anew, since registers that kept it would be spilled
        if (i >= out.begin) {
            #pragma unroll
            for (int e = 0; e < EACH; e++)
                shared.sums[first + lane / 4 + e / 2 % 2 * 8][e / 4 * 8 + lane % 4 * 2 + e % 2] = sum[COLUMNS / 2 - EACH + e];
            __syncwarp();
            int w = out.j + first + lane;
            Store keep = store;                             // what it draws is not kept from line to line
            if (lane < 16 && w < v.WO)
                #pragma unroll 1
                for (int at = 0; at < TILE_COLUMNS && column + at < f.COLUMNS; at += 4)
                    keep((out.n * v.HO + i) * v.WO + w, column + at, *(const Four*)(shared.sums[first + lane] + at));
            __syncwarp();
        }
        #pragma unroll
        for (int e = COLUMNS / 2 - 1; e >= EACH; e--) sum[e] = sum[e - EACH];
        #pragma unroll
        for (int e = 0; e < EACH; e++) sum[e] = 0;
    }
}

// The gradient by a kernel has its own tiles, those of group_gradient.cuh and tiles.cuh.
__device__ inline void weight_gradient(Shared&, const Windows&, const REAL*, int, int, int, const Plain&)
{
    stop();
}
