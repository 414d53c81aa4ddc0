// out[i] = x[rows[i]]. One block of threads per row.

#include <stdint.h>

extern "C" __global__ void __launch_bounds__(256)
    gather(const float* __restrict__ x, const uint32_t* __restrict__ rows,
           float* __restrict__ out, uint32_t width) {
    const float* from = x + (size_t)rows[blockIdx.x] * width;
    float* to = out + (size_t)blockIdx.x * width;
    for (uint32_t i = threadIdx.x; i < width; i += blockDim.x) {
        to[i] = from[i];
    }
}
