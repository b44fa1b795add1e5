// The right operand of a product of groups of warps, made before it: filters of groups.cuh and group_lines.cuh, or dy of
// group_gradient.cuh, with the lines of its images as K and their pixels as I.
#include "ptx.cuh"
#include "vectors.cuh"

// out[part, k, i / 4, j, i % 4] = high (part 0) and low (part 1) of in[k, i, j] for in (K, I, J), or of in[k, j, i] for in
// (K, J, I), where `swapped`. With one part, it is rounded to TF32. I is filled up with zeros to a multiple of 8. VECTOR only
// where I is a multiple of 4, or not `swapped`.
// One thread for each four of I. Neighbouring threads have two fours of the same j, so that a warp, two fours by sixteen j,
// reads and writes whole sectors of 32 bytes in both forms. Block 256
extern "C" __global__ void split_filters(const float* in, float* out, int I, int J, int swapped, int parts, int64 count)
{
    int64 t = thread_number(), eight = t / (2 * J);
    if (t >= count) return;
    int eights = (I + 7) / 8, i = (int)(eight % eights) * 8 + t % 2 * 4, j = (int)(t % (2 * J)) / 2;
    const float* from = in + eight / eights * I * J;
    FourOf<float> x = {}, high, low;
    if (swapped) x = load(from + (int64)j * I + i, I - i);
    else
        for (int e = 0; e < 4; e++)
            if (i + e < I) x.x[e] = from[(int64)(i + e) * J + j];
    for (int e = 0; e < 4; e++) {
        high.x[e] = parts == 2 ? high_part(x.x[e]) : round_to_tf32(x.x[e]);
        low.x[e] = x.x[e] - high.x[e];                      // NaN where x is, or is infinite
    }
    int64 to = (eight * 2 + t % 2) * J + j;
    *(FourOf<float>*)(out + to * 4) = high;
    if (parts == 2) *(FourOf<float>*)(out + (count + to) * 4) = low;
}
