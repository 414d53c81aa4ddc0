// The stored bits of the weight formats: quants as they are, before scale, minimum and centre, and
// the scales in the places that a unit has for them (packed_weight.cuh).
//
// `quant(block, i)`: quant i of a block. `scales(block, part, to, g, half, b)`: writes the scales
// of the 32 channels from `32 part` on of a block, as those of row `g + 8 half` of a tile and the
// channels from `32 b` on of a group.
#pragma once

#include "block_format.cuh"

template <class Raw>
struct StoredQuant;

static __device__ __forceinline__ void put_half(uint8_t* to, const uint8_t* from) {
    *reinterpret_cast<uint16_t*>(to) = *reinterpret_cast<const uint16_t*>(from);
}

template <>
struct StoredQuant<F16> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t) {
        return load_u16(block);
    }
    static __device__ __forceinline__ void scales(const uint8_t*, uint32_t, uint8_t*, uint32_t,
                                                  uint32_t, uint32_t) {}
};

// Blocks of 32 with a scale at byte 0 and, with MINIMA, a minimum at byte 2.
template <bool MINIMA>
struct BlockOf32 {
    static __device__ __forceinline__ void scales(const uint8_t* block, uint32_t, uint8_t* to,
                                                  uint32_t g, uint32_t half, uint32_t b) {
        put_half(to + g * 16 + b * 4 + half * 2, block);
        if constexpr (MINIMA) {
            put_half(to + 128 + g * 16 + b * 4 + half * 2, block + 2);
        }
    }
};

template <>
struct StoredQuant<Q8_0> : BlockOf32<false> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return block[2 + i] ^ 0x80;
    }
};

static __device__ __forceinline__ uint32_t nibble_of_32(const uint8_t* at, uint32_t i) {
    return at[i % 16] >> i / 16 * 4 & 15;
}

static __device__ __forceinline__ uint32_t bit_of(const uint8_t* at, uint32_t i) {
    return at[i / 8] >> i % 8 & 1;
}

template <>
struct StoredQuant<Q4_0> : BlockOf32<false> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_32(block + 2, i);
    }
};

template <>
struct StoredQuant<Q4_1> : BlockOf32<true> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_32(block + 4, i);
    }
};

template <>
struct StoredQuant<Q5_0> : BlockOf32<false> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_32(block + 6, i) | bit_of(block + 2, i) << 4;
    }
};

template <>
struct StoredQuant<Q5_1> : BlockOf32<true> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_32(block + 8, i) | bit_of(block + 4, i) << 4;
    }
};

static __device__ __forceinline__ uint32_t pair_of_256(const uint8_t* at, uint32_t i) {
    return at[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

static __device__ __forceinline__ uint32_t nibble_of_256(const uint8_t* at, uint32_t i) {
    return at[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
}

static __device__ __forceinline__ uint32_t bit_of_256(const uint8_t* at, uint32_t i) {
    return at[i % 32] >> i / 32 & 1;
}

template <>
struct StoredQuant<Q2K> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return pair_of_256(block + 16, i);
    }
    static __device__ __forceinline__ void scales(const uint8_t* block, uint32_t part,
                                                  uint8_t* to, uint32_t g, uint32_t half,
                                                  uint32_t b) {
        put_half(to + g * 16 + half * 8 + b * 2, block + part * 2);
        put_half(to + 128 + g * 8 + half * 4, block + 80);
        put_half(to + 130 + g * 8 + half * 4, block + 82);
    }
};

// 16 scales per block, d last.
template <uint32_t D_AT>
struct SignedScalesOf {
    template <class Scale>
    static __device__ __forceinline__ void put(const uint8_t* block, uint32_t part, uint8_t* to,
                                               uint32_t g, uint32_t half, uint32_t b,
                                               Scale scale) {
        to[g * 16 + half * 8 + b * 2] = scale(part * 2);
        to[g * 16 + half * 8 + b * 2 + 1] = scale(part * 2 + 1);
        put_half(to + 128 + g * 4 + half * 2, block + D_AT);
    }
};

template <>
struct StoredQuant<Q3K> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return pair_of_256(block + 32, i) | bit_of_256(block, i) << 2;
    }
    static __device__ __forceinline__ void scales(const uint8_t* block, uint32_t part,
                                                  uint8_t* to, uint32_t g, uint32_t half,
                                                  uint32_t b) {
        const auto scale = [block](uint32_t group) {
            const uint32_t low = block[96 + group % 8] >> group / 8 * 4 & 15;
            const uint32_t high = block[104 + group % 4] >> group / 4 * 2 & 3;
            return (uint8_t)((low | high << 4) + 96);
        };
        SignedScalesOf<108>::put(block, part, to, g, half, b, scale);
    }
};

// Q4_K and Q5_K: one scale and one minimum of six bits for the 32 channels.
struct ScaleMinOf {
    static __device__ __forceinline__ void scales(const uint8_t* block, uint32_t part,
                                                  uint8_t* to, uint32_t g, uint32_t half,
                                                  uint32_t b) {
        const uint8_t* packed = block + 4;
        uint32_t scale = packed[part] & 63, minimum = packed[part + 4] & 63;
        if (part >= 4) {
            scale = packed[part + 4] & 15 | packed[part - 4] >> 6 << 4;
            minimum = packed[part + 4] >> 4 | packed[part] >> 6 << 4;
        }
        to[g * 16 + half * 8 + b] = (uint8_t)scale;
        to[g * 16 + half * 8 + 4 + b] = (uint8_t)minimum;
        put_half(to + 128 + g * 8 + half * 4, block);
        put_half(to + 130 + g * 8 + half * 4, block + 2);
    }
};

template <>
struct StoredQuant<Q4K> : ScaleMinOf {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_256(block + 16, i);
    }
};

template <>
struct StoredQuant<Q5K> : ScaleMinOf {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        return nibble_of_256(block + 48, i) | bit_of_256(block + 16, i) << 4;
    }
};

template <>
struct StoredQuant<Q6K> {
    static __device__ __forceinline__ uint32_t quant(const uint8_t* block, uint32_t i) {
        const uint32_t low = block[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
        return low | pair_of_256(block + 128, i) << 4;
    }
    static __device__ __forceinline__ void scales(const uint8_t* block, uint32_t part,
                                                  uint8_t* to, uint32_t g, uint32_t half,
                                                  uint32_t b) {
        const auto scale = [block](uint32_t group) {
            return (uint8_t)(block[192 + group] ^ 0x80);
        };
        SignedScalesOf<208>::put(block, part, to, g, half, b, scale);
    }
};
