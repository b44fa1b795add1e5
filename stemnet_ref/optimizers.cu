// Optimizers; equations, names and order of optimizers.py. One thread for each element; block 256. eta, and Adam's rate and
// correction, change from step to step: `step` holds them (step_state.cu). All is read before anything is written, so that
// no reading waits for another.
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
    REAL velocity = mu * v[t] - eta * g[t];
    w[t] += velocity;
    v[t] = velocity;
}

// v' = mu v + g;  w' = w - eta v'
extern "C" __global__ void momentum_tensorflow(REAL* w, const REAL* g, REAL* v, const double* step, REAL mu,
                                               int64 elements)
{
    int64 t = thread_number();
    REAL eta = step[STEP_RATE];
    if (t >= elements) return;
    REAL velocity = mu * v[t] + g[t];
    w[t] -= eta * velocity;
    v[t] = velocity;
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
    REAL mean = m[t] + keep1 * (g[t] - m[t]), square = v[t] + keep2 * (g[t] * g[t] - v[t]);
    w[t] -= rate * mean / (sqrt(square / correction) + epsilon);
    m[t] = mean;
    v[t] = square;
}
