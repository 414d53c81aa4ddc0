// The main loop of the matrix product on compute capability 9.0: who multiplies.
#pragma once

#include "gemm_stages.cuh"

// The two warpgroups hand products to the matrix units in turns, so that one decodes and scales
// while the other one multiplies. A turn is a barrier at which the one waits and the other one,
// having handed over its own, arrives.
struct Turns {
    const uint32_t warpgroup = threadIdx.x / WARPGROUP;

    __device__ __forceinline__ void begin() const { named_sync(FIRST + warpgroup, CONSUMERS); }
    __device__ __forceinline__ void end() const { named_arrive(FIRST + 1 - warpgroup, CONSUMERS); }

    // Before and after all turns: the first warpgroup begins, and the second one has the last.
    __device__ __forceinline__ void open() const {
        if (warpgroup == 1) {
            end();
        }
    }
    __device__ __forceinline__ void close() const {
        if (warpgroup == 0) {
            begin();
        }
    }

private:
    // The epilogue has 1 and 2.
    static constexpr uint32_t FIRST = 3;
};

// A warpgroup: total[slab][4 n + i] is the result of the matrix instruction for the n-th eight of
// the slab's rows.
template <class Format, uint32_t SLABS>
struct Consumer {
    using Memory = Stages<Format, SLABS>;
    using Quants = typename Format::Quants;
    using Scales = typename Format::Scales;
    // Steps whose products are added before they are scaled.
    static constexpr uint32_t CHAIN_STEPS = Scales::BLOCK_STEPS;

    Memory memory;
    Ring<Memory::A_STAGES> a;
    Ring<Memory::B_STAGES> b;
    Turns turns;
    // The activations of stage 0 as an operand.
    uint64_t first_b = operand(shared_address(memory.b(0)), SLAB_TILE);

    __device__ __forceinline__ void consume(const Work& work, float (&total)[SLABS][HELD]) {
#pragma unroll
        for (uint32_t slab = 0; slab < SLABS; slab++) {
#pragma unroll
            for (uint32_t i = 0; i < HELD; i++) {
                total[slab][i] = 0.0f;
            }
        }
        if constexpr (Scales::IN_OPERAND) {
            chained(work, total[0]);
        } else if constexpr (Scales::HAS_SCALES) {
            quantised(work, total[0]);
        } else {
            plain(work, total);
        }
    }

private:
    __device__ __forceinline__ const uint8_t* unit() const {
        return memory.a(a.stage) + threadIdx.x / WARP * Format::UNIT_BYTES;
    }

    __device__ __forceinline__ uint64_t operand_b() const {
        return operand_after(first_b, b.stage * Memory::B_BYTES);
    }

    // total = scale * part + total, with the scale of each activation row.
    static __device__ __forceinline__ void add_scaled(const float* scales,
                                                      const float (&part)[HELD],
                                                      float (&total)[HELD]) {
#pragma unroll
        for (uint32_t i = 0; i < HELD; i += 8) {
            const float4 scale = *reinterpret_cast<const float4*>(scales + 2 * i);
            total[i] = __fmaf_rn(scale.x, part[i], total[i]);
            total[i + 1] = __fmaf_rn(scale.y, part[i + 1], total[i + 1]);
            total[i + 2] = __fmaf_rn(scale.x, part[i + 2], total[i + 2]);
            total[i + 3] = __fmaf_rn(scale.y, part[i + 3], total[i + 3]);
            total[i + 4] = __fmaf_rn(scale.z, part[i + 4], total[i + 4]);
            total[i + 5] = __fmaf_rn(scale.w, part[i + 5], total[i + 5]);
            total[i + 6] = __fmaf_rn(scale.z, part[i + 6], total[i + 6]);
            total[i + 7] = __fmaf_rn(scale.w, part[i + 7], total[i + 7]);
        }
    }

    // Those of the rows whose results a lane holds, four of each sixteen.
    static __device__ __forceinline__ const float* side(const uint8_t* slab, uint32_t offset) {
        return reinterpret_cast<const float*>(slab + offset) + threadIdx.x % 4 * 4;
    }

    __device__ __forceinline__ void load_steps(uint32_t first, uint32_t (&a)[STEPS][4]) const {
#pragma unroll
        for (uint32_t i = 0; i < STEPS / 2; i++) {
            Quants::fragment(unit(), threadIdx.x % WARP, first + i, a[first + i]);
        }
    }

