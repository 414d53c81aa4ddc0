// Packed rows (see activation.cuh) of f32 rows [n_rows][width]: as they are, after RMSNorm, or of
// silu(gate) * up of rows [n_rows][2 * width].

#include "activation.cuh"
#include "row_norm.cuh"
#include "silu.cuh"

static constexpr uint32_t THREADS = 256, WARPS = THREADS / WARP;
// Groups whose channels a warp has in flight.
static constexpr uint32_t BATCH = 4;

static __device__ __forceinline__ void load(const float* row, uint32_t group, uint32_t width,
                                            float (&x)[4]) {
    if (width % 4 == 0) {
        load_quad(row, group, width, x);
    } else {
        load_any_quad(row, group, width, x);
    }
}

static __device__ __forceinline__ void store(uint8_t* packed, uint32_t row, uint32_t group,
                                             uint32_t groups, const float (&x)[4]) {
    store_group(packed + slab_at(row, group, groups), row % SLAB_ROWS, pack_group(x));
}

// One warp per row and BATCH groups; a block takes eight rows.
extern "C" __global__ void __launch_bounds__(THREADS)
    pack_rows(const float* __restrict__ x, uint8_t* __restrict__ packed, uint32_t n_rows,
              uint32_t width) {
    const uint32_t row = blockIdx.x * WARPS + threadIdx.x / WARP, first = blockIdx.y * BATCH;
    if (row >= n_rows) {
        return;
    }
    float quads[BATCH][4];
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
        load(x + (size_t)row * width, first + i, width, quads[i]);
    }
    const uint32_t groups = groups_of(width);
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
        if (first + i < groups) {
            store(packed, row, first + i, groups, quads[i]);
        }
    }
}

// The same of silu(gate) * up.
extern "C" __global__ void __launch_bounds__(THREADS)
    pack_rows_swiglu(const float* __restrict__ gate_up, uint8_t* __restrict__ packed,
                     uint32_t n_rows, uint32_t ffn) {
    const uint32_t row = blockIdx.x * WARPS + threadIdx.x / WARP, group = blockIdx.y;
    if (row >= n_rows) {
        return;
    }
    float gate[4], up[4];
    load(gate_up + (size_t)row * 2 * ffn, group, ffn, gate);
    load(gate_up + (size_t)row * 2 * ffn + ffn, group, ffn, up);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        gate[i] = silu_times(gate[i], up[i]);
    }
    store(packed, row, group, groups_of(ffn), gate);
}

// x * weight / sqrt(mean(x^2) + eps). `row_warps` warps (1, 2, 4 or 8) share a row; each has
// groups first, first + row_warps, ...
extern "C" __global__ void __launch_bounds__(THREADS)
    pack_rows_norm(const float* __restrict__ x, const float* __restrict__ weight,
                   uint8_t* __restrict__ packed, uint32_t n_rows, uint32_t width, float eps,
                   uint32_t row_warps) {
    extern __shared__ float squares[];
    const uint32_t warp = threadIdx.x / WARP, groups = groups_of(width);
    const uint32_t first = warp % row_warps;
    const uint32_t row = blockIdx.x * (WARPS / row_warps) + warp / row_warps;
    const float* from = x + (size_t)min(row, n_rows - 1) * width;
    float* row_squares = squares + warp / row_warps * groups;
    for (uint32_t batch = first; batch < groups; batch += BATCH * row_warps) {
        float quads[BATCH][4];
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            load(from, batch + i * row_warps, width, quads[i]);
        }
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            const float of_group = group_squares(quads[i]);
            if (threadIdx.x % WARP == 0 && batch + i * row_warps < groups) {
                row_squares[batch + i * row_warps] = of_group;
            }
        }
    }
    __syncthreads();
    if (row >= n_rows) {
        return;
    }
    float total = 0.0f;
    for (uint32_t group = 0; group < groups; group++) {
        total = add(total, row_squares[group]);
    }
    const float scale = norm_scale(total, 1.0f / (float)width, eps);
    for (uint32_t batch = first; batch < groups; batch += BATCH * row_warps) {
        float quads[BATCH][4];
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            float factor[4];
            load(from, batch + i * row_warps, width, quads[i]);
            load(weight, batch + i * row_warps, width, factor);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                quads[i][j] = normed(quads[i][j], scale, factor[j]);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            if (batch + i * row_warps < groups) {
                store(packed, row, batch + i * row_warps, groups, quads[i]);
            }
        }
    }
}
