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

const int TAPS = KERNEL;                                    // elements of the kernel between two barriers
const int PIXELS = 8;                                      // pixels of the weight gradient between two barriers

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
            high[i] = high_part(x);
            low[i] = x - high[i];                           // NaN where x is, or is infinite
        }
    }
};

struct Sums {
    float sum[ROW_TILES][COLUMN_TILES][4] = {};
    int row, column;                                        // of the warp, within the tile
    int lane, group, member;                                // of this thread

    __device__ Sums()
    {
        int warp = threadIdx.x / 32, warps_across = TILE_COLUMNS / WARP_COLUMNS;
        row = warp / warps_across * WARP_ROWS;
        column = warp % warps_across * WARP_COLUMNS;
        lane = threadIdx.x % 32;
        group = lane / 4;
        member = lane % 4;
    }

    // Add left(row, k) * right[k, column] for eight k of each of STEPS. get(step, i, x) fetches this thread's four numbers
    // of tile i from the left, rows(step) are those of the right.
    template <int STEPS, class Left, class Right>
    __device__ void add(const Left& get, const Right& rows)
    {
        Split<2> b[STEPS][COLUMN_TILES];
        #pragma unroll
        for (int s = 0; s < STEPS; s++)
            #pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++)
                #pragma unroll
                for (int half = 0; half < 2; half++) b[s][j].set(half, rows(s)[member + 4 * half][column + 8 * j + group]);
        #pragma unroll
        for (int i = 0; i < ROW_TILES; i++) {
            Split<4> a[STEPS];
            #pragma unroll
            for (int s = 0; s < STEPS; s++) {
                float left[4];
                get(s, i, left);
                #pragma unroll
                for (int e = 0; e < 4; e++) a[s].set(e, left[e]);
            }
            #pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++) {
                float product[4] = {};                      // added below, since tensor cores do not round to nearest
                float (&to)[4] = PRODUCT == 3 ? sum[i][j] : product;
                #pragma unroll
                for (int term = PRODUCT == 3 ? 2 : 0; term < 3; term++)         // low * high, high * low, high * high
                    #pragma unroll
                    for (int s = 0; s < STEPS; s++)
                        multiply_add(to, term == 0 ? a[s].low : a[s].high, term == 1 ? b[s][j].low : b[s][j].high);
                if (PRODUCT == 2)
                    #pragma unroll
                    for (int e = 0; e < 4; e++) sum[i][j][e] += product[e];
            }
        }
    }

    // Rows are pixels WIDTH in a line: add image[row + tap, k] * filters[tap][k, column] for all taps.
    template <int WIDTH, int HALO_WIDTH>
    __device__ void add_pixels(const REAL (*image)[PIXEL], const REAL (*filters)[CHUNK][TILE_COLUMNS + PAD])
    {
        int mine = lane % 16;                               // of the 16 pixels of a tile, and half of their channels
        const REAL* first = image[row / WIDTH * HALO_WIDTH + mine / WIDTH * HALO_WIDTH + mine % WIDTH] + lane / 16 * 4;
        __syncwarp();                                       // the copies before may have taken its threads apart
        auto get = [&](int s, int i, float (&x)[4]) {
            load_tile(x, first + (16 * i / WIDTH * HALO_WIDTH + 16 * i % WIDTH + s) * PIXEL);
        };
        auto rows = [&](int s) { return filters[s]; };
        const int TOGETHER = COLUMN_TILES == 4 ? 2 : 1;     // as many as there are registers for
        #pragma unroll 1
        for (int tap = 0; tap <= TAPS - TOGETHER; tap += TOGETHER, first += TOGETHER * PIXEL, filters += TOGETHER)
            add<TOGETHER>(get, rows);
        if (TAPS % TOGETHER) add<1>(get, rows);
    }
    // Rows lie beside each other: add places[k, row] * gradients[k, column].
    template <int COUNT>
    __device__ void add_places(const REAL (*places)[TILE_ROWS + PAD], const REAL (*gradients)[TILE_COLUMNS + PAD])
    {
        static_assert(COUNT == 8, "as many as tensor cores take");
        __syncwarp();
        add<1>([&](int, int i, float (&x)[4]) {
            #pragma unroll
            for (int half = 0; half < 2; half++) {
                Neighbours<2> two = *(const Neighbours<2>*)(places[member + 4 * half] + place(i, 0));
                x[2 * half] = two.x[0];
                x[2 * half + 1] = two.x[1];
            }
        }, [&](int) { return gradients; });
    }
    // The places that tensor cores take for rows `group` and `group` + 8 of tile i lie together.
    __device__ int place(int i, int half) const { return row + 16 * i + 2 * group + half; }

    // Put all into shared memory. ADDED says which of the two ways they were added.
    enum Added { PIXELS, PLACES };
    __device__ void put(Tile& tile, Added added) const
    {
        #pragma unroll
        for (int i = 0; i < ROW_TILES; i++)
            #pragma unroll
            for (int j = 0; j < COLUMN_TILES; j++)
                #pragma unroll
                for (int e = 0; e < 4; e++)
                    tile[added == PIXELS ? row + 16 * i + group + e / 2 * 8 : place(i, e / 2)]
                        [column + 8 * j + 2 * member + e % 2] = sum[i][j][e];
    }
};
