// The activation of a gated feed-forward layer.
#pragma once

#include "convert.cuh"

// silu(gate) * up with silu(x) = x / (1 + e^-x).
static __device__ __forceinline__ float silu_times(float gate, float up) {
    return mul(gate / (1.0f + expf(-gate)), up);
}

// Whether neither the quotient nor a remainder of it leaves the normal numbers.
static __device__ __forceinline__ bool silu_is_usual(float gate) {
    return (gate >= -60.0f) & (fabsf(gate) >= 0x1p-100f) & (gate <= 0x1p100f);
}

// The same bits as `silu_times` for usual gates, without a branch: the division is rounded
// correctly by two corrections with the remainder.
static __device__ __forceinline__ float usual_silu_times(float gate, float up) {
    const float divisor = 1.0f + expf(-gate);
    float inverse;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(divisor));
    inverse = __fmaf_rn(inverse, __fmaf_rn(-divisor, inverse, 1.0f), inverse);
    float quotient = mul(gate, inverse);
    quotient = __fmaf_rn(__fmaf_rn(-divisor, quotient, gate), inverse, quotient);
    quotient = __fmaf_rn(__fmaf_rn(-divisor, quotient, gate), inverse, quotient);
    return mul(quotient, up);
}
