// Attention of the rows of prompts where four warps have one matrix instruction.
//
// Operands in shared memory are rows of 128 bytes, eight pieces each, as `swizzled` says, in the
// pattern that the instruction knows: 64 channels of a key, or a channel's values of a tile.
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

// d [64][64] = a [64][16] * b [16][64], plus what d held if `KEEP`.
template <bool KEEP>
static __device__ __forceinline__ void multiply(float (&d)[8][4], const uint32_t (&a)[4],
                                                uint64_t b) {
    asm volatile("{\n.reg .pred p;\nsetp.ne.u32 p, %37, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, "
                 "%8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, "
                 "%24, %25, %26, %27, %28, %29, %30, %31}, "
                 "{%32, %33, %34, %35}, %36, p, 1, 1, 0;\n}\n"
                 : "+f"(d[0][0]), "+f"(d[0][1]), "+f"(d[0][2]), "+f"(d[0][3]), "+f"(d[1][0]),
                   "+f"(d[1][1]), "+f"(d[1][2]), "+f"(d[1][3]), "+f"(d[2][0]), "+f"(d[2][1]),
                   "+f"(d[2][2]), "+f"(d[2][3]), "+f"(d[3][0]), "+f"(d[3][1]), "+f"(d[3][2]),
                   "+f"(d[3][3]), "+f"(d[4][0]), "+f"(d[4][1]), "+f"(d[4][2]), "+f"(d[4][3]),
                   "+f"(d[5][0]), "+f"(d[5][1]), "+f"(d[5][2]), "+f"(d[5][3]), "+f"(d[6][0]),
                   "+f"(d[6][1]), "+f"(d[6][2]), "+f"(d[6][3]), "+f"(d[7][0]), "+f"(d[7][1]),
                   "+f"(d[7][2]), "+f"(d[7][3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(KEEP ? 1 : 0));
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

// Arrives once all copies of this thread so far are done.
static __device__ __forceinline__ void barrier_arrive_copied(uint64_t* barrier) {
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(shared_address(barrier))
                 : "memory");
}
