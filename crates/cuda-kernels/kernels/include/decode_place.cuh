// What attention_decode.cu is given, and which part of it a block of threads has.
#pragma once

#include "attention.cuh"

// A warp scores one cache block.
static constexpr uint32_t WARPS = SPLIT_BLOCKS;
static constexpr uint32_t BLOCK_PARTS = BLOCK_POSITIONS / 8;
static constexpr uint32_t THREADS = WARPS * WARP;
// Query heads of a block.
static constexpr uint32_t HEADS = 8;

struct Args {
    const float *qkv, *cos_table, *sin_table;
    // Of QK norms; null: there are none.
    const float *q_norm, *k_norm;
    __half *keys, *values;
    const uint32_t *positions, *row_tables, *block_tables;
    float* scratch;
    // For each block of a split: how many of a row have come. Zero between launches.
    uint32_t* tickets;
    float* out;
    uint32_t n_heads, n_kv_heads, head_dim, n_pairs, adjacent, window;
    float eps, scale;
};

// Widest heads whose keys and values have room in shared memory together.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
static constexpr uint32_t WIDEST_TOGETHER = 64;
#else
static constexpr uint32_t WIDEST_TOGETHER = 128;
#endif

// Heads of `N` channels, or with `EXACTLY` false of at most so many: the rest are zeros.
template <uint32_t N, bool EXACTLY>
struct Shape {
    static constexpr uint32_t DIM = N;
    static constexpr bool IS_EXACT = EXACTLY;
    static constexpr uint32_t STEPS = DIM / 16;
    // Pieces of 16 bytes of a key, and of the positions of a channel.
    static constexpr uint32_t KEY_PIECES = DIM / 8, VALUE_PIECES = BLOCK_POSITIONS / 8;
    // Runs of eight channels, and how many of them a warp sums up.
    static constexpr uint32_t ALL_RUNS = DIM / 8;
    static constexpr uint32_t RUNS = (ALL_RUNS + WARPS - 1) / WARPS;
    static constexpr uint32_t KEY_COPIES = SPLIT * KEY_PIECES;
    // Values take the place of keys where there is no room for both.
    static constexpr bool SHARES = DIM > WIDEST_TOGETHER;
    static constexpr uint32_t FIRST_VALUE = SHARES ? 0 : KEY_COPIES;

    // Where the copies of a cache block begin.
    static __device__ __forceinline__ uint32_t keys_at(uint32_t block) {
        return block * BLOCK_POSITIONS * KEY_PIECES;
    }
    static __device__ __forceinline__ uint32_t values_at(uint32_t block) {
        return FIRST_VALUE + block * DIM * VALUE_PIECES;
    }
    static __device__ __forceinline__ uint32_t dim(const Args& args) {
        return IS_EXACT ? DIM : args.head_dim;
    }
};

// What the warps of a block exchange.
template <uint32_t DIM>
struct Shared {
    uint4 weights[SPLIT_BLOCKS][WARP];
    // Query heads; 16 bytes more than a row needs keep lanes off each other's banks.
    float turned[HEADS][DIM + 4];
    __half key[DIM], value[DIM];
    float block_max[SPLIT_BLOCKS][HEADS], bases[SPLIT_TILES][HEADS], parts[SPLIT_TILES][HEADS];
    float norm_scale[HEADS + 1];
    uint32_t is_last;
};

// Which part of which row a block has.
struct Place {
    uint32_t row, kv_head, first_head, n_heads, position, start, split;
    // Cache blocks of the split that have visible positions.
    uint32_t first_block, last_block;
    const uint32_t* table;

    __device__ __forceinline__ explicit Place(const Args& args) {
        const uint32_t group = args.n_heads / args.n_kv_heads;
        const uint32_t n_parts = (group + HEADS - 1) / HEADS, part = blockIdx.y % n_parts;
        row = blockIdx.z, split = blockIdx.x, kv_head = blockIdx.y / n_parts;
        first_head = kv_head * group + part * HEADS;
        n_heads = min(HEADS, group - part * HEADS);
        position = args.positions[row];
        start = visible_start(position, args.window);
        table = args.block_tables + args.row_tables[row] + split * SPLIT_BLOCKS;
        const uint32_t first = split * SPLIT, last = first + SPLIT - 1;
        first_block = (max(start, first) - first) / BLOCK_POSITIONS;
        last_block = (max(min(position, last), first) - first) / BLOCK_POSITIONS;
    }

    __device__ __forceinline__ uint32_t first_split() const { return start / SPLIT; }
    __device__ __forceinline__ uint32_t last_split() const { return position / SPLIT; }
    __device__ __forceinline__ uint32_t n_splits() const {
        return last_split() + 1 - first_split();
    }
    __device__ __forceinline__ uint32_t block_start(uint32_t block) const {
        return split * SPLIT + block * BLOCK_POSITIONS;
    }
    __device__ __forceinline__ bool sees(uint32_t block) const {
        return block >= first_block && block <= last_block;
    }
    // Row of `qkv`, in heads: of a query head of this block, or after those of the key.
    __device__ __forceinline__ uint32_t source(const Args& args, uint32_t head) const {
        return head < n_heads ? first_head + head : args.n_heads + kv_head;
    }
    // Where a head of this block goes.
    __device__ __forceinline__ float* out(const Args& args, uint32_t head,
                                          uint32_t head_dim) const {
        return args.out + ((size_t)row * args.n_heads + first_head + head) * head_dim;
    }
    // Heads that are turned here: the key only where it is used.
    __device__ __forceinline__ uint32_t n_turned() const {
        return n_heads + (is_newest() ? 1 : 0);
    }
    // Of the blocks that have the query heads of one KV head.
    __device__ __forceinline__ bool is_first_part(const Args& args) const {
        return first_head % (args.n_heads / args.n_kv_heads) == 0;
    }
    __device__ __forceinline__ bool is_newest() const { return split == last_split(); }
};
