// A convolution's two products, for every layer with weights:
//
//     convolve           out[pixel, o] = sum over a,b,c of image under the kernel [pixel, a,b,c] * weight[a,b,c,o]
//     weight_gradient    dw[a,b,c, o]  = sum over pixels of image under the kernel [pixel, a,b,c] * dy[pixel, o]
//
// Matrix products, whose left matrix is never unfolded in memory. PRODUCT chooses the way: 0 the plain one (plain.cuh),
// which people learn from and the others are tested against; fast ones (tiles.cuh): 1 on CUDA's ordinary cores, 2 on tensor
// cores with operands split into two (sums_tensor.cuh), 3 there with operands rounded to TF32. GROUPS says that a product is
// made by groups of warps: 1 `convolve` of groups.cuh, 2 `weight_gradient` of group_gradient.cuh, 3 `convolve` of
// group_lines.cuh. Their filters, or dy, are those of filters.cu. All sum in a fixed order, so that reruns are bit-equal.
#pragma once

#include "ptx.cuh"
#include "vectors.cuh"

#ifndef PRODUCT                                             // what the host says otherwise, for each shape: gemm.py
#define PRODUCT 1
#define GROUPS 0                                            // which product groups of warps make
#define TILE_ROWS 64                                        // pixels (or places under the kernel) that a block works on
#define TILE_COLUMNS 64                                     // and channels out
#define TILE_WIDTH 32                                       // pixels of a line that a block works on
#define KERNEL 1                                            // the kernel's side, or 1 to take its elements one by one
#define CHUNK 4                                             // channels in that are taken at once
#define SHARED_BYTES 49152                                  // of shared memory for a block
#endif

template <int COUNT>
struct alignas(COUNT * sizeof(REAL)) Neighbours {           // in memory
    REAL x[COUNT];
};

// Windows of an image (N, H, W, C), S pixels apart and 0 outside: pixel (n,i,j) of an (N, HO, WO) grid and element (a,b)
// of the kernel see image[n, S*i+a-TOP, S*j+b-LEFT]. The image is one array, or two side by side of CA and CB channels.
struct Windows {
    const REAL *first, *second;
    int CA, CB, N, H, W, HO, WO, KH, KW, S, TOP, LEFT;
    __device__ int C() const { return CA + CB; }
    __device__ bool inside(int h, int w, int c) const
    {
        return ((unsigned)h < (unsigned)H) & ((unsigned)w < (unsigned)W) & (c < C());
    }
    __device__ int beside(int c) const { return c < CA ? CA : CB; }         // from a pixel's channel c to the next pixel's
    __device__ const REAL* at(int n, int h, int w, int c) const { return at((n * H + h) * W + w, c); }
    __device__ const REAL* at(int pixel, int c) const
    {
        return (c < CA ? first + c : second + c - CA) + (int64)pixel * beside(c);
    }
};

// weight[a,b,c,o] for `convolve` at p[((FIRST + a*DOWN + b*ACROSS) * C + c) * COLUMNS + o]; a kernel as it lies in memory
// has FIRST = 0, DOWN = KW, ACROSS = 1, and flipped FIRST = KH*KW - 1, DOWN = -KW, ACROSS = -1.
struct Filters {
    const REAL* p;
    int COLUMNS, FIRST, DOWN, ACROSS;
    __device__ const REAL* at(int a, int b, int c, int C, int o) const
    {
        return p + ((int64)(FIRST + a * DOWN + b * ACROSS) * C + c) * COLUMNS + o;
    }
};

// Where four sums go: a matrix (rows, COLUMNS). A row of `convolve` is a pixel (n * HO + i) * WO + j, and one of
// `weight_gradient` a place (a * KW + b) * C + c.
struct Plain {
    enum { FOURS = 1 };                                     // of neighbours that a thread takes in turn: finish.cuh
    REAL* out;
    int COLUMNS;
    __device__ void operator()(int row, int column, const Four& sum) const
    {
        put(out + (int64)row * COLUMNS + column, sum, COLUMNS - column);
    }
};

#if PRODUCT == 0
#include "plain.cuh"
#elif GROUPS == 1
#include "groups.cuh"
#elif GROUPS == 2
#include "group_gradient.cuh"
#elif GROUPS == 3
#include "group_lines.cuh"
#else
#include "tiles.cuh"
#endif
