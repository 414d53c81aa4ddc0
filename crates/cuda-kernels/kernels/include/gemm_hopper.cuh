// The main loop of the matrix product on compute capability 9.0: who copies, who multiplies.
#pragma once

#include "activation.cuh"
#include "hopper.cuh"
#include "packed_weight.cuh"

// Rows of the weight that a block takes: 64 for each of its two warpgroups.
static constexpr uint32_t BLOCK_TILES = 8;
static constexpr uint32_t CONSUMERS = 2 * WARPGROUP, CONSUMER_WARPS = CONSUMERS / WARP;
static constexpr uint32_t THREADS = CONSUMERS + WARPGROUP;
// Values of a product of 64 weight rows and 128 activation rows that a thread holds.
static constexpr uint32_t HELD = 64;
// Shared memory of the epilogue.
static constexpr uint32_t SCRATCH_BYTES = 20480;

struct Work {
    uint32_t n_rows, groups, n_tiles;
    const uint8_t *weight, *packed;
};

// The first tile of the weight and the first row of x that a block works at.
struct Place {
    uint32_t first_tile, first_row;
};

// A ring of stages: where the next one is, and the parity of its phase.
template <uint32_t STAGES>
struct Ring {
    uint32_t stage = 0, parity = 0;

    __device__ __forceinline__ void advance() {
        stage++;
        if (stage == STAGES) {
            stage = 0;
            parity ^= 1;
        }
    }
};

// Shared memory: stages of weights (8 units each), stages of activations (a slab each), scratch of
// the epilogue, barriers. SLABS slabs of activations are multiplied with the same weights.
template <class Format, uint32_t SLABS>
struct Stages {
    using Scales = typename Format::Scales;
    static constexpr uint32_t ROWS = SLABS * SLAB_ROWS;
    static constexpr uint32_t A_BYTES = (BLOCK_TILES * Format::UNIT_BYTES + 127) / 128 * 128;
    // What the format needs of a slab, which begins with what every format needs.
    static constexpr uint32_t B_BYTES = !Scales::HAS_MINIMA        ? SLAB_SPLIT
                                        : Scales::IN_OPERAND       ? SLAB_SUMS32
                                        : Scales::BLOCK_STEPS == 2 ? SLAB_SUMS16
                                                                   : SLAB_BYTES;
    static constexpr uint32_t A_STAGES = Scales::HAS_SCALES ? 4 : SLABS == 2 ? 2 : 3;
    static constexpr uint32_t B_STAGES = Scales::HAS_SCALES || SLABS == 2 ? 4 : 3;
    static constexpr uint32_t B = A_STAGES * A_BYTES, SCRATCH = B + B_STAGES * B_BYTES;
    static constexpr uint32_t BARRIERS = SCRATCH + SCRATCH_BYTES;
    static constexpr uint32_t BYTES = BARRIERS + (2 * (A_STAGES + B_STAGES) + 2) * 8;

    uint8_t* at;

    __device__ __forceinline__ uint8_t* a(uint32_t stage) const { return at + stage * A_BYTES; }
    __device__ __forceinline__ uint8_t* b(uint32_t stage) const {
        return at + B + stage * B_BYTES;
    }
    __device__ __forceinline__ uint64_t* barriers() const {
        return reinterpret_cast<uint64_t*>(at + BARRIERS);
    }
    __device__ __forceinline__ uint64_t* a_full(uint32_t stage) const { return barriers() + stage; }
    __device__ __forceinline__ uint64_t* a_free(uint32_t stage) const {
        return barriers() + A_STAGES + stage;
    }
    __device__ __forceinline__ uint64_t* b_full(uint32_t stage) const {
        return barriers() + 2 * A_STAGES + stage;
    }
    __device__ __forceinline__ uint64_t* b_free(uint32_t stage) const {
        return barriers() + 2 * A_STAGES + B_STAGES + stage;
    }
    // Two of the epilogue.
    __device__ __forceinline__ uint64_t* exchanges() const {
        return barriers() + 2 * (A_STAGES + B_STAGES);
    }

