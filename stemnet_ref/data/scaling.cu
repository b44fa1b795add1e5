// The input of the network from frames as they were read; names of scaling.py and crops/crop.py.
#include "common.cuh"

// Pixels (H, W) that go on beyond their ends as their mirror image.
struct Frame {
    int H, W;
    __device__ int64 at(int row, int column) const { return (int64)fold(row, H) * W + fold(column, W); }
    __device__ static int fold(int at, int length)
    {
        int period = length > 1 ? 2 * (length - 1) : 1;
        at %= period;
        at = at < 0 ? at + period : at;
        return at < length ? at : period - at;
    }
};

// A part of a frame: from (top, left) on height x width pixels, mirrored and then turned by quarters.
struct Crop {
    int H, W, top, left, height, width, mirror, turns;
    __device__ int64 elements() const { return (int64)height * width; }
    __device__ int64 source(int64 t) const                  // of element t of the crop
    {
        int columns = turns % 2 ? height : width, i = (int)(t / columns), j = (int)(t % columns);
        int row = turns == 0 ? i : turns == 1 ? j : turns == 2 ? height - 1 - i : height - 1 - j;
        int column = turns == 0 ? j : turns == 1 ? width - 1 - i : turns == 2 ? width - 1 - j : i;
        if (mirror) column = width - 1 - column;
        return Frame{H, W}.at(top + row, left + column);
    }
};

// Where a value goes: x[n, i, j, c] for one frame of the window, n being `example` and c `channel`; and what is done to
// it: (value * unit - mean) * factor, which is added to x there already where `add` is set.
struct Place {
    int64 elements;
    int example, channel, channels;
    REAL unit, mean, factor;
    int add;
    __device__ void put(REAL* x, int64 t, REAL value) const
    {
        int64 at = (example * elements + t) * channels + channel;
        x[at] = (value * unit - mean) * factor + (add ? x[at] : REAL(0));
    }
};

// One thread for each pixel of the crop, block 256.
template <class Pixel>
__device__ void scale(const Pixel* frame, REAL* x, const Crop& crop, const Place& place)
{
    int64 t = thread_number();
    if (t < crop.elements()) place.put(x, t, REAL(frame[crop.source(t)]));
}

// The same at places (2, elements) between the pixels, linearly.
template <class Pixel>
__device__ void sample(const Pixel* frame, const float* places, REAL* x, const Frame& shape, const Place& place)
{
    int64 t = thread_number();
    if (t >= place.elements) return;
    float row = places[t], column = places[place.elements + t];
    int i = (int)floorf(row), j = (int)floorf(column);
    REAL a = REAL(row - i), b = REAL(column - j);
    REAL upper = frame[shape.at(i, j)] * (1 - b) + frame[shape.at(i, j + 1)] * b;
    REAL lower = frame[shape.at(i + 1, j)] * (1 - b) + frame[shape.at(i + 1, j + 1)] * b;
    place.put(x, t, upper * (1 - a) + lower * a);
}

extern "C" __global__ void scale_8_bits(const unsigned char* frame, REAL* x, int H, int W, int top, int left, int height,
                                        int width, int mirror, int turns, int example, int channel, int channels, REAL unit,
                                        REAL mean, REAL factor, int add)
{
    Crop crop = {H, W, top, left, height, width, mirror, turns};
    scale(frame, x, crop, {crop.elements(), example, channel, channels, unit, mean, factor, add});
}

extern "C" __global__ void sample_8_bits(const unsigned char* frame, REAL* x, int H, int W, const float* places, int64 elements,
                                         int example, int channel, int channels, REAL unit, REAL mean, REAL factor, int add)
{
    sample(frame, places, x, {H, W}, {elements, example, channel, channels, unit, mean, factor, add});
}

extern "C" __global__ void scale_16_bits(const unsigned short* frame, REAL* x, int H, int W, int top, int left, int height,
                                        int width, int mirror, int turns, int example, int channel, int channels, REAL unit,
                                        REAL mean, REAL factor, int add)
{
    Crop crop = {H, W, top, left, height, width, mirror, turns};
    scale(frame, x, crop, {crop.elements(), example, channel, channels, unit, mean, factor, add});
}

