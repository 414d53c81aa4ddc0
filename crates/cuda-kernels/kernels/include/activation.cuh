// Packed rows: activations as a matrix product reads them.
//
// The channels of a row are cut in groups of 128, the last padded with zeros. A group has a scale
// s = 2^e with max|x| / s in [2^14, 2^15), and holds f16(x / s): a power of two rounds nothing, so
// that 11 bits of every value near the largest remain, at any magnitude. A group of zeros has
// s = 1, and so has one with an infinity or a NaN, whose values then pass as they are.
//
// Memory is in slabs of 128 rows x 1 group, ordered [rows / 128][groups]. A slab is, in bytes,
//   32768  values, f16: [16 tiles of 8 rows][16 runs of 8 channels][8 rows][8 channels]
//     512  scales, f32: [128 rows]
//    2048  sums of x / s over each run of 32 channels as two f16 (`split_sum`): [128 rows]
//          {first parts of the 4 runs, second parts}
//    2048  sums of x / s over each run of 32 channels, f32: [4 runs][128 rows]
//    4096  the same over each run of 16 channels: [8 runs][128 rows]
// so that a group of all the rows of a tile comes in one piece. In scales and sums, rows 2t, 2t +
// 1, 2t + 8 and 2t + 9 of each sixteen stand together (`side_place`): a lane of the matrix
// instruction has these four in its results for two tiles of 8 rows. What the last slab holds
// beyond the last row is unspecified. A run of 8 channels of 8 rows is a core matrix of wgmma, and
// the words of two neighbouring ones are b0 and b1 of mma.m16n8k16 for lanes 0 .. 31: step i of
// the group reads words 64 i + lane and 64 i + 32 + lane of the tile. The sums are for formats
// with a minimum; they add the rounded values, as a balanced binary tree over ascending channels.
#pragma once

#include "convert.cuh"
#include "mma.cuh"
#include "reduce.cuh"

static constexpr uint32_t SLAB_ROWS = 128;
// Values of 8 rows.
static constexpr uint32_t SLAB_TILE = 8 * GROUP * 2;
static constexpr uint32_t SLAB_SCALES = SLAB_ROWS * GROUP * 2;
static constexpr uint32_t SLAB_SPLIT = SLAB_SCALES + SLAB_ROWS * 4;
static constexpr uint32_t SLAB_SUMS32 = SLAB_SPLIT + SLAB_ROWS * 16;
static constexpr uint32_t SLAB_SUMS16 = SLAB_SUMS32 + 4 * SLAB_ROWS * 4;
static constexpr uint32_t SLAB_BYTES = SLAB_SUMS16 + 8 * SLAB_ROWS * 4;

static __device__ __forceinline__ uint32_t groups_of(uint32_t row_len) {
    return (row_len + GROUP - 1) / GROUP;
}

// Where the slab of a row and a group begins, in packed rows with `groups` groups each.
static __device__ __forceinline__ size_t slab_at(uint32_t row, uint32_t group, uint32_t groups) {
    return ((size_t)(row / SLAB_ROWS) * groups + group) * SLAB_BYTES;
}

// Where in a slab the value of a row (0 .. 127) and a channel (0 .. 127) is.
static __device__ __forceinline__ uint32_t value_in_slab(uint32_t row, uint32_t channel) {
    return row / 8 * SLAB_TILE + channel / 8 * 128 + row % 8 * 16 + channel % 8 * 2;
}

// Where among the 128 scales, or sums of a run, a row's is; that of an odd row is next to the one
// before.
static __device__ __forceinline__ uint32_t side_place(uint32_t row) {
    return row / 16 * 16 + row % 8 / 2 * 4 + row / 8 % 2 * 2 + row % 2;
}

// A sum over a run of 32 channels, divided by 32 (which keeps it among the f16), as the nearest
// f16 and, in the high half, the f16 nearest to what is left.
static __device__ __forceinline__ uint32_t split_sum(float sum) {
    const float part = mul(sum, 0.03125f);
    const __half first = __float2half_rn(part);
    const __half second = __float2half_rn(sub(part, __half2float(first)));
    return (uint32_t)__half_as_ushort(first) | (uint32_t)__half_as_ushort(second) << 16;
}

// |x| as bits, which order as the magnitudes do, with infinity and NaN above all numbers.
static __device__ __forceinline__ uint32_t magnitude(float x) {
    return __float_as_uint(x) & 0x7fffffff;
}

// Exponent of the scale, as the bits of an f32 have it, for a group with this largest magnitude.
// Between 1 and 253, so that neither the scale nor its inverse is subnormal.
static __device__ __forceinline__ uint32_t scale_exponent(uint32_t largest) {
    const uint32_t exponent = largest >> 23;
    if (largest == 0 || exponent == 255) {
        return 127;
    }
    return exponent > 15 ? exponent - 14 : 1;
}

static __device__ __forceinline__ float group_scale(uint32_t largest) {
    return __uint_as_float(scale_exponent(largest) << 23);
}

// 1 / group_scale(largest), exactly.
static __device__ __forceinline__ float group_inverse(uint32_t largest) {
    return __uint_as_float((254 - scale_exponent(largest)) << 23);
}

static __device__ __forceinline__ uint32_t half2_bits(__half low, __half high) {
    return (uint32_t)__half_as_ushort(low) | (uint32_t)__half_as_ushort(high) << 16;
}

// What a lane holds of a packed group: channels 4 lane .. 4 lane + 3.
struct PackedQuad {
    // Four f16.
    uint32_t words[2];
    // Of the group.
    float scale;
    // Of the runs of 16 and of 32 channels that the lane's channels are in.
    float sum16, sum32;
};

// Packs a group: `x` are channels 4 lane .. 4 lane + 3, zero beyond the end of the row. The whole
// warp must call it.
static __device__ __forceinline__ PackedQuad pack_group(const float (&x)[4]) {
    uint32_t largest = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        largest = max(largest, magnitude(x[i]));
    }
    largest = __reduce_max_sync(ALL_LANES, largest);
    const float inverse = group_inverse(largest);
    __half value[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        value[i] = __float2half_rn(mul(x[i], inverse));
    }
    PackedQuad packed;
    packed.words[0] = half2_bits(value[0], value[1]);
    packed.words[1] = half2_bits(value[2], value[3]);
    packed.scale = group_scale(largest);
    float sum = add(add(__half2float(value[0]), __half2float(value[1])),
                    add(__half2float(value[2]), __half2float(value[3])));
    sum = add(sum, __shfl_xor_sync(ALL_LANES, sum, 1));
    packed.sum16 = add(sum, __shfl_xor_sync(ALL_LANES, sum, 2));
    packed.sum32 = add(packed.sum16, __shfl_xor_sync(ALL_LANES, packed.sum16, 4));
    return packed;
}
