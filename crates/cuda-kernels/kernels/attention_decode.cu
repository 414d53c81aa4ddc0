// Attention of rows that are each alone in their sequence, from the product Q, K, V to the output:
// norms of the heads, RoPE, the cache's new entries, and attention itself.
//
// The arithmetic is that of head_norm.cu, rope_append.cu and attention.cuh. One block of threads
// per split of 256 positions, KV head and row; it serves up to 8 query heads, as rows 0 to 7 of
// the matrix products (the others are zeros). A warp scores one tile, all warps exchange weights,
// and each sums up the values of every eighth run of eight channels. The splits of a longer row
// leave their sums in `scratch`, and the block that comes last merges them in ascending order.
//
// The grid covers the longest row there may be, so that it suits every step of a recorded graph.
// The step's own key and value are used as they are made: the cache has them for later steps.

#include "attention.cuh"
#include "chain.cuh"
#include "decode_heads.cuh"
#include "decode_place.cuh"
#include "decode_splits.cuh"

// Position in its tile of the key that this lane holds for a part.
static __device__ __forceinline__ uint32_t key_slot(uint32_t part) {
    const uint32_t g = threadIdx.x % WARP / 4;
    return g / 2 * 8 + 2 * part + g % 2;
}

// Copies what this thread will need of the keys before the row's own.
template <class S>
static __device__ __forceinline__ void fetch_keys(const Args& args, const Place& place,
                                                  uint4* copies) {
    const uint32_t tile = threadIdx.x / WARP, head_dim = S::dim(args);
    if (place.sees(tile)) {
        const __half* head = args.keys + head_index(place.blocks[tile], place.kv_head,
                                                    args.n_kv_heads, head_dim);
#pragma unroll
        for (uint32_t part = 0; part < TILE_PARTS; part++) {
            const uint32_t slot = key_slot(part);
            const bool is_there = place.tile_start(tile) + slot < place.position;
            const __half* key = head + slot * head_dim;
#pragma unroll
            for (uint32_t piece = 0; piece < S::PIECES; piece++) {
                uint4* to = copies + S::key_at(part, piece);
                const uint32_t channel = step_channel(2 * piece, S::STEPS, threadIdx.x % 4);
                if (!S::IS_EXACT) {
                    *to = is_there ? gather8(key, channel, head_dim) : make_uint4(0, 0, 0, 0);
                } else if (2 * piece + 1 < S::STEPS) {
                    copy16(to, key + channel, is_there ? 16 : 0);
                } else {
                    copy8(to, key + channel, is_there ? 8 : 0);
                }
            }
        }
    }
    copies_end_group();
}

// Likewise of the values; those of the row's own position and later ones are zero.
template <class S>
static __device__ __forceinline__ void fetch_values(const Args& args, const Place& place,
                                                    uint4* copies) {
    const uint32_t g = threadIdx.x % WARP / 4, t = threadIdx.x % 4, warp = threadIdx.x / WARP;
    const uint32_t head_dim = S::dim(args);
#pragma unroll 2
    for (uint32_t tile = place.first_tile; tile <= place.last_tile; tile++) {
        const uint32_t first = place.tile_start(tile) + 8 * t;
        const uint32_t n_there =
            first < place.position && first + 8 > place.start ? min(place.position - first, 8) : 0;
        const __half* head = args.values + head_index(place.blocks[tile], place.kv_head,
                                                      args.n_kv_heads, head_dim);
#pragma unroll
        for (uint32_t run = warp; run < S::ALL_RUNS; run += WARPS) {
            const uint32_t channel = run * 8 + g, row = channel < head_dim ? channel : 0;
            copy16(copies + S::value_at(tile, run), head + row * BLOCK_POSITIONS + 8 * t,
                   channel < head_dim ? 2 * n_there : 0);
        }
    }
    copies_end_group();
}

// The new entries of the cache.
template <class S>
static __device__ __forceinline__ void append(const Args& args, const Place& place,
                                              const Shared<S::DIM>& shared) {
    const uint32_t head_dim = S::dim(args), slot = place.position % BLOCK_POSITIONS;
    const size_t head = head_index(place.blocks[place.position % SPLIT / BLOCK_POSITIONS],
                                   place.kv_head, args.n_kv_heads, head_dim);
    // From the last thread on: the first warps have more to do.
    const uint32_t i = THREADS - 1 - threadIdx.x;
    if (i < head_dim) {
        args.keys[head + slot * head_dim + i] = shared.key[i];
        args.values[head + i * BLOCK_POSITIONS + slot] = shared.value[i];
    }
}

