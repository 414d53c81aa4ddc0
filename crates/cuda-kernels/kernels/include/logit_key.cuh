// The order of logits, as integers: a key is larger if its logit is, or, of equal ones, if its id
// is lower. Zeros of both signs are equal.
#pragma once

#include <stdint.h>

#include "reduce.cuh"

typedef unsigned long long u64;

// No token.
static constexpr uint32_t NO_TOKEN = UINT32_MAX;
// A row is cut in groups of neighbouring ids: four for each lane of a warp.
static constexpr uint32_t LANE_IDS = 4;
static constexpr uint32_t GROUP_IDS = WARP * LANE_IDS;
// The key of a group with a NaN or an infinity: this, and how many it has. No number has it.
static constexpr u64 NON_FINITE = 0xffffffffull << 32;

// Bits in the order of the numbers.
static __device__ __forceinline__ uint32_t ordered(float value) {
    const uint32_t bits = __float_as_uint(__fadd_rn(value, 0.0f));
    return bits ^ ((int32_t)bits < 0 ? 0xffffffff : 0x80000000);
}

static __device__ __forceinline__ float unordered(uint32_t bits) {
    return __uint_as_float(bits ^ ((int32_t)bits < 0 ? 0x80000000 : 0xffffffff));
}

// Never 0.
static __device__ __forceinline__ u64 logit_key(float value, uint32_t id) {
    return (u64)ordered(value) << 32 | (uint32_t)~id;
}

static __device__ __forceinline__ float key_value(u64 key) { return unordered(key >> 32); }
static __device__ __forceinline__ uint32_t key_id(u64 key) { return ~(uint32_t)key; }

static __device__ __forceinline__ u64 max_key(u64 a, u64 b) { return a > b ? a : b; }

// Every lane gets the largest.
static __device__ __forceinline__ u64 warp_max_key(u64 key) {
    const uint32_t high = key >> 32;
    const uint32_t largest = __reduce_max_sync(ALL_LANES, high);
    const uint32_t low = high == largest ? (uint32_t)key : 0;
    return (u64)largest << 32 | __reduce_max_sync(ALL_LANES, low);
}

// The logits of a lane, four from `first` on; those beyond the end are -inf.
static __device__ __forceinline__ void load_logits(const float* row, uint32_t first,
                                                   uint32_t width, float (&values)[LANE_IDS]) {
    const float* at = row + first;
    if (first + LANE_IDS <= width && (uintptr_t)at % 16 == 0) {
        const float4 four = *reinterpret_cast<const float4*>(at);
        values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
        return;
    }
#pragma unroll
    for (uint32_t i = 0; i < LANE_IDS; i++) {
        values[i] = first + i < width ? at[i] : -INFINITY;
    }
}

// How many of the lane's logits are NaN or infinite.
static __device__ __forceinline__ uint32_t count_non_finite(uint32_t first, uint32_t width,
                                                            const float (&values)[LANE_IDS]) {
    uint32_t count = 0;
#pragma unroll
    for (uint32_t i = 0; i < LANE_IDS; i++) {
        count += first + i < width && !isfinite(values[i]);
    }
    return count;
}

static __device__ __forceinline__ u64 lane_key(uint32_t first, uint32_t width,
                                               const float (&values)[LANE_IDS]) {
    u64 key = 0;
#pragma unroll
    for (uint32_t i = 0; i < LANE_IDS; i++) {
        if (first + i < width) {
            key = max_key(key, logit_key(values[i], first + i));
        }
    }
    return key;
}

// The larger of two groups' keys, or what both have of non-finite logits.
static __device__ __forceinline__ u64 join_keys(u64 a, u64 b) {
    if (a >= NON_FINITE && b >= NON_FINITE) {
        return a + (uint32_t)b;
    }
    return max_key(a, b);
}

// `join_keys` over a warp. Every lane gets the result.
static __device__ __forceinline__ u64 warp_join_keys(u64 key) {
    const bool is_bad = key >= NON_FINITE;
    const uint32_t n_bad = __reduce_add_sync(ALL_LANES, is_bad ? (uint32_t)key : 0);
    if (n_bad > 0) {
        return NON_FINITE | n_bad;
    }
    return warp_max_key(key);
}

// `join_keys` over a block of `n_warps`; every thread must call it and gets the result.
// `scratch` holds a key per warp and may be used again at once.
static __device__ __forceinline__ u64 block_join_keys(u64 key, uint32_t n_warps, u64* scratch) {
    key = warp_join_keys(key);
    if (threadIdx.x % WARP == 0) {
        scratch[threadIdx.x / WARP] = key;
    }
    __syncthreads();
    const uint32_t lane = threadIdx.x % WARP;
    const u64 joined = warp_join_keys(lane < n_warps ? scratch[lane] : 0);
    __syncthreads();
    return joined;
}
