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

#include "mma.cuh"
#include "packed_scales.cuh"

static constexpr uint32_t TILE_ROWS = 16;

// X(name in entry points, format in the file, format here)
#define FOR_EACH_PACKED_FORMAT(X)                                                              \
    X(f16, F16, PackedF16) X(q8_0, Q8_0, PackedQ8_0) X(q4_0, Q4_0, PackedQ4_0)                 \
    X(q4_1, Q4_1, PackedQ4_1) X(q5_0, Q5_0, PackedQ5_0) X(q5_1, Q5_1, PackedQ5_1)              \
    X(q2_k, Q2K, PackedQ2K) X(q3_k, Q3K, PackedQ3K) X(q4_k, Q4K, PackedQ4K)                    \
    X(q5_k, Q5K, PackedQ5K) X(q6_k, Q6K, PackedQ6K)

// value & mask | others, in one instruction.
static __device__ __forceinline__ uint32_t masked_or(uint32_t value, uint32_t mask,
                                                     uint32_t others) {
    uint32_t result;
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(value), "r"(mask), "r"(others));
    return result;
}

// The values of two quants that stand from bit AT on in each half of `bits`, which are the f16
// 1024 + quant * 2^AT: the quants minus CENTRE.
template <uint32_t CENTRE>
struct Centred {
    template <uint32_t AT>
    __device__ __forceinline__ uint32_t value(uint32_t bits, uint32_t) const {
        return fma_halves(bits, both_power(AT), both_minus((1024 >> AT) + CENTRE));
    }
};

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
        fragment(words, step, Centred<CENTRE>{}, a);
    }

    // With values as `of` makes them.
    template <class Of>
    static __device__ __forceinline__ void fragment(const Words& words, uint32_t step,
                                                    const Of& of, uint32_t (&a)[4]) {
        static_assert(L < 8, "of wider quants a step takes whole words");
        uint32_t high = 0;
        if constexpr (H > 0) {
            high = words.high[high_word<H>(step)];
        }
        values(words.low[L == 4 ? step : step / 2], high, step, of, a);
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
            values(low, high_bits(unit, lane, step), step, Centred<CENTRE>{}, a);
        } else {
            const uint32_t low = load_word(unit + lane * 16 + step / 2 * 4);
            values(low, high_bits(unit, lane, step), step, Centred<CENTRE>{}, a);
        }
    }

private:
    // From the words that have the low and the high bits of the step.
    template <class Of>
    static __device__ __forceinline__ void values(uint32_t low, uint32_t high, uint32_t step,
                                                  const Of& of, uint32_t (&a)[4]) {
        if constexpr (L == 4) {
            a[0] = of.template value<0>(nibbles<0>(low, high, step, 0), 0);
            a[1] = of.template value<4>(nibbles<4>(low, high, step, 1), 1);
            a[2] = of.template value<0>(nibbles<0>(low >> 8, high, step, 2), 0);
            a[3] = of.template value<4>(nibbles<4>(low >> 8, high, step, 3), 1);
        } else {
            const uint32_t of_step = low >> step % 2 * 8;
            a[0] = of.template value<0>(pairs<0>(of_step, high, step, 0), 0);
            a[1] = of.template value<2>(pairs<2>(of_step, high, step, 1), 1);
            a[2] = of.template value<4>(pairs<4>(of_step, high, step, 2), 0);
            a[3] = of.template value<6>(pairs<6>(of_step, high, step, 3), 1);
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
        return bits;
    }

    template <uint32_t AT>
    static __device__ __forceinline__ uint32_t pairs(uint32_t low, uint32_t high, uint32_t step,
                                                     uint32_t reg) {
        uint32_t bits = masked_or(low, 0x00030003 << AT, BOTH_1024);
        if constexpr (H > 0) {
            const int left = (int)(2 + AT) - (int)high_bit<L, H>(step, reg);
            bits = masked_or(shifted(high, left), 0x00040004 << AT, bits);
        }
        return bits;
    }
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
using PackedQ6K = Packed<12, Quants<4, 2, 32>, SignedScalesInOperand>;
