// The arithmetic of attention, which decode and prefill share to the bit.
//
// A row's positions go in tiles of two cache blocks, and tiles in splits of four, both counted
// from position 0. Within a split, tiles ascending, with s = q . k * log2(e) / sqrt(head_dim):
//   m = the tile's largest s if that exceeds the m before by more than SLACK, else the m before
//   p = 2^(s - m), rounded to f16;  l = l * 2^(m before - m) + sum p, and so o with p * v
// Splits are merged in ascending order, and the row is o / l. A tile without a visible position
// changes nothing, so it may be left out. Queries are the sum of two f16 (of a power of two times
// the query): scores of some thousands still have to be right to a thousandth.
//
// Fragments are those of mma.cuh: a step has 16 neighbouring channels for the scores and 16
// neighbouring positions for the sums, and the scores of two products of 8 positions are what a
// lane needs as a fragment of the weights.
#pragma once

#include "convert.cuh"
#include "kv_cache.cuh"
#include "mma.cuh"
#include "reduce.cuh"

static constexpr uint32_t TILE_BLOCKS = 2, TILE = TILE_BLOCKS * BLOCK_POSITIONS;
static constexpr uint32_t SPLIT_TILES = 4, SPLIT = SPLIT_TILES * TILE;
static constexpr uint32_t SPLIT_BLOCKS = SPLIT_TILES * TILE_BLOCKS;
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

// Where a piece of 16 bytes of a row of `PIECES` is in shared memory, in such pieces: the same
// piece of eight neighbouring rows lies in different banks.
template <uint32_t PIECES>
static __device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t piece) {
    constexpr uint32_t EVEN = PIECES % 8 == 0 ? 8 : PIECES % 4 == 0 ? 4 : PIECES % 2 == 0 ? 2 : 1;
    return row * PIECES + (piece ^ row / (8 / EVEN) % EVEN);
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

static __device__ __forceinline__ float2 scaled(float2 v, float factor) {
    return make_float2(mul(v.x, factor), mul(v.y, factor));
}

// Largest of the four lanes that share a row.
static __device__ __forceinline__ float row_max(float value) {
    value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 1));
    return fmaxf(value, __shfl_xor_sync(ALL_LANES, value, 2));
}

// What turns the channels of the rows g and g + 8 into fragments. `load(row, half_step)` gives two
// channels of row g (0) or g + 8 (1), from `channel(half_step)` on.
template <uint32_t N_STEPS>
struct Query {
    Unit first, second;

    template <class Load>
    __device__ __forceinline__ Query(const Load& load, float scale)
        : first(largest(load, 0, scale)), second(largest(load, 1, scale)) {}

    // First channel of this lane of a half step.
    static __device__ __forceinline__ uint32_t channel(uint32_t half_step) {
        return half_step * 8 + threadIdx.x % 4 * 2;
    }

    template <class Load>
    static __device__ __forceinline__ float largest(const Load& load, uint32_t row, float scale) {
        float value = 0.0f;
#pragma unroll
        for (uint32_t i = 0; i < 2 * N_STEPS; i++) {
            const float2 q = scaled(load(row, i), scale);
            value = fmaxf(value, fmaxf(fabsf(q.x), fabsf(q.y)));
        }
        return row_max(value);
    }

    template <class Load>
    __device__ __forceinline__ void fragments(const Load& load, float scale, uint32_t step,
                                              uint32_t (&high)[4], uint32_t (&low)[4]) const {
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            const float2 q = scaled(load(i % 2, 2 * step + i / 2), scale);
            const float2 v = scaled(q, i % 2 == 0 ? first.down : second.down);
            const TwoTerms terms(v.x, v.y);
            high[i] = terms.high, low[i] = terms.low;
        }
    }
};

// Scores of positions: [part of 8][column and row as in an mma], in units of the rows.
template <uint32_t PARTS>
using Scores = float[PARTS][4];

static __device__ __forceinline__ void add_scores(float (&scores)[4], const uint32_t (&high)[4],
                                                  const uint32_t (&low)[4],
                                                  const uint32_t (&key)[2]) {
    mma(scores, high, key);
    mma(scores, low, key);
}

// Leaves the positions begin to end - 1 to row g (0) or g + 8 (1).
template <uint32_t PARTS>
static __device__ __forceinline__ void mask_row(Scores<PARTS>& scores, uint32_t row,
                                                int begin, int end) {
#pragma unroll
    for (uint32_t part = 0; part < PARTS; part++) {
#pragma unroll
        for (uint32_t column = 0; column < 2; column++) {
            const int position = (int)(8 * part + threadIdx.x % 4 * 2 + column);
            float& score = scores[part][2 * row + column];
            score = position >= begin && position < end ? score : NOTHING;
        }
    }
}

// Largest score of this lane for a row, in units of 1.
template <uint32_t PARTS>
static __device__ __forceinline__ float lane_max(const Scores<PARTS>& scores, uint32_t row,
                                                 float unit) {
    float value = NOTHING;
#pragma unroll
    for (uint32_t part = 0; part < PARTS; part++) {
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

// Fragments of weights, for steps of 16 positions.
template <uint32_t N_STEPS>
using Weights = uint32_t[N_STEPS][4];

// Those of row g (0) or g + 8 (1).
template <uint32_t PARTS>
static __device__ __forceinline__ void weigh(const Scores<PARTS>& scores, uint32_t row, float unit,
                                             float base, Weights<PARTS / 2>& weights) {
    const float below = -finite_base(base);
#pragma unroll
    for (uint32_t part = 0; part < PARTS; part++) {
        const float a = __fmaf_rn(scores[part][2 * row], unit, below);
        const float b = __fmaf_rn(scores[part][2 * row + 1], unit, below);
        weights[part / 2][part % 2 * 2 + row] = pack_halves(exp2_approx(a), exp2_approx(b));
    }
}

// Four blocks of eight rows of 16 bytes in shared memory, as fragments: lane l names row l % 8 of
// block l / 8, and gets the values 2t, 2t + 1 of row g of each block.
static __device__ __forceinline__ void load_fragments(uint32_t (&to)[4], const uint4* row) {
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at)
                 : "memory");
}

// sum += weights * values: eight channels of a cache block, from shared memory as `values_at` says.
static __device__ __forceinline__ void add_values(float (&sum)[4], const uint32_t (&first)[4],
                                                  const uint32_t (&second)[4],
                                                  const uint4* values) {
    uint32_t pairs[4];
    load_fragments(pairs, values);
    const uint32_t front[2] = {pairs[0], pairs[1]}, back[2] = {pairs[2], pairs[3]};
    mma(sum, first, front);
    mma(sum, second, back);
}

// Which piece this lane names to load eight channels of a cache block, `run` times 8 and up.
static __device__ __forceinline__ uint32_t values_at(uint32_t run) {
    const uint32_t lane = threadIdx.x % WARP;
    return swizzled<BLOCK_POSITIONS / 8>(run * 8 + lane % 8, lane / 8);
}

// total += the weights of 16 positions: every column has the sum of its row.
static __device__ __forceinline__ void add_total(float (&total)[4], const uint32_t (&weights)[4]) {
    const uint32_t ones[2] = {0x3c003c00, 0x3c003c00};
    mma(total, weights, ones);
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
