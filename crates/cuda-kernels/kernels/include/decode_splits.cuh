// What a block of attention_decode.cu writes, and how the splits of a row come together.
#pragma once

#include "decode_place.cuh"

// Splits that a thread fetches at once to merge them.
static constexpr uint32_t MERGED_SPLITS = 8;

// Where the splits of a head leave base and total, and their sums.
struct Scratch {
    float2* stats;
    float* sums;

    __device__ __forceinline__ Scratch(const Args& args, const Place& place, uint32_t head,
                                       uint32_t head_dim) {
        const size_t n_slots = (size_t)gridDim.z * args.n_heads * gridDim.x;
        const size_t slot = ((size_t)place.row * args.n_heads + place.first_head + head) *
                            gridDim.x;
        stats = reinterpret_cast<float2*>(args.scratch) + slot;
        // At a multiple of 16 bytes.
        sums = args.scratch + (2 * n_slots + 3) / 4 * 4 + slot * head_dim;
    }
};

// Writes the sums of this split, normalised if it is the only one.
template <class S>
static __device__ __forceinline__ void write_sums(const Args& args, const Place& place, float base,
                                                  const float (&sums)[S::RUNS][4],
                                                  const float (&total)[4]) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, head = lane / 4;
    const uint32_t head_dim = S::dim(args);
    if (head >= place.n_heads) {
        return;
    }
    const bool is_only = place.first_split() == place.last_split();
    const Scratch scratch(args, place, head, head_dim);
    float* to = is_only ? place.out(args, head, head_dim)
                        : scratch.sums + (size_t)place.split * head_dim;
    if (!is_only && warp == 0 && lane % 4 == 0) {
        scratch.stats[place.split] = make_float2(base, total[0]);
    }
#pragma unroll
    for (uint32_t run = 0; run < S::RUNS; run++) {
        const uint32_t channel = (warp + WARPS * run) * 8 + lane % 4 * 2;
        const float a = is_only ? normalised(sums[run][0], total[0]) : sums[run][0];
        const float b = is_only ? normalised(sums[run][1], total[0]) : sums[run][1];
        if (S::IS_EXACT && channel < head_dim) {
            *reinterpret_cast<float2*>(to + channel) = make_float2(a, b);
        } else {
            channel < head_dim ? to[channel] = a : 0.0f;
            channel + 1 < head_dim ? to[channel + 1] = b : 0.0f;
        }
    }
}

// Merges what the splits of the row have left, two channels a thread.
template <class S>
static __device__ __forceinline__ void merge_splits(const Args& args, const Place& place) {
    const uint32_t head_dim = S::dim(args), lanes = (head_dim + 1) / 2;
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < place.n_heads * lanes; i += THREADS) {
        const uint32_t head = i / lanes, channel = i % lanes * 2;
        const bool has_second = S::IS_EXACT || channel + 1 < head_dim;
        const Scratch scratch(args, place, head, head_dim);
        float base = NOTHING, total = 0.0f, first = 0.0f, second = 0.0f;
#pragma unroll 1
        for (uint32_t split = place.first_split(); split <= place.last_split();
             split += MERGED_SPLITS) {
            const uint32_t n = min(place.last_split() + 1 - split, MERGED_SPLITS);
            // All are asked for before the first is used.
            float2 stats[MERGED_SPLITS], sums[MERGED_SPLITS];
#pragma unroll
            for (uint32_t j = 0; j < MERGED_SPLITS; j++) {
                if (j < n) {
                    const float* from = scratch.sums + (size_t)(split + j) * head_dim + channel;
                    stats[j] = __ldcg(scratch.stats + split + j);
                    sums[j].x = __ldcg(from);
                    sums[j].y = has_second ? __ldcg(from + 1) : 0.0f;
                }
            }
#pragma unroll
            for (uint32_t j = 0; j < MERGED_SPLITS; j++) {
                if (j < n) {
                    const Merge merge(base, stats[j].x);
                    base = merge.base, total = merge(total, stats[j].y);
                    first = merge(first, sums[j].x), second = merge(second, sums[j].y);
                }
            }
        }
        float* out = place.out(args, head, head_dim) + channel;
        out[0] = normalised(first, total);
        if (has_second) {
            out[1] = normalised(second, total);
        }
    }
}

// Whether this block is the last of its row to come.
static __device__ __forceinline__ bool is_last(const Args& args, const Place& place,
                                               uint32_t& answer) {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t* ticket = args.tickets + place.row * gridDim.y + blockIdx.y;
        answer = atomicAdd(ticket, 1) == place.last_split() - place.first_split();
        if (answer) {
            *ticket = 0;
        }
        __threadfence();
    }
    __syncthreads();
    return answer;
}
