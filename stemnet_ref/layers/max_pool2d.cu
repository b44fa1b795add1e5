// Max pooling; equations, names and order of max_pool2d.py.
#include "common.cuh"

// y[n,i,j,c] = max over a,b of x[n, s*i+a, s*j+b, c], one thread for each element of y; a NaN makes the maximum NaN, and
// the lowest place wins a tie. grid ceil(J*C / 256), I, N, block 256; I and J are the sides of y
extern "C" __global__ void max_pool2d_forward(const REAL* x, REAL* y, unsigned char* argmax, int I, int J, int C, int size)
{
    int64 t = thread_number();
    if (t >= (int64)J * C) return;
    int c = (unsigned)t % C, j = (unsigned)t / C, i = blockIdx.y, n = blockIdx.z;
    t += ((int64)n * I + i) * J * C;
    REAL best = 0;
    int place = 0;
    bool undefined = false;
    for (int a = 0; a < size; a++)
        for (int b = 0; b < size; b++) {
            REAL value = x[(((int64)n * I * size + i * size + a) * J * size + j * size + b) * C + c];
            undefined = undefined || value != value;    // NaN
            if ((a == 0 && b == 0) || value > best) {
                best = value;
                place = a * size + b;
            }
        }
    y[t] = undefined ? REAL(nan("")) : best;
    argmax[t] = place;
}

// dx[n, s*i+a, s*j+b, c] += dy[n,i,j,c] if (a,b) is the argmax; without `add` = it, and 0 for the others; one thread for each
// of dx, gathering, so no atomics. grid ceil(J*s*C / 256), I*s, N, block 256; I and J are the sides of dy
extern "C" __global__ void max_pool2d_backward(const REAL* dy, const unsigned char* argmax, REAL* dx, int I, int J, int C,
                                               int size, int add)
{
    int64 t = thread_number();
    if (t >= (int64)J * size * C) return;
    int c = (unsigned)t % C, w = (unsigned)t / C, h = blockIdx.y, n = blockIdx.z;
    t += ((int64)n * I * size + h) * J * size * C;
    int64 out = (((int64)n * I + h / size) * J + w / size) * C + c;
    REAL d = argmax[out] == h % size * size + w % size ? dy[out] : REAL(0);
    dx[t] = add ? dx[t] + d : d;
}
