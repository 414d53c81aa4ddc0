// out[r] = table[tokens[r]], decoded. One block of threads per row.
//
// A table of several parts is one launch per part: tokens outside `first_token ..
// first_token + n_tokens` belong to another part and leave their row alone.

#include "block_format.cuh"

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
