// Convolution with a 1 x 1 kernel to four channels at most, as the output layer is; equations, names and order of conv2d.py,
// whose `weight` is (1, 1, C, O) here. A tile of tiles.cuh would hold little else than zeros.
#include "vectors.cuh"

// y[pixel, o] = sum over c of x[pixel, c] * w[c, o] (eq. 30), one thread for each pixel; grid ceil(pixels / 256), block 256
extern "C" __global__ void pixelwise_forward(const REAL* x, const REAL* weight, REAL* y, int64 pixels, int C, int O)
{
    int64 pixel = thread_number();
    if (pixel >= pixels) return;
    Four sum = {};
    for (int c = 0; c < C; c += 4) {
        Four image = load(x + pixel * C + c, C - c);
        for (int i = 0; i < 4; i++)
            for (int o = 0; o < 4; o++)
                if (o < O && (VECTOR || c + i < C)) sum.x[o] += image.x[i] * weight[(c + i) * O + o];
    }
    for (int o = 0; o < 4; o++)
        if (o < O) y[pixel * O + o] = sum.x[o];
}

// dx[pixel, c] = sum over o of dy[pixel, o] * w[c, o] (eq. 34), one thread for each four channels of a pixel; block 256
extern "C" __global__ void pixelwise_backward_input(const REAL* dy, const REAL* weight, REAL* dx, int64 pixels, int C, int O)
{
    int fours = (C + 3) / 4, c = (int)(thread_number() % fours) * 4;
    int64 pixel = thread_number() / fours;
    if (pixel >= pixels) return;
    Four sum = {};
    for (int o = 0; o < O; o++)
        for (int i = 0; i < 4; i++)
            if (VECTOR || c + i < C) sum.x[i] += dy[pixel * O + o] * weight[(c + i) * O + o];
    put(dx + pixel * C + c, sum, C - c);
}

struct Products {
    const REAL *dy, *x;
    int C, O;
    __device__ REAL operator()(int64 pixel, int column) const
    {
        return x[pixel * C + column / O] * dy[pixel * O + column % O];
    }
};

// dw[c, o] = sum over pixels of x[pixel, c] * dy[pixel, o] (eq. 36), in parts (number of parts, C, O)
// grid ceil(C * O / 32), number of parts; block 256
extern "C" __global__ void pixelwise_backward_weight(const REAL* dy, const REAL* x, REAL* parts, int64 pixels, int C, int O)
{
    __shared__ REAL shared[256];
    column_sums(shared, parts, pixels, C * O, Products{dy, x, C, O});
}
