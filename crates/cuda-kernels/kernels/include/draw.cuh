// The sampler's arithmetic: `exp` and `ln` made of rounded f32 operations in a fixed order, and
// Philox4x32-10. The host's sampler is the same code (`sampling/elementary.rs` and
// `sampling/philox.rs` of `llama-arch`): both draw the same token, to the last bit of its noise.
#pragma once

#include <stdint.h>

#include "convert.cuh"
#include "logit_key.cuh"

// A token this far below the best one can never win: noise from 32 random bits lies in -3.2..=23.
static constexpr float LEAST_NOISE = -3.2f;
// A scaled logit below this weighs nothing.
static constexpr float WEIGHTLESS = -28.0f;

static constexpr float LN_2_HIGH = 0.693359375f;
static constexpr float LN_2_LOW = -2.12194440e-4f;
static constexpr float LOG2_E = 1.44269504088896340736f;
// Added and subtracted again, it rounds a small number to an integer.
static constexpr float ROUNDER = 12582912.0f;

// e^x for x <= 0, in units of 2^-40, rounded down: sums of integers know no order.
static __device__ __forceinline__ u64 weight(float x) {
    if (!(x >= WEIGHTLESS)) {
        return 0;
    }
    const float rounded = add(mul(x, LOG2_E), ROUNDER);
    const float n = sub(rounded, ROUNDER);
    const float r = sub(sub(x, mul(n, LN_2_HIGH)), mul(n, LN_2_LOW));
    const float factors[7] = {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f,
                              0.5f,          1.0f,          1.0f};
    float p = 1.0f / 5040.0f;
#pragma unroll
    for (int i = 0; i < 7; i++) {
        p = add(mul(p, r), factors[i]);
    }
    // 2^(n + 40): the low bits of `rounded` are those of n.
    const uint32_t exponent = __float_as_uint(rounded) + (127 + 40);
    return __float2ull_rz(mul(p, __uint_as_float(exponent << 23)));
}

// 2 atanh(s) = ln((1 + s) / (1 - s)) for |s| <= 1/3.
static __device__ __forceinline__ float two_atanh(float s) {
    const float z = mul(s, s);
    const float factors[6] = {1.0f / 13.0f, 1.0f / 11.0f, 1.0f / 9.0f,
                              1.0f / 7.0f,  0.2f,         1.0f / 3.0f};
    float p = 1.0f / 15.0f;
#pragma unroll
    for (int i = 0; i < 6; i++) {
        p = add(mul(p, z), factors[i]);
    }
    const float twice = add(s, s);
    return add(twice, mul(twice, mul(z, p)));
}

// Natural logarithm of a normal positive number.
static __device__ __forceinline__ float natural_log(float x) {
    // x = 2^n m with m from sqrt(1/2) to sqrt(2).
    const int32_t shift = (int32_t)(__float_as_uint(x) - 0x3f3504f3) >> 23;
    const float m = __uint_as_float(__float_as_uint(x) - ((uint32_t)shift << 23));
    const float n = (float)shift;
    const float ln_m = two_atanh(__fdiv_rn(sub(m, 1.0f), add(m, 1.0f)));
    return add(mul(n, LN_2_HIGH), add(mul(n, LN_2_LOW), ln_m));
}

// (x + 1/2) / 2^32, rounded once.
static __device__ __forceinline__ float unit(uint32_t x) {
    return mul(__ull2float_rn(2 * (u64)x + 1), 1.0f / 8589934592.0f);
}

// -ln(-ln(u)) for u = (x + 1/2) / 2^32. Near 1, u is told by 1 - u.
static __device__ __forceinline__ float gumbel(uint32_t x) {
    float minus_ln_u;
    if (x < 1u << 31) {
        minus_ln_u = -natural_log(unit(x));
    } else {
        const float rest = unit(~x);
        minus_ln_u = two_atanh(__fdiv_rn(rest, sub(2.0f, rest)));
    }
    return -natural_log(minus_ln_u);
}

// No less than `gumbel`, and cheap.
static __device__ __forceinline__ float gumbel_bound(uint32_t x) {
    return mul((float)(__clz(~x) + 1), 0.6932f);
}

// Philox4x32-10 of a seed.
struct Noise {
    uint32_t key[2];
    uint32_t position;

    // The numbers of the four ids from `4 * ids` on.
    __device__ __forceinline__ uint4 numbers(uint32_t ids) const {
        uint4 c = {ids, 0, position, 0};
        uint32_t k0 = key[0], k1 = key[1];
#pragma unroll
        for (int round = 0; round < 10; round++) {
            const uint32_t high0 = __umulhi(0xd2511f53, c.x), low0 = 0xd2511f53 * c.x;
            const uint32_t high1 = __umulhi(0xcd9e8d57, c.z), low1 = 0xcd9e8d57 * c.z;
            c = {high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0};
            k0 += 0x9e3779b9;
            k1 += 0xbb67ae85;
        }
        return c;
    }

    __device__ __forceinline__ float of(uint32_t id) const {
        const uint4 four = numbers(id / 4);
        const uint32_t low = id % 2 == 0 ? four.x : four.y;
        const uint32_t high = id % 2 == 0 ? four.z : four.w;
        return gumbel(id % 4 < 2 ? low : high);
    }
};
