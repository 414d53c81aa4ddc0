// Attention of rows that are each alone in their sequence, from the product Q, K, V to the output:
// norms of the heads, RoPE, the cache's new entries, and attention itself.
//
// The arithmetic is that of head_norm.cu, rope_append.cu and attention.cuh. One block of threads
// per split of 256 positions, KV head and row; it serves up to 8 query heads, as rows 0 to 7 of
// the matrix products (the others are zeros). A warp scores one cache block, all exchange weights,
// and each sums up the values of every eighth run of eight channels. The splits of a longer row
// come together as decode_splits.cuh says.
//
// The grid covers the longest row there may be, so that it suits every step of a recorded graph.
// The step's own key and value are used as they are made: the cache has them for later steps.

#include "attention.cuh"
#include "chain.cuh"
#include "decode_heads.cuh"
#include "decode_place.cuh"
#include "decode_splits.cuh"

// Copies the keys of this warp's cache block before the row's own.
template <class S>
static __device__ __forceinline__ void fetch_keys(const Args& args, const Place& place,
                                                  uint4* copies) {
    const uint32_t block = threadIdx.x / WARP, head_dim = S::dim(args);
    if (place.sees(block)) {
        const __half* head = args.keys + head_index(place.table[block], place.kv_head,
                                                    args.n_kv_heads, head_dim);
        const uint32_t first = place.block_start(block);
        const uint32_t n_there = max(place.position, first) - first;
        uint4* to = copies + S::keys_at(block);
#pragma unroll
        for (uint32_t n = 0; n < BLOCK_POSITIONS * S::KEY_PIECES; n += WARP) {
            const uint32_t i = n + threadIdx.x % WARP;
            const uint32_t slot = i / S::KEY_PIECES, piece = i % S::KEY_PIECES;
            uint4* at = to + swizzled<S::KEY_PIECES>(slot, piece);
            if (S::IS_EXACT) {
                copy16(at, head + 8 * i, slot < n_there ? 16 : 0);
            } else {
                *at = slot < n_there ? gather8(head + slot * head_dim, 8 * piece, head_dim)
                                     : make_uint4(0, 0, 0, 0);
            }
        }
    }
    copies_end_group();
}

// Likewise the values of its channels; those of the row's own position and later ones are zero.
template <class S>
static __device__ __forceinline__ void fetch_values(const Args& args, const Place& place,
                                                    uint4* copies) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const uint32_t head_dim = S::dim(args), piece = lane % S::VALUE_PIECES;
#pragma unroll 2
    for (uint32_t block = 0; block < SPLIT_BLOCKS; block++) {
        const uint32_t first = place.block_start(block) + 8 * piece;
        const uint32_t n_there =
            first < place.position && first + 8 > place.start ? min(place.position - first, 8) : 0;
        const uint32_t index = place.sees(block) ? place.table[block] : 0;
        const __half* head = args.values + head_index(index, place.kv_head, args.n_kv_heads,
                                                      head_dim);
        uint4* to = copies + S::values_at(block);
#pragma unroll
        for (uint32_t run = warp; run < S::ALL_RUNS; run += WARPS) {
            const uint32_t channel = run * 8 + lane / S::VALUE_PIECES;
            const uint32_t row = channel < head_dim ? channel : 0;
            copy16(to + swizzled<S::VALUE_PIECES>(channel, piece),
                   head + row * BLOCK_POSITIONS + 8 * piece, channel < head_dim ? 2 * n_there : 0);
        }
    }
    copies_end_group();
}

// The new entries of the cache.
template <class S>
static __device__ __forceinline__ void append(const Args& args, const Place& place,
                                              const Shared<S::DIM>& shared) {
    const uint32_t head_dim = S::dim(args), slot = place.position % BLOCK_POSITIONS;
    const size_t head = head_index(place.table[place.position % SPLIT / BLOCK_POSITIONS],
                                   place.kv_head, args.n_kv_heads, head_dim);
    // From the last thread on: the first warps have more to do.
    const uint32_t i = THREADS - 1 - threadIdx.x;
    if (i < head_dim) {
        args.keys[head + slot * head_dim + i] = shared.key[i];
        args.values[head + i * BLOCK_POSITIONS + slot] = shared.value[i];
    }
}

// Puts the row's own key among those that this warp copied.
template <class S>
static __device__ __forceinline__ void add_key(const Place& place, uint4* copies,
                                               const Shared<S::DIM>& shared) {
    const uint32_t block = threadIdx.x / WARP, piece = threadIdx.x % WARP;
    const uint32_t own = place.position - place.block_start(block);
    if (own < BLOCK_POSITIONS && piece < S::KEY_PIECES) {
        copies[S::keys_at(block) + swizzled<S::KEY_PIECES>(own, piece)] =
            reinterpret_cast<const uint4*>(shared.key)[piece];
    }
    __syncwarp();
}

