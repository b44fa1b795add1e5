// How a group of four warps multiplies, for groups.cuh, group_lines.cuh and group_gradient.cuh.
#pragma once

static_assert(sizeof(REAL) == 4, "tensor cores are for float32");

const int FOUR = VECTOR ? 4 : 1;                            // elements that are copied at once
const int PARTS = PRODUCT == 3 ? 1 : 2;                     // of a number: high and low

// Add left * right to `sum` for STEPS times eight columns of the left, with 64 rows, and as many rows of the right, with 2 *
// COUNT columns. load(step, x) fetches this thread's four numbers of the left, which are split or rounded here, and
// right(step, part) points to what is high or low in the right. `meanwhile` is called while tensor cores multiply.
template <int STEPS, int COUNT, class Left, class Right, class Meanwhile>
__device__ void add_products(float (&sum)[COUNT], const Left& load, const Right& right, const Meanwhile& meanwhile)
{
    float x[STEPS][PARTS][4], product[COUNT];
    float(&added)[COUNT] = PARTS == 1 ? sum : product;      // the product apart, since tensor cores do not round to nearest
    auto multiply = [&](int step, int left_part, int right_part) {
        multiply_group<2 * COUNT, 2 * COUNT, 8>(added, x[step][left_part], right(step, right_part),
                                                PARTS == 1 || step > 0 || right_part == 0);
    };
    #pragma unroll
    for (int step = 0; step < STEPS; step++) {              // while one step is multiplied, the next is loaded
        load(step, x[step][0]);
        #pragma unroll
        for (int e = 0; e < 4; e++) {
            float whole = x[step][0][e];
            x[step][0][e] = PARTS == 1 ? round_to_tf32(whole) : high_part(whole);
            if (PARTS == 2) x[step][PARTS - 1][e] = whole - x[step][0][e];
        }
        begin_products(x[step]);
        if (PARTS == 1) multiply(step, 0, 0);
        else {
            multiply(step, 0, PARTS - 1);                   // high * low
            multiply(step, PARTS - 1, 0);                   // low * high
        }
    }
    if (PARTS == 2)                                         // high * high, the largest, last
        #pragma unroll
        for (int step = 0; step < STEPS; step++) multiply(step, 0, 0);
    close_products();
    meanwhile();
    wait_for_products(added, x);
    if (PARTS == 2)
        #pragma unroll
        for (int e = 0; e < COUNT; e++) sum[e] += product[e];
}
