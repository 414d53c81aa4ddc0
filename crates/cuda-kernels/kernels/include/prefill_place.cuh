// What attention_prefill.cu is given, which part of it a block of threads has, and its copies.
#pragma once

#include "attention.cuh"

struct Args {
    const float* qkv;
    const __half *keys, *values;
    const uint32_t *positions, *row_tables, *block_tables;
    // First row and number of rows of each tile.
    const uint2* tiles;
    float* out;
    uint32_t n_heads, n_kv_heads, head_dim, window;
    float scale;
    // What queries are to be turned by, as in rope_append.cu; 0 pairs if they are already.
    const float *cos_table, *sin_table;
    uint32_t n_pairs, adjacent;
};

// Heads of `N` channels, or with `EXACTLY` false of at most so many: the rest are zeros.
// `N_WARPS` warps are a block, of which `N_BLOCKS` run at a time on a multiprocessor.
template <uint32_t N, bool EXACTLY, uint32_t N_WARPS, uint32_t N_BLOCKS>
struct Shape {
    static constexpr uint32_t DIM = N, WARPS = N_WARPS, MIN_BLOCKS = N_BLOCKS;
    static constexpr bool IS_EXACT = EXACTLY;
    // Whether there are registers for the queries.
    static constexpr bool KEEPS_QUERIES = DIM <= 128;
    static constexpr uint32_t THREADS = WARPS * WARP, STEPS = DIM / 16, RUNS = DIM / 8;
    // Tiles in shared memory at a time: one is worked on while the next is fetched.
    static constexpr uint32_t STAGES = DIM > 128 ? 1 : 2;
    static constexpr uint32_t KEY_PIECES = DIM / 8, VALUE_PIECES = BLOCK_POSITIONS / 8;
    // In units of 16 bytes: keys and values of a cache block, and all of a tile.
    static constexpr uint32_t KEYS = BLOCK_POSITIONS * KEY_PIECES, VALUES = DIM * VALUE_PIECES;
    static constexpr uint32_t STAGE = TILE_BLOCKS * (KEYS + VALUES);
    // Where there is no room in shared memory the sums of the splits before are in the output.
    static constexpr bool PARKS_IN_OUTPUT = DIM > 96;
    static constexpr uint32_t PARKED = PARKS_IN_OUTPUT ? 0 : RUNS * THREADS;
    static constexpr uint32_t QUERIES = KEEPS_QUERIES ? 0 : STEPS * 2 * THREADS;

    static __device__ __forceinline__ uint32_t dim(const Args& args) {
        return IS_EXACT ? DIM : args.head_dim;
    }
};

// Which rows a block has, and which of them this warp.
struct Place {
    uint32_t first_row, n_rows, head, kv_head, first_position, window;
    uint32_t warp_row, n_warp_rows;
    const uint32_t* table;

    __device__ __forceinline__ explicit Place(const Args& args) {
        const uint2 tile = args.tiles[blockIdx.y];
        first_row = tile.x, n_rows = tile.y, head = blockIdx.x;
        kv_head = head / (args.n_heads / args.n_kv_heads);
        first_position = args.positions[first_row], window = args.window;
        table = args.block_tables + args.row_tables[first_row];
        warp_row = threadIdx.x / WARP * 16;
        n_warp_rows = warp_row < n_rows ? min(n_rows - warp_row, 16) : 0;
    }

    __device__ __forceinline__ uint32_t last_position() const {
        return first_position + n_rows - 1;
    }
    __device__ __forceinline__ uint32_t warp_first() const { return first_position + warp_row; }
    __device__ __forceinline__ uint32_t warp_last() const {
        return warp_first() + n_warp_rows - 1;
    }
    // Row in the tile of this warp's row g (0) or g + 8 (1).
    __device__ __forceinline__ uint32_t row(uint32_t half) const {
        return warp_row + threadIdx.x % WARP / 4 + 8 * half;
    }
};

