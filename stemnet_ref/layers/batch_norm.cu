// Batch normalisation; equations, names and order of batch_norm.py. Sums over the pixels are in double and in parts:
// grid ceil(C / 32), number of parts; block 256. The host adds the parts and divides by n (`factor` of sum_over).
#include "common.cuh"

struct Value {
    const REAL* x;
    int C;
    __device__ double operator()(int64 pixel, int c) const { return x[pixel * C + c]; }
};

struct Square {                                             // of the deviation from the mean
    const REAL* x;
    const REAL* mean;
    int C;
    __device__ double operator()(int64 pixel, int c) const
    {
        REAL d = x[pixel * C + c] - mean[c];
        return d * d;
    }
};

struct Scaled {                                             // dy * xhat
    const REAL *dy, *x, *mean, *variance;
    int C;
    REAL epsilon;
    __device__ double operator()(int64 pixel, int c) const
    {
        return dy[pixel * C + c] * ((x[pixel * C + c] - mean[c]) / sqrt(variance[c] + epsilon));
    }
};

// n mu_c = sum of x over the pixels (eq. 57)
extern "C" __global__ void batch_norm_sum(const REAL* x, double* parts, int64 pixels, int C)
{
    __shared__ double shared[256];
    column_sums(shared, parts, pixels, C, Value{x, C});
}

// n v_c = sum of (x - mu_c)^2 over the pixels (eq. 58)
extern "C" __global__ void batch_norm_squares(const REAL* x, const REAL* mean, double* parts, int64 pixels, int C)
{
    __shared__ double shared[256];
    column_sums(shared, parts, pixels, C, Square{x, mean, C});
}

// sum of dy * xhat over the pixels, dscale_c
extern "C" __global__ void batch_norm_scaled(const REAL* dy, const REAL* x, const REAL* mean, const REAL* variance,
                                             double* parts, int64 pixels, int C, REAL epsilon)
{
    __shared__ double shared[256];
    column_sums(shared, parts, pixels, C, Scaled{dy, x, mean, variance, C, epsilon});
}

// out = sums, rounded to REAL; grid ceil(C / 256), block 256
extern "C" __global__ void batch_norm_round(const double* sums, REAL* out, int C)
{
    int64 t = thread_number();
    if (t < C) out[t] = REAL(sums[t]);
}

// y = scale * (x - mean) / sqrt(variance + epsilon) + shift (eq. 56); one thread for each element, block 256
extern "C" __global__ void batch_norm_forward(const REAL* x, const REAL* scale, const REAL* shift, const REAL* mean,
                                              const REAL* variance, REAL* y, int C, REAL epsilon, int64 elements)
{
    int64 t = thread_number();
    if (t >= elements) return;
    int c = t % C;
    y[t] = scale[c] * ((x[t] - mean[c]) / sqrt(variance[c] + epsilon)) + shift[c];
}

// dx = scale / sqrt(variance + epsilon) * (dy - mean(dy) - xhat * mean(dy * xhat)) (eq. 38); a thread for each element
extern "C" __global__ void batch_norm_backward(const REAL* dy, const REAL* x, const REAL* scale, const REAL* mean,
                                               const REAL* variance, const REAL* dscale, const REAL* dshift, REAL* dx,
                                               int C, REAL epsilon, int64 elements)
{
    int64 t = thread_number();
    if (t >= elements) return;
    int c = t % C;
    REAL std = sqrt(variance[c] + epsilon), pixels = REAL(elements / C), xhat = (x[t] - mean[c]) / std;
    dx[t] = scale[c] / std * (dy[t] - dshift[c] / pixels - xhat * (dscale[c] / pixels));
}

// running += rate * (batch - running); grid ceil(C / 256), block 256
extern "C" __global__ void batch_norm_average(REAL* running, const REAL* batch, REAL rate, int C)
{
    int64 t = thread_number();
    if (t < C) running[t] += rate * (batch[t] - running[t]);
}
