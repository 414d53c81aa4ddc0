// attention_prefill.cu for compute capability 9.0: the same bits by the matrix instruction of four
// warps, which rounds as a chain of mma.m16n8k16 does.
//
// A block of two warpgroups has 128 rows of a query head. Both copy the tiles of positions into a
// ring of stages and work on them at their own pace: a stage is full when every thread's copies
// have come, and empty when every warp has its sums.

#include "prefill_hopper.cuh"

static constexpr uint32_t STAGES = 4, AHEAD = 2, DIM = 64, WARPS = 8, BLOCKS = 2;
static constexpr uint32_t THREADS = WARPS * WARP, GROUP_ROWS = 64;
using S = Shape<DIM, true, WARPS, BLOCKS>;

// Keys and values of a tile, rows of 128 bytes, in units of 16.
static constexpr uint32_t PIECES = 8, KEYS = TILE * PIECES, VALUES = DIM * PIECES;
static constexpr uint32_t STAGE = KEYS + VALUES;
static_assert(BLOCK_POSITIONS * PIECES == THREADS, "a thread copies a piece of each cache block");

struct Stages {
    uint4* memory;
    uint64_t *full, *empty;

    __device__ __forceinline__ explicit Stages(uint4* shared)
        : memory(shared), full(reinterpret_cast<uint64_t*>(shared + STAGES * STAGE + S::PARKED)),
          empty(full + STAGES) {}

    __device__ __forceinline__ void init() const {
        if (threadIdx.x == 0) {
            for (uint32_t i = 0; i < STAGES; i++) {
                barrier_init(full + i, THREADS);
                barrier_init(empty + i, WARPS);
            }
        }
        __syncthreads();
    }
};

// Copies tiles in turn. What no row of the block of threads sees becomes zero.
struct TileCopies {
    const Args& args;
    const Place& place;
    Stages stages;
    uint32_t start, end, n_copied, n_announced;
    // The cache blocks of the next tile, looked up ahead of time.
    uint32_t blocks[TILE_BLOCKS];

    __device__ __forceinline__ TileCopies(const Args& a, const Place& p, const Stages& s)
        : args(a), place(p), stages(s), start(visible_start(p.first_position, a.window)),
          end(p.last_position() + 1), n_copied(0), n_announced(0) {}

    __device__ __forceinline__ void look_up(uint32_t tile) {
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            const uint32_t index = tile * TILE_BLOCKS + b, first = index * BLOCK_POSITIONS;
            const bool is_seen = first < end && first + BLOCK_POSITIONS > start;
            blocks[b] = is_seen ? place.table[index] : 0;
        }
    }

    // Starts the copies of `tile`, which was looked up, and looks the next one up.
    __device__ __forceinline__ void copy(uint32_t tile) {
        const uint32_t stage = n_copied % STAGES, turn = n_copied / STAGES;
        if (turn > 0) {
            barrier_wait(stages.empty + stage, (turn - 1) % 2);
        }
        const uint32_t i = threadIdx.x, first = tile * TILE;
        // The second block's positions of a channel are half a row further, in any row.
        uint4* keys = stages.memory + stage * STAGE + swizzled<PIECES>(i / PIECES, i % PIECES);
        const uint32_t value = swizzled<PIECES>(i / 4, i % 4);
        uint4* values = stages.memory + stage * STAGE + KEYS;
        const bool is_whole = first >= start && first + TILE <= end;
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            const size_t from =
                head_index(blocks[b], place.kv_head, args.n_kv_heads, DIM) + 8 * i;
            uint4 *key_to = keys + b * THREADS, *value_to = values + (value ^ b * 4);
            if (is_whole) {
                copy16(key_to, args.keys + from, 16);
                copy16(value_to, args.values + from, 16);
            } else {
                const uint32_t block_first = first + b * BLOCK_POSITIONS;
                const bool is_seen = block_first < end && block_first + BLOCK_POSITIONS > start;
                const uint32_t position = block_first + i % 4 * 8;
                const bool has_value = is_seen && position < end && position + 8 > start;
                copy16(key_to, args.keys + from,
                       is_seen && block_first + i / PIECES < end ? 16 : 0);
                copy16(value_to, args.values + from, has_value ? 2 * min(end - position, 8) : 0);
            }
        }
        n_copied++;
        look_up(tile + 1);
    }

    // Says that this thread's copies of the tile before the last `PENDING` are done.
    template <uint32_t PENDING>
    __device__ __forceinline__ void announce() {
        copies_wait<PENDING>();
        publish_copies();
        barrier_arrive(stages.full + n_announced % STAGES);
        n_announced++;
    }
};