// Copies tiles to shared memory: keys and values of the first cache block, then of the second. What
// no row of the block of threads sees becomes zero.
template <class S>
struct Fetcher {
    const Args& args;
    const Place& place;
    uint32_t start, end;
    // The cache blocks of the next tile, looked up ahead of time.
    uint32_t blocks[TILE_BLOCKS];

    __device__ __forceinline__ Fetcher(const Args& a, const Place& p)
        : args(a), place(p), start(visible_start(p.first_position, a.window)),
          end(p.last_position() + 1) {}

    __device__ __forceinline__ void look_up(uint32_t tile) {
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            const uint32_t index = tile * TILE_BLOCKS + b, first = index * BLOCK_POSITIONS;
            const bool is_seen = first < end && first + BLOCK_POSITIONS > start;
            blocks[b] = is_seen ? place.table[index] : 0;
        }
    }

    // Starts the copies of the tile that was looked up.
    __device__ __forceinline__ void fetch(uint32_t tile, uint4* stage) const {
#pragma unroll
        for (uint32_t b = 0; b < TILE_BLOCKS; b++) {
            const uint32_t first = (tile * TILE_BLOCKS + b) * BLOCK_POSITIONS;
            const size_t head =
                head_index(blocks[b], place.kv_head, args.n_kv_heads, S::dim(args));
            uint4* keys = stage + b * (S::KEYS + S::VALUES);
            if (S::IS_EXACT && first >= start && first + BLOCK_POSITIONS <= end) {
                fetch_whole(args.keys + head, args.values + head, keys);
            } else {
                fetch_seen(first, args.keys + head, args.values + head, keys);
            }
        }
    }

    static __device__ __forceinline__ void fetch_whole(const __half* keys, const __half* values,
                                                       uint4* to) {
#pragma unroll
        for (uint32_t n = 0; n < S::VALUES; n += S::THREADS) {
            const uint32_t i = n + threadIdx.x;
            if (S::VALUES % S::THREADS == 0 || i < S::VALUES) {
                copy16(to + key_at(i), keys + i * 8, 16);
                copy16(to + value_at(i), values + i * 8, 16);
            }
        }
    }

    __device__ __forceinline__ void fetch_seen(uint32_t first, const __half* keys,
                                               const __half* values, uint4* to) const {
        const uint32_t head_dim = S::dim(args);
        const bool is_seen = first < end && first + BLOCK_POSITIONS > start;
#pragma unroll 1
        for (uint32_t i = threadIdx.x; i < S::VALUES; i += S::THREADS) {
            const uint32_t slot = i / S::KEY_PIECES, piece = i % S::KEY_PIECES;
            const __half* key = keys + slot * head_dim;
            const bool has_key = is_seen && first + slot < end;
            if (S::IS_EXACT) {
                copy16(to + key_at(i), key + 8 * piece, has_key ? 16 : 0);
            } else {
                to[key_at(i)] =
                    has_key ? gather8(key, 8 * piece, head_dim) : make_uint4(0, 0, 0, 0);
            }
            const uint32_t channel = i / S::VALUE_PIECES;
            const uint32_t position = first + i % S::VALUE_PIECES * 8;
            const bool has_value = is_seen && position < end && position + 8 > start &&
                                   (S::IS_EXACT || channel < head_dim);
            copy16(to + value_at(i), values + (has_value ? i * 8 : 0),
                   has_value ? 2 * min(end - position, 8) : 0);
        }
    }

    // Where the `i`-th piece of the keys and of the values of a cache block goes.
    static __device__ __forceinline__ uint32_t key_at(uint32_t i) {
        return swizzled<S::KEY_PIECES>(i / S::KEY_PIECES, i % S::KEY_PIECES);
    }
    static __device__ __forceinline__ uint32_t value_at(uint32_t i) {
        return S::KEYS + swizzled<S::VALUE_PIECES>(i / S::VALUE_PIECES, i % S::VALUE_PIECES);
    }
};
