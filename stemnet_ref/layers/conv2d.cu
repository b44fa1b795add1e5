// Convolution, stride 1; equations, names and order of conv2d.py.
#include "_windows.cuh"

// y[n,i,j,o] = sum over a,b,c of x[n, i+a-top, j+b-left, c] * w[a,b,c,o]
// grid ceil(N*HO*WO / 64), ceil(O / 64); block 256
extern "C" __global__ void conv2d_forward(const REAL* x, const REAL* weight, REAL* y, int N, int H, int W, int C, int O,
                                          int KH, int KW, int HO, int WO, int top, int left)
{
    __shared__ Tiles tiles;
    PixelRows pixels = {{x, x, C, H, W, C, HO, WO, KW, 1, top, left}};
    Matrix<false> filters = {weight, O};
    product(tiles, N * HO * WO, O, 0, KH * KW * C, pixels, filters, Plain{y, O});
}

// dx[n,i,j,c] = sum over a,b,o of dy[n, i-a+top, j-b+left, o] * w[a,b,o,c], as a convolution of dy with the flipped kernel
// grid ceil(N*H*W / 64), ceil(C / 64); block 256
extern "C" __global__ void conv2d_backward_input(const REAL* dy, const REAL* weight, REAL* dx, int N, int H, int W, int C,
                                                 int O, int KH, int KW, int HO, int WO, int top, int left)
{
    __shared__ Tiles tiles;
    PixelRows pixels = {{dy, dy, O, HO, WO, O, H, W, KW, 1, KH - 1 - top, KW - 1 - left}};
    FlippedFilters filters = {weight, KH, KW, C, O};
    product(tiles, N * H * W, C, 0, KH * KW * O, pixels, filters, Plain{dx, C});
}

// dw[a,b,c,o] = sum over n,i,j of x[n, i+a-top, j+b-left, c] * dy[n,i,j,o]; one part of the pixels for each blockIdx.z
// grid ceil(KH*KW*C / 64), ceil(O / 64), number of parts; block 256
extern "C" __global__ void conv2d_backward_weight(const REAL* dy, const REAL* x, REAL* parts, int N, int H, int W, int C,
                                                  int O, int KH, int KW, int HO, int WO, int top, int left)
{
    __shared__ Tiles tiles;
    PlaceRows places = {{x, x, C, H, W, C, HO, WO, KW, 1, top, left}};
    Matrix<false> gradients = {dy, O};
    int pixels = N * HO * WO, rows = KH * KW * C;
    product(tiles, rows, O, share(pixels, blockIdx.z, gridDim.z), share(pixels, blockIdx.z + 1, gridDim.z), places,
            gradients, Plain{parts + (int64)blockIdx.z * rows * O, O});
}
