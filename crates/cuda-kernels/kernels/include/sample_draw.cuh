// The draws of the sampler: among the first k tokens, among all, and among those of top-p.
#pragma once

#include <stdint.h>

#include "draw.cuh"
#include "logit_key.cuh"
#include "sample_row.cuh"
#include "top_keys.cuh"

// What a row's draw depends on besides its logits.
struct Draw {
    Scale scale;
    Noise noise;
    float floor;  // scaled logits below it do not draw
    float top_p;

    __device__ __forceinline__ Draw(const SampleParams& params, u64 largest, uint32_t position)
        : scale{key_value(largest), params.temperature},
          noise{{params.seed[0], params.seed[1]}, position},
          floor(fmaxf(params.min_p_log, -27.0f)),
          top_p(params.top_p) {}

    // The weight that the kept tokens must reach: the share of `top_p`, in units of 2^-32.
    __device__ __forceinline__ u64 target(u64 total) const {
        const u64 share = __float2ull_rz(mul(top_p, 4294967296.0f));
        const u64 target = __umul64hi(total, share << 32);
        return target > 1 ? target : 1;
    }

    // The best noisy key of the lane's tokens that are kept and of `best`. Tokens that cannot
    // reach `least`, which some token does, may be left out.
    template <class Keep>
    __device__ __forceinline__ u64 best_of(uint32_t first, const float (&values)[LANE_IDS],
                                           u64 best, float least, Keep keep) const {
        const uint4 four = noise.numbers(first / LANE_IDS);
        const uint32_t numbers[LANE_IDS] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (uint32_t i = 0; i < LANE_IDS; i++) {
            const float scaled = scale.of(values[i]);
            if (scaled >= floor && add(scaled, gumbel_bound(numbers[i])) >= least && keep(i)) {
                const u64 key = logit_key(add(scaled, gumbel(numbers[i])), first + i);
                best = max_key(best, key);
                least = fmaxf(least, key_value(best));
            }
        }
        return best;
    }
};

