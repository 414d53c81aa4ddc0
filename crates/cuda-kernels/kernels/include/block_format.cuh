// The weight formats: from the file's blocks to f32 in registers, bit for bit.
//
// A row is a run of blocks of `LEN` values in `BYTES` bytes. Every format decodes a chunk of
// eight neighbouring values at a time: the eight always share scale and minimum.
#pragma once

#include "convert.cuh"

static constexpr uint32_t CHUNK = 8;

// X(name in entry points, type)
#define FOR_EACH_FORMAT(X)                                                                     \
    X(f32, F32) X(f16, F16) X(bf16, Bf16) X(q8_0, Q8_0) X(q4_0, Q4_0) X(q4_1, Q4_1)            \
    X(q5_0, Q5_0) X(q5_1, Q5_1) X(q2_k, Q2K) X(q3_k, Q3K) X(q4_k, Q4K) X(q5_k, Q5K) X(q6_k, Q6K)

struct F32 {
    static constexpr uint32_t LEN = 1, BYTES = 4;

    static __device__ __forceinline__ float value(const uint8_t* at) {
        return *reinterpret_cast<const float*>(at);
    }

    static __device__ __forceinline__ void aligned(const uint8_t* at, float (&w)[CHUNK]) {
        const float4 low = *reinterpret_cast<const float4*>(at);
        const float4 high = *reinterpret_cast<const float4*>(at + 16);
        w[0] = low.x, w[1] = low.y, w[2] = low.z, w[3] = low.w;
        w[4] = high.x, w[5] = high.y, w[6] = high.z, w[7] = high.w;
    }
};

struct F16 {
    static constexpr uint32_t LEN = 1, BYTES = 2;

    static __device__ __forceinline__ float value(const uint8_t* at) { return load_half(at); }

    static __device__ __forceinline__ void aligned(const uint8_t* at, float (&w)[CHUNK]) {
        const uint4 bits = *reinterpret_cast<const uint4*>(at);
        const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            w[2 * i] = half_bits(words[i] & 0xffff);
            w[2 * i + 1] = half_bits(words[i] >> 16);
        }
    }
};

struct Bf16 {
    static constexpr uint32_t LEN = 1, BYTES = 2;

    static __device__ __forceinline__ float value(const uint8_t* at) {
        return bf16_bits(load_u16(at));
    }

    static __device__ __forceinline__ void aligned(const uint8_t* at, float (&w)[CHUNK]) {
        const uint4 bits = *reinterpret_cast<const uint4*>(at);
        const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            w[2 * i] = bf16_bits(words[i] & 0xffff);
            w[2 * i + 1] = bf16_bits(words[i] >> 16);
        }
    }
};

// Scale, 32 signed bytes.
struct Q8_0 {
    static constexpr uint32_t LEN = 32, BYTES = 34;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[CHUNK]) {
        const float d = load_half(block);
        const Bytes8 quants(block + 2 + chunk * CHUNK);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = mul(d, (float)(int8_t)quants.byte(i));
        }
    }
};

// The nibbles of 32 values: chunks 0 and 1 are the low ones of 16 bytes, 2 and 3 the high ones.
// `fifth` holds a fifth bit per value.
struct Nibbles32 {
    Bytes8 bytes;
    uint32_t shift, fifth;

    __device__ __forceinline__ Nibbles32(const uint8_t* at, uint32_t chunk, uint32_t fifth_bits)
        : bytes(at + chunk % 2 * CHUNK), shift(chunk / 2 * 4), fifth(fifth_bits >> chunk * CHUNK) {}

    __device__ __forceinline__ float quant(int i) const {
        return (float)(bytes.byte(i) >> shift & 15 | (fifth >> i & 1) << 4);
    }
};

// Scale, nibbles from -8.
struct Q4_0 {
    static constexpr uint32_t LEN = 32, BYTES = 18;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[CHUNK]) {
        const float d = load_half(block);
        const Nibbles32 nibbles(block + 2, chunk, 0);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = mul(d, nibbles.quant(i) - 8.0f);
        }
    }
};

// Scale, minimum, nibbles.
struct Q4_1 {
    static constexpr uint32_t LEN = 32, BYTES = 20;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[CHUNK]) {
        const float d = load_half(block), m = load_half(block + 2);
        const Nibbles32 nibbles(block + 4, chunk, 0);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = add(mul(d, nibbles.quant(i)), m);
        }
    }
};

// Scale, 32 fifth bits, nibbles: together from -16.
struct Q5_0 {
    static constexpr uint32_t LEN = 32, BYTES = 22;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[CHUNK]) {
        const float d = load_half(block);
        const Nibbles32 nibbles(block + 6, chunk, load_u32(block + 2));
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = mul(d, nibbles.quant(i) - 16.0f);
        }
    }
};

// Scale, minimum, 32 fifth bits, nibbles.
struct Q5_1 {
    static constexpr uint32_t LEN = 32, BYTES = 24;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[CHUNK]) {
        const float d = load_half(block), m = load_half(block + 2);
        const Nibbles32 nibbles(block + 8, chunk, load_u32(block + 4));
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = add(mul(d, nibbles.quant(i)), m);
        }
    }
};

#include "block_format_k.cuh"

// Bytes of a row of `row_len` values.
template <class Format>
static __device__ __forceinline__ size_t row_bytes(uint32_t row_len) {
    return (size_t)(row_len / Format::LEN) * Format::BYTES;
}

// Values `8 * chunk ..` of a row; those beyond its end, which only formats without blocks can
// have, are zero.
template <class Format>
static __device__ __forceinline__ void decode_chunk(const uint8_t* row, uint32_t chunk,
                                                    uint32_t row_len, float (&w)[CHUNK]) {
    if constexpr (Format::LEN == 1) {
        const uint32_t first = chunk * CHUNK;
        const uint8_t* at = row + (size_t)first * Format::BYTES;
        if (row_len % CHUNK == 0) {
            Format::aligned(at, w);
            return;
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = first + i < row_len ? Format::value(at + i * Format::BYTES) : 0.0f;
        }
    } else {
        constexpr uint32_t CHUNKS = Format::LEN / CHUNK;
        Format::decode(row + (size_t)(chunk / CHUNKS) * Format::BYTES, chunk % CHUNKS, w);
    }
}
