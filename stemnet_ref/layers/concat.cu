// Concatenation along the channels; equations, names and order of concat.py. One thread for each element of y or dy,
// (pixels, CA + CB); block 256.
#include "common.cuh"

extern "C" __global__ void concat_forward(const REAL* a, const REAL* b, REAL* y, int64 pixels, int CA, int CB)
{
    int64 t = thread_number(), pixel = t / (CA + CB);
    int c = t % (CA + CB);
    if (pixel < pixels) y[t] = c < CA ? a[pixel * CA + c] : b[pixel * CB + c - CA];
}

extern "C" __global__ void concat_backward(const REAL* dy, REAL* da, REAL* db, int64 pixels, int CA, int CB)
{
    int64 t = thread_number(), pixel = t / (CA + CB);
    int c = t % (CA + CB);
    if (pixel >= pixels) return;
    if (c < CA) da[pixel * CA + c] = dy[t];
    else db[pixel * CB + c - CA] = dy[t];
}
