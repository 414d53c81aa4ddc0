// Stages of the matrix product on compute capability 9.0 in shared memory, and who fills them.
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

// The warp that has weights copied, lane i unit i of each stage.
template <class Format, uint32_t SLABS>
struct WeightProducer {
    using Memory = Stages<Format, SLABS>;
    Memory memory;
    Ring<Memory::A_STAGES> a;

    __device__ __forceinline__ void produce(const Work& work, const Place& place) {
        const uint32_t tiles = min(BLOCK_TILES, work.n_tiles - min(place.first_tile, work.n_tiles));
        const uint32_t lane = threadIdx.x % WARP;
        const uint8_t* unit = work.weight + (size_t)(place.first_tile + lane) * work.groups *
                                                Format::UNIT_BYTES;
#pragma unroll 1
        for (uint32_t group = 0; group < work.groups; group++) {
            uint64_t* full = memory.a_full(a.stage);
            barrier_wait(memory.a_free(a.stage), a.parity ^ 1);
            if (lane == 0) {
                barrier_expect(full, tiles * Format::UNIT_BYTES);
            }
            __syncwarp();
            if (lane < tiles) {
                bulk_copy(memory.a(a.stage) + lane * Format::UNIT_BYTES, unit, Format::UNIT_BYTES,
                          full);
            }
            unit += Format::UNIT_BYTES;
            a.advance();
        }
    }
};

// The thread that has activations copied.
template <class Format, uint32_t SLABS>
struct RowProducer {
    using Memory = Stages<Format, SLABS>;
    Memory memory;
    Ring<Memory::B_STAGES> b;

    __device__ __forceinline__ void produce(const Work& work, const Place& place) {
        const uint8_t* slab = work.packed + slab_at(place.first_row, 0, work.groups);
        const size_t next = slab_at(SLAB_ROWS, 0, work.groups);
#pragma unroll 1
        for (uint32_t group = 0; group < work.groups; group++) {
#pragma unroll
            for (uint32_t i = 0; i < SLABS; i++) {
                copy(slab + i * next, place.first_row + i * SLAB_ROWS < work.n_rows);
            }
            slab += SLAB_BYTES;
        }
    }

private:
    // Of a slab without rows the stage keeps what it had: nobody looks at the results.
    __device__ __forceinline__ void copy(const uint8_t* slab, bool has_rows) {
        uint64_t* full = memory.b_full(b.stage);
        barrier_wait(memory.b_free(b.stage), b.parity ^ 1);
        if (has_rows) {
            barrier_expect(full, Memory::B_BYTES);
            bulk_copy(memory.b(b.stage), slab, Memory::B_BYTES, full);
        } else {
            barrier_arrive(full);
        }
        b.advance();
    }
};
