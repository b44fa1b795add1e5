// What is done with the sums of a block when all are added.
#pragma once

// Hand all sums to store(row, column, sums), four at a time. A thread takes FOURS neighbouring fours in turn: 1, so that a
// warp writes neighbours, or 4, since one draw of the dropout mask serves sixteen elements.
template <int COLUMNS, int FOURS, class Store>
__device__ void finish(Shared& shared, const Sums& sums, Sums::Added added, Store store)
{
    wait_for_copies<0>();
    __syncthreads();
    sums.put(shared.sums, added);
    __syncthreads();
    #pragma unroll 1
    for (int e = threadIdx.x * FOURS; e < TILE_ROWS * COLUMNS / 4; e += (e + 1) % FOURS == 0 ? FOURS * THREADS - FOURS + 1 : 1) {
        int row = e / (COLUMNS / 4), column = e % (COLUMNS / 4) * 4;
        store(row, column, *(const Four*)(shared.sums[row] + column));
    }
}
