// A transposed convolution's forward pass as convolutions of its input (windows.cuh).
#pragma once

#include "windows.cuh"

// Outputs (Y, X) whose places modulo the stride are (py, px), as a grid of (I, J) with Y = S*I + py, X = S*J + px. Of the
// kernel they see every S-th element, a = ra + S*t, so that no product with 0 is taken. Input row
// i = (Y + TOP - a) / S = I + (py + TOP - ra) / S - t: a convolution with the TA x TB elements in reverse order.
struct Phase {
    int KW, S, HO, WO, ROWS, COLUMNS, TA, TB, py, px, ra, rb, up, back;         // ROWS, COLUMNS of I and J

    __device__ Phase(int KH, int KW, int S, int HO, int WO, int TOP, int LEFT, int phase)
        : KW(KW), S(S), HO(HO), WO(WO), py(phase / S), px(phase % S)
    {
        ROWS = (HO - py + S - 1) / S;
        COLUMNS = (WO - px + S - 1) / S;
        ra = (py + TOP) % S;
        rb = (px + LEFT) % S;
        TA = (KH - ra + S - 1) / S;
        TB = (KW - rb + S - 1) / S;
        up = TA - 1 - (py + TOP - ra) / S;
        back = TB - 1 - (px + LEFT - rb) / S;
    }
    __device__ Windows windows(const REAL* x, int C, int N, int H, int W) const
    {
        return {x, x, C, 0, N, H, W, ROWS, COLUMNS, TA, TB, 1, up, back};
    }
    __device__ Filters filters(const REAL* weight, int O) const
    {
        return {weight, O, (ra + S * (TA - 1)) * KW + rb + S * (TB - 1), -S * KW, -S};
    }
    __device__ int64 pixel(int row) const                   // of the output
    {
        int J = row % COLUMNS, I = row / COLUMNS % ROWS, n = row / COLUMNS / ROWS;
        return ((int64)n * HO + S * I + py) * WO + S * J + px;
    }
};
