// The arithmetic of attention, which decode and prefill share to the bit.
//
// A row's positions go in tiles of one cache block, and tiles in splits of eight, both counted
// from position 0. Within a split, tiles ascending, with s = q . k * log2(e) / sqrt(head_dim):
//   m = the tile's largest s if that exceeds the m before by more than SLACK, else the m before
//   p = 2^(s - m), rounded to f16;  l = l * 2^(m before - m) + sum p, and so o with p * v
// Splits are merged in ascending order, and the row is o / l. A tile without a visible position
// changes nothing, so it may be left out. Queries are the sum of two f16 (of a power of two times
// the query): scores of some thousands still have to be right to a thousandth.
//
// Fragments are those of mma.cuh. A lane holds four neighbouring channels of a query or key for
// each step of 16. Column `n` of product `i` of a tile is position 8 (n / 2) + 2 i + n % 2: so a
// lane's scores are what it needs as a fragment of the weights, with 8 t to 8 t + 7 its positions.
#pragma once

#include "convert.cuh"
#include "kv_cache.cuh"
#include "mma.cuh"
#include "reduce.cuh"

static constexpr uint32_t SPLIT_TILES = 8;
static constexpr uint32_t SPLIT = SPLIT_TILES * BLOCK_POSITIONS;
// Products of a tile: 8 positions each.
static constexpr uint32_t TILE_PARTS = BLOCK_POSITIONS / 8;
// By how much the largest score may grow, as a power of two, before the sums are scaled down.
static constexpr float SLACK = 8.0f;
// Score of a position that is not visible.
static constexpr float NOTHING = -INFINITY;

static __device__ __forceinline__ float exp2_approx(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

static __device__ __forceinline__ uint32_t pack_halves(float low, float high) {
    uint32_t packed;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

// First position that a row sees; a `window` of 0 has no end.
static __device__ __forceinline__ uint32_t visible_start(uint32_t position, uint32_t window) {
    return window != 0 && position >= window ? position + 1 - window : 0;
}

// Which of four neighbouring lanes' channels step `step` of `n_steps` takes: the first of four.
static __device__ __forceinline__ uint32_t step_channel(uint32_t step, uint32_t n_steps,
                                                        uint32_t t) {
    return (step | 1) < n_steps ? step / 2 * 32 + 8 * t + step % 2 * 4 : step * 16 + 4 * t;
}

// The power of two that brings values up to `largest` to 2^14 and more, and its reciprocal.
struct Unit {
    float down, up;

    __device__ __forceinline__ explicit Unit(float largest) {
        const int exponent = __float_as_uint(largest) >> 23 & 255;
        const int field = exponent == 255 ? 127 : min(268 - exponent, 253);
        down = __uint_as_float((uint32_t)field << 23);
        up = __uint_as_float((uint32_t)(254 - field) << 23);
    }
};

// Two values as two f16 each, whose sum they are.
struct TwoTerms {
    uint32_t high, low;

    __device__ __forceinline__ TwoTerms(float a, float b) {
        high = pack_halves(a, b);
        low = pack_halves(sub(a, half_bits(high & 0xffff)), sub(b, half_bits(high >> 16)));
    }
};

static __device__ __forceinline__ float largest_of(float4 v) {
    return fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
}

static __device__ __forceinline__ float4 scaled(float4 v, float factor) {
    return make_float4(mul(v.x, factor), mul(v.y, factor), mul(v.z, factor), mul(v.w, factor));
}

// Largest of the four lanes that share a row.
static __device__ __forceinline__ float row_max(float value) {
    value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 1));
    return fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 2));
}

// What turns the channels of the rows g and g + 8 into fragments. `load(row, channel)` gives four
// channels of row g (0) or g + 8 (1).
template <uint32_t N_STEPS>
struct Query {
    Unit first, second;

    template <class Load>
    __device__ __forceinline__ Query(const Load& load, float scale)
        : first(largest(load, 0, scale)), second(largest(load, 1, scale)) {}

    template <class Load>
    static __device__ __forceinline__ float largest(const Load& load, uint32_t row, float scale) {
        float value = 0.0f;
#pragma unroll
        for (uint32_t step = 0; step < N_STEPS; step++) {
            const float4 q = load(row, step_channel(step, N_STEPS, threadIdx.x % 4));
            value = fmaxf(value, largest_of(scaled(q, scale)));
        }
        return row_max(value);
    }

    template <class Load>
    __device__ __forceinline__ void fragments(const Load& load, float scale, uint32_t step,
                                              uint32_t (&high)[4], uint32_t (&low)[4]) const {
        const uint32_t channel = step_channel(step, N_STEPS, threadIdx.x % 4);
        const float4 a = scaled(scaled(load(0, channel), scale), first.down);
        const float4 b = scaled(scaled(load(1, channel), scale), second.down);
        const TwoTerms a_front(a.x, a.y), a_back(a.z, a.w), b_front(b.x, b.y), b_back(b.z, b.w);
        high[0] = a_front.high, high[1] = b_front.high;
        high[2] = a_back.high, high[3] = b_back.high;
        low[0] = a_front.low, low[1] = b_front.low;
        low[2] = a_back.low, low[3] = b_back.low;
    }
};

