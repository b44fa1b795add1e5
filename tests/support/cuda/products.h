// What tensor cores do on the emulated device; the end of emulator.cpp.
#pragma once

namespace emulator {

static float leading(float x) { return __uint_as_float(__float_as_uint(x) & ~0x1fffu); }

static float towards_0(double exact)
{
    float nearest = (float)exact;
    return fabs((double)nearest) > fabs(exact) ? __builtin_nextafterf(nearest, 0.0f) : nearest;
}

// Tensor cores that read shared memory by themselves find NaN where a copy was not published between it and a barrier.
static float seen(const float* p)
{
    const Mark* mark = mark_of(p);
    return mark->published < fibres[mark->thread].before ? *p : __builtin_nanf("");
}

void publish() { fibres[current].published++; }

void begin_products(const float* factors, int number)
{
    for (const float* a = factors; a < factors + 4 * number; a += 4)
        fibres[current].factors.push_back({a, {a[0], a[1], a[2], a[3]}});
}

void close_products() { fibres[current].closed = fibres[current].later.size(); }

void multiply_later(const Product& product)
{
    const auto& factors = fibres[current].factors;
    if (std::none_of(factors.begin(), factors.end(), [&](const Factor& each) {
            return each.place == product.a && !memcmp(each.values, product.a, sizeof each.values);
        })) __builtin_trap();
    if (!product.keep) std::fill(product.d, product.d + product.columns / 2, __builtin_nanf(""));
    fibres[current].later.push_back(product);
}

// Operands without their 13 last bits; the sum of eight products is exact and rounded towards 0 once.
void finish_products()
{
    unsigned lane = current % WARP, g = lane / 4, m = lane % 4;
    wait_for_warp();                                        // for the numbers of the others
    size_t count = fibres[current].later.size();
    if (fibres[current - lane].later.size() != count || fibres[current].closed != count) __builtin_trap();
    for (size_t i = 0; i < count; i++) {
        const Product& each = fibres[current].later[i];
        for (int e = 0; e < each.columns / 2; e++) {
            unsigned half = e / 2 % 2, column = e / 4 * 8 + 2 * m + e % 2;
            double exact = each.keep ? each.d[e] : 0;
            for (unsigned k = 0; k < 8; k++) {
                const float* b = each.b + (k / 4 * each.across + column / 8 * each.down + column % 8) * 4 + k % 4;
                const float* a = fibres[current - lane + g * 4 + k % 4].later[i].a + half + k / 4 * 2;
                exact += (double)leading(*a) * leading(seen(b));
            }
            each.d[e] = towards_0(exact);
        }
    }
    wait_for_warp();
    fibres[current].later.clear();
    fibres[current].factors.clear();
    fibres[current].closed = 0;
}

}  // namespace emulator

// The sum of the products is exact here and rounded towards 0 once; what tensor cores do is not documented, but no worse
// than truncating. They do not look at the 13 last bits of a and b.
void multiply_add(float (&d)[4], const float (&a)[4], const float (&b)[2])
{
    using namespace emulator;
    unsigned g = current % WARP / 4, m = current % 4, turn = fibres[current].products++ % 2;
    Offered& warp = offered[current / WARP];
    for (int e = 0; e < 4; e++) warp.a[turn][g + e % 2 * 8][m + e / 2 * 4] = leading(a[e]);
    for (int e = 0; e < 2; e++) warp.b[turn][g][m + e * 4] = leading(b[e]);
    wait_for_warp();
    for (int e = 0; e < 4; e++) {
        const double *left = warp.a[turn][g + e / 2 * 8], *right = warp.b[turn][2 * m + e % 2];
        double exact = d[e];
        for (unsigned k = 0; k < 8; k++) exact += left[k] * right[k];
        d[e] = towards_0(exact);
    }
}

void load_tile(float (&a)[4], const float* row)
{
    using namespace emulator;
    unsigned turn = fibres[current].tiles++ % 2;
    Offered& warp = offered[current / WARP];
    if ((uintptr_t)row % 16) __builtin_trap();
    warp.rows[turn][current % WARP] = row;
    wait_for_warp();
    for (int e = 0; e < 4; e++) a[e] = warp.rows[turn][8 * e + current % WARP / 4][current % 4];
}
