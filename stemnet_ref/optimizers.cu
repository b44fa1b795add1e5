// Optimizers; equations, names and order of optimizers.py. One thread for each element; block 256. eta, and Adam's rate and
// correction, change from step to step: `step` holds them (step_state.cu).
#include "common.cuh"

// w' = w - eta g                                                              (eq. 9-11, 15-16)
extern "C" __global__ void sgd(REAL* w, const REAL* g, const double* step, int64 elements)
{
    int64 t = thread_number();
    REAL eta = step[STEP_RATE];
    if (t < elements) w[t] -= eta * g[t];
}

// v' = mu v - eta g;  w' = w + v'                                                    (eq. 28-29)
extern "C" __global__ void momentum_thesis(REAL* w, const REAL* g, REAL* v, const double* step, REAL mu,
                                           int64 elements)
{
    int64 t = thread_number();
    REAL eta = step[STEP_RATE];
    if (t >= elements) return;
    v[t] = mu * v[t] - eta * g[t];
    w[t] += v[t];
}

// v' = mu v + g;  w' = w - eta v'
extern "C" __global__ void momentum_tensorflow(REAL* w, const REAL* g, REAL* v, const double* step, REAL mu,
                                               int64 elements)
{
    int64 t = thread_number();
    REAL eta = step[STEP_RATE];
    if (t >= elements) return;
    v[t] = mu * v[t] + g[t];
    w[t] -= eta * v[t];
}

// m' = b1 m + (1-b1) g;  v' = b2 v + (1-b2) g^2;  w' = w - rate m' / (sqrt(v' / correction) + epsilon)    (eq. 23-27;
// eq. 17-21, the zeros at first and the count t, are optimizers.py's)
// keep1 = 1-b1, keep2 = 1-b2; Kingma and Ba: rate = eta / (1-b1^t), correction = 1-b2^t; TensorFlow's form: rate = lr_t of
// eq. 22, correction = 1
extern "C" __global__ void adam(REAL* w, const REAL* g, REAL* m, REAL* v, const double* step, REAL keep1,
                                REAL keep2, REAL epsilon, int64 elements)
{
    int64 t = thread_number();
    REAL rate = step[STEP_RATE], correction = step[STEP_CORRECTION];
    if (t >= elements) return;
    m[t] += keep1 * (g[t] - m[t]);
    v[t] += keep2 * (g[t] * g[t] - v[t]);
    w[t] -= rate * m[t] / (sqrt(v[t] / correction) + epsilon);
}

// g' = g + l1 sign w + l2 w, the factors divided by N                            (eq. 53-55; L1: eq. 51)
extern "C" __global__ void add_penalty_gradients(REAL* g, const REAL* w, REAL l1, REAL l2, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) g[t] += l1 * REAL((w[t] > 0) - (w[t] < 0)) + l2 * w[t];
}

// cost' = cost + l1 sum |w| + l2 sum w^2, from the sums of penalty_sums (eq. 50-52); one block of 256
extern "C" __global__ void add_penalty(double* cost, const double* parts, double l1, double l2, int count)
{
    __shared__ double shared[256];
    double term = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) term += l1 * parts[2 * i] + l2 * parts[2 * i + 1];
    term = block_sum(term, shared);
    if (threadIdx.x == 0) cost[0] += term;
}

// Sums of |w| and of w^2 over a block's share, in double; grid: number of parts; block 256; parts (number of parts, 2)
extern "C" __global__ void penalty_sums(const REAL* w, double* parts, int64 elements)
{
    __shared__ double shared[256];
    double absolute = 0, squares = 0;
    int64 end = elements * (blockIdx.x + 1) / gridDim.x;
    for (int64 t = elements * blockIdx.x / gridDim.x + threadIdx.x; t < end; t += blockDim.x) {
        absolute += fabs(w[t]);
        squares += w[t] * w[t];
    }
    absolute = block_sum(absolute, shared);
    squares = block_sum(squares, shared);
    if (threadIdx.x == 0) {
        parts[2 * blockIdx.x] = absolute;
        parts[2 * blockIdx.x + 1] = squares;
    }
}
