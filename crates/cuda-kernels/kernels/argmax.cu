// out[r] = the lowest i with the largest x[r][i]. NaN is never the largest; a row of nothing else
// gives 0. One block of threads per row.

#include <stdint.h>

#include "reduce.cuh"

static constexpr uint32_t THREADS = 1024;

struct Best {
    float value;
    uint32_t index;

    __device__ __forceinline__ void offer(float other_value, uint32_t other_index) {
        const bool better = other_value > value;
        if (better || (other_value == value && other_index < index)) {
            value = other_value;
            index = other_index;
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS)
    argmax(const float* __restrict__ x, uint32_t* __restrict__ out, uint32_t width) {
    __shared__ Best bests[THREADS];
    const float* row = x + (size_t)blockIdx.x * width;
    Best best = {-INFINITY, UINT32_MAX};
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        best.offer(row[i], i);
    }
    bests[threadIdx.x] = best;
    for (uint32_t distance = THREADS / 2; distance > 0; distance /= 2) {
        __syncthreads();
        if (threadIdx.x < distance) {
            const Best other = bests[threadIdx.x + distance];
            bests[threadIdx.x].offer(other.value, other.index);
        }
    }
    if (threadIdx.x == 0) {
        out[blockIdx.x] = bests[0].index == UINT32_MAX ? 0 : bests[0].index;
    }
}
