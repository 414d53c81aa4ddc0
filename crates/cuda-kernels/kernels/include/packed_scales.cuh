// The scales and minima of packed weights (packed_weight.cuh), and how they meet the quants.
#pragma once

#include "convert.cuh"

// The bits of an f16 with this whole, positive value of at most 2048.
static __device__ constexpr uint32_t half_of(uint32_t value) {
    uint32_t exponent = 0;
    while (value >> (exponent + 1) != 0) {
        exponent++;
    }
    return (exponent + 15) << 10 | ((value << 10 >> exponent) & 0x3ff);
}

static constexpr uint32_t BOTH_HALVES = 0x00010001;
// Bits that make the f16 1024 + quant * 2^AT of a quant that stands from bit AT on.
static constexpr uint32_t BOTH_1024 = half_of(1024) * BOTH_HALVES;

// x * factor + offset in both halves.
static __device__ __forceinline__ uint32_t fma_halves(uint32_t x, uint32_t factor,
                                                      uint32_t offset) {
    uint32_t value;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(value) : "r"(x), "r"(factor), "r"(offset));
    return value;
}

// 2^-exponent and a whole number, as f16, in both halves.
static __device__ constexpr uint32_t both_power(uint32_t exponent) {
    return ((15 - exponent) << 10) * BOTH_HALVES;
}
static __device__ constexpr uint32_t both_minus(uint32_t value) {
    return (half_of(value) | 0x8000) * BOTH_HALVES;
}

// The low or the high half of a register in both.
static __device__ __forceinline__ uint32_t both(uint32_t halves, uint32_t is_high) {
    uint32_t twice;
    if (is_high) {
        asm("{ .reg .b16 l, h; mov.b32 {l, h}, %1; mov.b32 %0, {h, h}; }"
            : "=r"(twice)
            : "r"(halves));
    } else {
        asm("{ .reg .b16 l, h; mov.b32 {l, h}, %1; mov.b32 %0, {l, l}; }"
            : "=r"(twice)
            : "r"(halves));
    }
    return twice;
}

// The quants times the scale of their block, a whole number of six bits: exact, being at most
// 2048. Those of row g (`half` 0) stand from bit 0 on, those of row g + 8 from bit 4.
struct BlockFactors {
    uint32_t factor[2], offset[2];

    __device__ __forceinline__ BlockFactors(const uint32_t (&factor)[2],
                                            const uint32_t (&offset)[2])
        : factor{factor[0], factor[1]}, offset{offset[0], offset[1]} {}

    // The scales are byte `block` of a word of each row.
    __device__ __forceinline__ BlockFactors(uint32_t first, uint32_t second, uint32_t block) {
        // 1024 + scale
        const uint32_t select = 0x4040 + block * 0x0101;
        const uint32_t low = __byte_perm(first, 0x64, select);
        const uint32_t high = __byte_perm(second, 0x64, select);
        factor[0] = fma_halves(low, both_power(0), both_minus(1024));
        factor[1] = fma_halves(high, both_power(4), both_minus(64));
        offset[0] = fma_halves(factor[0], both_minus(1024), 0);
        offset[1] = fma_halves(factor[1], both_minus(1024), 0);
    }

    template <uint32_t AT>
    __device__ __forceinline__ uint32_t value(uint32_t bits, uint32_t half) const {
        static_assert(AT == 0 || AT == 4, "where quants of four low bits stand");
        return fma_halves(bits, factor[half], offset[half]);
    }
};

// Quants minus 32 times the scale of their block, a whole number of -128 .. 127 of which 128 more
// are stored: of products above 2048 the twelfth bit is rounded, to even. Places as above.
struct SignedFactors {
    uint32_t factor[2], offset;

    __device__ __forceinline__ SignedFactors(const uint32_t (&factor)[2], uint32_t offset)
        : factor{factor[0], factor[1]}, offset(offset) {}

