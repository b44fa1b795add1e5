// The input of the network from frames as they were read; names of scaling.py and of plan.Piece.
#include "_common.cuh"

// A pixel of a piece of a frame (H, W): the part from (top, left) on of height x width pixels, mirrored and then turned by
// quarters. Below and at the right a frame goes on as its mirror image.
struct Piece {
    int H, W, top, left, height, width, mirror, turns;
    __device__ int64 elements() const { return (int64)height * width; }
    __device__ int64 source(int64 t) const                  // of element t of the piece
    {
        int columns = turns % 2 ? height : width, i = (int)(t / columns), j = (int)(t % columns);
        int row = turns == 0 ? i : turns == 1 ? j : turns == 2 ? height - 1 - i : height - 1 - j;
        int column = turns == 0 ? j : turns == 1 ? width - 1 - i : turns == 2 ? width - 1 - j : i;
        if (mirror) column = width - 1 - column;
        return (int64)fold(top + row, H) * W + fold(left + column, W);
    }
    __device__ static int fold(int at, int length)
    {
        int period = length > 1 ? 2 * (length - 1) : 1;
        at %= period;
        return at < length ? at : period - at;
    }
};

// x[n, i, j, c] = (frame * unit - mean) * factor for one frame of the window: n is `example`, c `channel`
// one thread for each pixel of the piece, block 256
template <class Pixel>
__device__ void scale(const Pixel* frame, REAL* x, const Piece& piece, int example, int channel, int channels, REAL unit,
                      REAL mean, REAL factor)
{
    int64 t = thread_number();
    if (t < piece.elements())
        x[(example * piece.elements() + t) * channels + channel] = (REAL(frame[piece.source(t)]) * unit - mean) * factor;
}

extern "C" __global__ void scale_8_bits(const unsigned char* frame, REAL* x, int H, int W, int top, int left, int height,
                                        int width, int mirror, int turns, int example, int channel, int channels, REAL unit,
                                        REAL mean, REAL factor)
{
    scale(frame, x, {H, W, top, left, height, width, mirror, turns}, example, channel, channels, unit, mean, factor);
}

extern "C" __global__ void scale_16_bits(const unsigned short* frame, REAL* x, int H, int W, int top, int left, int height,
                                         int width, int mirror, int turns, int example, int channel, int channels, REAL unit,
                                         REAL mean, REAL factor)
{
    scale(frame, x, {H, W, top, left, height, width, mirror, turns}, example, channel, channels, unit, mean, factor);
}

// out[n, i, j] = mask of the same pixel
extern "C" __global__ void cut_labels(const unsigned char* mask, unsigned char* out, int H, int W, int top, int left,
                                      int height, int width, int mirror, int turns, int example)
{
    int64 t = thread_number();
    Piece piece = {H, W, top, left, height, width, mirror, turns};
    if (t < piece.elements()) out[example * piece.elements() + t] = mask[piece.source(t)];
}