    static __device__ __forceinline__ void multiply(uint64_t rows, uint32_t first,
                                                    const uint32_t (&a)[STEPS][4],
                                                    float (&part)[HELD]) {
#pragma unroll
        for (uint32_t step = first; step < first + STEPS / 2; step++) {
            wgmma(part, a[step], operand_after(rows, step * 256), step > 0);
        }
        wgmma_commit();
    }

    // f16: a chain over the whole group. The operands of the next group replace those of each half
    // of the last chain when it is done.
    __device__ __forceinline__ void plain(const Work& work, float (&total)[SLABS][HELD]) {
        float part[HELD] = {};
        uint32_t fragment[STEPS][4];
        barrier_wait(memory.a_full(a.stage), a.parity);
        load_steps(0, fragment);
        load_steps(STEPS / 2, fragment);
        for (uint32_t group = 0; group < work.groups; group++) {
            barrier_arrive(memory.a_free(a.stage));
            a.advance();
#pragma unroll
            for (uint32_t slab = 0; slab < SLABS; slab++) {
                barrier_wait(memory.b_full(b.stage), b.parity);
                const uint8_t* at = memory.b(b.stage);
                pin(part);
                wgmma_begin();
                multiply(operand_b(), 0, fragment, part);
                multiply(operand_b(), STEPS / 2, fragment, part);
                if (slab + 1 == SLABS && group + 1 < work.groups) {
                    barrier_wait(memory.a_full(a.stage), a.parity);
                    wgmma_wait<1>();
                    load_steps(0, fragment);
                    wgmma_wait<0>();
                    load_steps(STEPS / 2, fragment);
                } else {
                    wgmma_wait<0>();
                }
                pin(part);
                add_scaled(side(at, SLAB_SCALES), part, total[slab]);
                barrier_arrive(memory.b_free(b.stage));
                b.advance();
            }
        }
    }

    // Loads of sums of activations, for two eights each, that do not wait for the block's product.
    static constexpr uint32_t EARLY = 2;

    // part = scale * product + part, then part = minimum * sum + part.
    static __device__ __forceinline__ void scale_block(const Scales& scales, const float4* sums,
                                                       const float4 (&early)[EARLY],
                                                       uint32_t block,
                                                       const float (&product)[HELD],
                                                       float (&part)[HELD]) {
        const float scale[2] = {scales.scale(block, 0), scales.scale(block, 1)};
        const float minimum[2] = {scales.minimum(block, 0), scales.minimum(block, 1)};
#pragma unroll
        for (uint32_t i = 0; i < HELD; i++) {
            const float before = block == 0 ? 0.0f : part[i];
            part[i] = __fmaf_rn(scale[i / 2 % 2], product[i], before);
        }
        if constexpr (Scales::HAS_MINIMA) {
#pragma unroll
            for (uint32_t i = 0; i < HELD; i += 8) {
                const float4 sum = i / 8 < EARLY ? early[i / 8] : sums[i / 8 * 4];
                part[i] = __fmaf_rn(minimum[0], sum.x, part[i]);
                part[i + 1] = __fmaf_rn(minimum[0], sum.y, part[i + 1]);
                part[i + 2] = __fmaf_rn(minimum[1], sum.x, part[i + 2]);
                part[i + 3] = __fmaf_rn(minimum[1], sum.y, part[i + 3]);
                part[i + 4] = __fmaf_rn(minimum[0], sum.z, part[i + 4]);
                part[i + 5] = __fmaf_rn(minimum[0], sum.w, part[i + 5]);
                part[i + 6] = __fmaf_rn(minimum[1], sum.z, part[i + 6]);
                part[i + 7] = __fmaf_rn(minimum[1], sum.w, part[i + 7]);
            }
        }
    }

    static __device__ __forceinline__ void decode(const uint8_t* unit, uint32_t block,
                                                  uint32_t (&fragment)[CHAIN_STEPS][4]) {
#pragma unroll
        for (uint32_t i = 0; i < CHAIN_STEPS; i++) {
            Quants::fragment(unit, threadIdx.x % WARP, block * CHAIN_STEPS + i, fragment[i]);
        }
    }

