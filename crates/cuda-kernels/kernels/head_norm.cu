// RMSNorm over each head of Q and of K, in place; a row of `qkv` is Q heads, K heads, V heads.
// One warp per row and head.

#include "convert.cuh"
#include "reduce.cuh"

extern "C" __global__ void __launch_bounds__(WARP)
    head_norm(float* __restrict__ qkv, const float* __restrict__ q_weight,
              const float* __restrict__ k_weight, uint32_t n_heads, uint32_t n_kv_heads,
              uint32_t head_dim, float eps) {
    const uint32_t head = blockIdx.y;
    const size_t row_width = (size_t)(n_heads + 2 * n_kv_heads) * head_dim;
    float* values = qkv + blockIdx.x * row_width + (size_t)head * head_dim;
    const float* weight = head < n_heads ? q_weight : k_weight;
    float squares = 0.0f;
    for (uint32_t i = threadIdx.x; i < head_dim; i += WARP) {
        squares = __fmaf_rn(values[i], values[i], squares);
    }
    const float mean = warp_sum(squares) / (float)head_dim;
    const float scale = 1.0f / sqrtf(mean + eps);
    for (uint32_t i = threadIdx.x; i < head_dim; i += WARP) {
        values[i] = mul(mul(values[i], scale), weight[i]);
    }
}
