// Turns Q and K of every row in place by its position, and stores K and V in the cache as f16,
// rounded to nearest even.
//
// A pair (a, b) becomes (a cos - b sin, a sin + b cos). Pair `i` of `n_pairs` is the channels
// (2 i, 2 i + 1) if `adjacent`, else (i, i + n_pairs); channels from 2 n_pairs on pass through.
// One block of threads per row and head, over Q heads, K heads, V heads.

#include "convert.cuh"
#include "kv_cache.cuh"

extern "C" __global__ void __launch_bounds__(128)
    rope_append(float* __restrict__ qkv, const float* __restrict__ cos_table,
                const float* __restrict__ sin_table, __half* __restrict__ keys,
                __half* __restrict__ values, const uint32_t* __restrict__ positions,
                const uint32_t* __restrict__ row_tables,
                const uint32_t* __restrict__ block_tables, uint32_t n_heads,
                uint32_t n_kv_heads, uint32_t head_dim, uint32_t n_pairs, uint32_t adjacent) {
    const uint32_t row = blockIdx.x, head = blockIdx.y;
    const size_t row_width = (size_t)(n_heads + 2 * n_kv_heads) * head_dim;
    float* channels = qkv + row * row_width + (size_t)head * head_dim;
    const uint32_t position = positions[row];
    const bool is_value = head >= n_heads + n_kv_heads;

    __half* stored = nullptr;
    if (head >= n_heads) {
        const uint32_t kv_head = (head - n_heads) % n_kv_heads;
        const uint32_t block = block_tables[row_tables[row] + position / BLOCK_POSITIONS];
        stored = (is_value ? values : keys) +
                 cache_index(block, position % BLOCK_POSITIONS, kv_head, n_kv_heads, head_dim);
    }
    const uint32_t n_turned = is_value ? 0 : n_pairs;
    for (uint32_t pair = threadIdx.x; pair < n_turned; pair += blockDim.x) {
        const uint32_t first = adjacent ? 2 * pair : pair;
        const uint32_t second = adjacent ? first + 1 : first + n_pairs;
        const size_t angle = (size_t)position * n_pairs + pair;
        const float c = cos_table[angle], s = sin_table[angle];
        const float a = channels[first], b = channels[second];
        const float turned_a = sub(mul(a, c), mul(b, s)), turned_b = add(mul(a, s), mul(b, c));
        channels[first] = turned_a;
        channels[second] = turned_b;
        if (stored) {
            stored[first] = __float2half_rn(turned_a);
            stored[second] = __float2half_rn(turned_b);
        }
    }
    if (stored) {
        for (uint32_t i = 2 * n_turned + threadIdx.x; i < head_dim; i += blockDim.x) {
            stored[i] = __float2half_rn(channels[i]);
        }
    }
}
