// out[r][o] = sum over k of weight[o][k] * x[r][k] for packed rows x and a packed weight, then the
// epilogue: a bias is added, or what `out` holds, or silu(gate) * up is the result.
//
// The numbers are those of gemm_sm90a.cu and of the product for single rows: of each group of 128
// channels `unit_product`, then total = x scale * product + total, groups from 0 on.
//
// A block takes two tiles of the weight and 32 rows of x. Its eight warps multiply eight groups at
// once; then each thread adds up four results over those groups in their order.

#include "activation.cuh"
#include "silu.cuh"
#include "unit_product.cuh"

static constexpr uint32_t WARPS = 8, THREADS = WARPS * WARP;
static constexpr uint32_t TILES = 2, EIGHTS = 4, ROWS = EIGHTS * 8;

enum Epilogue : uint32_t { STORE, ACCUMULATE, SWIGLU };

// If `ffn` is not 0 the weight is paired: row g of tile i is gate 8 i + g, row g + 8 is up 8 i + g.
struct Columns {
    const float* bias;
    float* out;
    uint32_t n_outputs, ffn, out_stride, epilogue;

    // Rows g and g + 8 of a tile, of one row of x.
    __device__ __forceinline__ void write(uint32_t row, uint32_t tile, uint32_t g, float low,
                                          float high) const {
        const uint32_t first = tile * (ffn > 0 ? 8 : 16) + g, second = first + (ffn > 0 ? ffn : 8);
        const uint32_t end = ffn > 0 ? ffn : n_outputs;
        float* at = out + (size_t)row * out_stride;
        if (first < end) {
            write_one(at + first, first, epilogue == SWIGLU ? silu_times(low, high) : low);
        }
        if (epilogue != SWIGLU && (ffn > 0 ? first : second) < end) {
            write_one(at + second, second, high);
        }
    }

private:
    __device__ __forceinline__ void write_one(float* at, uint32_t column, float value) const {
        if (epilogue == ACCUMULATE) {
            value = add(*at, value);
        } else if (bias) {
            value = add(value, bias[column]);
        }
        *at = value;
    }
};

struct Work {
    const uint8_t *weight, *packed;
    uint32_t n_rows, groups, n_tiles;
};

