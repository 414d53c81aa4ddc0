// The k largest keys of a row, sorted, by one block that knows the largest key of every group.
//
//   threshold: low enough that k groups reach it, so that k tokens do
//   list:      every token of those groups that reaches it
//   if the list overflows: its own k-th largest is a better threshold; again
//
// Exact whatever the logits are; with logits in no order one round finds little more than k.
#pragma once

#include <stdint.h>

#include "sample_row.cuh"

static constexpr uint32_t PICK_THREADS = 512;
static constexpr uint32_t PICK_WARPS = PICK_THREADS / WARP;
// Groups of a thread, at the most.
static constexpr uint32_t MAX_THREAD_GROUPS = 8;
static constexpr uint32_t MAX_GROUPS = PICK_THREADS * MAX_THREAD_GROUPS;
static constexpr uint32_t MAX_LISTED = 1024;
static constexpr uint32_t MAX_TOP_K = 256;
// What a block has of the bins; weights in two parts, of 20 bits and of the rest.
struct BinMemory {
    u64 best[N_BINS];
    uint32_t low[N_BINS];
    uint32_t high[N_BINS];
};

struct PickMemory {
    u64 listed[MAX_LISTED];
    u64 sorted[MAX_TOP_K];
    u64 words[PICK_WARPS];
    uint32_t counts[2][PICK_WARPS];
    uint32_t n_listed;
    uint32_t n_groups;
    uint16_t groups[MAX_GROUPS];
    BinMemory bins;
    bool is_last;
};

// The keys of the groups that are this thread's: every PICK_THREADS-th.
struct GroupKeys {
    u64 keys[MAX_THREAD_GROUPS];

    __device__ __forceinline__ GroupKeys(const u64* all, uint32_t n_groups) {
#pragma unroll
        for (uint32_t i = 0; i < MAX_THREAD_GROUPS; i++) {
            const uint32_t group = i * PICK_THREADS + threadIdx.x;
            keys[i] = group < n_groups ? __ldcg(&all[group]) : 0;
        }
    }

    // The largest of the row, or how many logits are not finite.
    __device__ __forceinline__ u64 joined(PickMemory& memory) const {
        u64 key = keys[0];
#pragma unroll
        for (uint32_t i = 1; i < MAX_THREAD_GROUPS; i++) {
            key = join_keys(key, keys[i]);
        }
        return block_join_keys(key, PICK_WARPS, memory.words);
    }

    // How many of the block reach a value. `round` alternates between calls.
    __device__ __forceinline__ uint32_t count(uint32_t value, uint32_t round,
                                              PickMemory& memory) const {
        uint32_t n = 0;
#pragma unroll
        for (uint32_t i = 0; i < MAX_THREAD_GROUPS; i++) {
            n += (uint32_t)(keys[i] >> 32) >= value;
        }
        n = __reduce_add_sync(ALL_LANES, n);
        if (threadIdx.x % WARP == 0) {
            memory.counts[round % 2][threadIdx.x / WARP] = n;
        }
        __syncthreads();
        const uint32_t lane = threadIdx.x % WARP;
        return __reduce_add_sync(ALL_LANES,
                                 lane < PICK_WARPS ? memory.counts[round % 2][lane] : 0);
    }

    // The highest value found that `k` groups reach, or 0 if there are fewer groups.
    __device__ __forceinline__ uint32_t threshold(uint32_t k, uint32_t n_groups, u64 largest,
                                                  PickMemory& memory) const {
        uint32_t low = 0, high = (uint32_t)(largest >> 32) + 1, n = n_groups;
        if (n_groups <= k) {
            return 0;
        }
        // Where ordinary logits lie: within 2^26 of the largest, as bits.
        uint32_t step = 1u << 26;
        for (uint32_t round = 0; high - low > 1 && n > k + k / 4 + 8; round++) {
            uint32_t middle = low + (high - low) / 2;
            if (low == 0 && step < high) {
                middle = high - step;
            }
            const uint32_t found = count(middle, round, memory);
            if (found >= k) {
                low = middle, n = found;
            } else {
                high = middle;
            }
        }
        __syncthreads();
        return low;
    }

