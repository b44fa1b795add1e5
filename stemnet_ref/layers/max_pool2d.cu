// Max pooling; equations, names and order of max_pool2d.py. One thread for each four channels of a window, so no atomics;
// grid ceil(J * ceil(C / 4) / 256), I, N, block 256; I and J are the sides of y and dy
#include "vectors.cuh"

struct Window {                                             // this thread's
    int c, width;
    int64 pooled, first;                                    // its first channel in y, and in its place 0 in x
    bool exists;
    __device__ Window(int I, int J, int C, int size)
    {
        int fours = (C + 3) / 4, j = (unsigned)thread_number() / fours;
        int64 line = (int64)blockIdx.z * I + blockIdx.y;
        exists = thread_number() < (int64)J * fours;
        c = (unsigned)thread_number() % fours * 4;
        width = J * size * C;
        pooled = (line * J + j) * C + c;
        first = (line * size * J + j) * size * C + c;
    }
};

// y[n,i,j,c] = max over a,b of x[n, s*i+a, s*j+b, c]; a NaN makes the maximum NaN, and the lowest place wins a tie
extern "C" __global__ void max_pool2d_forward(const REAL* x, REAL* y, unsigned char* argmax, int I, int J, int C, int size)
{
    Window window(I, J, C, size);
    if (!window.exists) return;
    Four best = {};
    FourOf<unsigned char> place = {};
    for (int a = 0; a < size; a++)
        for (int b = 0; b < size; b++) {
            Four value = load(x + window.first + (int64)a * window.width + b * C, C - window.c);
            for (int e = 0; e < 4; e++)
                if (a + b == 0 || value.x[e] > best.x[e] || value.x[e] != value.x[e]) {     // the last is a NaN's
                    best.x[e] = value.x[e];
                    place.x[e] = a * size + b;
                }
        }
    put(y + window.pooled, best, C - window.c);
    put(argmax + window.pooled, place, C - window.c);
}

// dx[n, s*i+a, s*j+b, c] += dy[n,i,j,c] if (a,b) is the argmax; without `add` = it, and 0 for the others
extern "C" __global__ void max_pool2d_backward(const REAL* dy, const unsigned char* argmax, REAL* dx, int I, int J, int C,
                                               int size, int add)
{
    Window window(I, J, C, size);
    if (!window.exists) return;
    Four gradient = load(dy + window.pooled, C - window.c);
    FourOf<unsigned char> place = load(argmax + window.pooled, C - window.c);
    for (int a = 0; a < size; a++)
        for (int b = 0; b < size; b++) {
            REAL* to = dx + window.first + (int64)a * window.width + b * C;
            Four sum = {};
            if (add) sum = load(to, C - window.c);
            for (int e = 0; e < 4; e++)
                if (place.x[e] == a * size + b) sum.x[e] += gradient.x[e];
            put(to, sum, C - window.c);
        }
}