// Likewise its value, where this lane copied the positions around it.
template <class S>
static __device__ __forceinline__ void add_value(const Place& place, uint4* copies,
                                                 const Shared<S::DIM>& shared) {
    const uint32_t lane = threadIdx.x % WARP, slot = place.position % BLOCK_POSITIONS;
    if (!place.is_newest() || lane % S::VALUE_PIECES != slot / 8) {
        return;
    }
    uint4* block = copies + S::values_at(place.position % SPLIT / BLOCK_POSITIONS);
#pragma unroll
    for (uint32_t run = threadIdx.x / WARP; run < S::ALL_RUNS; run += WARPS) {
        const uint32_t channel = run * 8 + lane / S::VALUE_PIECES;
        uint4* piece = block + swizzled<S::VALUE_PIECES>(channel, slot / 8);
        reinterpret_cast<__half*>(piece)[slot % 8] = shared.value[channel];
    }
}

// Scores of the cache block of this warp, masked; their largest go to shared memory. Returns their
// unit.
template <class S>
static __device__ __forceinline__ float score(const Args& args, const Place& place,
                                              const uint4* copies, Shared<S::DIM>& shared,
                                              Scores<BLOCK_PARTS>& scores) {
    const uint32_t lane = threadIdx.x % WARP, head = lane / 4, block = threadIdx.x / WARP;
    float2 own[2 * S::STEPS];
#pragma unroll
    for (uint32_t i = 0; i < 2 * S::STEPS; i++) {
        own[i] = head < place.n_heads ? *reinterpret_cast<const float2*>(
                                            &shared.turned[head][Query<S::STEPS>::channel(i)])
                                      : make_float2(0.0f, 0.0f);
    }
    const auto load = [&](uint32_t row, uint32_t half_step) {
        return row == 0 ? own[half_step] : make_float2(0.0f, 0.0f);
    };
    const Query<S::STEPS> query(load, args.scale);
    const uint4* keys = copies + S::keys_at(block);
#pragma unroll
    for (uint32_t step = 0; step < S::STEPS; step += 2) {
        uint32_t pieces[BLOCK_PARTS][4];
#pragma unroll
        for (uint32_t part = 0; part < BLOCK_PARTS; part++) {
            const uint32_t piece = min(2 * step + lane / 8, S::KEY_PIECES - 1);
            load_fragments(pieces[part],
                           keys + swizzled<S::KEY_PIECES>(part * 8 + lane % 8, piece));
        }
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            if (S::STEPS % 2 == 0 || step + i < S::STEPS) {
                uint32_t high[4], low[4];
                query.fragments(load, args.scale, step + i, high, low);
#pragma unroll
                for (uint32_t part = 0; part < BLOCK_PARTS; part++) {
                    const uint32_t pair[2] = {pieces[part][2 * i], pieces[part][2 * i + 1]};
                    add_scores(scores[part], high, low, pair);
                }
            }
        }
    }
    const int first = (int)place.block_start(block);
    mask_row(scores, 0, (int)place.start - first, (int)place.position + 1 - first);
    const float largest = row_max(lane_max(scores, 0, query.first.up));
    if (lane % 4 == 0) {
        shared.block_max[block][head] = largest;
    }
    return query.first.up;
}

// Scores of a cache block that is not visible.
template <class S>
static __device__ __forceinline__ void see_nothing(Shared<S::DIM>& shared,
                                                   Scores<BLOCK_PARTS>& scores) {
    const uint32_t lane = threadIdx.x % WARP;
    mask_row(scores, 0, 0, 0);
    if (lane % 4 == 0) {
        shared.block_max[threadIdx.x / WARP][lane / 4] = NOTHING;
    }
}

// Leaves the weights of this warp's cache block in shared memory, and what the sums before its tile
// are scaled by. A block that no position of is visible has weights of zero.
template <class S>
static __device__ __forceinline__ void exchange(const Place& place, Shared<S::DIM>& shared,
                                                const Scores<BLOCK_PARTS>& scores, float unit) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const uint32_t own = warp / TILE_BLOCKS;
    float before = NOTHING, base = NOTHING;
#pragma unroll
    for (uint32_t tile = 0; tile < SPLIT_TILES; tile++) {
        const float(*block_max)[HEADS] = &shared.block_max[tile * TILE_BLOCKS];
        const float largest = fmaxf(block_max[0][lane / 4], block_max[1][lane / 4]);
        before = tile <= own ? base : before;
        base = tile <= own && exceeds(largest, base) ? largest : base;
    }
    if (lane % 4 == 0 && warp % TILE_BLOCKS == 0) {
        shared.bases[own][lane / 4] = base;
        shared.parts[own][lane / 4] = rescale(before, base);
    }
    Weights<BLOCK_PARTS / 2> weights;
    weigh(scores, 0, unit, base, weights);
    shared.weights[warp][lane] =
        make_uint4(weights[0][0], weights[0][2], weights[1][0], weights[1][2]);
}

