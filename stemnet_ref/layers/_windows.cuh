// The operands of a convolution's three products (_product.cuh): windows of images, and filters.
#pragma once

#include "_product.cuh"

// Windows of an image (N, H, W, C), S pixels apart and 0 outside: pixel (n,i,j) of an (N, HO, WO) grid and place (a,b,c)
// of the kernel give image[n, S*i+a-TOP, S*j+b-LEFT, c]. The image is one array, or two side by side: the channels below
// CA are those of `first`, the others those of `second`.
struct Windows {
    const REAL *first, *second;
    int CA, H, W, C, HO, WO, KW, S, TOP, LEFT;
    __device__ REAL at(int pixel, int place) const
    {
        int j = pixel % WO, i = pixel / WO % HO, n = pixel / WO / HO;
        int c = place % C, b = place / C % KW, a = place / C / KW;
        int h = S * i + a - TOP, w = S * j + b - LEFT;
        if (h < 0 || h >= H || w < 0 || w >= W) return 0;
        int64 source = ((int64)n * H + h) * W + w;
        return c < CA ? first[source * CA + c] : second[source * (C - CA) + c - CA];
    }
};

// Row: a pixel, k: a place under the kernel.
struct PixelRows {
    Windows windows;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int pixel, int place) const { return windows.at(pixel, place); }
};

// Row: a place under the kernel, k: a pixel; for the gradients of weights.
struct PlaceRows {
    Windows windows;
    static const bool ALONG_K = false;
    __device__ REAL operator()(int place, int pixel) const { return windows.at(pixel, place); }
};

// w[kh-1-a, kw-1-b, c, o] for column c and k = (a,b,o): the kernel flipped, its channels exchanged (eq. 34).
struct FlippedFilters {
    const REAL* weight;
    int KH, KW, C, O;
    static const bool ALONG_K = true;
    __device__ REAL operator()(int c, int k) const
    {
        int o = k % O, b = k / O % KW, a = k / O / KW;
        return weight[(((int64)(KH - 1 - a) * KW + KW - 1 - b) * C + c) * O + o];
    }
};
