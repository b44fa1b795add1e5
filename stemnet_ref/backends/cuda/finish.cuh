// What is done with the sums of a block when all are added.
#pragma once

// Hand all sums to store(row, column, sums), four at a time. A thread takes RUN neighbouring fours in turn, then the next that
// no other thread takes: one, so that neighbouring threads write to neighbouring places, or four where one draw of the
// dropout mask serves sixteen elements.
template <int RUN = 1, class Store>
__device__ void finish(Shared& shared, const Sums& sums, Sums::Added added, Store store)
{
    wait_for_copies<0>();
    __syncthreads();
    sums.put(shared.sums, added);
    __syncthreads();
    #pragma unroll 1
    for (int e = threadIdx.x * RUN; e < TILE_ROWS * TILE_COLUMNS / 4; e += e % RUN == RUN - 1 ? RUN * (THREADS - 1) + 1 : 1) {
        int row = e / (TILE_COLUMNS / 4), column = e % (TILE_COLUMNS / 4) * 4;
        store(row, column, *(const Four*)(shared.sums[row] + column));
    }
}
