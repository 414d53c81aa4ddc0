// out[r][o] = sum over i of weight[o][i] * x[r][i], plus bias[o], or added to out[r][o].
//
// One warp per output and per tile of `ROWS` activation rows. Lane `l` takes the chunks l, l + 32,
// l + 64, ... of the row and adds its products in that order; then the lanes are added in a tree.
// The order depends on the length of the row alone: a row gives the same bits in any batch.

#include "block_format.cuh"
#include "reduce.cuh"

static constexpr uint32_t THREADS = 128;

// Values `8 * chunk ..` of an activation row, zero beyond its end.
static __device__ __forceinline__ void load_chunk(const float* row, uint32_t chunk,
                                                  uint32_t row_len, float (&v)[CHUNK]) {
    const uint32_t first = chunk * CHUNK;
    if (row_len % CHUNK == 0) {
        F32::aligned(reinterpret_cast<const uint8_t*>(row + first), v);
        return;
    }
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) {
        v[i] = first + i < row_len ? row[first + i] : 0.0f;
    }
}

template <class Format, uint32_t ROWS>
static __device__ __forceinline__ void matmul(const uint8_t* weight, const float* bias,
                                              const float* x, float* out, uint32_t n_rows,
                                              uint32_t row_len, uint32_t n_outputs,
                                              uint32_t out_stride, uint32_t accumulate) {
    const uint32_t lane = threadIdx.x % WARP;
    const uint32_t output = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
    if (output >= n_outputs) {
        return;
    }
    const uint8_t* weight_row = weight + output * row_bytes<Format>(row_len);
    const uint32_t first_row = blockIdx.y * ROWS;
    const float* x_rows[ROWS];
    float sums[ROWS];
#pragma unroll
    for (uint32_t r = 0; r < ROWS; r++) {
        // A tile that reaches beyond the last row computes that row again, and drops it.
        x_rows[r] = x + (size_t)min(first_row + r, n_rows - 1) * row_len;
        sums[r] = 0.0f;
    }
    const uint32_t n_chunks = (row_len + CHUNK - 1) / CHUNK;
    for (uint32_t chunk = lane; chunk < n_chunks; chunk += WARP) {
        float w[CHUNK];
        decode_chunk<Format>(weight_row, chunk, row_len, w);
#pragma unroll
        for (uint32_t r = 0; r < ROWS; r++) {
            float v[CHUNK];
            load_chunk(x_rows[r], chunk, row_len, v);
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) {
                sums[r] = __fmaf_rn(w[i], v[i], sums[r]);
            }
        }
    }
#pragma unroll
    for (uint32_t r = 0; r < ROWS; r++) {
        const float sum = warp_sum(sums[r]);
        if (lane == 0 && first_row + r < n_rows) {
            float* target = out + (size_t)(first_row + r) * out_stride + output;
            const float extra = accumulate ? *target : bias ? bias[output] : 0.0f;
            *target = add(sum, extra);
        }
    }
}

#define MATMUL_ROWS(name, Format, ROWS)                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS) matmul_##name##_rows##ROWS(           \
        const uint8_t* __restrict__ weight, const float* __restrict__ bias,                     \
        const float* __restrict__ x, float* __restrict__ out, uint32_t n_rows,                  \
        uint32_t row_len, uint32_t n_outputs, uint32_t out_stride, uint32_t accumulate) {       \
        matmul<Format, ROWS>(weight, bias, x, out, n_rows, row_len, n_outputs, out_stride,      \
                             accumulate);                                                       \
    }
#define MATMUL(name, Format) MATMUL_ROWS(name, Format, 1) MATMUL_ROWS(name, Format, 8)

FOR_EACH_FORMAT(MATMUL)
