// The matrix product inside every layer with weights:
//
//     out[row, column] = sum over k of left(row, k) * right(column, k)
//
// `left` and `right` are functions that fetch an element, so that an image need not be unfolded in memory first. A block
// of 256 threads makes a tile of 64 x 64 outputs: 16 values of k at a time are fetched into shared memory, and every
// thread keeps 4 x 4 sums in registers. k runs in order, so that reruns are bit-equal.
#pragma once

#include "_common.cuh"

const int TILE = 64, DEPTH = 16, THREADS = 256, EACH = 4;   // THREADS * EACH * EACH = TILE * TILE

struct alignas(16) Tiles {
    REAL left[DEPTH][TILE + 4], right[DEPTH][TILE + 4];     // 4 more, so that the columns fall into several banks
};

// Fetch a tile of one operand; 0 beyond its ends. Neighbouring threads take neighbours in memory: along k where
// Operand::ALONG_K, else along the rows (or columns).
template <class Operand>
__device__ void fetch(REAL (*tile)[TILE + 4], const Operand& operand, int first, int count, int k_first, int k_end)
{
    for (int i = 0; i < TILE * DEPTH / THREADS; i++) {
        int e = threadIdx.x + i * THREADS;
        int k = Operand::ALONG_K ? e % DEPTH : e / TILE;
        int at = Operand::ALONG_K ? e / DEPTH : e % TILE;
        bool inside = first + at < count && k_first + k < k_end;
        tile[k][at] = inside ? operand(first + at, k_first + k) : REAL(0);
    }
}

// Make the tile of this block, blockIdx.x over the rows and blockIdx.y over the columns, from k_begin <= k < k_end, and
// hand the sums to store(row, column, sums, count): `count` of them, at most EACH, from this column on.
template <class Left, class Right, class Store>
__device__ void product(Tiles& tiles, int rows, int columns, int k_begin, int k_end, const Left& left,
                        const Right& right, const Store& store)
{
    int first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE;
    int row = threadIdx.x / (TILE / EACH) * EACH, column = threadIdx.x % (TILE / EACH) * EACH;     // within the tile
    REAL sum[EACH][EACH] = {};
    for (int k_first = k_begin; k_first < k_end; k_first += DEPTH) {
        fetch(tiles.left, left, first_row, rows, k_first, k_end);
        fetch(tiles.right, right, first_column, columns, k_first, k_end);
        __syncthreads();
        for (int k = 0; k < DEPTH; k++)
            for (int i = 0; i < EACH; i++)
                for (int j = 0; j < EACH; j++)
                    sum[i][j] += tiles.left[k][row + i] * tiles.right[k][column + j];
        __syncthreads();                                    // before the next tiles overwrite these
    }
    #pragma unroll                                          // else `sum` would have to lie in memory
    for (int i = 0; i < EACH; i++)
        if (first_row + row + i < rows && first_column + column < columns)
            store(first_row + row + i, first_column + column, sum[i], columns - first_column - column);
}

// A matrix as it lies in memory: element (at, k) at p[at*AT + k*K].
template <bool K_IS_CONTIGUOUS>
struct Matrix {
    const REAL* p;
    int64 stride;                                           // of the other index
    static const bool ALONG_K = K_IS_CONTIGUOUS;
    __device__ REAL operator()(int at, int k) const
    {
        return K_IS_CONTIGUOUS ? p[at * stride + k] : p[k * stride + at];
    }
};

// For the places 0 <= j < EACH that are below `count`, unrolled.
#define FOR_EACH_SUM(j, count) _Pragma("unroll") for (int j = 0; j < EACH; j++) if (j < (count))

// Where the sums go: a matrix (rows, COLUMNS).
struct Plain {
    REAL* out;
    int COLUMNS;
    __device__ void operator()(int row, int column, const REAL (&sum)[EACH], int count) const
    {
        FOR_EACH_SUM(j, count) out[(int64)row * COLUMNS + column + j] = sum[j];
    }
};

// This block's share of K: blockIdx.z of `parts` nearly equal ones.
__device__ inline int share(int K, int part, int parts)
{
    return (int)((int64)K * part / parts);
}
