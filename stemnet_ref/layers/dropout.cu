// Dropout; equations, names and order of dropout.py: the same masks from the same counters.
#include "philox.cuh"

// One thread for each block of sixteen elements: counter (block, step, 0, 0), key (seed, layer); the step is
// step[STEP_NUMBER]. grid ceil(elements / 16 / 256), block 256
extern "C" __global__ void dropout_draw_mask(bool* mask, int64 elements, int threshold, uint64 seed, const double* step,
                                             uint64 layer)
{
    int64 block = thread_number();
    if (16 * block >= elements) return;
    Mask drawn(threshold, seed, step, layer);
    for (int64 t = 16 * block; t < 16 * block + 16; t += 4) {
        bool kept[4];
        drawn.keeps<true>(kept, t);
        for (int e = 0; e < 4; e++)
            if (t + e < elements) mask[t + e] = kept[e];
    }
}

// y = x m / keep_prob, scale = 1 / keep_prob; one thread for each element, block 256
extern "C" __global__ void dropout_forward(const REAL* x, const bool* mask, REAL* y, REAL scale, int64 elements)
{
    int64 t = thread_number();
    if (t < elements) y[t] = x[t] * REAL(mask[t]) * scale;
}
