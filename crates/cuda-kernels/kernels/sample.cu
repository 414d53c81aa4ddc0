// The next token of each row, drawn as the host's sampler draws it (`sampling.rs` of
// `llama-arch`), with the row's own parameters from device memory:
//
//   l = penalised logit, s = (l - largest l) / temperature, w = e^s in units of 2^-40
//   top-k keeps the k first by falling l; top-p of those the fewest first whose w reach its share;
//   min-p those with s >= ln(min_p)
//   the token = of those kept the one with the largest s + Gumbel noise(seed, position, id)
//
// Ties go to the lowest id; temperature 0 takes the largest l. Two launches:
//   sample_scan  a warp for each group of 128 ids: its largest key, and what is not finite
//   sample_pick  one block a row finds the token. Without top-k all tokens draw: blocks share
//                the groups, and the one that is last joins what they found.
// The second leaves the token and its position where the next step reads them.

#include <stdint.h>

#include "chain.cuh"
#include "draw.cuh"
#include "logit_key.cuh"
#include "sample_draw.cuh"
#include "sample_row.cuh"
#include "top_keys.cuh"

static constexpr uint32_t SCAN_THREADS = 256;

// Weights of the lane's raw logits relative to the group's largest.
static __device__ __forceinline__ u64 lane_weight(uint32_t first, uint32_t width, float largest,
                                                  const float (&values)[LANE_IDS]) {
    u64 sum = 0;
#pragma unroll
    for (uint32_t i = 0; i < LANE_IDS; i++) {
        sum += first + i < width ? weight(sub(values[i], largest)) : 0;
    }
    return sum;
}

extern "C" __global__ void __launch_bounds__(SCAN_THREADS)
    sample_scan(const float* __restrict__ x, const SampleParams* __restrict__ params,
                const uint32_t* counts, u64* scratch_words, uint32_t width) {
    chain_release();
    chain_wait();
    const uint32_t n_groups = groups_of(width);
    const uint32_t group = (blockIdx.x * SCAN_THREADS + threadIdx.x) / WARP;
    const uint32_t lane = threadIdx.x % WARP;
    const Row row(x, counts, width, params[blockIdx.y]);
    if (group >= n_groups || row.params.is_active == 0) {
        return;
    }
    const Scratch scratch(scratch_words, n_groups);
    const uint32_t first = group * GROUP_IDS + lane * LANE_IDS;
    float values[LANE_IDS];
    row.load(first, true, values);
    const uint32_t n_bad =
        __reduce_add_sync(ALL_LANES, count_non_finite(first, width, values));
    if (row.params.n_logprobs != NO_TOKEN) {
        const u64 raw = warp_max_key(lane_key(first, width, values));
        const u64 sum = warp_sum_u64(lane_weight(first, width, key_value(raw), values));
        if (lane == 0) {
            scratch.raw_keys[group] = raw;
            scratch.raw_weights[group] = sum;
        }
    }
    if (row.counts != nullptr) {
        row.load(first, false, values);
    }
    const u64 key = warp_max_key(lane_key(first, width, values));
    if (lane == 0) {
        scratch.keys[group] = n_bad > 0 ? NON_FINITE | n_bad : key;
    }
}

// Log probabilities under the raw logits: f32, where the host has f64.
struct Logprobs {
    float largest;
    float log_sum;

    __device__ __forceinline__ float of(float logit) const {
        return sub(sub(logit, largest), log_sum);
    }
};

// ln of the sum of e^(l - largest): units of 2^-40, twice.
static __device__ __forceinline__ Logprobs normaliser(const Scratch& scratch, uint32_t n_groups,
                                                      u64 largest, PickMemory& memory) {
    const float unit_weight = 1.0f / 1099511627776.0f;
    float sum = 0.0f;
    for (uint32_t group = threadIdx.x; group < n_groups; group += PICK_THREADS) {
        const float group_largest = key_value(__ldcg(&scratch.raw_keys[group]));
        const u64 relative = weight(sub(group_largest, key_value(largest)));
        const u64 group_weight = __ldcg(&scratch.raw_weights[group]);
        const float group_sum = mul(__ull2float_rn(group_weight), unit_weight);
        sum = add(sum, mul(group_sum, mul(__ull2float_rn(relative), unit_weight)));
    }
    float* words = reinterpret_cast<float*>(memory.words);
    return {key_value(largest), natural_log(block_sum<PICK_THREADS>(sum, words))};
}

