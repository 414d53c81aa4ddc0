// Attention of the rows of prompts where four warps have one matrix instruction.
//
// Operands in shared memory are rows of 128 bytes, eight pieces each, as `swizzled` says, in the
// pattern that the instruction knows: 64 channels of a key, or a channel's values of a tile. A key
// of more channels goes on in the next panel of rows.
#pragma once

#include "hopper.cuh"
#include "prefill_rows.cuh"

// The rows from `address` on, a multiple of 1024.
static __device__ __forceinline__ uint64_t swizzled_operand(uint32_t address) {
    const uint64_t eight_rows = 1024 >> 4, swizzle_128 = 1;
    return (uint64_t)(address >> 4 & 0x3fff) | eight_rows << 32 | swizzle_128 << 62;
}

// The same, `step` steps of 16 further along the rows.
static __device__ __forceinline__ uint64_t at_step(uint64_t operand, uint32_t step) {
    return operand + 2 * step;
}

// d [64][8 RUNS] = a [64][16] * b [16][8 RUNS], plus what d held if `keep`.
template <uint32_t RUNS>
static __device__ __forceinline__ void multiply(float (&d)[RUNS][4], const uint32_t (&a)[4],
                                                uint64_t b, bool keep) {
    wgmma(reinterpret_cast<float(&)[4 * RUNS]>(d), a, b, keep);
}

// Keeps the compiler from moving accesses to the registers of a product across this line.
template <uint32_t RUNS>
static __device__ __forceinline__ void pin(float (&d)[RUNS][4]) {
#pragma unroll
    for (uint32_t i = 0; i < 4 * RUNS; i++) {
        asm volatile("" : "+f"(d[i / 4][i % 4])::"memory");
    }
}

// Makes copies by threads known to the matrix instruction.
static __device__ __forceinline__ void publish_copies() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
