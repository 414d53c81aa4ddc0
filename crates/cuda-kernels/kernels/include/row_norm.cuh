// RMSNorm of a row, in an order of additions that depends on its width alone: a lane of a warp
// adds the squares of four neighbouring channels, the warp those of a group of 128, and the
// groups are added in ascending order.
#pragma once

#include "convert.cuh"
#include "mma.cuh"
#include "reduce.cuh"

// Channels `4 lane ..` of a group of a row, zero beyond its end. The width is a multiple of 4, and
// the row begins at a multiple of 16 bytes.
static __device__ __forceinline__ void load_quad(const float* row, uint32_t group, uint32_t width,
                                                 float (&x)[4]) {
    const uint32_t first = group * GROUP + threadIdx.x % WARP * 4;
    float4 quad = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (first < width) {
        quad = *reinterpret_cast<const float4*>(row + first);
    }
    x[0] = quad.x, x[1] = quad.y, x[2] = quad.z, x[3] = quad.w;
}

// The same for rows of any width and place.
static __device__ __forceinline__ void load_any_quad(const float* row, uint32_t group,
                                                     uint32_t width, float (&x)[4]) {
    const uint32_t first = group * GROUP + threadIdx.x % WARP * 4;
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        x[i] = first + i < width ? row[first + i] : 0.0f;
    }
}

// The same bits in every lane; the whole warp must call it.
static __device__ __forceinline__ float group_squares(const float (&x)[4]) {
    float squares = mul(x[0], x[0]);
#pragma unroll
    for (int i = 1; i < 4; i++) {
        squares = __fmaf_rn(x[i], x[i], squares);
    }
    return warp_sum(squares);
}

// What the channels of a row with this sum of squares are multiplied by, before the weight.
static __device__ __forceinline__ float norm_scale(float squares, float inverse_width, float eps) {
    return rsqrtf(add(mul(squares, inverse_width), eps));
}

static __device__ __forceinline__ float normed(float x, float scale, float weight) {
    return mul(mul(x, scale), weight);
}