static __device__ __forceinline__ void write_logprobs(const Row& row, const Scratch& scratch,
                                                      uint32_t id, SampleResult* result,
                                                      PickMemory& memory) {
    const uint32_t n_groups = groups_of(row.width);
    const GroupKeys groups(scratch.raw_keys, n_groups);
    const u64 largest = groups.joined(memory);
    const Logprobs logprobs = normaliser(scratch, n_groups, largest, memory);
    if (threadIdx.x == 0) {
        result->logprob = logprobs.of(row.logits[id]);
    }
    const uint32_t k = min(row.params.n_logprobs, MAX_LOGPROBS);
    if (k == 0) {
        return;
    }
    const uint32_t threshold = groups.threshold(k, n_groups, largest, memory);
    const uint32_t n = top_keys<2>(row, true, k, groups, threshold, memory);
    if (threadIdx.x < n) {
        const u64 key = memory.sorted[threadIdx.x];
        result->top_ids[threadIdx.x] = key_id(key);
        result->top_logprobs[threadIdx.x] = logprobs.of(key_value(key));
    }
}

extern "C" __global__ void __launch_bounds__(PICK_THREADS, 1)
    sample_pick(const float* __restrict__ x, const SampleParams* __restrict__ params,
                uint32_t* counts, SampleState* states, u64* scratch_words, uint32_t* tokens,
                uint32_t* positions, SampleResult* results, uint32_t width, uint32_t n_slots) {
    __shared__ PickMemory memory;
    chain_release();
    chain_wait();
    const uint32_t n_groups = groups_of(width), at = blockIdx.y;
    const Row row(x, counts, width, params[at]);
    const bool draws_all = !row.is_greedy() && row.params.top_k == 0;
    if (row.params.is_active == 0 || (blockIdx.x > 0 && !draws_all)) {
        return;
    }
    const Scratch scratch(scratch_words, n_groups);
    const GroupKeys groups(scratch.keys, n_groups);
    const u64 largest = groups.joined(memory);
    const uint32_t n_bad = largest >= NON_FINITE ? (uint32_t)largest : 0;
    if (n_bad > 0 && blockIdx.x > 0) {
        return;
    }
    const uint32_t position = positions[at] + 1;
    u64 chosen = largest;
    if (n_bad == 0 && !row.is_greedy()) {
        const Draw draw(row.params, largest, position);
        if (!draws_all) {
            chosen = draw_of_top_k(row, draw, groups, largest, memory);
        } else if (draw.top_p < 1.0f) {
            chosen = draw_of_top_p(row, draw, scratch, groups, memory);
        } else {
            chosen = draw_of_all(row, draw, scratch, memory);
        }
    }
    if (chosen == 0) {
        return;
    }
    const SampleState state = states[at];
    SampleResult* result = results + (size_t)(state.step % n_slots) * gridDim.y + at;
    const bool is_failed = n_bad > 0 || state.is_failed != 0;
    const uint32_t id = key_id(chosen);
    if (!is_failed && row.params.n_logprobs != NO_TOKEN) {
        write_logprobs(row, scratch, id, result, memory);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        result->id = is_failed ? NO_TOKEN : id;
        result->non_finite = n_bad;
        result->position = position;
        // A failed row goes on with token 0, which the next step can embed, and reports no token.
        tokens[at] = is_failed ? 0 : id;
        positions[at] = position;
        states[at] = {state.step + 1, is_failed};
        if (!is_failed && row.counts != nullptr) {
            counts[(size_t)row.params.counts * width + id] += 1;
        }
    }
}
