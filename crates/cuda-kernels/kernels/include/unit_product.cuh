// What units of a packed weight add to the products of up to 8 N rows of activations, before the
// activations' own scale.
//
// part[t][n] is laid out as the result of the matrix instruction. `sums[n][e][run]` is the sum of
// the 16 activations of a run in row 8n + 2 (lane % 4) + e, added as a balanced binary tree; only
// formats with minima look at it.
#pragma once

#include "mma.cuh"
#include "packed_weight.cuh"

// Steps of half a group: what is done at a time.
static constexpr uint32_t HALF_STEPS = STEPS / 2;

// Half a group of T units, of different tiles; `half` is 0, then 1. b[n][step] is the second
// operand of the matrix instruction.
template <class Format, uint32_t T, uint32_t N>
static __device__ __forceinline__ void half_products(
    const uint8_t* const (&units)[T], typename Format::Scales (&scales)[T], uint32_t lane,
    uint32_t half, const uint32_t (&b)[N][HALF_STEPS][2], const float (&sums)[N][2][HALF_STEPS],
    float (&part)[T][N][4]) {
    using Scales = typename Format::Scales;
    constexpr uint32_t BLOCK_STEPS = Scales::BLOCK_STEPS;
    float product[T][N][4];
#pragma unroll
    for (uint32_t step = 0; step < HALF_STEPS; step++) {
#pragma unroll
        for (uint32_t t = 0; t < T; t++) {
            uint32_t a[4];
            Format::Quants::fragment(units[t], lane, half * HALF_STEPS + step, a);
#pragma unroll
            for (uint32_t n = 0; n < N; n++) {
                if constexpr (!Scales::HAS_SCALES) {
                    mma(part[t][n], a, b[n][step]);
                    continue;
                }
                if (step % BLOCK_STEPS == 0) {
                    mma_from_zero(product[t][n], a, b[n][step]);
                } else {
                    mma(product[t][n], a, b[n][step]);
                }
            }
            if constexpr (Scales::HAS_SCALES) {
                if (step % BLOCK_STEPS != BLOCK_STEPS - 1) {
                    continue;
                }
                const uint32_t block = step / BLOCK_STEPS;
#pragma unroll
                for (uint32_t i = 0; i < N * 4; i++) {
                    const uint32_t n = i / 4, row = i / 2 % 2;
                    float& to = part[t][n][i % 4];
                    to = __fmaf_rn(scales[t].scale(block, row), product[t][n][i % 4], to);
                    if constexpr (Scales::HAS_MINIMA) {
                        const float(&runs)[HALF_STEPS] = sums[n][i % 2];
                        const float sum = BLOCK_STEPS == 1 ? runs[step]
                                                           : add(runs[step - 1], runs[step]);
                        to = __fmaf_rn(scales[t].minimum(block, row), sum, to);
                    }
                }
            }
        }
    }
#pragma unroll
    for (uint32_t t = 0; t < T; t++) {
        scales[t].next_half();
    }
}

// A whole unit of a format whose numbers are IN_OPERAND. b_sums[n] is what a lane has of the split
// sums (activation.cuh) as the second operand of the step with the minima: the lane's word of row
// 8n + lane / 4.
template <class Format, uint32_t N>
static __device__ __forceinline__ void chain_product(const uint8_t* unit, uint32_t lane,
                                                     const uint32_t (&b)[N][STEPS][2],
                                                     const uint32_t (&b_sums)[N],
                                                     float (&part)[N][4]) {
    using Scales = typename Format::Scales;
    const auto words = Format::Quants::load(unit, lane);
    const Scales scales = Format::scales(unit, lane);
    const auto factors = scales.factors();
    float minima[N][4];
    uint32_t a[4];
    if constexpr (Scales::HAS_MINIMA) {
        scales.minima_operand(lane, a);
#pragma unroll
        for (uint32_t n = 0; n < N; n++) {
            mma_from_zero(minima[n], a, {b_sums[n], 0});
        }
    }
#pragma unroll
    for (uint32_t step = 0; step < STEPS; step++) {
        Format::Quants::fragment(words, step, factors.of(step / Scales::BLOCK_STEPS), a);
#pragma unroll
        for (uint32_t n = 0; n < N; n++) {
            if (step == 0) {
                mma_from_zero(part[n], a, b[n][step]);
            } else {
                mma(part[n], a, b[n][step]);
            }
        }
    }
#pragma unroll
    for (uint32_t i = 0; i < N * 4; i++) {
        const uint32_t half = i / 2 % 2;
        float& to = part[i / 4][i % 4];
        if constexpr (Scales::HAS_MINIMA) {
            to = __fmaf_rn(scales.group_scale(half), to,
                           mul(scales.group_minimum(half), minima[i / 4][i % 4]));
        } else {
            to = mul(scales.group_scale(half), to);
        }
    }
}
