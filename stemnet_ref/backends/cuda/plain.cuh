// The two products of windows.cuh, as the equations have them: every thread makes four neighbouring sums of one row.
#pragma once

const int THREADS = TILE_ROWS * TILE_COLUMNS / 4;           // a block's
const int BLOCKS = 1;

struct Shared {};                                           // of which this needs none

struct Here {                                               // this thread's row and first column
    int row, column;
    __device__ Here()
    {
        row = blockIdx.x * TILE_ROWS + threadIdx.x / (TILE_COLUMNS / 4);
        column = blockIdx.y * TILE_COLUMNS + threadIdx.x % (TILE_COLUMNS / 4) * 4;
    }
};

// Part `part` of `parts`: a share of the channels in.
template <class Store>
__device__ void convolve(Shared&, const Windows& v, const Filters& f, int part, int parts, Store store)
{
    Here here;
    int j = here.row % v.WO, i = here.row / v.WO % v.HO, n = here.row / v.WO / v.HO;
    if (n >= v.N || here.column >= f.COLUMNS) return;
    Four sum = {};
    for (int a = 0; a < v.KH; a++)
        for (int b = 0; b < v.KW; b++)
            for (int c = v.C() * part / parts; c < v.C() * (part + 1) / parts; c++) {
                int h = v.S * i + a - v.TOP, w = v.S * j + b - v.LEFT;
                REAL x = v.inside(h, w, c) ? *v.at(n, h, w, c) : REAL(0);
                Four weight = load(f.at(a, b, c, v.C(), here.column), f.COLUMNS - here.column);
                for (int e = 0; e < 4; e++) sum.x[e] += x * weight.x[e];
            }
    store(here.row, here.column, sum);
}

// Part `part` of `parts`: a share of the pixels.
__device__ inline void weight_gradient(Shared&, const Windows& v, const REAL* dy, int O, int part, int parts, const Plain& store)
{
    Here here;
    int c = here.row % v.C(), b = here.row / v.C() % v.KW, a = here.row / v.C() / v.KW;
    int64 pixels = (int64)v.N * v.HO * v.WO;
    if (a >= v.KH || here.column >= O) return;
    Four sum = {};
    for (int64 pixel = pixels * part / parts; pixel < pixels * (part + 1) / parts; pixel++) {
        int j = pixel % v.WO, i = pixel / v.WO % v.HO, n = pixel / v.WO / v.HO;
        int h = v.S * i + a - v.TOP, w = v.S * j + b - v.LEFT;
        REAL x = v.inside(h, w, c) ? *v.at(n, h, w, c) : REAL(0);
        Four gradient = load(dy + pixel * O + here.column, O - here.column);
        for (int e = 0; e < 4; e++) sum.x[e] += x * gradient.x[e];
    }
    store(here.row, here.column, sum);
}
