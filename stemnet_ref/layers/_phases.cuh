// The operands of a transposed convolution's forward product (_product.cuh).
#pragma once

#include "_windows.cuh"

// Outputs (Y, X) whose places modulo the stride are (py, px), row = (n, I, J) with Y = S*I + py, X = S*J + px. Of the
// kernel they see every S-th element, k = (ta, tb, c) with a = ra + S*ta, so that no product with 0 is taken.
struct Phase {
    int H, W, C, KH, KW, S, TOP, LEFT, ROWS, COLUMNS, TAPS;     // ROWS, COLUMNS of I and J; TAPS of tb
    int py, px, ra, rb;

    __device__ Phase(int H, int W, int C, int KH, int KW, int S, int HO, int WO, int TOP, int LEFT, int phase)
        : H(H), W(W), C(C), KH(KH), KW(KW), S(S), TOP(TOP), LEFT(LEFT), py(phase / S), px(phase % S)
    {
        ROWS = (HO - py + S - 1) / S;
        COLUMNS = (WO - px + S - 1) / S;
        ra = (py + TOP) % S;
        rb = (px + LEFT) % S;
        TAPS = (KW - rb + S - 1) / S;
    }
    __device__ int taps() const { return (KH - ra + S - 1) / S * TAPS; }
    __device__ int a(int tap) const { return ra + S * (tap / TAPS); }
    __device__ int b(int tap) const { return rb + S * (tap % TAPS); }
    __device__ int64 pixel(int row, int HO, int WO) const           // of the output
    {
        int J = row % COLUMNS, I = row / COLUMNS % ROWS, n = row / COLUMNS / ROWS;
        return ((int64)n * HO + S * I + py) * WO + S * J + px;
    }
};

struct PhaseRows {
    const REAL* x;
    Phase phase;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int row, int k) const
    {
        const Phase& f = phase;
        int J = row % f.COLUMNS, I = row / f.COLUMNS % f.ROWS, n = row / f.COLUMNS / f.ROWS;
        int c = k % f.C, tap = k / f.C;
        int i = (f.S * I + f.py + f.TOP - f.a(tap)) / f.S, j = (f.S * J + f.px + f.LEFT - f.b(tap)) / f.S;    // exact
        bool inside = f.S * I + f.py + f.TOP >= f.a(tap) && f.S * J + f.px + f.LEFT >= f.b(tap) && i < f.H && j < f.W;
        return inside ? x[(((int64)n * f.H + i) * f.W + j) * f.C + c] : REAL(0);
    }
};

struct PhaseFilters {
    const REAL* weight;
    Phase phase;
    int O;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int o, int k) const
    {
        int c = k % phase.C, tap = k / phase.C;
        return weight[(((int64)phase.a(tap) * phase.KW + phase.b(tap)) * O + o) * phase.C + c];
    }
};
