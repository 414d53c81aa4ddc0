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
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .pred p;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
                 "@!p bra again; }" ::"r"(shared_address(barrier)),
                 "r"(parity)
                 : "memory");
#else
    uint32_t is_over = 0;
    while (!is_over) {
        asm volatile("{ .reg .pred p;\n"
                     "mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, p; }"
                     : "=r"(is_over)
                     : "r"(shared_address(barrier)), "r"(parity)
                     : "memory");
    }
#endif
}

struct StageQueue {
    uint8_t* slots;
    // [depth] arrived, [depth] released
    uint64_t* barriers;
    uint32_t slot_bytes, depth;
    // The next slot, its barrier, and the parity of the phase in which it arrives.
    uint8_t* slot;
    uint64_t* barrier;
    uint32_t parity = 0;

    __device__ __forceinline__ StageQueue(uint8_t* slots, uint64_t* barriers, uint32_t slot_bytes,
                                          uint32_t depth)
        : slots(slots), barriers(barriers), slot_bytes(slot_bytes), depth(depth), slot(slots),
          barrier(barriers) {}

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
        slot += slot_bytes;
        barrier++;
        if (barrier == barriers + depth) {
            slot = slots;
            barrier = barriers;
            parity ^= 1;
        }
    }

    // If every stage has a slot of its own.
    __device__ __forceinline__ void skip(int32_t stages) {
        slot += stages * (int32_t)slot_bytes;
        barrier += stages;
    }

    // By a whole warp: asks for the next stage, once its slot is free.
    __device__ __forceinline__ void ask(const uint8_t* from, uint32_t bytes) {
        // Before the first round this is the parity of the phase before the first.
        barrier_wait(barrier + depth, parity ^ 1);
        const uint32_t lane = threadIdx.x % WARP;
        const uint32_t to = shared_address(slot);
        const uint32_t arrived = shared_address(barrier);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        if (lane == 0) {
            asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(arrived),
                         "r"(bytes)
                         : "memory");
            // Weights pass once: the L2 cache is for what comes again, such as the kernels' code.
            uint64_t policy;
            asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
            asm volatile(
                "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                ".L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(to),
                "l"(from), "r"(bytes), "r"(arrived), "l"(policy)
                : "memory");
        }
#else
        for (uint32_t at = lane * 16; at < bytes; at += WARP * 16) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + at),
                         "l"(from + at)
                         : "memory");
        }
        asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(arrived) : "memory");
#endif
        advance();
    }

    // Waits for the next stage.
    __device__ __forceinline__ void wait() const { barrier_wait(barrier, parity); }

    // By every taking warp, when it has read what it needs of the stage.
    __device__ __forceinline__ void release() const {
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(barrier + depth);
        }
    }
};
