// The sums that a block of threads keeps in registers, TILE_ROWS x TILE_COLUMNS of them, and what is added to them from
// shared memory. The 32 threads of a warp make a tile of their own, ACROSS threads wide and DOWN high. With 64 columns that is
// 32 x 64, 8 threads wide and 4 high:
//
//     columns   0..3 4..7 ... 28..31   32..35 36..39 ... 60..63
//     row 0      t0   t1  ...   t7       t0     t1   ...   t7         A thread's 8 x 8 sums: rows DOWN = 4 apart, columns in
//     row 1      t8   t9  ...   t15      t8     t9   ...   t15        two fours, half a tile apart. So the threads of a warp
//     ...                                                             read neighbouring numbers from shared memory.
//     row 4      t0   t1  ...   t7       t0     t1   ...   t7
#pragma once

const int EACH = 8;                                         // rows of a thread, and columns: two groups of four
const int THREADS = TILE_ROWS * TILE_COLUMNS / (EACH * EACH);
const int ACROSS = TILE_COLUMNS / EACH < 8 ? TILE_COLUMNS / EACH : 8, DOWN = 32 / ACROSS;
const int BLOCKS = THREADS < 128 ? 4 : 3;                   // for which a multiprocessor is to have registers
const int WARP_ROWS = DOWN * EACH, WARP_COLUMNS = ACROSS * EACH;

const int TAPS = 1;                                         // elements of the kernel between two barriers
const int PIXELS = 8;                                       // pixels of the weight gradient between two barriers

// Distances in shared memory at which the threads of a warp meet in no bank
const int PAD = 8;                                          // from row to row: TILE_ROWS or TILE_COLUMNS, and this
const int PIXEL = CHUNK % 4 == 0 ? CHUNK + 4 : CHUNK | 1;   // from pixel to pixel

typedef REAL Tile[TILE_ROWS][TILE_COLUMNS + 4];             // all sums of a block

struct Sums {
    REAL sum[EACH][EACH] = {};
    int row, column;                                        // of the thread, within the tile

    __device__ Sums()
    {
        int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps_across = TILE_COLUMNS / WARP_COLUMNS;
        row = warp / warps_across * WARP_ROWS + lane / ACROSS;
        column = warp % warps_across * WARP_COLUMNS + lane % ACROSS * 4;
    }

    __device__ void add(int i, REAL left, const Four (&right)[2])
    {
        #pragma unroll
        for (int j = 0; j < EACH; j++) sum[i][j] += left * right[j / 4].x[j % 4];
    }
    __device__ void fetch(Four (&right)[2], const REAL* columns) const
    {
        right[0] = *(const Four*)(columns + column);
        right[1] = *(const Four*)(columns + column + WARP_COLUMNS / 2);
    }

    // Rows are pixels WIDTH in a line: add image[row, k] * filters[0][k, column]. This thread's rows lie DOWN pixels apart.
    template <int WIDTH, int HALO_WIDTH>
    __device__ void add_pixels(const REAL (*image)[PIXEL], const REAL (*filters)[CHUNK][TILE_COLUMNS + PAD])
    {
        const int TOGETHER = PIXEL % 2 == 0 ? 2 : 1;
        const REAL (*first)[PIXEL] = image + row / WIDTH * HALO_WIDTH + row % WIDTH;
        #pragma unroll
        for (int k = 0; k < CHUNK; k += TOGETHER) {
            Neighbours<TOGETHER> left[EACH];
            Four right[2];
            #pragma unroll
            for (int i = 0; i < EACH; i++)
                left[i] = *(const Neighbours<TOGETHER>*)(first[DOWN * i / WIDTH * HALO_WIDTH + DOWN * i % WIDTH] + k);
            #pragma unroll
            for (int e = 0; e < TOGETHER; e++) {
                fetch(right, filters[0][k + e]);
                #pragma unroll
                for (int i = 0; i < EACH; i++) add(i, left[i].x[e], right);
            }
        }
    }
    // Rows lie beside each other: add places[k, row] * gradients[k, column]. This thread has two groups of four.
    template <int COUNT>
    __device__ void add_places(const REAL (*places)[TILE_ROWS + PAD], const REAL (*gradients)[TILE_COLUMNS + PAD])
    {
        #pragma unroll
        for (int k = 0; k < COUNT; k++) {
            Four left[2], right[2];
            left[0] = *(const Four*)(places[k] + place(0));
            left[1] = *(const Four*)(places[k] + place(4));
            fetch(right, gradients[k]);
            #pragma unroll
            for (int i = 0; i < EACH; i++) add(i, left[i / 4].x[i % 4], right);
        }
    }
    __device__ int place(int i) const
    {
        return row / WARP_ROWS * WARP_ROWS + row % WARP_ROWS * 4 + i / 4 * (WARP_ROWS / 2) + i % 4;
    }

    // Put all into shared memory. ADDED says which of the two ways they were added.
    enum Added { PIXELS, PLACES };
    __device__ void put(Tile& tile, Added added) const
    {
        #pragma unroll
        for (int i = 0; i < EACH; i++)
            #pragma unroll
            for (int half = 0; half < 2; half++) {
                const REAL* s = sum[i] + 4 * half;
                REAL* to = tile[added == PIXELS ? row + DOWN * i : place(i)] + column + half * WARP_COLUMNS / 2;
                *(Four*)to = {{s[0], s[1], s[2], s[3]}};
            }
    }
};
