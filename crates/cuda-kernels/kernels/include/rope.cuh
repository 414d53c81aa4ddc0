// How a pair of channels turns by its position: (a, b) becomes (a cos - b sin, a sin + b cos).
#pragma once

#include "convert.cuh"

static __device__ __forceinline__ float turned_first(float a, float b, float c, float s) {
    return sub(mul(a, c), mul(b, s));
}

static __device__ __forceinline__ float turned_second(float a, float b, float c, float s) {
    return add(mul(a, s), mul(b, c));
}
