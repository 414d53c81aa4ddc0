// Attention of the rows of prompts: K and V are in the cache, Q is turned here if it is not yet.
//
// The arithmetic is that of attention.cuh. One block of threads per query head and tile of rows,
// which stand in one sequence at neighbouring positions; a warp has 16 of them. Keys and
// values go through shared memory, the next tile of positions while the last is worked on.
// The sums of the splits before are parked in shared memory too: they are touched once a split.

#include "attention.cuh"
#include "prefill_place.cuh"
#include "prefill_rows.cuh"

template <class S>
static __device__ __forceinline__ void score(const Queries<S>& queries, const uint4* stage,
                                             Scores<TILE_PARTS>& scores) {
    const uint32_t lane = threadIdx.x % WARP;
#pragma unroll
    for (uint32_t step = 0; step < S::STEPS; step += 2) {
        uint32_t terms[2][2][4];
#pragma unroll
        for (uint32_t i = 0; i < 2 && step + i < S::STEPS; i++) {
            queries.get(step + i, terms[i]);
        }
        const uint32_t piece = min(2 * step + lane / 8, S::KEY_PIECES - 1);
#pragma unroll
        for (uint32_t part = 0; part < TILE_PARTS; part++) {
            const uint4* keys = stage + part / BLOCK_PARTS * (S::KEYS + S::VALUES);
            uint32_t pieces[4];
            load_fragments(pieces, keys + swizzled<S::KEY_PIECES>(
                                              part % BLOCK_PARTS * 8 + lane % 8, piece));
#pragma unroll
            for (uint32_t i = 0; i < 2 && step + i < S::STEPS; i++) {
                const uint32_t pair[2] = {pieces[2 * i], pieces[2 * i + 1]};
                add_scores(scores[part], terms[i][0], terms[i][1], pair);
            }
        }
    }
}

// One tile: scores, weights, sums.
template <class S>
static __device__ __forceinline__ void attend_tile(const Place& place, uint32_t tile,
                                                   const uint4* stage,
                                                   const Queries<S>& queries, Sums<S>& sums) {
    Scores<TILE_PARTS> scores = {};
    score<S>(queries, stage, scores);
    Weights<TILE_PARTS / 2> weights;
    find_weights<S>(place, tile, queries.units, scores, sums, weights);
#pragma unroll
    for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
        const uint4* values = stage + b * (S::KEYS + S::VALUES) + S::KEYS;
        const uint32_t(&front)[4] = weights[2 * b], (&back)[4] = weights[2 * b + 1];
        add_total(sums.total, front);
        add_total(sums.total, back);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            add_values(sums.values[run], front, back, values + values_at(run));
        }
    }
}

template <class S>
static __device__ __forceinline__ void attend(const Args& args) {
    extern __shared__ uint4 shared[];
    const Place place(args);
    const uint32_t first_tile = visible_start(place.first_position, args.window) / TILE;
    const uint32_t last_tile = place.last_position() / TILE;
    Fetcher<S> fetcher(args, place);
    fetcher.look_up(first_tile);
    fetcher.fetch(first_tile, shared);
    copies_end_group();
    fetcher.look_up(first_tile + 1);
    const Queries<S> queries(args, place, shared + S::STAGES * S::STAGE + S::PARKED);
    Row<S> row(args, place, shared + S::STAGES * S::STAGE);
    Sums<S> sums;
    sums.clear();

    const uint32_t warp_start = visible_start(place.warp_first(), args.window);
    bool has_sums = false;
    for (uint32_t tile = first_tile; tile <= last_tile; tile++) {
        if (S::STAGES > 1 && tile < last_tile) {
            fetcher.fetch(tile + 1, shared + (tile + 1 - first_tile) % S::STAGES * S::STAGE);
            fetcher.look_up(tile + 2);
        }
        copies_end_group();
        copies_wait<S::STAGES - 1>();
        __syncthreads();
        const uint32_t first = tile * TILE;
        if (place.n_warp_rows > 0 && first <= place.warp_last() && first + TILE > warp_start) {
            const uint4* stage = shared + (tile - first_tile) % S::STAGES * S::STAGE;
            attend_tile<S>(place, tile, stage, queries, sums);
            has_sums = true;
        }
        if (has_sums && ((tile + 1) % SPLIT_TILES == 0 || tile == last_tile)) {
            row.merge(sums);
            sums.clear();
            has_sums = false;
        }
        __syncthreads();
        if (S::STAGES == 1 && tile < last_tile) {
            fetcher.fetch(tile + 1, shared);
            fetcher.look_up(tile + 2);
        }
    }
    row.finish();
}

#define ATTENTION_PREFILL(name, ...)                                                              \
    extern "C" __global__ void                                                                    \
    __launch_bounds__(Shape<__VA_ARGS__>::THREADS, Shape<__VA_ARGS__>::MIN_BLOCKS)                \
        attention_prefill_##name(                                                                 \
            const float* qkv, const __half* keys, const __half* values,                           \
            const uint32_t* positions, const uint32_t* row_tables,                                \
            const uint32_t* block_tables, const uint2* tiles, float* out, uint32_t n_heads,       \
            uint32_t n_kv_heads, uint32_t head_dim, uint32_t window, float scale,                 \
            const float* cos_table, const float* sin_table, uint32_t n_pairs,                     \
            uint32_t adjacent) {                                                                  \
        attend<Shape<__VA_ARGS__>>(Args{                                                          \
            qkv, keys, values, positions, row_tables, block_tables, tiles, out, n_heads,          \
            n_kv_heads, head_dim, window, scale, cos_table, sin_table, n_pairs, adjacent});       \
    }

ATTENTION_PREFILL(64, 64, true, 8, 2)
ATTENTION_PREFILL(80, 80, true, 8, 1)
ATTENTION_PREFILL(96, 96, true, 8, 1)
ATTENTION_PREFILL(128, 128, true, 8, 1)
ATTENTION_PREFILL(256, 256, true, 2, 2)
ATTENTION_PREFILL(up_to_32, 32, false, 4, 3)
ATTENTION_PREFILL(up_to_256, 256, false, 2, 2)
