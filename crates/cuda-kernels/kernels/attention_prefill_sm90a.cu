// attention_prefill.cu for compute capability 9.0: the same bits by the matrix instruction of four
// warps, which rounds as a chain of mma.m16n8k16 does.
//
// A block of two warpgroups has 128 rows of a query head. Both copy the tiles of positions into a
// ring of stages and work on them at their own pace: a stage is full when every thread's copies
// have come, and empty when every warp has its sums.

#include "chain.cuh"
#include "prefill_hopper.cuh"

static constexpr uint32_t STAGES = 4, AHEAD = 2, WARPS = 8;
static constexpr uint32_t THREADS = WARPS * WARP, GROUP_ROWS = 64;

// Keys and values of a tile, rows of 128 bytes, in units of 16.
static constexpr uint32_t PIECES = 8, PANEL = TILE * PIECES, PANEL_STEPS = 4;

template <class S>
struct Stages {
    static constexpr uint32_t KEYS = (S::STEPS + PANEL_STEPS - 1) / PANEL_STEPS * PANEL;
    static constexpr uint32_t STAGE = KEYS + S::DIM * PIECES;
    uint4* memory;
    uint64_t *full, *empty;

    __device__ __forceinline__ explicit Stages(uint4* shared)
        : memory(shared), full(reinterpret_cast<uint64_t*>(shared + STAGES * STAGE + S::PARKED)),
          empty(full + STAGES) {}

    // Of the `n`-th tile.
    __device__ __forceinline__ uint32_t address(uint32_t n) const {
        return shared_address(memory + n % STAGES * STAGE);
    }

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
template <class S>
struct TileCopies {
    const Args& args;
    const Place& place;
    using Memory = Stages<S>;
    Memory stages;
    uint32_t start, end, n_copied, n_announced;
    // The cache blocks of the next tile, looked up ahead of time.
    uint32_t blocks[TILE_BLOCKS];

    __device__ __forceinline__ TileCopies(const Args& a, const Place& p, const Memory& s)
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
        uint4* to = stages.memory + stage * Memory::STAGE;
        const uint32_t first = tile * TILE;
        const bool is_whole = first >= start && first + TILE <= end;
#pragma unroll
        for (uint32_t n = 0; n < S::VALUES; n += THREADS) {
            const uint32_t i = n + threadIdx.x;
            if (S::VALUES % THREADS == 0 || i < S::VALUES) {
                is_whole ? copy_whole(i, to) : copy_seen(i, first, to);
            }
        }
        n_copied++;
        look_up(tile + 1);
    }

