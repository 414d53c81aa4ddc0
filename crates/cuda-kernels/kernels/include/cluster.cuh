// Blocks of a cluster, which reach one another's shared memory. Before compute capability 9.0
// every block is alone.
#pragma once

#include <stdint.h>

// Number of this block in its cluster.
static __device__ __forceinline__ uint32_t cluster_rank() {
    uint32_t rank = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
    return rank;
}

static __device__ __forceinline__ uint32_t cluster_size() {
    uint32_t size = 1;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
#endif
    return size;
}

// All threads of the cluster; what they wrote to shared memory before is seen after.
static __device__ __forceinline__ void cluster_sync() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    __syncthreads();
#endif
}

// Where the first block's shared memory has what `at` is in this block's.
static __device__ __forceinline__ float* in_first(float* at) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    float* there;
    asm("mapa.u64 %0, %1, 0;" : "=l"(there) : "l"(at));
    return there;
#else
    return at;
#endif
}

// What another block has where `at` is in this block's shared memory.
static __device__ __forceinline__ float2 load_from_rank(const float2* at, uint32_t rank) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    uint32_t there;
    float2 value;
    const uint32_t here = (uint32_t)__cvta_generic_to_shared(at);
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
    asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];"
                 : "=f"(value.x), "=f"(value.y)
                 : "r"(there)
                 : "memory");
    return value;
#else
    return *at;
#endif
}

// Writes to the place in another block's shared memory that `at` is in this block's.
static __device__ __forceinline__ void store_in_rank(uint32_t* at, uint32_t value, uint32_t rank) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    uint32_t there;
    const uint32_t here = (uint32_t)__cvta_generic_to_shared(at);
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
    asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(there), "r"(value) : "memory");
#else
    *at = value;
#endif
}

// All threads of the cluster, without a word on what they wrote.
static __device__ __forceinline__ void cluster_meet() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.relaxed.aligned;\n"
                 "barrier.cluster.wait.aligned;" ::: "memory");
#endif
}

// The first half without a word on what was written.
static __device__ __forceinline__ void cluster_arrive_relaxed() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
#endif
}

// The two halves of `cluster_sync`; a block that is alone has nobody to wait for.
static __device__ __forceinline__ void cluster_arrive() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
static __device__ __forceinline__ void cluster_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}
