// out[r] = the lowest i with the largest x[r][i], and non_finite[r] = how many of x[r] are NaN or
// infinite; if any is, out[r] is 2^32 - 1, which is no index.
//
// Blocks share a row: each leaves the key of its part in `keys[r][block]`, and the one that is
// last finds the largest of them. `arrivals[r]` tells which it is, and is 0 again afterwards.

#include <stdint.h>

#include "chain.cuh"
#include "logit_key.cuh"

static constexpr uint32_t THREADS = 256;
static constexpr uint32_t N_WARPS = THREADS / WARP;
// Groups of a warp; `launch/argmax.rs` has the values of a block.
static constexpr uint32_t WARP_GROUPS = 2;
static constexpr uint32_t BLOCK_IDS = N_WARPS * WARP_GROUPS * GROUP_IDS;

// The key of this block's part of the row, in every thread.
static __device__ __forceinline__ u64 part_key(const float* row, uint32_t width, u64* scratch) {
    float values[WARP_GROUPS][LANE_IDS];
    uint32_t firsts[WARP_GROUPS];
#pragma unroll
    for (uint32_t i = 0; i < WARP_GROUPS; i++) {
        firsts[i] = blockIdx.x * BLOCK_IDS + (i * THREADS + threadIdx.x) * LANE_IDS;
        load_logits(row, firsts[i], width, values[i]);
    }
    uint32_t n_bad = 0;
    u64 key = 0;
#pragma unroll
    for (uint32_t i = 0; i < WARP_GROUPS; i++) {
        n_bad += count_non_finite(firsts[i], width, values[i]);
        key = max_key(key, lane_key(firsts[i], width, values[i]));
    }
    return block_join_keys(n_bad > 0 ? NON_FINITE | n_bad : key, N_WARPS, scratch);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    argmax(const float* __restrict__ x, u64* keys, uint32_t* arrivals, uint32_t* __restrict__ out,
           uint32_t* __restrict__ non_finite, uint32_t width) {
    __shared__ u64 scratch[N_WARPS];
    __shared__ bool is_last;
    chain_release();
    chain_wait();
    const uint32_t row = blockIdx.y;
    u64 key = part_key(x + (size_t)row * width, width, scratch);
    if (gridDim.x > 1) {
        u64* row_keys = keys + (size_t)row * gridDim.x;
        if (threadIdx.x == 0) {
            row_keys[blockIdx.x] = key;
            __threadfence();
            is_last = atomicInc(&arrivals[row], gridDim.x - 1) == gridDim.x - 1;
            __threadfence();
        }
        __syncthreads();
        if (!is_last) {
            return;
        }
        key = 0;
        for (uint32_t i = threadIdx.x; i < gridDim.x; i += THREADS) {
            key = join_keys(key, __ldcg(&row_keys[i]));
        }
        key = block_join_keys(key, N_WARPS, scratch);
    }
    if (threadIdx.x == 0) {
        const bool is_bad = key >= NON_FINITE;
        out[row] = is_bad ? NO_TOKEN : key_id(key);
        non_finite[row] = is_bad ? (uint32_t)key : 0;
    }
}
