// out[r] = how many values of x[r] are NaN or infinite. One block of threads per row.

#include <stdint.h>

static constexpr uint32_t THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS)
    count_non_finite(const float* __restrict__ x, uint32_t* __restrict__ out, uint32_t width) {
    const float* row = x + (size_t)blockIdx.x * width;
    uint32_t count = 0;
    // The same number of rounds for every thread: the block counts together.
    for (uint32_t start = 0; start < width; start += THREADS) {
        const uint32_t i = start + threadIdx.x;
        count += __syncthreads_count(i < width && !isfinite(row[i]));
    }
    if (threadIdx.x == 0) {
        out[blockIdx.x] = count;
    }
}
