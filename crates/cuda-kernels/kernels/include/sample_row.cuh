// What the sampler keeps of each row, and how a row's logits are read.
#pragma once

#include <stdint.h>

#include "draw.cuh"
#include "logit_key.cuh"

// These three are structs of `launch/sample.rs`.
struct SampleParams {
    float temperature;         // 0: the largest logit
    uint32_t top_k;            // 0: all
    float top_p;               // 1: all
    float min_p_log;           // logarithm of min-p; -inf: all
    float repetition_penalty;  // 1: off
    float presence_penalty;    // 0: off
    float frequency_penalty;   // 0: off
    uint32_t seed[2];          // low word first
    uint32_t counts;           // which table of `counts` is the row's; NO_TOKEN: no penalties
    uint32_t n_logprobs;       // NO_TOKEN: none, not even the chosen one's
    uint32_t is_active;        // 0: the row is left alone
};

struct SampleState {
    uint32_t step;       // the result goes to slot step % n_slots
    uint32_t is_failed;  // a logit was not finite, now or before
};

static constexpr uint32_t MAX_LOGPROBS = 20;

struct SampleResult {
    uint32_t id;          // NO_TOKEN if the row has failed
    float logprob;        // of the token, if asked for
    uint32_t non_finite;  // logits of this step that are NaN or infinite
    uint32_t position;    // of the token
    uint32_t top_ids[MAX_LOGPROBS];
    float top_logprobs[MAX_LOGPROBS];
};

// An entry of a table of `counts`, one per id: occurrences in the output; the highest bit tells
// that the prompt has it.
static constexpr uint32_t IN_PROMPT = 1u << 31;

struct Row {
    const float* logits;     // [width]
    const uint32_t* counts;  // [width], or null
    uint32_t width;
    SampleParams params;

    __device__ __forceinline__ Row(const float* x, const uint32_t* tables, uint32_t width,
                                   const SampleParams& params)
        : logits(x + (size_t)blockIdx.y * width), width(width), params(params) {
        const bool has_table = params.counts != NO_TOKEN;
        counts = has_table ? tables + (size_t)params.counts * width : nullptr;
    }

    __device__ __forceinline__ bool is_greedy() const { return params.temperature == 0.0f; }

    __device__ __forceinline__ float penalised(float logit, uint32_t entry) const {
        if (entry == 0) {
            return logit;
        }
        if (params.repetition_penalty != 1.0f) {
            logit = logit > 0.0f ? __fdiv_rn(logit, params.repetition_penalty)
                                 : mul(logit, params.repetition_penalty);
            logit = fminf(fmaxf(logit, -3.402823466e38f), 3.402823466e38f);
        }
        const uint32_t count = entry & ~IN_PROMPT;
        if (count > 0) {
            const float frequency = mul(params.frequency_penalty, (float)count);
            logit = sub(logit, add(params.presence_penalty, frequency));
        }
        return logit;
    }

    __device__ __forceinline__ float penalised_at(uint32_t id) const {
        return penalised(logits[id], counts == nullptr ? 0 : counts[id]);
    }

    // The lane's logits of a group, as they are or after the penalties.
    __device__ __forceinline__ void load(uint32_t first, bool is_raw,
                                         float (&values)[LANE_IDS]) const {
        load_logits(logits, first, width, values);
        if (is_raw || counts == nullptr) {
            return;
        }
#pragma unroll
        for (uint32_t i = 0; i < LANE_IDS; i++) {
            if (first + i < width) {
                values[i] = penalised(values[i], counts[first + i]);
            }
        }
    }
};

// Tokens by how far they are below the best one: 32 bins for each power of two.
static constexpr uint32_t N_BINS = 512;

// Where the kernels of a step leave what the next one reads, for one row.
struct Scratch {
    u64* keys;         // [n_groups], of penalised logits
    u64* raw_keys;     // [n_groups], if log probabilities are asked for
    u64* raw_weights;  // [n_groups], sums relative to the group's largest logit
    // 0 between steps:
    u64* best;     // [N_BINS], the largest noisy key of each bin
    u64* weights;  // [N_BINS], sums
    uint32_t* arrivals;

    // `launch/sample.rs` knows how many words a row takes.
    __device__ __forceinline__ Scratch(u64* words, uint32_t n_groups) {
        words += (size_t)blockIdx.y * (3 * n_groups + 2 * N_BINS + 1);
        keys = words;
        raw_keys = keys + n_groups;
        raw_weights = raw_keys + n_groups;
        best = raw_weights + n_groups;
        weights = best + N_BINS;
        arrivals = reinterpret_cast<uint32_t*>(weights + N_BINS);
    }
};

// Scaled logits: relative to the largest, then divided by the temperature.
struct Scale {
    float largest;
    float temperature;

    __device__ __forceinline__ float of(float logit) const {
        return __fdiv_rn(sub(logit, largest), temperature);
    }
};

// Never falls as the scaled logit falls; what weighs nothing is in the last bins.
static __device__ __forceinline__ uint32_t bin_of(float scaled) {
    const uint32_t first = (127 - 10) << 5;
    const uint32_t bits = __float_as_uint(fabsf(scaled)) >> 18;
    return bits < first ? 0 : min(bits - first, N_BINS - 1);
}

static __device__ __forceinline__ uint32_t groups_of(uint32_t width) {
    return (width + GROUP_IDS - 1) / GROUP_IDS;
}

static __device__ __forceinline__ u64 warp_sum_u64(u64 value) {
#pragma unroll
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    }
    return value;
}