    // The `i`-th pieces of keys and values of each cache block.
    __device__ __forceinline__ void copy_whole(uint32_t i, uint4* to) const {
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            copy16(to + key_at(i, b), args.keys + from(i, b), 16);
            copy16(to + value_at(i, b), args.values + from(i, b), 16);
        }
    }
    __device__ __forceinline__ void copy_seen(uint32_t i, uint32_t first, uint4* to) const {
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            const uint32_t block_first = first + b * BLOCK_POSITIONS;
            const bool is_seen = block_first < end && block_first + BLOCK_POSITIONS > start;
            const uint32_t position = block_first + i % 4 * 8;
            const bool has_value = is_seen && position < end && position + 8 > start;
            copy16(to + key_at(i, b), args.keys + from(i, b),
                   is_seen && block_first + i / S::KEY_PIECES < end ? 16 : 0);
            copy16(to + value_at(i, b), args.values + from(i, b),
                   has_value ? 2 * min(end - position, 8) : 0);
        }
    }

    // Where the `i`-th pieces of the cache's `b`-th block are, and where they go.
    __device__ __forceinline__ size_t from(uint32_t i, uint32_t b) const {
        return head_index(blocks[b], place.kv_head, args.n_kv_heads, S::DIM) + 8 * i;
    }
    static __device__ __forceinline__ uint32_t key_at(uint32_t i, uint32_t b) {
        const uint32_t slot = i / S::KEY_PIECES, piece = i % S::KEY_PIECES;
        return piece / PIECES * PANEL + b * BLOCK_POSITIONS * PIECES +
               swizzled<PIECES>(slot, piece % PIECES);
    }
    // The second block's positions of a channel are half a row further, in any row.
    static __device__ __forceinline__ uint32_t value_at(uint32_t i, uint32_t b) {
        return Memory::KEYS + (swizzled<PIECES>(i / 4, i % 4) ^ b * 4);
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

// Starts the scores of a tile whose keys are at a shared address.
template <class S>
static __device__ __forceinline__ void start_scores(const Queries<S>& queries, uint32_t keys,
                                                    Scores<TILE_PARTS>& scores) {
    const uint64_t first = swizzled_operand(keys);
    wgmma_begin();
#pragma unroll
    for (uint32_t step = 0; step < S::STEPS; step++) {
        const uint64_t panel = first + step / PANEL_STEPS * PANEL;
        const uint64_t part = at_step(panel, step % PANEL_STEPS);
        multiply(scores, queries.kept[step][0], part, step > 0);
        multiply(scores, queries.kept[step][1], part, true);
    }
    wgmma_commit();
}

// sums += weights * values of a tile.
template <class S>
static __device__ __forceinline__ void add_tile(const Weights<TILE_PARTS / 2>& weights,
                                                uint64_t values, Sums<S>& sums) {
    pin(sums.values);
    wgmma_begin();
#pragma unroll
    for (uint32_t step = 0; step < TILE_PARTS / 2; step++) {
        multiply(sums.values, weights[step], at_step(values, step), true);
    }
    wgmma_commit();
#pragma unroll
    for (uint32_t step = 0; step < TILE_PARTS / 2; step++) {
        add_total(sums.total, weights[step]);
    }
    wgmma_wait<0>();
    pin(sums.values);
}

// The tiles that the rows of a warpgroup see.
struct GroupTiles {
    uint32_t start, end;

    __device__ __forceinline__ GroupTiles(const Args& args, const Place& place) {
        const uint32_t group = __shfl_sync(ALL_LANES, threadIdx.x / WARPGROUP, 0);
        const uint32_t row = group * GROUP_ROWS, first = place.first_position + row;
        start = visible_start(first, args.window);
        end = place.n_rows > row ? first + min(place.n_rows - row, GROUP_ROWS) : 0;
    }
    __device__ __forceinline__ bool has(uint32_t tile) const {
        return tile * TILE < end && (tile + 1) * TILE > start;
    }
    __device__ __forceinline__ bool ends_with(uint32_t tile) const {
        return (tile + 1) * TILE >= end;
    }
};

template <class S>
static __device__ __forceinline__ void attend(const Args& args) {
    using Memory = Stages<S>;
    extern __shared__ __align__(1024) uint4 shared[];
    chain_release();
    chain_wait();
    const Place place(args);
    const Memory stages(shared);
    const uint32_t first_tile = visible_start(place.first_position, args.window) / TILE;
    const uint32_t last_tile = place.last_position() / TILE;
    stages.init();
    TileCopies<S> copies(args, place, stages);
    copies.look_up(first_tile);
    for (uint32_t i = 0; i < AHEAD; i++) {
        if (first_tile + i <= last_tile) {
            copies.copy(first_tile + i);
        }
        copies_end_group();
    }
    const Queries<S> queries(args, place, nullptr);
    Row<S> row(args, place, shared + STAGES * Memory::STAGE);
    Sums<S> sums;
    sums.clear();
    copies.template announce<AHEAD - 1>();

    const GroupTiles seen(args, place);
    for (uint32_t tile = first_tile, n = 0; tile <= last_tile; tile++, n++) {
        copies.template announce<AHEAD - 2>();
        if (tile + AHEAD <= last_tile) {
            copies.copy(tile + AHEAD);
        }
        copies_end_group();
        if (seen.has(tile)) {
            barrier_wait(stages.full + n % STAGES, n / STAGES % 2);
            Scores<TILE_PARTS> scores;
            start_scores<S>(queries, stages.address(n), scores);
            wgmma_wait<0>();
            pin(scores);
            Weights<TILE_PARTS / 2> weights;
            find_weights<S>(place, tile, queries.units, scores, sums, weights);
            add_tile<S>(weights, swizzled_operand(stages.address(n) + 16 * Memory::KEYS), sums);
        }
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(stages.empty + n % STAGES);
        }
        if (seen.has(tile) && ((tile + 1) % SPLIT_TILES == 0 || seen.ends_with(tile))) {
            row.merge(sums);
            sums.clear();
        }
    }
    row.finish();
}

#define ATTENTION_PREFILL_WIDE(N, N_BLOCKS)                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, N_BLOCKS)                               \
        attention_prefill_##N##_wide(                                                             \
            const float* qkv, const __half* keys, const __half* values,                           \
            const uint32_t* positions, const uint32_t* row_tables,                                \
            const uint32_t* block_tables, const uint2* tiles, float* out, uint32_t n_heads,       \
            uint32_t n_kv_heads, uint32_t head_dim, uint32_t window, float scale,                 \
            const float* cos_table, const float* sin_table, uint32_t n_pairs,                     \
            uint32_t adjacent) {                                                                  \
        attend<Shape<N, true, WARPS, N_BLOCKS>>(Args{                                             \
            qkv, keys, values, positions, row_tables, block_tables, tiles, out, n_heads,          \
            n_kv_heads, head_dim, window, scale, cos_table, sin_table, n_pairs, adjacent});       \
    }

ATTENTION_PREFILL_WIDE(64, 2)
ATTENTION_PREFILL_WIDE(96, 1)
ATTENTION_PREFILL_WIDE(128, 1)