// Sum over the block; every thread must call it and gets the result.
static __device__ __forceinline__ u64 block_sum_u64(u64 value, PickMemory& memory) {
    value = warp_sum_u64(value);
    if (threadIdx.x % WARP == 0) {
        memory.words[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    u64 total = 0;
#pragma unroll
    for (uint32_t warp = 0; warp < PICK_WARPS; warp++) {
        total += memory.words[warp];
    }
    __syncthreads();
    return total;
}

// A sum over the threads before, and over all.
struct Prefix {
    u64 before;
    u64 total;

    __device__ __forceinline__ Prefix(u64 own, PickMemory& memory) {
        const uint32_t lane = threadIdx.x % WARP, own_warp = threadIdx.x / WARP;
        u64 sum = own;
#pragma unroll
        for (uint32_t distance = 1; distance < WARP; distance *= 2) {
            const u64 other = __shfl_up_sync(ALL_LANES, sum, distance);
            sum += lane >= distance ? other : 0;
        }
        if (lane == WARP - 1) {
            memory.words[own_warp] = sum;
        }
        __syncthreads();
        before = sum - own, total = 0;
#pragma unroll
        for (uint32_t warp = 0; warp < PICK_WARPS; warp++) {
            before += warp < own_warp ? memory.words[warp] : 0;
            total += memory.words[warp];
        }
        __syncthreads();
    }
};

// Of top-k, top-p and min-p: the k first are sorted, the draw is among them.
static __device__ __forceinline__ u64 draw_of_top_k(const Row& row, const Draw& draw,
                                                    const GroupKeys& groups, u64 largest,
                                                    PickMemory& memory) {
    const uint32_t k = row.params.top_k, n_groups = groups_of(row.width);
    const uint32_t threshold = groups.threshold(k, n_groups, largest, memory);
    const uint32_t n = top_keys<4>(row, false, k, groups, threshold, memory);
    const uint32_t at = threadIdx.x;
    const u64 key = at < n ? memory.sorted[at] : 0;
    const float scaled = at < n ? draw.scale.of(key_value(key)) : -INFINITY;
    bool is_kept = at < n && scaled >= draw.floor;
    if (draw.top_p < 1.0f) {
        const Prefix prefix(weight(scaled), memory);
        is_kept = is_kept && prefix.before < draw.target(prefix.total);
    }
    u64 best = 0;
    if (is_kept) {
        best = logit_key(add(scaled, draw.noise.of(key_id(key))), key_id(key));
    }
    return block_join_keys(best, PICK_WARPS, memory.words);
}

// Calls `visit(first id, values)` for this block's groups, and `after()` whenever each warp has
// had one. Groups whose best neither weighs nor draws are skipped.
template <class Visit, class After>
static __device__ __forceinline__ void for_part(const Row& row, const Draw& draw,
                                                const Scratch& scratch, Visit visit,
                                                After after) {
    const uint32_t n_groups = groups_of(row.width);
    for (uint32_t start = blockIdx.x * PICK_WARPS; start < n_groups;
         start += gridDim.x * PICK_WARPS) {
        const uint32_t group = start + threadIdx.x / WARP;
        if (group < n_groups &&
            draw.scale.of(key_value(__ldcg(&scratch.keys[group]))) >= WEIGHTLESS) {
            const uint32_t first = group * GROUP_IDS + threadIdx.x % WARP * LANE_IDS;
            float values[LANE_IDS];
            row.load(first, false, values);
            visit(first, values);
        }
        after();
    }
}

// Whether this block is the row's last: it sees what all others have left.
static __device__ __forceinline__ bool is_last_part(const Scratch& scratch, PickMemory& memory) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        memory.is_last = atomicInc(scratch.arrivals, gridDim.x - 1) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    return memory.is_last;
}

// A draw among all tokens; 0 in all blocks but the last.
static __device__ __forceinline__ u64 draw_of_all(const Row& row, const Draw& draw,
                                                  const Scratch& scratch, PickMemory& memory) {
    u64 best = 0;
    // What some lane of the warp has reached.
    float least = LEAST_NOISE;
    for_part(
        row, draw, scratch,
        [&](uint32_t first, const float(&values)[LANE_IDS]) {
            best = draw.best_of(first, values, best, least, [&](uint32_t i) {
                return first + i < row.width;
            });
            const uint32_t reached = __reduce_max_sync(ALL_LANES, (uint32_t)(best >> 32));
            least = reached == 0 ? LEAST_NOISE : unordered(reached);
        },
        [] {});
    best = block_join_keys(best, PICK_WARPS, memory.words);
    if (threadIdx.x == 0) {
        atomicMax(&scratch.best[0], best);
    }
    if (!is_last_part(scratch, memory)) {
        return 0;
    }
    best = __ldcg(&scratch.best[0]);
    __syncthreads();
    if (threadIdx.x == 0) {
        scratch.best[0] = 0;
    }
    return best;
}

// Weighs a lane's tokens, and draws in each bin on its own.
static __device__ __forceinline__ void sort_into_bins(const Row& row, const Draw& draw,
                                                      uint32_t first,
                                                      const float (&values)[LANE_IDS],
                                                      BinMemory& bins) {
    const uint4 four = draw.noise.numbers(first / LANE_IDS);
    const uint32_t numbers[LANE_IDS] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (uint32_t i = 0; i < LANE_IDS; i++) {
        const float scaled = draw.scale.of(values[i]);
        const u64 own = first + i < row.width ? weight(scaled) : 0;
        if (own == 0) {
            continue;
        }
        const uint32_t bin = bin_of(scaled);
        atomicAdd(&bins.low[bin], (uint32_t)own & 0xfffff);
        atomicAdd(&bins.high[bin], (uint32_t)(own >> 20));
        // The high word of a key, which only grows, tells the value.
        const uint32_t reached = reinterpret_cast<volatile uint32_t*>(&bins.best[bin])[1];
        const float least = reached == 0 ? LEAST_NOISE : unordered(reached);
        if (scaled >= draw.floor && add(scaled, gumbel_bound(numbers[i])) >= least) {
            atomicMax(&bins.best[bin], logit_key(add(scaled, gumbel(numbers[i])), first + i));
        }
    }
}

// This block's part of the bins, added to the row's.
static __device__ __forceinline__ void bin_part(const Row& row, const Draw& draw,
                                                const Scratch& scratch, PickMemory& memory) {
    BinMemory& bins = memory.bins;
    const uint32_t bin = threadIdx.x;
    bins.best[bin] = 0, bins.low[bin] = 0, bins.high[bin] = 0;
    __syncthreads();
    for_part(
        row, draw, scratch,
        [&](uint32_t first, const float(&values)[LANE_IDS]) {
            sort_into_bins(row, draw, first, values, bins);
        },
        [&] {
            // 2048 tokens: more could overflow.
            __syncthreads();
            const u64 sum = ((u64)bins.high[bin] << 20) + bins.low[bin];
            if (sum > 0) {
                atomicAdd(&scratch.weights[bin], sum);
                bins.low[bin] = 0, bins.high[bin] = 0;
            }
            __syncthreads();
        });
    if (bins.best[bin] > 0) {
        atomicMax(&scratch.best[bin], bins.best[bin]);
    }
}

// A draw among those that top-p keeps: the bins before the target are kept whole, those after it
// not at all. In the bin that crosses it, the winner is kept if what comes before it does not
// reach the target; if not, nothing after it is kept either, and the next draw is among what
// comes before. 0 in all blocks but the last.
static __device__ __forceinline__ u64 draw_of_top_p(const Row& row, const Draw& draw,
                                                    const Scratch& scratch,
                                                    const GroupKeys& groups, PickMemory& memory) {
    bin_part(row, draw, scratch, memory);
    if (!is_last_part(scratch, memory)) {
        return 0;
    }
    const u64 own = __ldcg(&scratch.weights[threadIdx.x]);
    const u64 own_best = __ldcg(&scratch.best[threadIdx.x]);
    scratch.weights[threadIdx.x] = 0, scratch.best[threadIdx.x] = 0;
    const Prefix prefix(own, memory);
    const u64 target = draw.target(prefix.total);
    if (prefix.before < target && prefix.before + own >= target) {
        memory.listed[0] = threadIdx.x, memory.listed[1] = prefix.before;
        memory.listed[2] = own_best;
    }
    const bool is_whole = prefix.before + own < target;
    const u64 safe = block_join_keys(is_whole ? own_best : 0, PICK_WARPS, memory.words);
    const uint32_t crossing = memory.listed[0];
    const u64 before_bin = memory.listed[1];
    u64 best = memory.listed[2];
    while (best > safe) {
        const uint32_t winner = key_id(best);
        const u64 limit = logit_key(row.penalised_at(winner), winner);
        const uint32_t n = groups.list(limit, memory);
        const auto is_before = [&](uint32_t id, float value) {
            return id < row.width && logit_key(value, id) > limit &&
                   bin_of(draw.scale.of(value)) == crossing;
        };
        u64 before = 0;
        for_listed<2>(row, false, n, memory, [&](uint32_t first, const float(&values)[LANE_IDS]) {
#pragma unroll
            for (uint32_t i = 0; i < LANE_IDS; i++) {
                if (is_before(first + i, values[i])) {
                    before += weight(draw.scale.of(values[i]));
                }
            }
        });
        if (before_bin + block_sum_u64(before, memory) < target) {
            return best;
        }
        best = 0;
        for_listed<1>(row, false, n, memory, [&](uint32_t first, const float(&values)[LANE_IDS]) {
            const float least = best == 0 ? LEAST_NOISE : key_value(best);
            best = draw.best_of(first, values, best, least, [&](uint32_t i) {
                return is_before(first + i, values[i]);
            });
        });
        best = block_join_keys(best, PICK_WARPS, memory.words);
    }
    return safe;
}
