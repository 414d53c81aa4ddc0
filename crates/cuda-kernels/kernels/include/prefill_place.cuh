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
    // Cache blocks that are fetched together.
    static constexpr uint32_t BLOCKS = DIM > 128 ? 1 : 2;
    // A key's place in shared memory, in units of 16 bytes. Lanes that read at once have pieces of
    // 64 bytes of two neighbouring keys, which must lie in different banks.
    static constexpr uint32_t KEY_STRIDE = DIM == 80 ? 12 : DIM / 8;
    static constexpr uint32_t KEY_SWIZZLE = KEY_STRIDE % 8 == 0 ? 4 : 0;
    static constexpr uint32_t KEYS = BLOCK_POSITIONS * KEY_STRIDE;
    static constexpr uint32_t VALUES = BLOCK_POSITIONS * DIM / 8;
    static constexpr uint32_t STAGE = BLOCKS * (KEYS + VALUES);
    static constexpr uint32_t PARKED = RUNS * THREADS;
    static constexpr uint32_t QUERIES = KEEPS_QUERIES ? 0 : STEPS * 2 * THREADS;
    static constexpr uint32_t SHARED_BYTES = (2 * STAGE + PARKED + QUERIES) * 16;

    static __device__ __forceinline__ uint32_t dim(const Args& args) {
        return IS_EXACT ? DIM : args.head_dim;
    }
    static __device__ __forceinline__ uint32_t key_at(uint32_t slot, uint32_t piece) {
        return slot * KEY_STRIDE + (piece ^ slot % 2 * KEY_SWIZZLE);
    }
};

// Which rows a block has, and which of them this warp.
struct Place {
    uint32_t first_row, n_rows, head, kv_head, first_position;
    uint32_t warp_row, n_warp_rows;
    const uint32_t* table;

    __device__ __forceinline__ explicit Place(const Args& args) {
        const uint2 tile = args.tiles[blockIdx.y];
        first_row = tile.x, n_rows = tile.y, head = blockIdx.x;
        kv_head = head / (args.n_heads / args.n_kv_heads);
        first_position = args.positions[first_row];
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

// Copies cache blocks to shared memory. What no row of the tile sees becomes zero.
template <class S>
struct Fetcher {
    const Args& args;
    const Place& place;
    uint32_t start, end;
    // The next blocks, looked up ahead of time.
    uint32_t blocks[S::BLOCKS];

    __device__ __forceinline__ Fetcher(const Args& a, const Place& p)
        : args(a), place(p), start(visible_start(p.first_position, a.window)),
          end(p.last_position() + 1) {}

    __device__ __forceinline__ void look_up(uint32_t index) {
#pragma unroll
        for (uint32_t b = 0; b < S::BLOCKS; b++) {
            const uint32_t first = (index + b) * BLOCK_POSITIONS;
            const bool is_seen = first < end && first + BLOCK_POSITIONS > start;
            blocks[b] = is_seen ? place.table[index + b] : 0;
        }
    }

    // Starts the copies of the blocks that were looked up.
    __device__ __forceinline__ void fetch(uint32_t index, uint4* stage) const {
#pragma unroll
        for (uint32_t b = 0; b < S::BLOCKS; b++) {
            const uint32_t first = (index + b) * BLOCK_POSITIONS;
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
                copy16(to + S::key_at(i / (S::DIM / 8), i % (S::DIM / 8)), keys + i * 8, 16);
                copy16(to + S::KEYS + i, values + i * 8, 16);
            }
        }
    }

    __device__ __forceinline__ void fetch_seen(uint32_t first, const __half* keys,
                                               const __half* values, uint4* to) const {
        const uint32_t head_dim = S::dim(args);
        const bool is_seen = first < end && first + BLOCK_POSITIONS > start;
#pragma unroll 1
        for (uint32_t i = threadIdx.x; i < S::VALUES; i += S::THREADS) {
            const uint32_t slot = i / (S::DIM / 8), piece = i % (S::DIM / 8);
            const __half* key = keys + slot * head_dim;
            const bool has_key = is_seen && first + slot < end;
            if (S::IS_EXACT) {
                copy16(to + S::key_at(slot, piece), key + 8 * piece, has_key ? 16 : 0);
            } else {
                to[S::key_at(slot, piece)] =
                    has_key ? gather8(key, 8 * piece, head_dim) : make_uint4(0, 0, 0, 0);
            }
            const uint32_t position = first + i % 4 * 8;
            const bool has_value = is_seen && position < end && position + 8 > start &&
                                   (S::IS_EXACT || i / 4 < head_dim);
            copy16(to + S::KEYS + i, values + (has_value ? i * 8 : 0),
                   has_value ? 2 * min(end - position, 8) : 0);
        }
    }
};
