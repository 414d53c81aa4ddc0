// Sums and maxima over a warp and over a block, in an order that depends on the block size alone.
#pragma once

#include <stdint.h>

static constexpr uint32_t WARP = 32;
static constexpr uint32_t ALL_LANES = 0xffffffff;

// Every lane gets the same bits: both partners of an exchange add the same two numbers.
static __device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
        value = __fadd_rn(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }
    return value;
}

static __device__ __forceinline__ float warp_max(float value) {
#pragma unroll
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, distance));
    }
    return value;
}

// Over all threads of a block of `THREADS`; every thread must call it. `scratch` holds one value
// per warp and may be used again at once.
template <uint32_t THREADS>
static __device__ __forceinline__ float block_sum(float value, float* scratch) {
    value = warp_sum(value);
    if (threadIdx.x % WARP == 0) {
        scratch[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    float total = scratch[0];
#pragma unroll
    for (uint32_t warp = 1; warp < THREADS / WARP; warp++) {
        total = __fadd_rn(total, scratch[warp]);
    }
    __syncthreads();
    return total;
}

template <uint32_t THREADS>
static __device__ __forceinline__ float block_max(float value, float* scratch) {
    value = warp_max(value);
    if (threadIdx.x % WARP == 0) {
        scratch[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    float largest = scratch[0];
#pragma unroll
    for (uint32_t warp = 1; warp < THREADS / WARP; warp++) {
        largest = fmaxf(largest, scratch[warp]);
    }
    __syncthreads();
    return largest;
}
