// out[r] = table[tokens[r]], decoded. One block of threads per row.
//
// The table is rows of the file's blocks, or units of 16 rows (packed_weight.cuh): a table that is
// also the output matrix stands in memory once. Both give the same bits.
//
// A table of several parts is one launch per part: tokens outside `first_token ..
// first_token + n_tokens` belong to another part and leave their row alone.

#include "block_format.cuh"
#include "packed_weight.cuh"

template <class Format>
static __device__ __forceinline__ void embed(const uint8_t* table, const uint32_t* tokens,
                                             float* out, uint32_t first_token, uint32_t n_tokens,
                                             uint32_t row_len) {
    const uint32_t token = tokens[blockIdx.x] - first_token;
    if (token >= n_tokens) {
        return;
    }
    const uint8_t* row = table + token * row_bytes<Format>(row_len);
    float* row_out = out + (size_t)blockIdx.x * row_len;
    const uint32_t n_chunks = (row_len + CHUNK - 1) / CHUNK;
    for (uint32_t chunk = threadIdx.x; chunk < n_chunks; chunk += blockDim.x) {
        float w[CHUNK];
        decode_chunk<Format>(row, chunk, row_len, w);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK; i++) {
            if (chunk * CHUNK + i < row_len) {
                row_out[chunk * CHUNK + i] = w[i];
            }
        }
    }
}

#define EMBED(name, Format)                                                                     \
    extern "C" __global__ void embed_##name(                                                    \
        const uint8_t* __restrict__ table, const uint32_t* __restrict__ tokens,                 \
        float* __restrict__ out, uint32_t first_token, uint32_t n_tokens, uint32_t row_len) {   \
        embed<Format>(table, tokens, out, first_token, n_tokens, row_len);                      \
    }

FOR_EACH_FORMAT(EMBED)

// The values of two registers (two neighbouring channels) of a row.
template <class Scales>
static __device__ __forceinline__ void decode_pair(uint32_t quants, const Scales& scales,
                                                   uint32_t block, uint32_t half, float (&w)[2]) {
    const float q[2] = {half_bits(quants & 0xffff), half_bits(quants >> 16)};
#pragma unroll
    for (int i = 0; i < 2; i++) {
        w[i] = Scales::HAS_SCALES ? mul(scales.scale(block, half), q[i]) : q[i];
        if constexpr (Scales::HAS_MINIMA) {
            w[i] = add(w[i], scales.minimum(block, half));
        }
    }
}

// Four threads per group of the row: those that have it among the lanes of a matrix instruction.
template <class Format>
static __device__ __forceinline__ void embed_packed(const uint8_t* units, const uint32_t* tokens,
                                                    float* out, uint32_t first_token,
                                                    uint32_t n_tokens, uint32_t row_len) {
    using Scales = typename Format::Scales;
    const uint32_t token = tokens[blockIdx.x] - first_token;
    if (token >= n_tokens) {
        return;
    }
    const uint32_t n_groups = (row_len + GROUP - 1) / GROUP;
    const uint32_t lane = token % 8 * 4 + threadIdx.x % 4, half = token % TILE_ROWS / 8;
    for (uint32_t group = threadIdx.x / 4; group < n_groups; group += blockDim.x / 4) {
        const size_t index = (size_t)(token / TILE_ROWS) * n_groups + group;
        const uint8_t* unit = units + index * Format::UNIT_BYTES;
        const Scales scales = Format::scales(unit, lane);
#pragma unroll
        for (uint32_t step = 0; step < STEPS; step++) {
            uint32_t a[4];
            Format::Quants::fragment(unit, lane, step, a);
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                float w[2];
                const uint32_t quants = half == 0 ? a[2 * i] : a[2 * i + 1];
                decode_pair(quants, scales, step / Scales::BLOCK_STEPS, half, w);
                const uint32_t k = group * GROUP + step * 16 + i * 8 + threadIdx.x % 4 * 2;
                float* to = out + (size_t)blockIdx.x * row_len + k;
#pragma unroll
                for (uint32_t e = 0; e < 2; e++) {
                    if (k + e < row_len) {
                        to[e] = w[e];
                    }
                }
            }
        }
    }
}

#define EMBED_PACKED(name, Raw, Format)                                                         \
    extern "C" __global__ void embed_packed_##name(                                             \
        const uint8_t* __restrict__ units, const uint32_t* __restrict__ tokens,                 \
        float* __restrict__ out, uint32_t first_token, uint32_t n_tokens, uint32_t row_len) {   \
        embed_packed<Format>(units, tokens, out, first_token, n_tokens, row_len);               \
    }

FOR_EACH_PACKED_FORMAT(EMBED_PACKED)
