// What several layers start; names of _gpu.py. One thread for each element of the sum; block 256.
#include "_common.cuh"

// out[t] = factor * sum over p of parts[p, t]: the last step of every sum that several blocks share. The parts are added in
// their order, so that reruns are bit-equal.
extern "C" __global__ void sum_parts(const REAL* parts, REAL* out, REAL factor, int count, int64 elements)
{
    int64 t = thread_number();
    if (t >= elements) return;
    REAL sum = 0;
    for (int part = 0; part < count; part++) sum += parts[part * elements + t];
    out[t] = factor * sum;
}
