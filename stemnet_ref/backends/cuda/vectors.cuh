// Four neighbours in memory, read and written at once where the channels allow it.
#pragma once

#include "common.cuh"

#ifndef VECTOR                                              // what the host says otherwise, for each shape
#define VECTOR 1                                            // every array's channels are a multiple of 4
#endif

template <class T>
struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) FourOf {
    T x[4];
};
typedef FourOf<REAL> Four;

// The first `count` of four elements, the others 0; all or none of them where VECTOR.
template <class T>
__device__ FourOf<T> load(const T* p, int count)
{
    FourOf<T> out = {};
#if VECTOR
    if (count > 0) out = *(const FourOf<T>*)p;
#else
    for (int e = 0; e < 4; e++)
        if (e < count) out.x[e] = p[e];
#endif
    return out;
}

template <class T>
__device__ void put(T* p, const FourOf<T>& in, int count)
{
#if VECTOR
    if (count > 0) *(FourOf<T>*)p = in;
#else
    for (int e = 0; e < 4; e++)
        if (e < count) p[e] = in.x[e];
#endif
}
