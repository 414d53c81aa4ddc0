// Weights as the matrix instructions take them: units of 16 rows x 128 channels, without loss.
//
// A weight [n_rows][row_len] is padded with zeros to whole units, which stand as
// [tile of 16 rows][group of 128 channels]. In a unit every lane of a warp finds its part of the
// matrix instruction's first operand (see mma.cuh) in 16 or 8 neighbouring bytes. A group has
// eight steps of 16 channels; a step has for each lane four registers of two values each.
//
// Sections of a unit, in this order, by the low bits L and the high bits H of a quant:
//   L = 16  [8 steps][lane] 16 bytes: the registers themselves
//   L = 8   [4 pairs of steps][lane] 16 bytes: four bytes a0, a1, then a2, a3, twice; quant + 128
//   L = 4   [2 halves][lane] 16 bytes: a word per step; register r in bits 4r.. of each half word
//   L = 2   [lane] 16 bytes: a word per two steps; register r in bits 2r.. of each byte
//           0 and 2 (first step) or 1 and 3 (second)
//   H = 1   [lane] 8 bytes: a word per four steps
//   H = 2   [lane] 16 bytes: a word per two steps
//           (the bit numbers are those of `high_shift` below)
//   scales  as the structs below say: per row of the tile, those of rows g and g + 8 together
#pragma once

#include "convert.cuh"
#include "mma.cuh"

static constexpr uint32_t TILE_ROWS = 16;

// X(name in entry points, format in the file, format here)
#define FOR_EACH_PACKED_FORMAT(X)                                                              \
    X(f16, F16, PackedF16) X(q8_0, Q8_0, PackedQ8_0) X(q4_0, Q4_0, PackedQ4_0)                 \
    X(q4_1, Q4_1, PackedQ4_1) X(q5_0, Q5_0, PackedQ5_0) X(q5_1, Q5_1, PackedQ5_1)              \
    X(q2_k, Q2K, PackedQ2K) X(q3_k, Q3K, PackedQ3K) X(q4_k, Q4K, PackedQ4K)                    \
    X(q5_k, Q5K, PackedQ5K) X(q6_k, Q6K, PackedQ6K)

// The bits of an f16 with this whole, positive value of at most 2048.
static __device__ constexpr uint32_t half_of(uint32_t value) {
    uint32_t exponent = 0;
    while (value >> (exponent + 1) != 0) {
        exponent++;
    }
    return (exponent + 15) << 10 | ((value << 10 >> exponent) & 0x3ff);
}

// value & mask | others, in one instruction.
static __device__ __forceinline__ uint32_t masked_or(uint32_t value, uint32_t mask,
                                                     uint32_t others) {
    uint32_t result;
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(value), "r"(mask), "r"(others));
    return result;
}

static constexpr uint32_t BOTH_HALVES = 0x00010001;
// Bits that make the f16 1024 + quant * 2^AT of a quant that stands from bit AT on.
static constexpr uint32_t BOTH_1024 = half_of(1024) * BOTH_HALVES;

// Two quants that stand from bit AT on in each half of `bits`, with those bits, minus CENTRE.
template <uint32_t AT, uint32_t CENTRE>
static __device__ __forceinline__ uint32_t centred(uint32_t bits) {
    constexpr uint32_t factor = (15 - AT) << 10, offset = half_of((1024 >> AT) + CENTRE) | 0x8000;
    uint32_t value;
    asm("fma.rn.f16x2 %0, %1, %2, %3;"
        : "=r"(value)
        : "r"(bits), "r"(factor * BOTH_HALVES), "r"(offset * BOTH_HALVES));
    return value;
}

static __device__ __forceinline__ uint4 load_16(const uint8_t* at) {
    return *reinterpret_cast<const uint4*>(at);
}

static __device__ __forceinline__ uint32_t load_word(const uint8_t* at) {
    return *reinterpret_cast<const uint32_t*>(at);
}