    __device__ __forceinline__ SignedFactors(uint32_t first, uint32_t second, uint32_t byte) {
        // 1024 + 128 + scale
        const uint32_t select = 0x4040 + byte * 0x0101;
        const uint32_t low = __byte_perm(first, 0x64, select);
        const uint32_t high = __byte_perm(second, 0x64, select);
        factor[0] = fma_halves(low, both_power(0), both_minus(1024 + 128));
        factor[1] = fma_halves(high, both_power(4), both_minus(64 + 8));
        offset = fma_halves(factor[1], both_minus(1024 + 16 * 32), 0);
    }

    template <uint32_t AT>
    __device__ __forceinline__ uint32_t value(uint32_t bits, uint32_t) const {
        static_assert(AT == 0 || AT == 4, "where quants of four low bits stand");
        if constexpr (AT == 0) {
            // The offset alone would be rounded.
            return fma_halves(fma_halves(bits, both_power(0), both_minus(1024 + 32)), factor[0], 0);
        }
        return fma_halves(bits, factor[1], offset);
    }
};

// The same for all four blocks of a group, two to a register, blocks i and i + 2 in `factor[i]`:
// half as many instructions.
struct GroupFactors {
    uint32_t factor[2][2], offset[2][2];

    __device__ __forceinline__ GroupFactors(uint32_t first, uint32_t second) {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t low = (first >> i * 8 & 0x00ff00ff) | BOTH_1024;
            const uint32_t high = (second >> i * 8 & 0x00ff00ff) | BOTH_1024;
            factor[i][0] = fma_halves(low, both_power(0), both_minus(1024));
            factor[i][1] = fma_halves(high, both_power(4), both_minus(64));
            offset[i][0] = fma_halves(factor[i][0], both_minus(1024), 0);
            offset[i][1] = fma_halves(factor[i][1], both_minus(1024), 0);
        }
    }

    __device__ __forceinline__ BlockFactors of(uint32_t block) const {
        const uint32_t i = block % 2, half = block / 2;
        return {{both(factor[i][0], half), both(factor[i][1], half)},
                {both(offset[i][0], half), both(offset[i][1], half)}};
    }
};

// As `SignedFactors` for all eight blocks of a group: of each four, i and i + 2 in `factor[..][i]`.
struct GroupSignedFactors {
    uint32_t factor[2][2][2], offset[2][2];

    __device__ __forceinline__ GroupSignedFactors(const uint4& bytes) {
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) {
            const uint32_t four = j / 2, i = j % 2;
            const uint32_t first = four == 0 ? bytes.x : bytes.y;
            const uint32_t second = four == 0 ? bytes.z : bytes.w;
            // 1024 + 128 + scale
            const uint32_t low = (first >> i * 8 & 0x00ff00ff) | BOTH_1024;
            const uint32_t high = (second >> i * 8 & 0x00ff00ff) | BOTH_1024;
            uint32_t(&to)[2] = factor[four][i];
            to[0] = fma_halves(low, both_power(0), both_minus(1024 + 128));
            to[1] = fma_halves(high, both_power(4), both_minus(64 + 8));
            offset[four][i] = fma_halves(to[1], both_minus(1024 + 16 * 32), 0);
        }
    }

    __device__ __forceinline__ SignedFactors of(uint32_t block) const {
        const uint32_t four = block / 4, i = block % 2, half = block / 2 % 2;
        return {{both(factor[four][i][0], half), both(factor[four][i][1], half)},
                both(offset[four][i], half)};
    }
};

static __device__ __forceinline__ uint4 load_16(const uint8_t* at) {
    return *reinterpret_cast<const uint4*>(at);
}

static __device__ __forceinline__ uint32_t load_word(const uint8_t* at) {
    return *reinterpret_cast<const uint32_t*>(at);
}

