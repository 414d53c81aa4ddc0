// Weights on their way from global to shared memory: one warp asks for a stage (neighbouring units)
// after the other, the others take them. A slot has a barrier for its arrival and one for its
// release by every warp that takes from it.
//
// From compute capability 9.0 on the copy engine moves a stage; before, the lanes of the asking
// warp copy 16 bytes each.
#pragma once

#include <stdint.h>

#include "reduce.cuh"

static __device__ __forceinline__ uint32_t shared_address(const void* at) {
    return (uint32_t)__cvta_generic_to_shared(at);
}

static __device__ __forceinline__ void barrier_init(uint64_t* barrier, uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                 "r"(arrivals)
                 : "memory");
}

static __device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
    asm volatile("{ .reg .b64 state;\n mbarrier.arrive.shared::cta.b64 state, [%0]; }" ::"r"(
                     shared_address(barrier))
                 : "memory");
}

// Waits for the end of the barrier's phase of this parity.
static __device__ __forceinline__ void barrier_wait(uint64_t* barrier, uint32_t parity) {
    uint32_t is_over = 0;
    while (!is_over) {
        asm volatile("{ .reg .pred p;\n"
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
#else
                     "mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\n"
#endif
                     "selp.u32 %0, 1, 0, p; }"
                     : "=r"(is_over)
                     : "r"(shared_address(barrier)), "r"(parity)
                     : "memory");
    }
}

struct StageQueue {
    uint8_t* slots;
    // [depth] arrived, [depth] released
    uint64_t* barriers;
    uint32_t slot_bytes, depth;
    uint32_t slot = 0, round = 0;

    __device__ __forceinline__ StageQueue(uint8_t* slots, uint64_t* barriers, uint32_t slot_bytes,
                                          uint32_t depth)
        : slots(slots), barriers(barriers), slot_bytes(slot_bytes), depth(depth) {}

    // By one warp, before anybody uses the queue; `takers` warps release a slot.
    __device__ __forceinline__ void init(uint32_t takers) const {
        for (uint32_t i = threadIdx.x % WARP; i < depth; i += WARP) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
            barrier_init(barriers + i, 1);
#else
            barrier_init(barriers + i, WARP);
#endif
            barrier_init(barriers + depth + i, takers);
        }
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
        __syncwarp();
    }

    __device__ __forceinline__ void advance() {
        slot++;
        if (slot == depth) {
            slot = 0;
            round++;
        }
    }

    // By a whole warp: asks for the next stage, once its slot is free.
    __device__ __forceinline__ void ask(const uint8_t* from, uint32_t bytes) {
        if (round > 0) {
            barrier_wait(barriers + depth + slot, (round - 1) & 1);
        }
        const uint32_t lane = threadIdx.x % WARP;
        const uint32_t to = shared_address(slots + slot * slot_bytes);
        const uint32_t barrier = shared_address(barriers + slot);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        if (lane == 0) {
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
                         "r"(bytes)
                         : "memory");
            // Weights pass once: the L2 cache is for what comes again, such as the kernels' code.
            uint64_t policy;
            asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
            asm volatile(
                "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                ".L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(to),
                "l"(from), "r"(bytes), "r"(barrier), "l"(policy)
                : "memory");
        }
#else
        for (uint32_t at = lane * 16; at < bytes; at += WARP * 16) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + at),
                         "l"(from + at)
                         : "memory");
        }
        asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
#endif
        advance();
    }

    // Waits for the next stage.
    __device__ __forceinline__ const uint8_t* wait() const {
        barrier_wait(barriers + slot, round & 1);
        return slots + slot * slot_bytes;
    }

    // By every taking warp, when it has read what it needs of the stage.
    __device__ __forceinline__ void release() {
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(barriers + depth + slot);
        }
        advance();
    }
};
