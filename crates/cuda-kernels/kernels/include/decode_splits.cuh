// What a block of attention_decode.cu writes, and how the splits of a row come together: a chain
// over the splits, ascending, for each channel.
//
// Neighbouring splits may be a cluster. If these are all that the row has, each block of the
// cluster merges a share of the channels from the shared memory of the others. Otherwise all
// splits leave their sums in `scratch`, and the cluster of the block that comes last merges them.
#pragma once

#include "cluster.cuh"
#include "decode_place.cuh"

// Splits that a thread fetches at once to merge them: a lane finds the parts of one.
static constexpr uint32_t FETCHED_SPLITS = WARP;

// For each split that a warp merges: what the sums so far and those of the split are scaled by, and
// the split's total of weights, scaled already.
using SplitParts = float4[FETCHED_SPLITS];

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

// Sums, base and total of a split, as this thread has some of them: of a head two channels of each
// run.
template <class S>
struct SplitSums {
    float base, sums[S::RUNS][4], total[4];

    static __device__ __forceinline__ uint32_t head() { return threadIdx.x % WARP / 4; }
    static __device__ __forceinline__ uint32_t channel(uint32_t run) {
        return (threadIdx.x / WARP + WARPS * run) * 8 + threadIdx.x % 4 * 2;
    }
    // Whether this thread is the one that writes base and total.
    static __device__ __forceinline__ bool has_stats() {
        return threadIdx.x < WARP && threadIdx.x % 4 == 0;
    }
};

// Two channels, of which the second may not be there.
template <class S>
static __device__ __forceinline__ void write_pair(float* to, float a, float b, uint32_t channel,
                                                  uint32_t head_dim) {
    if (S::IS_EXACT) {
        *reinterpret_cast<float2*>(to + channel) = make_float2(a, b);
    } else {
        to[channel] = a;
        channel + 1 < head_dim ? to[channel + 1] = b : 0.0f;
    }
}

// The row's output, if it has but this split.
template <class S>
static __device__ __forceinline__ void write_only(const Args& args, const Place& place,
                                                  const SplitSums<S>& own) {
    const uint32_t head_dim = S::dim(args);
#pragma unroll
    for (uint32_t run = 0; run < S::RUNS; run++) {
        const uint32_t channel = own.channel(run);
        if (own.head() < place.n_heads && channel < head_dim) {
            write_pair<S>(place.out(args, own.head(), head_dim),
                          normalised(own.sums[run][0], own.total[0]),
                          normalised(own.sums[run][1], own.total[0]), channel, head_dim);
        }
    }
}

// The sums of this split, for the cluster that comes last.
template <class S>
static __device__ __forceinline__ void write_scratch(const Args& args, const Place& place,
                                                     const SplitSums<S>& own) {
    const uint32_t head_dim = S::dim(args);
    if (own.head() >= place.n_heads) {
        return;
    }
    const Scratch scratch(args, place, own.head(), head_dim);
    if (own.has_stats()) {
        scratch.stats[place.split] = make_float2(own.base, own.total[0]);
    }
#pragma unroll
    for (uint32_t run = 0; run < S::RUNS; run++) {
        const uint32_t channel = own.channel(run);
        if (channel < head_dim) {
            write_pair<S>(scratch.sums + (size_t)place.split * head_dim, own.sums[run][0],
                          own.sums[run][1], channel, head_dim);
        }
    }
}

// Leaves the parts of `n` splits, one a lane, in `parts`. `base` is that of the sums before, then
// that of the sums after. The whole warp.
static __device__ __forceinline__ void find_parts(const float2* stats, uint32_t n, float& base,
                                                  SplitParts& parts) {
    const uint32_t lane = threadIdx.x % WARP;
    const float2 own = lane < n ? __ldcg(stats + lane) : make_float2(NOTHING, 0.0f);
    float largest = fmaxf(own.x, base);
#pragma unroll
    for (uint32_t step = 1; step < WARP; step *= 2) {
        const float other = __shfl_up_sync(ALL_LANES, largest, step);
        largest = lane >= step ? fmaxf(largest, other) : largest;
    }
    const float left = __shfl_up_sync(ALL_LANES, largest, 1);
    const Merge merge(lane == 0 ? base : left, own.x);
    __syncwarp();
    parts[lane] = make_float4(merge.old_part, merge.new_part, mul(own.y, merge.new_part), 0.0f);
    __syncwarp();
    base = __shfl_sync(ALL_LANES, largest, WARP - 1);
}

// Two channels of a head, and the total of its weights.
struct Merged {
    float2 sum;
    float total;

    __device__ __forceinline__ void add(float2 more, float4 part) {
        sum.x = __fmaf_rn(sum.x, part.x, mul(more.x, part.y));
        sum.y = __fmaf_rn(sum.y, part.x, mul(more.y, part.y));
        total = __fmaf_rn(total, part.x, part.z);
    }
};

// Two channels of splits, all asked for before the first is used.
template <class S>
struct Fetched {
    float2 sums[FETCHED_SPLITS];

    __device__ __forceinline__ void fetch(const float* from, uint32_t n, uint32_t channel,
                                          uint32_t head_dim) {
        from += channel;
        // One address with offsets, not many addresses.
        asm volatile("" : "+l"(from));
#pragma unroll
        for (uint32_t i = 0; i < FETCHED_SPLITS; i++) {
            const float* at = from + (size_t)i * head_dim;
            if (i >= n) {
                sums[i] = make_float2(0.0f, 0.0f);
            } else if (S::IS_EXACT) {
                sums[i] = __ldcg(reinterpret_cast<const float2*>(at));
            } else {
                sums[i] = make_float2(__ldcg(at), channel + 1 < head_dim ? __ldcg(at + 1) : 0.0f);
            }
        }
    }
};