    // Numbers IN_OPERAND: a chain over the whole group, and a step for the minima. While a
    // warpgroup decodes and scales, the other one multiplies.
    __device__ __forceinline__ void chained(const Work& work, float (&total)[HELD]) {
        // What follows the split sums along k meets zeros: they are read again.
        const uint64_t first_sums = operand(shared_address(memory.b(0) + SLAB_SPLIT), 128, 0);
        const uint32_t lane = threadIdx.x % WARP;
        float product[HELD] = {}, minima[HELD] = {};
        for (uint32_t group = 0; group < work.groups; group++) {
            uint32_t fragment[STEPS][4], of_minima[4];
            barrier_wait(memory.a_full(a.stage), a.parity);
            const Scales scales = Format::scales(unit(), lane);
            const auto words = Quants::load(unit(), lane);
            barrier_arrive(memory.a_free(a.stage));
            a.advance();
            if constexpr (Scales::HAS_MINIMA) {
                scales.minima_operand(lane, of_minima);
            }
#pragma unroll
            for (uint32_t step = 0; step < STEPS; step++) {
                Quants::fragment(words, step, scales.factors(step / CHAIN_STEPS), fragment[step]);
            }
            barrier_wait(memory.b_full(b.stage), b.parity);
            pin(product);
            pin(minima);
            turns.begin();
            wgmma_begin();
            if constexpr (Scales::HAS_MINIMA) {
                const uint64_t sums = operand_after(first_sums, b.stage * Memory::B_BYTES);
                wgmma(minima, of_minima, sums, 0);
            }
            multiply(operand_b(), 0, fragment, product);
            multiply(operand_b(), STEPS / 2, fragment, product);
            turns.end();
            wgmma_wait<0>();
            pin(product);
            pin(minima);
#pragma unroll
            for (uint32_t i = 0; i < HELD; i++) {
                product[i] = scaled(scales, i / 2 % 2, product[i], minima[i]);
            }
            add_scaled(side(memory.b(b.stage), SLAB_SCALES), product, total);
            barrier_arrive(memory.b_free(b.stage));
            b.advance();
        }
    }

    static __device__ __forceinline__ float scaled(const Scales& scales, uint32_t half,
                                                   float product, float minimum) {
        if constexpr (Scales::HAS_MINIMA) {
            return __fmaf_rn(scales.group_scale(half), product,
                             mul(scales.group_minimum(half), minimum));
        }
        return mul(scales.group_scale(half), product);
    }

    // Other quants: a chain over each block, and meanwhile the next block is decoded.
    __device__ __forceinline__ void quantised(const Work& work, float (&total)[HELD]) {
        constexpr uint32_t BLOCKS = STEPS / CHAIN_STEPS;
        constexpr uint32_t SUMS = CHAIN_STEPS == 1 ? SLAB_SUMS16 : SLAB_SUMS32;
        float product[HELD] = {};
        uint32_t fragment[2][CHAIN_STEPS][4];
        barrier_wait(memory.a_full(a.stage), a.parity);
        decode(unit(), 0, fragment[0]);
        for (uint32_t group = 0; group < work.groups; group++) {
            float part[HELD];
            const Scales scales = Format::scales(unit(), threadIdx.x % WARP);
            barrier_wait(memory.b_full(b.stage), b.parity);
            const uint8_t* slab = memory.b(b.stage);
            const uint64_t rows = operand_b();
#pragma unroll
            for (uint32_t block = 0; block < BLOCKS; block++) {
                pin(product);
                wgmma_begin();
#pragma unroll
                for (uint32_t i = 0; i < CHAIN_STEPS; i++) {
                    const uint32_t step = block * CHAIN_STEPS + i;
                    wgmma(product, fragment[block % 2][i], operand_after(rows, step * 256), i > 0);
                }
                wgmma_commit();
                if (block + 1 < BLOCKS) {
                    decode(unit(), block + 1, fragment[(block + 1) % 2]);
                } else {
                    barrier_arrive(memory.a_free(a.stage));
                    a.advance();
                    if (group + 1 < work.groups) {
                        barrier_wait(memory.a_full(a.stage), a.parity);
                        decode(unit(), 0, fragment[0]);
                    }
                }
                const float4* sums =
                    reinterpret_cast<const float4*>(side(slab, SUMS) + block * SLAB_ROWS);
                float4 early[EARLY] = {};
                if constexpr (Scales::HAS_MINIMA) {
#pragma unroll
                    for (uint32_t i = 0; i < EARLY; i++) {
                        early[i] = sums[i * 4];
                    }
                }
                wgmma_wait<0>();
                pin(product);
                scale_block(scales, sums, early, block, product, part);
            }
            add_scaled(side(slab, SLAB_SCALES), part, total);
            barrier_arrive(memory.b_free(b.stage));
            b.advance();
        }
    }
};