// Scores of a tile: [part][column and row as in an mma], in units of the rows.
using Scores = float[TILE_PARTS][4];

static __device__ __forceinline__ void add_scores(float (&scores)[4], const uint32_t (&high)[4],
                                                  const uint32_t (&low)[4],
                                                  const uint32_t (&key)[2]) {
    mma(scores, high, key);
    mma(scores, low, key);
}

// Leaves the positions begin to end - 1 of the tile to row g (0) or g + 8 (1).
static __device__ __forceinline__ void mask_row(Scores& scores, uint32_t row, int begin, int end) {
#pragma unroll
    for (uint32_t part = 0; part < TILE_PARTS; part++) {
#pragma unroll
        for (uint32_t column = 0; column < 2; column++) {
            const int position = (int)(threadIdx.x % 4 * 8 + 2 * part + column);
            float& score = scores[part][2 * row + column];
            score = position >= begin && position < end ? score : NOTHING;
        }
    }
}

// Largest score of this lane for a row, in units of 1.
static __device__ __forceinline__ float lane_max(const Scores& scores, uint32_t row, float unit) {
    float value = NOTHING;
#pragma unroll
    for (uint32_t part = 0; part < TILE_PARTS; part++) {
        value = fmaxf(value, fmaxf(scores[part][2 * row], scores[part][2 * row + 1]));
    }
    return mul(value, unit);
}

static __device__ __forceinline__ bool exceeds(float largest, float base) {
    return largest > add(base, SLACK);
}

// The reference point of sums: 0 where nothing was visible, as infinities have no difference.
static __device__ __forceinline__ float finite_base(float base) {
    return base == NOTHING ? 0.0f : base;
}

static __device__ __forceinline__ float rescale(float old_base, float new_base) {
    return exp2_approx(sub(old_base, finite_base(new_base)));
}

// Fragments of the weights of a tile, for its two steps of 16 positions.
using Weights = uint32_t[2][4];

// Those of row g (0) or g + 8 (1).
static __device__ __forceinline__ void weigh(const Scores& scores, uint32_t row, float unit,
                                             float base, Weights& weights) {
    const float below = -finite_base(base);
#pragma unroll
    for (uint32_t part = 0; part < TILE_PARTS; part++) {
        const float a = __fmaf_rn(scores[part][2 * row], unit, below);
        const float b = __fmaf_rn(scores[part][2 * row + 1], unit, below);
        weights[part / 2][part % 2 * 2 + row] = pack_halves(exp2_approx(a), exp2_approx(b));
    }
}

// sum += weights * values: eight channels of the tile, of which this lane holds 8 positions.
static __device__ __forceinline__ void add_values(float (&sum)[4], const Weights& weights,
                                                  uint4 values) {
    const uint32_t first[2] = {values.x, values.y}, second[2] = {values.z, values.w};
    mma(sum, weights[0], first);
    mma(sum, weights[1], second);
}

// total += the weights of the tile: every column has the sum of its row.
static __device__ __forceinline__ void add_total(float (&total)[4], const Weights& weights) {
    const uint32_t one = 0x3c003c00;
    add_values(total, weights, make_uint4(one, one, one, one));
}

static __device__ __forceinline__ void scale_rows(float (&sum)[4], float first, float second) {
    sum[0] = mul(sum[0], first), sum[1] = mul(sum[1], first);
    sum[2] = mul(sum[2], second), sum[3] = mul(sum[3], second);
}

// How the sums so far and those of the next split come together.
struct Merge {
    float base, old_part, new_part;

    __device__ __forceinline__ Merge(float old_base, float new_base)
        : base(fmaxf(old_base, new_base)), old_part(rescale(old_base, base)),
          new_part(rescale(new_base, base)) {}

    __device__ __forceinline__ float operator()(float old_sum, float new_sum) const {
        return __fmaf_rn(old_sum, old_part, mul(new_sum, new_part));
    }
};

// Never -0: whether a sum of nothing has a sign may depend on the tiles that were left out.
static __device__ __forceinline__ float normalised(float sum, float total) {
    return add(sum / total, 0.0f);
}

// Copies to shared memory; the bytes from `n_bytes` on become zero.
static __device__ __forceinline__ void copy16(void* to, const void* from, uint32_t n_bytes) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(n_bytes)
                 : "memory");
}

static __device__ __forceinline__ void copy8(void* to, const void* from, uint32_t n_bytes) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(at), "l"(from), "r"(n_bytes)
                 : "memory");
}

// Eight channels of a key from `channel` on, of which those beyond `head_dim` are zero; for rows
// at any address.
static __device__ __forceinline__ uint4 gather8(const __half* key, uint32_t channel,
                                                uint32_t head_dim) {
    uint32_t words[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t at = channel + 2 * i;
        const uint32_t low = at < head_dim ? __half_as_ushort(key[at]) : 0;
        const uint32_t high = at + 1 < head_dim ? __half_as_ushort(key[at + 1]) : 0;
        words[i] = low | high << 16;
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}

static __device__ __forceinline__ void copies_end_group() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int PENDING>
static __device__ __forceinline__ void copies_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