static __device__ __forceinline__ uint32_t word_of(const uint4& words, uint32_t i) {
    return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// Bit of each half word from which on register `reg` of a step has its high bits. Above four low
// bits, registers 1 and 3 have theirs four bits above those of 0 and 2, as their low bits are; so
// one shift serves two registers, and above two low bits it serves all four.
template <uint32_t L, uint32_t H>
static __device__ constexpr uint32_t high_bit(uint32_t step, uint32_t reg) {
    if (L == 2) {
        return step % 2 + step % 4 / 2 * 8 + 2 * reg;
    }
    const uint32_t pair = step % (4 / H) * 2 + reg / 2;
    return H * (pair % (4 / H)) + pair / (4 / H) * 8 + reg % 2 * 4;
}

// Word of the lane's high bits that has a step.
template <uint32_t H>
static __device__ constexpr uint32_t high_word(uint32_t step) {
    return step / (4 / H);
}

static __device__ __forceinline__ uint32_t shifted(uint32_t word, int left) {
    return left >= 0 ? word << left : word >> -left;
}

// Quants of L low and H high bits, minus CENTRE.
template <uint32_t L, uint32_t H, uint32_t CENTRE>
struct Quants {
    static constexpr uint32_t LOW_BITS = L, HIGH_BITS = H;
    static constexpr uint32_t LOW_BYTES = TILE_ROWS * GROUP * L / 8;
    static constexpr uint32_t BYTES = TILE_ROWS * GROUP * (L + H) / 8;

    // What a lane has of a unit of L = 4 or 2, in registers.
    struct Words {
        uint32_t low[2 * L], high[H > 0 ? 2 * H : 1];
    };

    static __device__ __forceinline__ Words load(const uint8_t* unit, uint32_t lane) {
        Words words;
#pragma unroll
        for (uint32_t i = 0; i < L / 2; i++) {
            const uint4 four = load_16(unit + i * 512 + lane * 16);
            words.low[4 * i] = four.x, words.low[4 * i + 1] = four.y;
            words.low[4 * i + 2] = four.z, words.low[4 * i + 3] = four.w;
        }
        const uint8_t* high = unit + LOW_BYTES + lane * H * 8;
        if constexpr (H == 1) {
            const uint2 two = *reinterpret_cast<const uint2*>(high);
            words.high[0] = two.x, words.high[1] = two.y;
        } else if constexpr (H == 2) {
            const uint4 four = load_16(high);
            words.high[0] = four.x, words.high[1] = four.y;
            words.high[2] = four.z, words.high[3] = four.w;
        }
        return words;
    }

    static __device__ __forceinline__ void fragment(const Words& words, uint32_t step,
                                                    uint32_t (&a)[4]) {
        static_assert(L < 8, "of wider quants a step takes whole words");
        uint32_t high = 0;
        if constexpr (H > 0) {
            high = words.high[high_word<H>(step)];
        }
        fragment(words.low[L == 4 ? step : step / 2], high, step, a);
    }

    // The registers of a step, which must be known at compile time.
    static __device__ __forceinline__ void fragment(const uint8_t* unit, uint32_t lane,
                                                    uint32_t step, uint32_t (&a)[4]) {
        if constexpr (L == 16) {
            const uint4 words = load_16(unit + step * 512 + lane * 16);
            a[0] = words.x, a[1] = words.y, a[2] = words.z, a[3] = words.w;
        } else if constexpr (L == 8) {
            const uint4 words = load_16(unit + step / 2 * 512 + lane * 16);
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                const uint32_t bytes = word_of(words, step % 2 * 2 + i);
                a[2 * i] = centred_byte(__byte_perm(bytes, 0x64, 0x4140));
                a[2 * i + 1] = centred_byte(__byte_perm(bytes, 0x64, 0x4342));
            }
        } else if constexpr (L == 4) {
            const uint32_t low = word_of(load_16(unit + step / 4 * 512 + lane * 16), step % 4);
            fragment(low, high_bits(unit, lane, step), step, a);
        } else {
            const uint32_t low = load_word(unit + lane * 16 + step / 2 * 4);
            fragment(low, high_bits(unit, lane, step), step, a);
        }
    }

private:
    // From the words that have the low and the high bits of the step.
    static __device__ __forceinline__ void fragment(uint32_t low, uint32_t high, uint32_t step,
                                                    uint32_t (&a)[4]) {
        if constexpr (L == 4) {
            a[0] = nibbles<0>(low, high, step, 0);
            a[1] = nibbles<4>(low, high, step, 1);
            a[2] = nibbles<0>(low >> 8, high, step, 2);
            a[3] = nibbles<4>(low >> 8, high, step, 3);
        } else {
            const uint32_t of_step = low >> step % 2 * 8;
            a[0] = pairs<0>(of_step, high, step, 0);
            a[1] = pairs<2>(of_step, high, step, 1);
            a[2] = pairs<4>(of_step, high, step, 2);
            a[3] = pairs<6>(of_step, high, step, 3);
        }
    }

    static __device__ __forceinline__ uint32_t centred_byte(uint32_t bits) {
        uint32_t value;
        asm("sub.rn.f16x2 %0, %1, %2;"
            : "=r"(value)
            : "r"(bits), "r"(half_of(1024 + 128) * 0x00010001));
        return value;
    }

    static __device__ __forceinline__ uint32_t high_bits(const uint8_t* unit, uint32_t lane,
                                                         uint32_t step) {
        if constexpr (H > 0) {
            return load_word(unit + LOW_BYTES + lane * H * 8 + high_word<H>(step) * 4);
        }
        return 0;
    }

    template <uint32_t AT>
    static __device__ __forceinline__ uint32_t nibbles(uint32_t low, uint32_t high,
                                                       uint32_t step, uint32_t reg) {
        constexpr uint32_t LOW_MASK = 0x000f000f << AT;
        constexpr uint32_t HIGH_MASK = (H == 2 ? 0x00300030 : 0x00100010) << AT;
        uint32_t bits = masked_or(low, LOW_MASK, BOTH_1024);
        if constexpr (H > 0) {
            const int left = (int)(4 + AT) - (int)high_bit<L, H>(step, reg);
            bits = masked_or(shifted(high, left), HIGH_MASK, bits);
        }
        return centred<AT, CENTRE>(bits);
    }

    template <uint32_t AT>
    static __device__ __forceinline__ uint32_t pairs(uint32_t low, uint32_t high, uint32_t step,
                                                     uint32_t reg) {
        uint32_t bits = masked_or(low, 0x00030003 << AT, BOTH_1024);
        if constexpr (H > 0) {
            const int left = (int)(2 + AT) - (int)high_bit<L, H>(step, reg);
            bits = masked_or(shifted(high, left), 0x00040004 << AT, bits);
        }
        return centred<AT, CENTRE>(bits);
    }
};

