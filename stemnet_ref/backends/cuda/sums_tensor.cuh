// The sums of sums.cuh on tensor cores: a warp multiplies 16 x 8 by 8 x 8 numbers at once. These have 11 significant bits
// (TF32) where float has 24. PRODUCT 3 rounds to them. PRODUCT 2 splits every number into two, x = high + low, and adds
// three products, low * high + high * low + high * high. |low| is at most 2^-11 |x|, and tensor cores take 11 bits of its 12
// and leave out low * low, so that a product is wrong by at most 2^-21 of it (for random numbers 2^-24 in the mean square,
// 3 times as much as with one rounding). An infinity becomes NaN.
#pragma once

static_assert(sizeof(REAL) == 4, "tensor cores are for float32");
static_assert(CHUNK == 8, "they take eight channels at a time");

const int THREADS = TILE_ROWS * TILE_COLUMNS / 64;
const int BLOCKS = THREADS < 128 ? 4 : 2;                   // for which a multiprocessor is to have registers
const int WARP_COLUMNS = TILE_COLUMNS < 32 ? TILE_COLUMNS : 32, WARP_ROWS = 2048 / WARP_COLUMNS;
const int ROW_TILES = WARP_ROWS / 16, COLUMN_TILES = WARP_COLUMNS / 8;

// Distances in shared memory at which the threads of a warp meet in no bank
const int PAD = 8;                                          // from row to row: TILE_ROWS or TILE_COLUMNS, and this
const int PIXEL = CHUNK + 4;                                // from pixel to pixel

typedef REAL Tile[TILE_ROWS][TILE_COLUMNS + 4];             // all sums of a block

// COUNT numbers, rounded, and what that leaves: at most 2^12 units of x's last bit
template <int COUNT>
struct Split {
    float high[COUNT], low[COUNT];
    __device__ void set(int i, float x)
    {
        if (PRODUCT == 3) {
            high[i] = round_to_tf32(x);
        } else {
            high[i] = __uint_as_float((__float_as_uint(x) + 0x1000) & ~0x1fffu);
            low[i] = x - high[i];                           // NaN where x is, or is infinite
        }
    }
};

struct Sums {
    float sum[ROW_TILES][COLUMN_TILES][4] = {};
    int row, column;                                        // of the warp, within the tile
    int group, member;                                      // of this thread: 8 groups of 4

    __device__ Sums()
    {
        int warp = threadIdx.x / 32, warps_across = TILE_COLUMNS / WARP_COLUMNS;
        row = warp / warps_across * WARP_ROWS;
        column = warp % warps_across * WARP_COLUMNS;
        group = threadIdx.x % 32 / 4;
        member = threadIdx.x % 4;
    }

    // Add left(row, k) * right[k, column] for eight k.
    template <class Left>
    __device__ void add(const Left& left, const REAL (*right)[TILE_COLUMNS + PAD])
    {
        __syncwarp();                                       // the copies before may have taken its threads apart
        Split<2> b[COLUMN_TILES];
        #pragma unroll
        for (int j = 0; j < COLUMN_TILES; j++)
            #pragma unroll
            for (int half = 0; half < 2; half++) b[j].set(half, right[member + 4 * half][column + 8 * j + group]);
        #pragma unroll
        for (int i = 0; i < ROW_TILES; i++) {
            Split<4> a;
            #pragma unroll
            for (int e = 0; e < 4; e++) a.set(e, left(16 * i + group + e % 2 * 8, member + e / 2 * 4));
            #pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++) {
                if (PRODUCT == 3) {
                    multiply_add(sum[i][j], a.high, b[j].high);
                    continue;
                }
                float product[4] = {};                      // added below, since tensor cores do not round to nearest
                multiply_add(product, a.low, b[j].high);
                multiply_add(product, a.high, b[j].low);
                multiply_add(product, a.high, b[j].high);
                #pragma unroll
                for (int e = 0; e < 4; e++) sum[i][j][e] += product[e];
            }
        }
    }

    // Rows are pixels WIDTH in a line: add image[row, k] * filters[k, column].
    template <int WIDTH, int HALO_WIDTH>
    __device__ void add_pixels(const REAL (*image)[PIXEL], const REAL (*filters)[TILE_COLUMNS + PAD])
    {
        const REAL (*first)[PIXEL] = image + row / WIDTH * HALO_WIDTH;
        add([&](int r, int k) { return first[r / WIDTH * HALO_WIDTH + r % WIDTH][k]; }, filters);
    }
    // Rows lie beside each other: add places[k, row] * gradients[k, column].
    template <int COUNT>
    __device__ void add_places(const REAL (*places)[TILE_ROWS + PAD], const REAL (*gradients)[TILE_COLUMNS + PAD])
    {
        static_assert(COUNT == 8, "as many as tensor cores take");
        add([&](int r, int k) { return places[k][row + r]; }, gradients);
    }

    // Put all into shared memory.
    enum Added { PIXELS, PLACES };
    __device__ void put(Tile& tile, Added) const
    {
        #pragma unroll
        for (int i = 0; i < ROW_TILES; i++)
            #pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++)
                #pragma unroll
                for (int e = 0; e < 4; e++)
                    tile[row + 16 * i + group + e / 2 * 8][column + 8 * j + 2 * member + e % 2] = sum[i][j][e];
    }
};
