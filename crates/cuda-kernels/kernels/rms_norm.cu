// out[r][i] = x[r][i] * weight[i] / sqrt(mean(x[r]^2) + eps). One block of threads per row.

#include "convert.cuh"
#include "reduce.cuh"

static constexpr uint32_t THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS)
    rms_norm(const float* __restrict__ x, const float* __restrict__ weight,
             float* __restrict__ out, uint32_t width, float eps) {
    __shared__ float scratch[THREADS / WARP];
    const size_t start = (size_t)blockIdx.x * width;
    float squares = 0.0f;
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        squares = __fmaf_rn(x[start + i], x[start + i], squares);
    }
    const float mean = block_sum<THREADS>(squares, scratch) / (float)width;
    const float scale = 1.0f / sqrtf(mean + eps);
    for (uint32_t i = threadIdx.x; i < width; i += THREADS) {
        out[start + i] = mul(mul(x[start + i], scale), weight[i]);
    }
}