extern "C" __global__ void sample_16_bits(const unsigned short* frame, REAL* x, int H, int W, const float* places, int64 elements,
                                         int example, int channel, int channels, REAL unit, REAL mean, REAL factor, int add)
{
    sample(frame, places, x, {H, W}, {elements, example, channel, channels, unit, mean, factor, add});
}

extern "C" __global__ void scale_32_bits(const float* frame, REAL* x, int H, int W, int top, int left, int height,
                                        int width, int mirror, int turns, int example, int channel, int channels, REAL unit,
                                        REAL mean, REAL factor, int add)
{
    Crop crop = {H, W, top, left, height, width, mirror, turns};
    scale(frame, x, crop, {crop.elements(), example, channel, channels, unit, mean, factor, add});
}

extern "C" __global__ void sample_32_bits(const float* frame, REAL* x, int H, int W, const float* places, int64 elements,
                                         int example, int channel, int channels, REAL unit, REAL mean, REAL factor, int add)
{
    sample(frame, places, x, {H, W}, {elements, example, channel, channels, unit, mean, factor, add});
}

// out[n, i, j] = mask of the same pixel
extern "C" __global__ void cut_labels(const unsigned char* mask, unsigned char* out, int H, int W, int top, int left,
                                      int height, int width, int mirror, int turns, int example)
{
    int64 t = thread_number();
    Crop crop = {H, W, top, left, height, width, mirror, turns};
    if (t < crop.elements()) out[example * crop.elements() + t] = mask[crop.source(t)];
}

// The nearest pixel of the mask at places (2, elements); halves are rounded up.
extern "C" __global__ void sample_labels(const unsigned char* mask, unsigned char* out, int H, int W, const float* places,
                                         int64 elements, int example)
{
    int64 t = thread_number();
    if (t >= elements) return;
    int row = (int)floor((double)places[t] + 0.5), column = (int)floor((double)places[elements + t] + 0.5);
    out[example * elements + t] = mask[Frame{H, W}.at(row, column)];
}

// weights[n] is at least `borders` where there are any (`given`), and 0 in cells; one thread for each pixel.
extern "C" __global__ void settle_weights(REAL* weights, const unsigned char* labels, const REAL* borders, int given,
                                          int example, int64 elements)
{
    int64 t = thread_number(), at = example * elements + t;
    if (t >= elements) return;
    if (labels[at]) weights[at] = 0;
    else if (given && borders[t] > weights[at]) weights[at] = borders[t];
}

// Blend a patch (h, w, channels) into x[n] (H, W, channels) at (top, left) by the weights alpha (h, w), shifted by a constant
// so that it meets x where the two are mixed; its cell becomes label 1. One block for each channel, block 256.
extern "C" __global__ void paste(const REAL* patch, const float* alpha, const unsigned char* cell, REAL* x,
                                 unsigned char* labels, int h, int w, int H, int W, int top, int left, int example,
                                 int channels)
{
    __shared__ double shared[256];
    int channel = blockIdx.x;
    int64 first = ((int64)example * H + top) * W + left;
    double difference = 0, weights = 0;
    for (int t = threadIdx.x; t < h * w; t += blockDim.x) {
        double ring = alpha[t] * (1 - alpha[t]);
        difference += ring * (x[(first + (int64)(t / w) * W + t % w) * channels + channel] - patch[t * channels + channel]);
        weights += ring;
    }
    difference = block_sum(difference, shared);
    weights = block_sum(weights, shared);
    REAL shift = REAL(difference / (weights > 1e-6 ? weights : 1e-6));
    for (int t = threadIdx.x; t < h * w; t += blockDim.x) {
        int64 at = first + (int64)(t / w) * W + t % w;
        x[at * channels + channel] += alpha[t] * (patch[t * channels + channel] + shift - x[at * channels + channel]);
        if (channel == 0 && cell[t]) labels[at] = 1;
    }
}