// Puts the row's own key among those that this thread copied.
template <class S>
static __device__ __forceinline__ void add_key(const Place& place, uint4* copies,
                                               const Shared<S::DIM>& shared) {
    const uint32_t own = place.position - place.tile_start(threadIdx.x / WARP);
    const uint32_t part = own % 8 / 2;
    if (own >= BLOCK_POSITIONS || key_slot(part) != own) {
        return;
    }
#pragma unroll
    for (uint32_t piece = 0; piece < S::PIECES; piece++) {
        const uint32_t channel = step_channel(2 * piece, S::STEPS, threadIdx.x % 4);
        uint2* to = reinterpret_cast<uint2*>(copies + S::key_at(part, piece));
        const uint2* from = reinterpret_cast<const uint2*>(&shared.key[channel]);
        to[0] = from[0];
        if (2 * piece + 1 < S::STEPS) {
            to[1] = from[1];
        }
    }
}

// Likewise its value.
template <class S>
static __device__ __forceinline__ void add_value(const Place& place, uint4* copies,
                                                 const Shared<S::DIM>& shared) {
    const uint32_t lane = threadIdx.x % WARP, slot = place.position % BLOCK_POSITIONS;
    if (!place.is_newest() || lane % 4 != slot / 8) {
        return;
    }
    const uint32_t tile = place.position % SPLIT / BLOCK_POSITIONS;
#pragma unroll
    for (uint32_t run = threadIdx.x / WARP; run < S::ALL_RUNS; run += WARPS) {
        __half* to = reinterpret_cast<__half*>(copies + S::value_at(tile, run));
        to[slot % 8] = shared.value[run * 8 + lane / 4];
    }
}

// Scores of the tile of this warp, masked; their largest go to shared memory. Returns their unit.
template <class S>
static __device__ __forceinline__ float score(const Args& args, const Place& place,
                                              const uint4* copies, Shared<S::DIM>& shared,
                                              Scores& scores) {
    const uint32_t head = threadIdx.x % WARP / 4, tile = threadIdx.x / WARP;
    const auto load = [&](uint32_t row, uint32_t channel) {
        return row == 0 && head < place.n_heads
                   ? *reinterpret_cast<const float4*>(&shared.turned[head][channel])
                   : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    };
    const Query<S::STEPS> query(load, args.scale);
    // Not unrolled: code that runs once costs more to fetch than to run.
#pragma unroll 1
    for (uint32_t piece = 0; piece < S::PIECES; piece++) {
#pragma unroll
        for (uint32_t step = 2 * piece; step < 2 * piece + 2 && step < S::STEPS; step++) {
            uint32_t high[4], low[4];
            query.fragments(load, args.scale, step, high, low);
#pragma unroll
            for (uint32_t part = 0; part < TILE_PARTS; part++) {
                const uint4* from = copies + S::key_at(part, piece);
                const uint2 key = reinterpret_cast<const uint2*>(from)[step - 2 * piece];
                const uint32_t pair[2] = {key.x, key.y};
                add_scores(scores[part], high, low, pair);
            }
        }
    }
    const int first = (int)place.tile_start(tile);
    mask_row(scores, 0, (int)place.start - first, (int)place.position + 1 - first);
    const float largest = row_max(lane_max(scores, 0, query.first.up));
    if (threadIdx.x % 4 == 0) {
        shared.tile_max[tile][head] = largest;
    }
    return query.first.up;
}

// Leaves the weights of this warp's tile in shared memory, and what the sums before are scaled by.
template <class S>
static __device__ __forceinline__ void exchange(const Place& place, Shared<S::DIM>& shared,
                                                const Scores& scores, float unit) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    if (!place.sees(warp)) {
        return;
    }
    float before = NOTHING, base = NOTHING;
