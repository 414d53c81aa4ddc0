// The formats with blocks of 256 values, whose scales are themselves quantised.
#pragma once

#include "convert.cuh"

// Two bits per value: in each 32 bytes the lowest bits of all come first.
struct Pairs256 {
    Bytes8 bytes;
    uint32_t shift;

    __device__ __forceinline__ Pairs256(const uint8_t* at, uint32_t chunk)
        : bytes(at + chunk / 16 * 32 + chunk % 4 * 8), shift(chunk / 4 % 4 * 2) {}

    __device__ __forceinline__ uint32_t quant(int i) const {
        return bytes.byte(i) >> shift & 3;
    }
};

// 16 scales and minima of four bits, 2-bit quants, scale of the scales, scale of the minima.
struct Q2K {
    static constexpr uint32_t LEN = 256, BYTES = 84;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[8]) {
        const uint32_t packed = block[chunk / 2];
        const float scale = mul(load_half(block + 80), (float)(packed & 15));
        const float minimum = mul(load_half(block + 82), (float)(packed >> 4));
        const Pairs256 quants(block + 16, chunk);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = sub(mul(scale, (float)quants.quant(i)), minimum);
        }
    }
};

// 32 bytes of third bits, 2-bit quants, 16 scales of six bits, scale of the scales.
struct Q3K {
    static constexpr uint32_t LEN = 256, BYTES = 110;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[8]) {
        const uint32_t group = chunk / 2;
        const uint8_t* scales = block + 96;
        const uint32_t low = scales[group % 8] >> (group / 8 * 4) & 15;
        const uint32_t high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        const float scale = mul(load_half(block + 108), (float)(low | high << 4) - 32.0f);
        const Bytes8 third(block + chunk % 4 * 8);
        const Pairs256 quants(block + 32, chunk);
        const uint32_t bit = chunk / 4;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const uint32_t quant = quants.quant(i) | (third.byte(i) >> bit & 1) << 2;
            w[i] = mul(scale, (float)quant - 4.0f);
        }
    }
};

// Scale and minimum of a group of 32 values in Q4_K and Q5_K: six bits each, in twelve bytes.
struct ScaleMin {
    float scale, minimum;

    __device__ __forceinline__ ScaleMin(const uint8_t* block, uint32_t group) {
        const uint8_t* packed = block + 4;
        uint32_t s, m;
        if (group < 4) {
            s = packed[group] & 63;
            m = packed[group + 4] & 63;
        } else {
            // Low four bits share a byte; the high two stand above the first four groups.
            const uint32_t low = packed[group + 4];
            s = low & 15 | packed[group - 4] >> 6 << 4;
            m = low >> 4 | packed[group] >> 6 << 4;
        }
        scale = mul(load_half(block), (float)s);
        minimum = mul(load_half(block + 2), (float)m);
    }
};

// Nibbles of 256 values: in each 64, the low ones of 32 bytes come first.
struct Nibbles256 {
    Bytes8 bytes;
    uint32_t shift;

    __device__ __forceinline__ Nibbles256(const uint8_t* at, uint32_t chunk)
        : bytes(at + chunk / 8 * 32 + chunk % 4 * 8), shift(chunk / 4 % 2 * 4) {}

    __device__ __forceinline__ uint32_t quant(int i) const {
        return bytes.byte(i) >> shift & 15;
    }
};

// Scale of the scales, scale of the minima, eight of each, nibbles.
struct Q4K {
    static constexpr uint32_t LEN = 256, BYTES = 144;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[8]) {
        const ScaleMin group(block, chunk / 4);
        const Nibbles256 nibbles(block + 16, chunk);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            w[i] = sub(mul(group.scale, (float)nibbles.quant(i)), group.minimum);
        }
    }
};

// As Q4_K, with 32 bytes of fifth bits before the nibbles.
struct Q5K {
    static constexpr uint32_t LEN = 256, BYTES = 176;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[8]) {
        const uint32_t bit = chunk / 4;
        const ScaleMin group(block, bit);
        const Bytes8 fifth(block + 16 + chunk % 4 * 8);
        const Nibbles256 nibbles(block + 48, chunk);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const uint32_t quant = nibbles.quant(i) | (fifth.byte(i) >> bit & 1) << 4;
            w[i] = sub(mul(group.scale, (float)quant), group.minimum);
        }
    }
};

// 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, scale of the scales.
struct Q6K {
    static constexpr uint32_t LEN = 256, BYTES = 210;

    static __device__ __forceinline__ void decode(const uint8_t* block, uint32_t chunk,
                                                  float (&w)[8]) {
        const float scale = mul(load_half(block + 208), (float)(int8_t)block[192 + chunk / 2]);
        const Bytes8 low(block + chunk / 16 * 64 + chunk % 8 * 8);
        const uint32_t shift = chunk / 8 % 2 * 4;
        const Pairs256 high(block + 128, chunk);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const uint32_t quant = low.byte(i) >> shift & 15 | high.quant(i) << 4;
            w[i] = mul(scale, (float)quant - 32.0f);
        }
    }
};
