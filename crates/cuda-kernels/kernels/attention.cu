// out[r][h] = sum over j of softmax_j(q[r][h] . k[j][g] * scale) * v[j][g], g the head's KV head,
// j from the window's start to the row's position.
//
// One block of threads per row and head. Positions go in splits of 256, counted from position 0:
// each split is a softmax of its own, and the splits are merged in ascending order. The order
// depends on absolute positions and the shape alone, so a row gives the same bits in prefill and
// decode, in any chunk and any batch.

#include "convert.cuh"
#include "kv_cache.cuh"
#include "reduce.cuh"

static constexpr uint32_t THREADS = 256;
static constexpr uint32_t SPLIT = 256;
static constexpr uint32_t MAX_HEAD_DIM = 256;
static_assert(SPLIT == THREADS, "a thread scores one position of a split");

// Scores of a split that no position reaches.
static constexpr float NOTHING = -INFINITY;

// Query times one key, channels ascending.
static __device__ __forceinline__ float dot(const float* query, const __half* key,
                                            uint32_t head_dim) {
    float sum = 0.0f;
    if (head_dim % 8 == 0) {
        for (uint32_t i = 0; i < head_dim; i += 8) {
            const uint4 bits = *reinterpret_cast<const uint4*>(key + i);
            const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                sum = __fmaf_rn(query[i + 2 * pair], half_bits(words[pair] & 0xffff), sum);
                sum = __fmaf_rn(query[i + 2 * pair + 1], half_bits(words[pair] >> 16), sum);
            }
        }
    } else {
        for (uint32_t i = 0; i < head_dim; i++) {
            sum = __fmaf_rn(query[i], __half2float(key[i]), sum);
        }
    }
    return sum;
}

// Weighted sum of the values of a split for channel `threadIdx.x % head_dim`: `n_groups` threads
// share a channel, each taking every n_groups-th position.
static __device__ __forceinline__ float weigh(const float* weights, const __half* values,
                                              const size_t* heads, uint32_t begin, uint32_t end,
                                              uint32_t head_dim, uint32_t n_groups) {
    const uint32_t group = threadIdx.x / head_dim, channel = threadIdx.x % head_dim;
    float sum = 0.0f;
    for (uint32_t j = group; j < end; j += n_groups) {
        if (j >= begin) {
            const size_t at = heads[j / BLOCK_POSITIONS] + j % BLOCK_POSITIONS * head_dim;
            sum = __fmaf_rn(weights[j], __half2float(values[at + channel]), sum);
        }
    }
    return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    attention(const float* __restrict__ qkv, const __half* __restrict__ keys,
              const __half* __restrict__ values, const uint32_t* __restrict__ positions,
              const uint32_t* __restrict__ row_tables, const uint32_t* __restrict__ block_tables,
              float* __restrict__ out, uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,
              uint32_t window, float scale) {
    __shared__ float query[MAX_HEAD_DIM], weights[SPLIT], partial[THREADS];
    __shared__ float scratch[THREADS / WARP];
    // First channel of the head in each cache block of the split.
    __shared__ size_t heads[SPLIT / BLOCK_POSITIONS];

    const uint32_t row = blockIdx.x, head = blockIdx.y, thread = threadIdx.x;
    const uint32_t kv_head = head / (n_heads / n_kv_heads);
    const size_t row_width = (size_t)(n_heads + 2 * n_kv_heads) * head_dim;
    const uint32_t visible_end = positions[row] + 1;
    const uint32_t visible_start =
        window != 0 && visible_end > window ? visible_end - window : 0;
    const uint32_t* table = block_tables + row_tables[row];
    const uint32_t n_groups = THREADS / head_dim;
    if (thread < head_dim) {
        query[thread] = qkv[row * row_width + (size_t)head * head_dim + thread];
    }

    float largest = NOTHING, total = 0.0f, sum = 0.0f;
    for (uint32_t split = visible_start / SPLIT * SPLIT; split < visible_end; split += SPLIT) {
        const uint32_t begin = visible_start > split ? visible_start - split : 0;
        const uint32_t end = min(visible_end - split, SPLIT);
        __syncthreads();
        if (thread * BLOCK_POSITIONS < end && (thread + 1) * BLOCK_POSITIONS > begin) {
            const uint32_t block = table[split / BLOCK_POSITIONS + thread];
            heads[thread] = cache_index(block, 0, kv_head, n_kv_heads, head_dim);
        }
        __syncthreads();

        float score = NOTHING;
        if (thread >= begin && thread < end) {
            const size_t at =
                heads[thread / BLOCK_POSITIONS] + thread % BLOCK_POSITIONS * head_dim;
            score = mul(dot(query, keys + at, head_dim), scale);
        }
        const float split_largest = block_max<THREADS>(score, scratch);
        const float weight = thread >= begin && thread < end ? expf(score - split_largest) : 0.0f;
        weights[thread] = weight;
        const float split_total = block_sum<THREADS>(weight, scratch);

        partial[thread] = thread < n_groups * head_dim
                              ? weigh(weights, values, heads, begin, end, head_dim, n_groups)
                              : 0.0f;
        __syncthreads();
        const float new_largest = fmaxf(largest, split_largest);
        const float old_part = expf(largest - new_largest);
        const float new_part = expf(split_largest - new_largest);
        if (thread < head_dim) {
            float split_sum = partial[thread];
            for (uint32_t group = 1; group < n_groups; group++) {
                split_sum = add(split_sum, partial[group * head_dim + thread]);
            }
            sum = add(mul(sum, old_part), mul(split_sum, new_part));
        }
        total = add(mul(total, old_part), mul(split_total, new_part));
        largest = new_largest;
    }
    if (thread < head_dim) {
        out[((size_t)row * n_heads + head) * head_dim + thread] = sum / total;
    }
}
