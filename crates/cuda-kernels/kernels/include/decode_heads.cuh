// The heads of a row as attention uses them, after norm and RoPE.
#pragma once

#include "decode_place.cuh"

// Pairs of channels that a thread prepares to turn while it waits for them.
static constexpr uint32_t EARLY_TURNS = 2;

// The scale that the norm gives each head, one warp a head as in head_norm.cu.
template <class S>
static __device__ __forceinline__ void norm_scales(const Args& args, const Place& place,
                                                   const float* row, Shared<S::DIM>& shared) {
    const uint32_t lane = threadIdx.x % WARP, head_dim = S::dim(args);
#pragma unroll 1
    for (uint32_t head = threadIdx.x / WARP; head <= place.n_heads; head += WARPS) {
        const float* values = row + place.source(args, head) * head_dim;
        float squares = 0.0f;
        for (uint32_t i = lane; i < head_dim; i += WARP) {
            squares = __fmaf_rn(values[i], values[i], squares);
        }
        const float mean = warp_sum(squares) / (float)head_dim;
        if (lane == 0) {
            shared.norm_scale[head] = 1.0f / sqrtf(mean + args.eps);
        }
    }
    __syncthreads();
}

// One pair of channels of a head: which, and by what it turns. Nothing beyond the last.
struct Turn {
    uint32_t head, first, second;
    float cosine, sine;
    bool is_there;

    __device__ __forceinline__ Turn(const Args& args, const Place& place, uint32_t i) {
        const uint32_t n_pairs = args.n_pairs;
        is_there = i < place.n_turned() * n_pairs;
        head = is_there ? i / n_pairs : 0;
        const uint32_t pair = is_there ? i % n_pairs : 0;
        first = args.adjacent ? 2 * pair : pair;
        second = args.adjacent ? first + 1 : first + n_pairs;
        const size_t angle = (size_t)place.position * n_pairs + pair;
        cosine = is_there ? args.cos_table[angle] : 0.0f;
        sine = is_there ? args.sin_table[angle] : 0.0f;
    }
};

// Makes the query heads and the key as they are after norm and RoPE, and the value.
template <class S>
struct Maker {
    const Args& args;
    const Place& place;
    Shared<S::DIM>& shared;
    const float* row;

    __device__ __forceinline__ Maker(const Args& a, const Place& p, Shared<S::DIM>& s)
        : args(a), place(p), shared(s),
          row(a.qkv + p.row * (size_t)(a.n_heads + 2 * a.n_kv_heads) * S::dim(a)) {}

    __device__ __forceinline__ float channel(uint32_t head, uint32_t i) const {
        const float value = row[place.source(args, head) * S::dim(args) + i];
        if (!args.q_norm) {
            return value;
        }
        const float* weight = head < place.n_heads ? args.q_norm : args.k_norm;
        return mul(mul(value, shared.norm_scale[head]), weight[i]);
    }

    __device__ __forceinline__ void store(uint32_t head, uint32_t i, float value) const {
        if (head < place.n_heads) {
            shared.turned[head][i] = value;
        } else {
            shared.key[i] = __float2half_rn(value);
        }
    }

    __device__ __forceinline__ void turn(const Turn (&turns)[EARLY_TURNS]) const {
        float a[EARLY_TURNS], b[EARLY_TURNS];
#pragma unroll
        for (uint32_t i = 0; i < EARLY_TURNS; i++) {
            if (turns[i].is_there) {
                a[i] = channel(turns[i].head, turns[i].first);
                b[i] = channel(turns[i].head, turns[i].second);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < EARLY_TURNS; i++) {
            if (turns[i].is_there) {
                const float c = turns[i].cosine, s = turns[i].sine;
                store(turns[i].head, turns[i].first, sub(mul(a[i], c), mul(b[i], s)));
                store(turns[i].head, turns[i].second, add(mul(a[i], s), mul(b[i], c)));
            }
        }
    }

    // All of them; `early` are the first turns of this thread.
    __device__ __forceinline__ void make(const Turn (&early)[EARLY_TURNS]) const {
        const uint32_t head_dim = S::dim(args), n_turned = place.n_turned();
        const float* value = row + (args.n_heads + args.n_kv_heads + place.kv_head) * head_dim;
        const bool has_value = place.is_newest() && threadIdx.x < S::DIM;
        const float own = has_value && threadIdx.x < head_dim ? value[threadIdx.x] : 0.0f;
        if (args.q_norm) {
            norm_scales<S>(args, place, row, shared);
        }
        turn(early);
        if (has_value) {
            shared.value[threadIdx.x] = __float2half_rn(own);
        }
        const uint32_t n = n_turned * args.n_pairs;
#pragma unroll 1
        for (uint32_t i = threadIdx.x + EARLY_TURNS * THREADS; i < n; i += EARLY_TURNS * THREADS) {
            const Turn turns[EARLY_TURNS] = {Turn(args, place, i), Turn(args, place, i + THREADS)};
            turn(turns);
        }
        // Channels that do not turn, and those that fill up the last step.
        const uint32_t n_rest = S::DIM - 2 * args.n_pairs;
#pragma unroll 1
        for (uint32_t i = threadIdx.x; i < n_turned * n_rest; i += THREADS) {
            const uint32_t head = i / n_rest, at = 2 * args.n_pairs + i % n_rest;
            store(head, at, at < head_dim ? channel(head, at) : 0.0f);
        }
    }
};