    // Lists the groups above a key in `memory.groups`; every thread learns how many.
    __device__ __forceinline__ uint32_t list(u64 least, PickMemory& memory) const {
        if (threadIdx.x == 0) {
            memory.n_groups = 0;
        }
        __syncthreads();
#pragma unroll
        for (uint32_t i = 0; i < MAX_THREAD_GROUPS; i++) {
            if (keys[i] != 0 && keys[i] >= least) {
                memory.groups[atomicAdd(&memory.n_groups, 1)] = i * PICK_THREADS + threadIdx.x;
            }
        }
        __syncthreads();
        return memory.n_groups;
    }
};

// Calls `visit(first id, values)` in every lane for the listed groups, shared out among the warps.
// A warp has the logits of `AHEAD` groups in flight.
template <uint32_t AHEAD, class Visit>
static __device__ __forceinline__ void for_listed(const Row& row, bool is_raw, uint32_t n,
                                                  const PickMemory& memory, Visit visit) {
    const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    for (uint32_t start = warp; start < n; start += PICK_WARPS * AHEAD) {
        float values[AHEAD][LANE_IDS];
        uint32_t firsts[AHEAD];
#pragma unroll
        for (uint32_t i = 0; i < AHEAD; i++) {
            const uint32_t at = start + i * PICK_WARPS;
            firsts[i] = at < n ? memory.groups[at] * GROUP_IDS + lane * LANE_IDS : row.width;
            row.load(firsts[i], is_raw, values[i]);
        }
#pragma unroll
        for (uint32_t i = 0; i < AHEAD; i++) {
            visit(firsts[i], values[i]);
        }
    }
}

// Sorts the first `n` listed keys; the largest `k` come into `sorted`.
static __device__ __forceinline__ void sort_listed(uint32_t n, uint32_t k, PickMemory& memory) {
    for (uint32_t i = threadIdx.x; i < n; i += PICK_THREADS) {
        const u64 key = memory.listed[i];
        uint32_t rank = 0;
#pragma unroll 8
        for (uint32_t j = 0; j < n; j++) {
            rank += memory.listed[j] > key;
        }
        if (rank < k) {
            memory.sorted[rank] = key;
        }
    }
    __syncthreads();
}

// The `k` <= MAX_TOP_K largest keys of the row into `sorted`; returns how many there are.
template <uint32_t AHEAD>
static __device__ __forceinline__ uint32_t top_keys(const Row& row, bool is_raw, uint32_t k,
                                    const GroupKeys& groups, uint32_t threshold,
                                    PickMemory& memory) {
    u64 least = (u64)threshold << 32;
    while (true) {
        const uint32_t n_groups = groups.list(least, memory);
        if (threadIdx.x == 0) {
            memory.n_listed = 0;
        }
        __syncthreads();
        for_listed<AHEAD>(row, is_raw, n_groups, memory,
                   [&](uint32_t first, const float(&values)[LANE_IDS]) {
#pragma unroll
                       for (uint32_t i = 0; i < LANE_IDS; i++) {
                           const u64 key = logit_key(values[i], first + i);
                           if (first + i < row.width && key >= least) {
                               const uint32_t at = atomicAdd(&memory.n_listed, 1);
                               if (at < MAX_LISTED) {
                                   memory.listed[at] = key;
                               }
                           }
                       }
                   });
        __syncthreads();
        const uint32_t n = memory.n_listed;
        const uint32_t n_kept = n < k ? n : k;
        // A better threshold needs no more than a part of the list.
        sort_listed(n <= MAX_LISTED ? n : min(MAX_LISTED, 8 * k), n_kept, memory);
        if (n <= MAX_LISTED) {
            return n_kept;
        }
        least = memory.sorted[k - 1];
    }
}
