// How fast memory can be read: out[t] = xor of the words that thread t reads.
//
// Thread t of all n_threads reads the vectors of 16 bytes t, t + n_threads, t + 2 n_threads, ...
// In each round it has UNROLL of them on the way at a time, so that enough bytes are.

#include <stdint.h>

static constexpr uint32_t THREADS = 256;
static constexpr uint32_t UNROLL = 8;

static __device__ __forceinline__ uint32_t fold(uint4 words) {
    return (words.x ^ words.y) ^ (words.z ^ words.w);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    read_bandwidth(const uint4* __restrict__ vectors, uint32_t* __restrict__ out,
                   uint64_t n_vectors) {
    const uint64_t n_threads = (uint64_t)gridDim.x * THREADS;
    const uint64_t thread = (uint64_t)blockIdx.x * THREADS + threadIdx.x;
    uint32_t folded = 0;
    uint64_t i = thread;
    for (; i + (UNROLL - 1) * n_threads < n_vectors; i += UNROLL * n_threads) {
        uint4 words[UNROLL];
#pragma unroll
        for (uint32_t k = 0; k < UNROLL; k++) {
            words[k] = __ldcs(vectors + i + k * n_threads);
        }
#pragma unroll
        for (uint32_t k = 0; k < UNROLL; k++) {
            folded ^= fold(words[k]);
        }
    }
    for (; i < n_vectors; i += n_threads) {
        folded ^= fold(vectors[i]);
    }
    out[thread] = folded;
}