#pragma unroll 1
    for (uint32_t tile = place.first_tile; tile <= warp; tile++) {
        const float largest = shared.tile_max[tile][lane / 4];
        before = base;
        base = exceeds(largest, base) ? largest : base;
    }
    if (lane % 4 == 0) {
        shared.bases[warp][lane / 4] = base;
        shared.parts[warp][lane / 4] = rescale(before, base);
    }
    Weights weights;
    weigh(scores, 0, unit, base, weights);
    shared.weights[warp][lane] =
        make_uint4(weights[0][0], weights[0][2], weights[1][0], weights[1][2]);
}

// Weighted sums of the values, and the totals of the weights. Returns their base.
template <class S>
static __device__ __forceinline__ float sum_up(const Place& place, const uint4* copies,
                                               const Shared<S::DIM>& shared,
                                               float (&sums)[S::RUNS][4], float (&total)[4]) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll 4
    for (uint32_t tile = place.first_tile; tile <= place.last_tile; tile++) {
        const float part = shared.parts[tile][lane / 4];
        const uint4 bits = shared.weights[tile][lane];
        const Weights weights = {{bits.x, 0, bits.y, 0}, {bits.z, 0, bits.w, 0}};
        scale_rows(total, part, 1.0f);
        add_total(total, weights);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            if (S::ALL_RUNS % WARPS == 0 || warp + WARPS * run < S::ALL_RUNS) {
                scale_rows(sums[run], part, 1.0f);
                add_values(sums[run], weights, copies[S::value_at(tile, warp + WARPS * run)]);
            }
        }
    }
    return shared.bases[place.last_tile][lane / 4];
}

template <class S>
static __device__ __forceinline__ void attend(const Args& args) {
    extern __shared__ uint4 copies[];
    __shared__ __align__(16) Shared<S::DIM> shared;
    const Place place(args);
    if (place.split < place.first_split() || place.split > place.last_split()) {
        chain_release();
        chain_wait();
        return;
    }
    fetch_keys<S>(args, place, copies);
    if (!S::SHARES) {
        fetch_values<S>(args, place, copies);
    }
    const Turn turns[EARLY_TURNS] = {Turn(args, place, threadIdx.x),
                                     Turn(args, place, threadIdx.x + THREADS)};
    chain_release();
    chain_wait();
    Maker<S>(args, place, shared).make(turns);
    copies_wait<S::SHARES ? 0 : 1>();
    __syncthreads();
    Scores scores = {};
    float unit = 1.0f, sums[S::RUNS][4] = {}, total[4] = {};
    if (place.sees(threadIdx.x / WARP)) {
        add_key<S>(place, copies, shared);
        unit = score<S>(args, place, copies, shared, scores);
    }
    __syncthreads();
    if (S::SHARES) {
        fetch_values<S>(args, place, copies);
    }
    exchange<S>(place, shared, scores, unit);
    if (place.is_newest() && place.is_first_part(args)) {
        append<S>(args, place, shared);
    }
    copies_wait<0>();
    add_value<S>(place, copies, shared);
    __syncthreads();
    const float base = sum_up<S>(place, copies, shared, sums, total);
    write_sums<S>(args, place, base, sums, total);
    if (place.first_split() != place.last_split() && is_last(args, place, shared.is_last)) {
        merge_splits<S>(args, place);
    }
}

#define ATTENTION_DECODE(name, dim, is_exact)                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) attention_decode_##name(             \
        const float* qkv, const float* cos_table, const float* sin_table, const float* q_norm,    \
        const float* k_norm, __half* keys, __half* values, const uint32_t* positions,             \
        const uint32_t* row_tables, const uint32_t* block_tables, float* scratch,                 \
        uint32_t* tickets, float* out, uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,  \
        uint32_t n_pairs, uint32_t adjacent, uint32_t window, float eps, float scale) {           \
        attend<Shape<dim, is_exact>>(Args{qkv, cos_table, sin_table, q_norm, k_norm, keys,        \
                                          values, positions, row_tables, block_tables, scratch,   \
                                          tickets, out, n_heads, n_kv_heads, head_dim, n_pairs,   \
                                          adjacent, window, eps, scale});                         \
    }

ATTENTION_DECODE(64, 64, true)
ATTENTION_DECODE(80, 80, true)
ATTENTION_DECODE(96, 96, true)
ATTENTION_DECODE(128, 128, true)
ATTENTION_DECODE(256, 256, true)
ATTENTION_DECODE(up_to_32, 32, false)
ATTENTION_DECODE(up_to_256, 256, false)