static __device__ __forceinline__ uint32_t word_of(const uint4& words, uint32_t i) {
    return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// The scales of rows g and g + 8 (`half` 0 and 1), block by block; BLOCK_STEPS steps share one.
// A format with minima adds `minimum(block, half)` to each of the block's weights. After
// `next_half()` the blocks count from the middle of the group. They are computed from a factor
// and a number, or as they are. A format whose numbers are IN_OPERAND has them in operands of the
// matrix instruction, those of the scales with the quants (`factors`) and those of the minima by
// themselves, to be multiplied by split sums (`minima_operand`): each ends as one result, times
// `group_scale` and `group_minimum`.
struct NoScales {
    static constexpr uint32_t BYTES = 0, BLOCK_STEPS = STEPS;
    static constexpr bool HAS_SCALES = false, HAS_MINIMA = false;
    static constexpr bool IS_COMPUTED = false, IN_OPERAND = false;

    __device__ __forceinline__ NoScales(const uint8_t*, uint32_t) {}
    __device__ __forceinline__ void next_half() {}
    __device__ __forceinline__ float scale(uint32_t, uint32_t) const { return 1.0f; }
    __device__ __forceinline__ float minimum(uint32_t, uint32_t) const { return 0.0f; }
};

// [8 g][4 blocks][2 halves] f16.
struct BlockScales {
    static constexpr uint32_t BYTES = 128, BLOCK_STEPS = 2;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = false;
    static constexpr bool IS_COMPUTED = false, IN_OPERAND = false;
    uint4 d;

    __device__ __forceinline__ BlockScales(const uint8_t* at, uint32_t g)
        : d(load_16(at + g * 16)) {}

    __device__ __forceinline__ void next_half() { d.x = d.z, d.y = d.w; }
    __device__ __forceinline__ float scale(uint32_t block, uint32_t half) const {
        return half_bits(word_of(d, block) >> half * 16 & 0xffff);
    }
    __device__ __forceinline__ float minimum(uint32_t, uint32_t) const { return 0.0f; }
};

// The scales as above, then the minima likewise.
struct BlockScalesMinima : BlockScales {
    static constexpr uint32_t BYTES = 256;
    static constexpr bool HAS_MINIMA = true;
    uint4 m;

    __device__ __forceinline__ BlockScalesMinima(const uint8_t* at, uint32_t g)
        : BlockScales(at, g), m(load_16(at + 128 + g * 16)) {}

    __device__ __forceinline__ void next_half() {
        BlockScales::next_half();
        m.x = m.z, m.y = m.w;
    }
    __device__ __forceinline__ float minimum(uint32_t block, uint32_t half) const {
        return half_bits(word_of(m, block) >> half * 16 & 0xffff);
    }
};

// A byte of a word as a float, minus `centre`: 2^23 + byte, minus 2^23 + centre.
static __device__ __forceinline__ float byte_value(uint32_t word, uint32_t i,
                                                   float centre = 0.0f) {
    const uint32_t bits = __byte_perm(word, 0x4b000000, 0x7550 + i);
    return sub(__uint_as_float(bits), 8388608.0f + centre);
}

// [8 g][2 halves] {four scales, four minima} of a byte each, [8 g][2 halves] {d, dmin} f16.
struct SuperScalesMinima {
    static constexpr uint32_t BYTES = 192, BLOCK_STEPS = 2;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = true;
    static constexpr bool IS_COMPUTED = true, IN_OPERAND = true;
    uint4 bytes;
    uint2 d;

    __device__ __forceinline__ SuperScalesMinima(const uint8_t* at, uint32_t g)
        : bytes(load_16(at + g * 16)), d(*reinterpret_cast<const uint2*>(at + 128 + g * 8)) {}

    __device__ __forceinline__ void next_half() {
        bytes.x >>= 16, bytes.y >>= 16, bytes.z >>= 16, bytes.w >>= 16;
    }
    __device__ __forceinline__ float scale(uint32_t block, uint32_t half) const {
        return mul(group_scale(half), byte_value(half == 0 ? bytes.x : bytes.z, block));
    }
    __device__ __forceinline__ float minimum(uint32_t block, uint32_t half) const {
        const float factor = half_bits((half == 0 ? d.x : d.y) >> 16);
        return -mul(factor, byte_value(half == 0 ? bytes.y : bytes.w, block));
    }

    __device__ __forceinline__ float group_scale(uint32_t half) const {
        return half_bits((half == 0 ? d.x : d.y) & 0xffff);
    }
    // Of sums divided by 32.
    __device__ __forceinline__ float group_minimum(uint32_t half) const {
        return mul(half_bits((half == 0 ? d.x : d.y) >> 16), -32.0f);
    }
    __device__ __forceinline__ BlockFactors factors(uint32_t block) const {
        return BlockFactors(bytes.x, bytes.z, block);
    }
    __device__ __forceinline__ GroupFactors factors() const {
        return GroupFactors(bytes.x, bytes.z);
    }
    // Channels 0 .. 3 and 4 .. 7 of a step are the minima of the blocks, the others are zeros.
    __device__ __forceinline__ void minima_operand(uint32_t lane, uint32_t (&a)[4]) const {
        const uint32_t select = lane % 2 == 0 ? 0x4140 : 0x4342;
        a[0] = fma_halves(__byte_perm(bytes.y, 0x64, select), both_power(0), both_minus(1024));
        a[1] = fma_halves(__byte_perm(bytes.w, 0x64, select), both_power(0), both_minus(1024));
        a[2] = 0, a[3] = 0;
    }
};

// [8 g][2 halves] eight bytes of scale (low nibble) and minimum, [8 g][2 halves] {d, dmin} f16.
struct NibbleScalesMinima {
    static constexpr uint32_t BYTES = 192, BLOCK_STEPS = 1;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = true;
    static constexpr bool IS_COMPUTED = true, IN_OPERAND = false;
    uint4 bytes;
    uint2 d;

    __device__ __forceinline__ NibbleScalesMinima(const uint8_t* at, uint32_t g)
        : bytes(load_16(at + g * 16)), d(*reinterpret_cast<const uint2*>(at + 128 + g * 8)) {}

    __device__ __forceinline__ void next_half() { bytes.x = bytes.y, bytes.z = bytes.w; }
    __device__ __forceinline__ float scale(uint32_t block, uint32_t half) const {
        const float factor = half_bits((half == 0 ? d.x : d.y) & 0xffff);
        const uint32_t word = word_of(bytes, half * 2 + block / 4) & 0x0f0f0f0f;
        return mul(factor, byte_value(word, block % 4));
    }
    __device__ __forceinline__ float minimum(uint32_t block, uint32_t half) const {
        const float factor = half_bits((half == 0 ? d.x : d.y) >> 16);
        const uint32_t word = word_of(bytes, half * 2 + block / 4) >> 4 & 0x0f0f0f0f;
        return -mul(factor, byte_value(word, block % 4));
    }
};

// [8 g][2 halves] eight scales of a byte each, plus 128, [8 g][2 halves] d f16.
struct SignedScales {
    static constexpr uint32_t BYTES = 160, BLOCK_STEPS = 1;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = false;
    static constexpr bool IS_COMPUTED = true, IN_OPERAND = false;
    uint4 bytes;
    uint32_t d;

    __device__ __forceinline__ SignedScales(const uint8_t* at, uint32_t g)
        : bytes(load_16(at + g * 16)), d(*reinterpret_cast<const uint32_t*>(at + 128 + g * 4)) {}

    __device__ __forceinline__ void next_half() { bytes.x = bytes.y, bytes.z = bytes.w; }
    __device__ __forceinline__ float scale(uint32_t block, uint32_t half) const {
        const uint32_t word = word_of(bytes, half * 2 + block / 4);
        const float factor = half_bits(d >> half * 16 & 0xffff);
        return mul(factor, byte_value(word, block % 4, 128.0f));
    }
    __device__ __forceinline__ float minimum(uint32_t, uint32_t) const { return 0.0f; }
};

// The same with the scales IN_OPERAND.
struct SignedScalesInOperand : SignedScales {
    static constexpr bool IN_OPERAND = true;

    __device__ __forceinline__ SignedScalesInOperand(const uint8_t* at, uint32_t g)
        : SignedScales(at, g) {}

    __device__ __forceinline__ float group_scale(uint32_t half) const {
        return half_bits(d >> half * 16 & 0xffff);
    }
    __device__ __forceinline__ SignedFactors factors(uint32_t block) const {
        return SignedFactors(word_of(bytes, block / 4), word_of(bytes, 2 + block / 4), block % 4);
    }
    __device__ __forceinline__ GroupSignedFactors factors() const {
        return GroupSignedFactors(bytes);
    }
};
