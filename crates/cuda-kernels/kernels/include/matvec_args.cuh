// What matvec.cu is told, and where things stand in its shared memory.
#pragma once

#include "mma.cuh"
#include "packed_weight.cuh"
#include "reduce.cuh"

enum Epilogue : uint32_t { STORE, BIAS, ACCUMULATE, SWIGLU };

// Warps that multiply: all of a block but the last, which asks for weights.
static __device__ __forceinline__ uint32_t n_takers() { return blockDim.x / WARP - 1; }

// A weight of a stack. Of one that does not exist `n_outputs` is 0.
struct Part {
    const uint8_t* units;
    // Format::NUMBER + 256 * Format::UNIT_BYTES.
    uint32_t kind;
    uint32_t n_outputs;
};

struct Args {
    const float* x;
    // Null: the rows are used as they are.
    const float* norm_weight;
    const float* bias;
    float* out;
    Part parts[3];
    float eps;
    // Rows of x and out, and the exponent of the next power of two.
    uint32_t n_rows, rows_log2;
    // Channels of a row of x and of a row of out.
    uint32_t row_len, out_stride;
    // Pairs of rows (packed_weight.cuh) of a paired weight, else 0.
    uint32_t n_pairs;
    uint32_t epilogue;
    // Stages that are under way at a time, and bytes of the largest.
    uint32_t depth, stage_bytes;
    // Groups of a stage, of one tile; how many stages are taken at the same time.
    uint32_t chunk, tile_warps;
    // Tiles of a block; the first `larger_blocks` have one more.
    uint32_t block_tiles, larger_blocks;
    // Tiles whose parts are kept at a time.
    uint32_t batch;
    // How many packed groups a warp keeps (all of its own, or 1); whether their sums are needed.
    uint32_t keep, with_sums;
};

// A weight of the stack, its tiles, and the column of `out` of its first row.
struct At {
    Part part;
    uint32_t first_tile, end_tile, first_column;
};

// Tiles before the end of each weight of the stack.
static __device__ __forceinline__ void stack_ends(const Args& args, uint32_t (&ends)[3]) {
    const auto tiles = [](uint32_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; };
    ends[0] = args.n_pairs > 0 ? (args.n_pairs + 7) / 8 : tiles(args.parts[0].n_outputs);
    ends[1] = ends[0] + tiles(args.parts[1].n_outputs);
    ends[2] = ends[1] + tiles(args.parts[2].n_outputs);
}

// The weight that a tile of the stack is of.
static __device__ __forceinline__ At stack_at(const Args& args, const uint32_t (&ends)[3],
                                              uint32_t tile) {
    At at = {args.parts[0], 0, ends[0], 0};
    if (tile >= ends[0]) {
        at = {args.parts[1], ends[0], ends[1], args.parts[0].n_outputs};
    }
    if (tile >= ends[1]) {
        at = {args.parts[2], ends[1], ends[2],
              args.parts[0].n_outputs + args.parts[1].n_outputs};
    }
    return at;
}

struct Shared {
    // Words of the packed values of one row of a group: 16 for each lane % 4, and 4 that keep the
    // lanes of a load in different banks.
    static constexpr uint32_t LANE_WORDS = 20;
    static constexpr uint32_t ROW_WORDS = 4 * LANE_WORDS;
    // The 16 outputs of a tile, and 4 against bank conflicts.
    static constexpr uint32_t COLUMN = TILE_ROWS + 4;

    uint64_t* barriers;
    uint8_t* slots;
    // [nth group][taking warp][row][ROW_WORDS], [nth group][taking warp][row][8 runs]
    uint32_t* values;
    float* sums;
    // [group][tile of the batch][row][COLUMN]
    float* parts;
    // [group][row], [group][row]
    float* scales;
    float* squares;

    __device__ __forceinline__ Shared(uint8_t* base, const Args& args, uint32_t n_rows,
                                      uint32_t n_groups) {
        const uint32_t n_kept = args.keep * args.chunk * args.tile_warps;
        barriers = reinterpret_cast<uint64_t*>(base);
        slots = base + (args.depth * 16 + 127) / 128 * 128;
        values = reinterpret_cast<uint32_t*>(slots + args.depth * args.stage_bytes);
        sums = reinterpret_cast<float*>(values + n_kept * n_rows * ROW_WORDS);
        parts = sums + n_kept * n_rows * STEPS;
        scales = parts + n_groups * args.batch * n_rows * COLUMN;
        squares = scales + n_groups * n_rows;
    }
};