// Merges what the splits of the row have left in `scratch`: a warp has 64 channels of a head, and a
// block every CLUSTER-th of these.
template <class S, uint32_t CLUSTER>
static __device__ __forceinline__ void merge_scratch(const Args& args, const Place& place,
                                                     SplitParts* parts) {
    constexpr uint32_t PIECES = (S::DIM + 2 * WARP - 1) / (2 * WARP);
    const uint32_t head_dim = S::dim(args), lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const uint32_t first_split = place.first_split(), n_splits = place.n_splits();
#pragma unroll 1
    for (uint32_t i = (CLUSTER > 1 ? cluster_rank() : 0) + CLUSTER * warp;
         i < place.n_heads * PIECES; i += CLUSTER * WARPS) {
        const uint32_t head = i / PIECES, channel = (i % PIECES * WARP + lane) * 2;
        const bool is_there = channel < head_dim;
        const Scratch scratch(args, place, head, head_dim);
        float base = NOTHING;
        Merged merged = {};
#pragma unroll 1
        for (uint32_t done = 0; done < n_splits; done += FETCHED_SPLITS) {
            const uint32_t first = first_split + done, n = min(n_splits - done, FETCHED_SPLITS);
            Fetched<S> fetched;
            fetched.fetch(scratch.sums + (size_t)first * head_dim, is_there ? n : 0, channel,
                          head_dim);
            find_parts(scratch.stats + first, n, base, parts[warp]);
            // Those beyond the last are zeros, which change nothing.
#pragma unroll
            for (uint32_t j = 0; j < FETCHED_SPLITS; j++) {
                if (j % 8 == 0 && j >= n) {
                    break;
                }
                merged.add(fetched.sums[j], parts[warp][j]);
            }
        }
        if (is_there) {
            write_pair<S>(place.out(args, head, head_dim), normalised(merged.sum.x, merged.total),
                          normalised(merged.sum.y, merged.total), channel, head_dim);
        }
    }
}

// What a block of a cluster shows to the others: two channels each of the heads, and their bases
// and totals.
template <class S>
struct Shown {
    float2 sums[HEADS][S::DIM / 2], stats[HEADS];

    __device__ __forceinline__ void write(const SplitSums<S>& own) {
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            if (S::ALL_RUNS % WARPS == 0 || own.channel(run) < S::DIM) {
                sums[own.head()][own.channel(run) / 2] =
                    make_float2(own.sums[run][0], own.sums[run][1]);
            }
        }
        if (own.has_stats()) {
            stats[own.head()] = make_float2(own.base, own.total[0]);
        }
    }
};

// Merges what the blocks of the cluster show, which are all that the row has.
template <class S, uint32_t CLUSTER>
static __device__ __forceinline__ void merge_cluster(const Args& args, const Place& place,
                                                     const Shown<S>& shown) {
    constexpr uint32_t LANES = S::DIM / 2;
    const uint32_t head_dim = S::dim(args), n_splits = place.n_splits();
    const uint32_t share = (place.n_heads * LANES + CLUSTER - 1) / CLUSTER;
    const uint32_t i = (CLUSTER > 1 ? cluster_rank() : 0) * share + threadIdx.x, head = i / LANES;
    const uint32_t channel = i % LANES * 2;
    if (threadIdx.x >= share || head >= place.n_heads || channel >= head_dim) {
        return;
    }
    float2 sums[CLUSTER], stats[CLUSTER];
#pragma unroll
    for (uint32_t j = 0; j < CLUSTER; j++) {
        if (j < n_splits) {
            const uint32_t rank = (place.first_split() + j) % CLUSTER;
            sums[j] = load_from_rank(&shown.sums[head][channel / 2], rank);
            stats[j] = load_from_rank(&shown.stats[head], rank);
        }
    }
    float base = NOTHING;
    Merged merged = {};
#pragma unroll
    for (uint32_t j = 0; j < CLUSTER; j++) {
        if (j < n_splits) {
            const Merge merge(base, stats[j].x);
            base = merge.base;
            merged.add(sums[j], make_float4(merge.old_part, merge.new_part,
                                            mul(stats[j].y, merge.new_part), 0.0f));
        }
    }
    write_pair<S>(place.out(args, head, head_dim), normalised(merged.sum.x, merged.total),
                  normalised(merged.sum.y, merged.total), channel, head_dim);
}

// Whether the cluster has the block that comes last of its row. What the blocks wrote before is
// seen by this cluster then. `answer` is 0 where a block has arrived.
template <uint32_t CLUSTER>
static __device__ __forceinline__ bool is_last(const Args& args, const Place& place, bool is_used,
                                               uint32_t& answer) {
    if (CLUSTER > 1) {
        cluster_wait();
    }
    __syncthreads();
    if (is_used && threadIdx.x == 0) {
        __threadfence();
        uint32_t* ticket = args.tickets + place.row * gridDim.y + blockIdx.y;
        if (atomicAdd(ticket, 1) == place.n_splits() - 1) {
            *ticket = 0;
            __threadfence();
#pragma unroll
            for (uint32_t rank = 0; rank < CLUSTER; rank++) {
                store_in_rank(&answer, 1, rank);
            }
        }
    }
    CLUSTER > 1 ? cluster_sync() : __syncthreads();
    return answer;
}