// Starts the scores of a tile.
static __device__ __forceinline__ void start_scores(const Queries<S>& queries, uint64_t keys,
                                                    Scores<TILE_PARTS>& scores) {
    wgmma_begin();
    multiply<false>(scores, queries.kept[0][0], keys);
    multiply<true>(scores, queries.kept[0][1], keys);
#pragma unroll
    for (uint32_t step = 1; step < S::STEPS; step++) {
        multiply<true>(scores, queries.kept[step][0], at_step(keys, step));
        multiply<true>(scores, queries.kept[step][1], at_step(keys, step));
    }
    wgmma_commit();
}

// sums += weights * values of a tile.
static __device__ __forceinline__ void add_tile(const Weights<TILE_PARTS / 2>& weights,
                                                uint64_t values, Sums<S>& sums) {
    pin(sums.values);
    wgmma_begin();
#pragma unroll
    for (uint32_t step = 0; step < TILE_PARTS / 2; step++) {
        multiply<true>(sums.values, weights[step], at_step(values, step));
    }
    wgmma_commit();
#pragma unroll
    for (uint32_t step = 0; step < TILE_PARTS / 2; step++) {
        add_total(sums.total, weights[step]);
    }
    wgmma_wait<0>();
    pin(sums.values);
}

static __device__ __forceinline__ void attend(const Args& args) {
    extern __shared__ __align__(1024) uint4 shared[];
    const Place place(args);
    const Stages stages(shared);
    const uint32_t first_tile = visible_start(place.first_position, args.window) / TILE;
    const uint32_t last_tile = place.last_position() / TILE;
    stages.init();
    TileCopies copies(args, place, stages);
    copies.look_up(first_tile);
    for (uint32_t i = 0; i < AHEAD; i++) {
        if (first_tile + i <= last_tile) {
            copies.copy(first_tile + i);
        }
        copies_end_group();
    }
    const Queries<S> queries(args, place, nullptr);
    Row<S> row(args, place, shared + STAGES * STAGE);
    Sums<S> sums;
    sums.clear();
    copies.announce<AHEAD - 1>();

    // Positions that the rows of this warpgroup see.
    const uint32_t group = __shfl_sync(ALL_LANES, threadIdx.x / WARPGROUP, 0);
    const uint32_t group_row = group * GROUP_ROWS;
    const uint32_t n_group_rows = place.n_rows > group_row ? min(place.n_rows - group_row, 64) : 0;
    const uint32_t group_first = place.first_position + group_row;
    const uint32_t group_start = visible_start(group_first, args.window);
    const uint32_t group_end = n_group_rows > 0 ? group_first + n_group_rows : 0;
    for (uint32_t tile = first_tile, n = 0; tile <= last_tile; tile++, n++) {
        const uint32_t stage = n % STAGES, first = tile * TILE;
        const bool is_seen = first < group_end && first + TILE > group_start;
        const uint32_t at = shared_address(stages.memory + stage * STAGE);
        copies.announce<AHEAD - 2>();
        if (tile + AHEAD <= last_tile) {
            copies.copy(tile + AHEAD);
        }
        copies_end_group();
        if (is_seen) {
            barrier_wait(stages.full + stage, n / STAGES % 2);
            Scores<TILE_PARTS> scores;
            start_scores(queries, swizzled_operand(at), scores);
            wgmma_wait<0>();
            pin(scores);
            Weights<TILE_PARTS / 2> weights;
            find_weights<S>(place, tile, queries.units, scores, sums, weights);
            add_tile(weights, swizzled_operand(at + 16 * KEYS), sums);
        }
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(stages.empty + stage);
        }
        if (is_seen && ((tile + 1) % SPLIT_TILES == 0 || first + TILE >= group_end)) {
            row.merge(sums);
            sums.clear();
        }
    }
    row.finish();
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    attention_prefill_64_wide(const float* qkv, const __half* keys, const __half* values,
                              const uint32_t* positions, const uint32_t* row_tables,
                              const uint32_t* block_tables, const uint2* tiles, float* out,
                              uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,
                              uint32_t window, float scale) {
    attend(Args{qkv, keys, values, positions, row_tables, block_tables, tiles, out, n_heads,
                n_kv_heads, head_dim, window, scale});
}