// What a unit adds to the products of 8 N rows of x, before their own scale: part[n] is laid out as
// the result of the matrix instruction. b[n][step] is its second operand; `sum(n, run, e)` is the
// sum of the 16 values of run `run` in row 8n + 2 (lane % 4) + e, which formats with minima need.
template <class Format, uint32_t N, class Sum>
static __device__ __forceinline__ void unit_product(const uint8_t* unit, uint32_t lane,
                                                    const uint32_t (&b)[N][STEPS][2], Sum sum,
                                                    float (&part)[N][4]) {
    using Scales = typename Format::Scales;
    constexpr uint32_t BLOCK_STEPS = Scales::BLOCK_STEPS;
    const Scales scales = Format::scales(unit, lane);
#pragma unroll
    for (uint32_t block = 0; block < STEPS / BLOCK_STEPS; block++) {
        float product[N][4] = {};
#pragma unroll
        for (uint32_t step = block * BLOCK_STEPS; step < (block + 1) * BLOCK_STEPS; step++) {
            uint32_t a[4];
            Format::Quants::fragment(unit, lane, step, a);
#pragma unroll
            for (uint32_t n = 0; n < N; n++) {
                mma(product[n], a, b[n][step]);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < N * 4; i++) {
            const uint32_t n = i / 4, half = i / 2 % 2;
            float& value = part[n][i % 4];
            if constexpr (!Scales::HAS_SCALES) {
                value = product[n][i % 4];
                continue;
            }
            const float before = block == 0 ? 0.0f : value;
            value = __fmaf_rn(scales.scale(block, half), product[n][i % 4], before);
            if constexpr (Scales::HAS_MINIMA) {
                float of_block = sum(n, block * BLOCK_STEPS, i % 2);
                if constexpr (BLOCK_STEPS == 2) {
                    of_block = add(of_block, sum(n, block * BLOCK_STEPS + 1, i % 2));
                }
                value = __fmaf_rn(scales.minimum(block, half), of_block, value);
            }
        }
    }
}

// The products of one group with the block's tiles, to `parts`.
template <class Format>
static __device__ __forceinline__ void multiply(const Work& work, uint32_t first_tile,
                                                uint32_t first_row, uint32_t group,
                                                float4 (&parts)[TILES][EIGHTS][WARP]) {
    const uint32_t lane = threadIdx.x % WARP;
    const uint8_t* slab = work.packed + slab_at(first_row, group, work.groups);
    const uint32_t row = first_row % SLAB_ROWS;
    uint32_t b[EIGHTS][STEPS][2];
#pragma unroll
    for (uint32_t n = 0; n < EIGHTS; n++) {
        const uint8_t* tile = slab + value_in_slab(row + n * 8, 0);
        const uint32_t* words = reinterpret_cast<const uint32_t*>(tile) + lane;
#pragma unroll
        for (uint32_t step = 0; step < STEPS; step++) {
            b[n][step][0] = words[step * 64];
            b[n][step][1] = words[step * 64 + 32];
        }
    }
    uint32_t b_sums[EIGHTS] = {};
    if constexpr (Format::Scales::IN_OPERAND && Format::Scales::HAS_MINIMA) {
#pragma unroll
        for (uint32_t n = 0; n < EIGHTS; n++) {
            b_sums[n] = load_word(slab + SLAB_SPLIT + (row + n * 8) * 16 + lane * 4);
        }
    }
    const float* sums = reinterpret_cast<const float*>(slab + SLAB_SUMS16) + row;
    const auto sum = [sums, lane](uint32_t n, uint32_t run, uint32_t e) {
        return sums[run * SLAB_ROWS + side_place(n * 8 + lane % 4 * 2) + e];
    };
#pragma unroll 1
    for (uint32_t i = 0; i < TILES; i++) {
        if (first_tile + i < work.n_tiles) {
            const size_t unit = (size_t)(first_tile + i) * work.groups + group;
            float part[EIGHTS][4];
            const uint8_t* at = work.weight + unit * Format::UNIT_BYTES;
            if constexpr (Format::Scales::IN_OPERAND) {
                chain_product<Format>(at, lane, b, b_sums, part);
            } else {
                unit_product<Format>(at, lane, b, sum, part);
            }
#pragma unroll
            for (uint32_t n = 0; n < EIGHTS; n++) {
                parts[i][n][lane] = make_float4(part[n][0], part[n][1], part[n][2], part[n][3]);
            }
        }
    }
}

template <class Format>
static __device__ __forceinline__ void gemm(const Work& work, const Columns& columns) {
    __shared__ float4 parts[WARPS][TILES][EIGHTS][WARP];
    static_assert(TILES * EIGHTS == WARPS, "a thread adds up one float4");
    const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const uint32_t first_tile = blockIdx.x * TILES, first_row = blockIdx.y * ROWS;
    // What this thread adds up.
    const uint32_t i = warp / EIGHTS, n = warp % EIGHTS, tile = first_tile + i;
    const uint32_t row = first_row + n * 8 + lane % 4 * 2;
    float total[4] = {};
    for (uint32_t first = 0; first < work.groups; first += WARPS) {
        if (first + warp < work.groups) {
            multiply<Format>(work, first_tile, first_row, first + warp, parts[warp]);
        }
        __syncthreads();
        for (uint32_t w = 0; w < min(WARPS, work.groups - first); w++) {
            const uint8_t* slab = work.packed + slab_at(row, first + w, work.groups) + SLAB_SCALES;
            const float* scales =
                reinterpret_cast<const float*>(slab) + side_place(row % SLAB_ROWS);
            const float4 part = parts[w][i][n][lane];
            total[0] = __fmaf_rn(scales[0], part.x, total[0]);
            total[1] = __fmaf_rn(scales[1], part.y, total[1]);
            total[2] = __fmaf_rn(scales[0], part.z, total[2]);
            total[3] = __fmaf_rn(scales[1], part.w, total[3]);
        }
        __syncthreads();
    }
    if (tile < work.n_tiles && row < work.n_rows) {
        columns.write(row, tile, lane / 4, total[0], total[2]);
    }
    if (tile < work.n_tiles && row + 1 < work.n_rows) {
        columns.write(row + 1, tile, lane / 4, total[1], total[3]);
    }
}

#define GEMM(name, File, Format)                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) gemm_##name##_rows32(                 \
        const uint8_t* __restrict__ weight, const uint8_t* __restrict__ packed,                 \
        const float* __restrict__ bias, float* out, uint32_t n_rows, uint32_t groups,           \
        uint32_t n_tiles, uint32_t n_outputs, uint32_t ffn, uint32_t out_stride,                \
        uint32_t epilogue) {                                                                    \
        gemm<Format>(Work{weight, packed, n_rows, groups, n_tiles},                             \
                     Columns{bias, out, n_outputs, ffn, out_stride, epilogue});                 \
    }

FOR_EACH_PACKED_FORMAT(GEMM)