// Weighted sums of the values, and the totals of the weights. Those of blocks that are not visible
// are zeros all.
template <class S>
static __device__ __forceinline__ void sum_up(const uint4* copies, const Shared<S::DIM>& shared,
                                              SplitSums<S>& own) {
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
    for (uint32_t block = 0; block < SPLIT_BLOCKS; block++) {
        const uint4 bits = shared.weights[block][lane];
        const uint32_t first[4] = {bits.x, 0, bits.y, 0}, second[4] = {bits.z, 0, bits.w, 0};
        const float part = shared.parts[block / TILE_BLOCKS][lane / 4];
        if (block % TILE_BLOCKS == 0) {
            scale_rows(own.total, part, 1.0f);
        }
        add_total(own.total, first);
        add_total(own.total, second);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            if (S::ALL_RUNS % WARPS == 0 || warp + WARPS * run < S::ALL_RUNS) {
                if (block % TILE_BLOCKS == 0) {
                    scale_rows(own.sums[run], part, 1.0f);
                }
                add_values(own.sums[run], first, second,
                           copies + S::values_at(block) + values_at(warp + WARPS * run));
            }
        }
    }
    own.base = shared.bases[SPLIT_TILES - 1][lane / 4];
}

// What this split has to the row.
template <class S>
static __device__ __forceinline__ void attend_split(const Args& args, const Place& place,
                                                    uint4* copies, Shared<S::DIM>& shared,
                                                    SplitSums<S>& own) {
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
    Scores<BLOCK_PARTS> scores = {};
    float unit = 1.0f;
    if (place.sees(threadIdx.x / WARP)) {
        add_key<S>(place, copies, shared);
        unit = score<S>(args, place, copies, shared, scores);
    } else {
        see_nothing<S>(shared, scores);
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
    sum_up<S>(copies, shared, own);
}

template <class S, uint32_t CLUSTER>
static __device__ __forceinline__ void attend(const Args& args) {
    extern __shared__ uint4 copies[];
    __shared__ __align__(16) Shared<S::DIM> shared;
    const Place place(args);
    const uint32_t first = place.first_split() / CLUSTER, last = place.last_split() / CLUSTER;
    const bool is_used = place.split >= place.first_split() && place.split <= place.last_split();
    const bool is_only = place.n_splits() == 1;
    // Others hold the launch before for this one.
    if (is_only ? !is_used : place.split / CLUSTER < first || place.split / CLUSTER > last) {
        return;
    }
    if (CLUSTER > 1 && first != last) {
        if (threadIdx.x == 0) {
            shared.is_last = 0;
        }
        cluster_arrive();
    } else if (CLUSTER == 1 && threadIdx.x == 0) {
        shared.is_last = 0;
    }
    SplitSums<S> own = {};
    if (is_used) {
        attend_split<S>(args, place, copies, shared, own);
    } else {
        chain_release();
    }
    if (is_only) {
        write_only<S>(args, place, own);
    } else if (CLUSTER > 1 && first == last) {
        // The values are read.
        __syncthreads();
        Shown<S>& shown = *reinterpret_cast<Shown<S>*>(copies);
        shown.write(own);
        cluster_sync();
        merge_cluster<S, CLUSTER>(args, place, shown);
        // No block may end while others read its shared memory.
        cluster_meet();
    } else {
        if (is_used) {
            write_scratch<S>(args, place, own);
        }
        if (is_last<CLUSTER>(args, place, is_used, shared.is_last)) {
            merge_scratch<S, CLUSTER>(args, place, reinterpret_cast<SplitParts*>(copies));
        }
    }
}

#define ENTRY(name, attributes, S, CLUSTER)                                                       \
    extern "C" __global__ void attributes __launch_bounds__(THREADS, 2) attention_decode_##name(  \
        const float* qkv, const float* cos_table, const float* sin_table, const float* q_norm,    \
        const float* k_norm, __half* keys, __half* values, const uint32_t* positions,             \
        const uint32_t* row_tables, const uint32_t* block_tables, float* scratch,                 \
        uint32_t* tickets, float* out, uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,  \
        uint32_t n_pairs, uint32_t adjacent, uint32_t window, float eps, float scale) {           \
        attend<S, CLUSTER>(Args{qkv,       cos_table, sin_table,  q_norm,       k_norm,           \
                                keys,      values,    positions,  row_tables,   block_tables,     \
                                scratch,   tickets,   out,        n_heads,      n_kv_heads,       \
                                head_dim,  n_pairs,   adjacent,   window,       eps,              \
                                scale});                                                          \
    }

// Eight neighbouring splits may be a cluster; before compute capability 9.0 there are no clusters.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define ATTENTION_DECODE(name, ...)                                                               \
    using Shape_##name = Shape<__VA_ARGS__>;                                                      \
    ENTRY(name, , Shape_##name, 1)                                                                \
    ENTRY(name##_clustered, __cluster_dims__(8), Shape_##name, 8)
#else
#define ATTENTION_DECODE(name, ...)                                                               \
    using Shape_##name = Shape<__VA_ARGS__>;                                                      \
    ENTRY(name, , Shape_##name, 1)
#endif

ATTENTION_DECODE(64, 64, true)
ATTENTION_DECODE(80, 80, true)
ATTENTION_DECODE(96, 96, true)
ATTENTION_DECODE(128, 128, true)
ATTENTION_DECODE(256, 256, true)
ATTENTION_DECODE(up_to_32, 32, false)
ATTENTION_DECODE(up_to_256, 256, false)