// The scales of rows g and g + 8 (`half` 0 and 1), block by block; BLOCK_STEPS steps share one.
// A format with minima adds `minimum(block, half)` to each of the block's weights. After
// `next_half()` the blocks count from the middle of the group. They are computed from a factor
// and a number, or as they are.
struct NoScales {
    static constexpr uint32_t BYTES = 0, BLOCK_STEPS = STEPS;
    static constexpr bool HAS_SCALES = false, HAS_MINIMA = false;
    static constexpr bool IS_COMPUTED = false;

    __device__ __forceinline__ NoScales(const uint8_t*, uint32_t) {}
    __device__ __forceinline__ void next_half() {}
    __device__ __forceinline__ float scale(uint32_t, uint32_t) const { return 1.0f; }
    __device__ __forceinline__ float minimum(uint32_t, uint32_t) const { return 0.0f; }
};

// [8 g][4 blocks][2 halves] f16.
struct BlockScales {
    static constexpr uint32_t BYTES = 128, BLOCK_STEPS = 2;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = false;
    static constexpr bool IS_COMPUTED = false;
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
    static constexpr bool IS_COMPUTED = true;
    uint4 bytes;
    uint2 d;

    __device__ __forceinline__ SuperScalesMinima(const uint8_t* at, uint32_t g)
        : bytes(load_16(at + g * 16)), d(*reinterpret_cast<const uint2*>(at + 128 + g * 8)) {}

    __device__ __forceinline__ void next_half() {
        bytes.x >>= 16, bytes.y >>= 16, bytes.z >>= 16, bytes.w >>= 16;
    }
    __device__ __forceinline__ float scale(uint32_t block, uint32_t half) const {
        const float factor = half_bits((half == 0 ? d.x : d.y) & 0xffff);
        return mul(factor, byte_value(half == 0 ? bytes.x : bytes.z, block));
    }
    __device__ __forceinline__ float minimum(uint32_t block, uint32_t half) const {
        const float factor = half_bits((half == 0 ? d.x : d.y) >> 16);
        return -mul(factor, byte_value(half == 0 ? bytes.y : bytes.w, block));
    }
};

// [8 g][2 halves] eight bytes of scale (low nibble) and minimum, [8 g][2 halves] {d, dmin} f16.
struct NibbleScalesMinima {
    static constexpr uint32_t BYTES = 192, BLOCK_STEPS = 1;
    static constexpr bool HAS_SCALES = true, HAS_MINIMA = true;
    static constexpr bool IS_COMPUTED = true;
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
    static constexpr bool IS_COMPUTED = true;
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

// `NUMBER_` tells the format to a kernel that takes it at run time: its place among those of files.
template <uint32_t NUMBER_, class QuantsOf, class ScalesOf>
struct Packed {
    using Quants = QuantsOf;
    using Scales = ScalesOf;
    static constexpr uint32_t NUMBER = NUMBER_;
    static constexpr uint32_t UNIT_BYTES = Quants::BYTES + Scales::BYTES;

    static __device__ __forceinline__ Scales scales(const uint8_t* unit, uint32_t lane) {
        return Scales(unit + Quants::BYTES, lane / 4);
    }
};

using PackedF16 = Packed<1, Quants<16, 0, 0>, NoScales>;
using PackedQ8_0 = Packed<3, Quants<8, 0, 128>, BlockScales>;
using PackedQ4_0 = Packed<4, Quants<4, 0, 8>, BlockScales>;
using PackedQ4_1 = Packed<5, Quants<4, 0, 0>, BlockScalesMinima>;
using PackedQ5_0 = Packed<6, Quants<4, 1, 16>, BlockScales>;
using PackedQ5_1 = Packed<7, Quants<4, 1, 0>, BlockScalesMinima>;
using PackedQ2K = Packed<8, Quants<2, 0, 0>, NibbleScalesMinima>;
using PackedQ3K = Packed<9, Quants<2, 1, 4>, SignedScales>;
using PackedQ4K = Packed<10, Quants<4, 0, 0>, SuperScalesMinima>;
using PackedQ5K = Packed<11, Quants<4, 1, 0>, SuperScalesMinima>;
using PackedQ6K = Packed<12, Quants<4, 2, 32>, SignedScales>;