    __device__ __forceinline__ void init() const {
        if (threadIdx.x == 0) {
            for (uint32_t i = 0; i < A_STAGES; i++) {
                barrier_init(a_full(i), 1);
                barrier_init(a_free(i), CONSUMERS);
            }
            for (uint32_t i = 0; i < B_STAGES; i++) {
                barrier_init(b_full(i), 1);
                barrier_init(b_free(i), CONSUMERS);
            }
            barrier_init(exchanges(), 1);
            barrier_init(exchanges() + 1, 1);
            barrier_init_done();
        }
    }
};

// The one thread that asks the copy engine.
template <class Format, uint32_t SLABS>
struct Producer {
    using Memory = Stages<Format, SLABS>;
    Memory memory;
    Ring<Memory::A_STAGES> a;
    Ring<Memory::B_STAGES> b;

    __device__ __forceinline__ void produce(const Work& work, const Place& place) {
        const uint32_t tiles = min(BLOCK_TILES, work.n_tiles - min(place.first_tile, work.n_tiles));
        const uint8_t* units = work.weight + (size_t)place.first_tile * work.groups *
                                                 Format::UNIT_BYTES;
        for (uint32_t group = 0; group < work.groups; group++) {
            uint64_t* full = memory.a_full(a.stage);
            barrier_wait(memory.a_free(a.stage), a.parity ^ 1);
            barrier_expect(full, tiles * Format::UNIT_BYTES);
            for (uint32_t i = 0; i < tiles; i++) {
                const uint8_t* unit = units + (size_t)(i * work.groups + group) *
                                                  Format::UNIT_BYTES;
                bulk_copy(memory.a(a.stage) + i * Format::UNIT_BYTES, unit, Format::UNIT_BYTES,
                          full);
            }
            a.advance();
#pragma unroll
            for (uint32_t slab = 0; slab < SLABS; slab++) {
                copy_slab(work, place.first_row + slab * SLAB_ROWS, group);
            }
        }
    }

private:
    // Of a slab without rows the stage keeps what it had: nobody looks at the results.
    __device__ __forceinline__ void copy_slab(const Work& work, uint32_t row, uint32_t group) {
        uint64_t* full = memory.b_full(b.stage);
        barrier_wait(memory.b_free(b.stage), b.parity ^ 1);
        if (row < work.n_rows) {
            barrier_expect(full, Memory::B_BYTES);
            bulk_copy(memory.b(b.stage), work.packed + slab_at(row, group, work.groups),
                      Memory::B_BYTES, full);
        } else {
            barrier_arrive(full);
        }
        b.advance();
    }
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
    // of the last chain when it is done; after the last group nobody uses what is loaded.
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
                if (slab + 1 == SLABS) {
                    if (group + 1 < work.groups) {
                        barrier_wait(memory.a_full(a.stage), a.parity);
                    }
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
            scales.minima_operand(lane, of_minima);
#pragma unroll
            for (uint32_t step = 0; step < STEPS; step++) {
                Quants::fragment(words, step, scales.factors(step / 2), fragment[step]);
            }
            barrier_wait(memory.b_full(b.stage), b.parity);
            pin(product);
            pin(minima);
            wgmma_begin();
            wgmma(minima, of_minima, operand_after(first_sums, b.stage * Memory::B_BYTES), 0);
            multiply(operand_b(), 0, fragment, product);
            multiply(operand_b(), STEPS / 2, fragment, product);
            wgmma_wait<0>();
            pin(product);
            pin(minima);
            const float scale[2] = {scales.group_scale(0), scales.group_scale(1)};
            const float minimum[2] = {scales.group_minimum(0), scales.group_minimum(1)};
#pragma unroll
            for (uint32_t i = 0; i < HELD; i++) {
                const uint32_t half = i / 2 % 2;
                product[i] = __fmaf_rn(scale[half], product[i], mul(minimum[half], minima[i]));
            }
            add_scaled(side(memory.b(b.stage), SLAB_SCALES), product, total);
            barrier_arrive(memory.b_free(b.stage));
            b.advance();
        }
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
                    }
                    decode(unit(), 0, fragment[0]);
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
