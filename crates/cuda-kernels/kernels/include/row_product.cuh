// What a unit of a packed weight adds to the products of one row of activations, with the bits of
// unit_product.cuh.
//
// The matrix instruction has eight columns, and one row needs one. Formats whose scales are costly
// to compute use more: the activations of a block of scales stand in a column of their own and the
// others have zeros there, which add nothing. Each column then ends as the product of one block,
// in the lanes of one number t = lane % 4, and a lane computes the scales of its own blocks only.
// The blocks are added in ascending order along the lanes.
#pragma once

#include "unit_product.cuh"

// Whether each block of a format has a column.
template <class Format>
static constexpr bool HAS_BLOCK_COLUMNS =
    Format::Scales::IS_COMPUTED && !Format::Scales::IN_OPERAND;

// The second operand for one row whose values stand at `values`, as [lane % 4][lane_words] words
// of 16 steps each. Lanes that hold nothing of it have zeros.
template <class Format>
static __device__ __forceinline__ void load_row_operand(const uint32_t* values,
                                                        uint32_t lane_words, uint32_t lane,
                                                        uint32_t (&b)[STEPS][2]) {
    const uint4* from = reinterpret_cast<const uint4*>(values + lane % 4 * lane_words);
    const uint32_t column = lane / 4;
    if constexpr (HAS_BLOCK_COLUMNS<Format>) {
        // Of the block's column 2t, or of columns 2t and 2t + 1 if a step is a block.
        const uint4 words = from[column / 2];
        constexpr uint32_t BLOCK_STEPS = Format::Scales::BLOCK_STEPS;
#pragma unroll
        for (uint32_t step = 0; step < STEPS; step++) {
            const bool is_mine = column == step / BLOCK_STEPS * BLOCK_STEPS;
            b[step][0] = is_mine ? (step % 2 == 0 ? words.x : words.z) : 0;
            b[step][1] = is_mine ? (step % 2 == 0 ? words.y : words.w) : 0;
        }
    } else {
#pragma unroll
        for (uint32_t i = 0; i < STEPS / 2; i++) {
            uint4 words = make_uint4(0, 0, 0, 0);
            if (column == 0) {
                words = from[i];
            }
            b[2 * i][0] = words.x, b[2 * i][1] = words.y;
            b[2 * i + 1][0] = words.z, b[2 * i + 1][1] = words.w;
        }
    }
}

// The sums of the activations of the lane's blocks, from those of all runs of 16 channels.
template <class Format>
static __device__ __forceinline__ void load_row_sums(const float* runs, uint32_t lane,
                                                     float (&sums)[2]) {
    const float2 pair = reinterpret_cast<const float2*>(runs)[lane % 4];
    sums[0] = Format::Scales::BLOCK_STEPS == 1 ? pair.x : add(pair.x, pair.y);
    sums[1] = pair.y;
}

// part[0], part[1]: of rows g and g + 8 of the unit, with g = lane / 4; in lanes with t = 3.
template <class Format>
static __device__ __forceinline__ void row_product(const uint8_t* unit, uint32_t lane,
                                                   const uint32_t (&b)[STEPS][2],
                                                   const float (&sums)[2], float (&part)[2]) {
    using Scales = typename Format::Scales;
    // Blocks of a lane.
    constexpr uint32_t BLOCKS = 2 / Scales::BLOCK_STEPS;
    const uint32_t t = lane % 4;
    // All at once: the words of a step alone would be loads of four bytes in the same banks.
    const typename Format::Quants::Words words = Format::Quants::load(unit, lane);
    const Scales scales = Format::scales(unit, lane);
    // Of the columns of each half of the group.
    float product[2][4] = {};
#pragma unroll
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t a[4];
        Format::Quants::fragment(words, step, a);
        mma(product[step / HALF_STEPS], a, b[step]);
    }
    float scale[BLOCKS][2], minimum[BLOCKS][2];
#pragma unroll
    for (uint32_t i = 0; i < BLOCKS * 2; i++) {
        const uint32_t block = t * BLOCKS + i / 2;
        scale[i / 2][i % 2] = scales.scale(block, i % 2);
        minimum[i / 2][i % 2] = scales.minimum(block, i % 2);
    }
    part[0] = 0.0f, part[1] = 0.0f;
    // In the n-th turn the lanes with t = n add their blocks to what those before have.
#pragma unroll
    for (uint32_t turn = 0; turn < 4; turn++) {
#pragma unroll
        for (uint32_t row = 0; row < 2; row++) {
            float total = turn == 0 ? 0.0f : __shfl_up_sync(ALL_LANES, part[row], 1);
#pragma unroll
            for (uint32_t i = 0; i < BLOCKS; i++) {
                const uint32_t at = row * 2 + i;
                const float of_block = t < 2 ? product[0][at] : product[1][at];
                total = __fmaf_rn(scale[i][row], of_block, total);
                if constexpr (Scales::HAS_MINIMA) {
                    total = __fmaf_rn(minimum[i][row], sums[i], total);
                }
            }
            part[row] = total;
        }
    }
}
