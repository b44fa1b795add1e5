// The filters of groups.cuh, made before each convolution.
#include "ptx.cuh"

// out[part, k, i / 4, j, i % 4] = high (part 0) and low (part 1) of in[k, i, j] for in (K, I, J), or of in[k, j, i] for in
// (K, J, I), where `swapped`. With one part, it is rounded to TF32. I is filled up with zeros to a multiple of 8.
// One thread for each four; block 256
extern "C" __global__ void split_filters(const float* in, float* out, int I, int J, int swapped, int parts, int64 count)
{
    int64 t = thread_number();
    if (t >= count) return;
    int j = t % J, fours = (I + 7) / 8 * 2, i = t / J % fours * 4;
    const float* from = in + t / J / fours * I * J;
    for (int e = 0; e < 4; e++, i++) {
        float x = i < I ? from[swapped ? (int64)j * I + i : (int64)i * J + j] : 0;
        float high = parts == 2 ? high_part(x) : round_to_tf32(x);
        out[t * 4 + e] = high;
        if (parts == 2) out[(count + t) * 4 + e] = x - high;                // NaN where x is, or is infinite
    }
}
