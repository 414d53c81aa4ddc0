// What becomes of the sums of a matrix product on compute capability 9.0.
//
// A lane holds for each eight activation rows two neighbouring ones (2t, 2t + 1 with t = lane % 4)
// of rows g and g + 8 of its warp's tile of the weight (g = lane / 4).
#pragma once

#include "gemm_hopper.cuh"
#include "silu.cuh"

// Columns of a matrix of f32. If `ffn` is not 0 the weight is paired: row g of tile i is gate
// 8 i + g, row g + 8 is up 8 i + g, and those are columns 8 i + g and ffn + 8 i + g.
//
// A warp turns 32 rows of its 16 columns around in shared memory: then a lane has four neighbouring
// columns, `lane % 4`, of rows lane / 4, lane / 4 + 8, ...
struct Columns {
    const float* bias;
    float* out;
    uint32_t n_outputs, ffn, out_stride, accumulate;
    float* staged = nullptr;

    __device__ __forceinline__ void init(uint8_t* scratch, uint64_t*) {
        staged = reinterpret_cast<float*>(scratch) + threadIdx.x / WARP * EIGHTS * 8 * STRIDE;
    }

    template <uint32_t SLABS>
    __device__ __forceinline__ void write(const Place& place, const Work& work,
                                          const float (&total)[SLABS][HELD]) const {
        const uint32_t lane = threadIdx.x % WARP, quad = lane % 4;
        const uint32_t tile = place.first_tile + threadIdx.x / WARP;
        const uint32_t matrix = quad / 2 * (ffn > 0), end = ffn > 0 ? ffn : n_outputs;
        const uint32_t column = ffn > 0 ? tile * 8 + quad % 2 * 4 : tile * 16 + quad * 4;
        const uint32_t row = place.first_row + lane / 4, first = matrix * ffn + column;
        Quads quads{out + (size_t)row * out_stride + first, column < end ? end - column : 0,
                    row < work.n_rows ? work.n_rows - row : 0};
        quads.is_vector = quads.n_columns >= 4 && out_stride % 4 == 0 &&
                          reinterpret_cast<uintptr_t>(quads.at) % 16 == 0;
        float extra[4];
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            // Adding -0 changes nothing.
            extra[i] = bias && i < quads.n_columns ? bias[first + i] : -0.0f;
        }
#pragma unroll
        for (uint32_t slab = 0; slab < SLABS; slab++) {
#pragma unroll
            for (uint32_t n = 0; n < HELD / 4; n += EIGHTS) {
                write_batch(quads, extra, slab * SLAB_ROWS + n * 8, &total[slab][n * 4]);
            }
        }
    }

private:
    // Eights of rows that are turned around at once, and the stride of a row there.
    static constexpr uint32_t EIGHTS = 4, STRIDE = TILE_ROWS + 4;
    static_assert(CONSUMER_WARPS * EIGHTS * 8 * STRIDE * 4 <= SCRATCH_BYTES, "staged in scratch");

    // Four columns of a lane: where they are in its first row, and how many columns and rows
    // exist from there on.
    struct Quads {
        float* at;
        uint32_t n_columns, n_rows;
        bool is_vector = false;
    };

    __device__ __forceinline__ void write_batch(const Quads& quads, const float (&extra)[4],
                                                uint32_t first, const float* total) const {
        const uint32_t lane = threadIdx.x % WARP;
        float before[EIGHTS][4];
#pragma unroll
        for (uint32_t n = 0; n < EIGHTS; n++) {
            read(quads, extra, first + n * 8, before[n]);
        }
        float* mine = staged + lane % 4 * 2 * STRIDE + lane / 4;
#pragma unroll
        for (uint32_t i = 0; i < EIGHTS * 4; i++) {
            mine[(i / 4 * 8 + i % 2) * STRIDE + i / 2 % 2 * 8] = total[i];
        }
        __syncwarp();
#pragma unroll
        for (uint32_t n = 0; n < EIGHTS; n++) {
            const float* from = staged + (n * 8 + lane / 4) * STRIDE + lane % 4 * 4;
            const float4 sum = *reinterpret_cast<const float4*>(from);
            before[n][0] = add(before[n][0], sum.x), before[n][1] = add(before[n][1], sum.y);
            before[n][2] = add(before[n][2], sum.z), before[n][3] = add(before[n][3], sum.w);
            store(quads, first + n * 8, before[n]);
        }
        __syncwarp();
    }

    __device__ __forceinline__ void read(const Quads& quads, const float (&extra)[4], uint32_t row,
                                         float (&x)[4]) const {
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            x[i] = extra[i];
        }
        if (!accumulate || row >= quads.n_rows) {
            return;
        }
        const float* at = quads.at + (size_t)row * out_stride;
        if (quads.is_vector) {
            const float4 all = *reinterpret_cast<const float4*>(at);
            x[0] = all.x, x[1] = all.y, x[2] = all.z, x[3] = all.w;
            return;
        }
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            x[i] = i < quads.n_columns ? at[i] : 0.0f;
        }
    }

    __device__ __forceinline__ void store(const Quads& quads, uint32_t row,
                                          const float (&x)[4]) const {
        if (row >= quads.n_rows) {
            return;
        }
        float* at = quads.at + (size_t)row * out_stride;
        if (quads.is_vector) {
            *reinterpret_cast<float4*>(at) = make_float4(x[0], x[1], x[2], x[3]);
            return;
        }
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            if (i < quads.n_columns) {
                at[i] = x[i];
            }
        }
    }
};

// Packed rows of silu(gate) * up. The two blocks of a cluster have 64 channels each of a group,
// whose scale depends on all 128: they exchange the exponents of the largest magnitudes.
template <uint32_t SLABS>
struct SwigluRows {
    static constexpr uint32_t ROWS = SLABS * SLAB_ROWS, PAIRS = ROWS / 2;
    uint8_t* out;
    uint32_t ffn, has_sums;
    uint8_t* scratch = nullptr;
    uint64_t* exchanges = nullptr;
    uint32_t turn = 0;

    __device__ __forceinline__ void init(uint8_t* memory, uint64_t* barriers) {
        scratch = memory;
        exchanges = barriers;
    }

    __device__ __forceinline__ void write(const Place& place, const Work& work,
                                          float (&total)[SLABS][HELD]) {
        const uint32_t block = place.first_tile / BLOCK_TILES, groups = groups_of(ffn);
        uint8_t* to = out + slab_at(place.first_row, block / 2, groups);
        const size_t next_slab = slab_at(SLAB_ROWS, 0, groups);
        const uint32_t n_rows = work.n_rows - place.first_row;
        if (threadIdx.x == 0) {
            barrier_expect(exchange(), PAIRS * 4);
        }
        // The last tile's scratch has been read.
        named_sync(1, CONSUMERS);
        activate(place, total);
        named_sync(1, CONSUMERS);
        if (threadIdx.x < PAIRS) {
            const uint32_t slab = threadIdx.x * 2 / SLAB_ROWS;
            choose_scales(to + slab * next_slab, block % 2, n_rows);
        }
        named_sync(1, CONSUMERS);
#pragma unroll
        for (uint32_t slab = 0; slab < SLABS; slab++) {
            pack(to + slab * next_slab, slab, block % 2, n_rows, total[slab]);
            if (has_sums) {
                add_channels(slab, total[slab]);
            }
        }
        if (has_sums) {
            named_sync(1, CONSUMERS);
            if (threadIdx.x < ROWS && threadIdx.x < n_rows) {
                write_sums(to + threadIdx.x / SLAB_ROWS * next_slab, block % 2);
            }
        }
        turn++;
    }

private:
    static_assert((6 + 2 * CONSUMER_WARPS) * PAIRS * 4 <= SCRATCH_BYTES, "all is in scratch");

    // Exponents of two neighbouring rows, a half word each: of the other block, which may be one
    // tile ahead, ...
    __device__ __forceinline__ uint32_t* of_other() const {
        return reinterpret_cast<uint32_t*>(scratch) + turn % 2 * PAIRS;
    }
    // ... of this block, which the copy engine may still read while the next tile is worked at, ...
    __device__ __forceinline__ uint32_t* of_block() const { return of_other() + 4 * PAIRS; }
    // ... and of a warp.
    __device__ __forceinline__ uint32_t* of_warp(uint32_t warp) const {
        return reinterpret_cast<uint32_t*>(scratch) + (6 + warp) * PAIRS;
    }
    // 1 / scale of two neighbouring rows.
    __device__ __forceinline__ float2* inverses() const {
        return reinterpret_cast<float2*>(scratch) + PAIRS;
    }
    // The sums of a warp's eight channels, where the exponents of warps were.
    __device__ __forceinline__ float* sums(uint32_t warp) const {
        return reinterpret_cast<float*>(of_warp(0)) + warp * ROWS;
    }
    // Counts the bytes from the other block.
    __device__ __forceinline__ uint64_t* exchange() const { return exchanges + turn % 2; }

    // The exponent of a magnitude as the choice of a scale needs it: 0 for 0 alone.
    static __device__ __forceinline__ uint32_t exponent(float x) {
        const uint32_t bits = magnitude(x);
        return max(bits >> 23, min(bits, 1));
    }

    // silu(gate) * up into elements 4 n and 4 n + 1, their exponents' maxima to `of_warp`.
    __device__ __forceinline__ void activate(const Place& place,
                                             float (&total)[SLABS][HELD]) const {
        const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
        const bool exists = (place.first_tile + warp) * 8 + lane / 4 < ffn;
#pragma unroll
        for (uint32_t slab = 0; slab < SLABS; slab++) {
#pragma unroll
            for (uint32_t i = 0; i < HELD; i += 4 * BATCH) {
                activate_batch(&total[slab][i], exists);
            }
#pragma unroll
            for (uint32_t i = 0; i < HELD; i += 4) {
                const float* at = &total[slab][i];
                uint32_t largest = exponent(at[0]) | exponent(at[1]) << 16;
#pragma unroll
                for (uint32_t distance = 4; distance < WARP; distance *= 2) {
                    largest = __vmaxu2(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
                }
                if (lane < 4) {
                    of_warp(warp)[slab * (SLAB_ROWS / 2) + i + lane] = largest;
                }
            }
        }
    }

    // Eights of rows that are worked at together.
    static constexpr uint32_t BATCH = 4;

    static __device__ __forceinline__ void activate_batch(float* at, bool exists) {
        float result[2 * BATCH];
        bool is_usual = true;
#pragma unroll
        for (uint32_t i = 0; i < 2 * BATCH; i++) {
            const float gate = at[i / 2 * 4 + i % 2];
            is_usual = is_usual & silu_is_usual(gate);
            result[i] = usual_silu_times(gate, at[i / 2 * 4 + i % 2 + 2]);
        }
        if (!is_usual) {
#pragma unroll
            for (uint32_t i = 0; i < 2 * BATCH; i++) {
                result[i] = silu_times(at[i / 2 * 4 + i % 2], at[i / 2 * 4 + i % 2 + 2]);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < 2 * BATCH; i++) {
            at[i / 2 * 4 + i % 2] = exists ? result[i] : 0.0f;
        }
    }

    // A thread chooses those of two rows.
    __device__ __forceinline__ void choose_scales(uint8_t* to, uint32_t part,
                                                  uint32_t n_rows) const {
        const uint32_t pair = threadIdx.x, other = cluster_rank() ^ 1;
        uint32_t largest = of_warp(0)[pair];
#pragma unroll
        for (uint32_t warp = 1; warp < CONSUMER_WARPS; warp++) {
            largest = __vmaxu2(largest, of_warp(warp)[pair]);
        }
        of_block()[pair] = largest;
        publish_to_copies();
        named_sync(2, PAIRS);
        if (pair == 0) {
            copy_in_cluster(shared_address_in(of_other(), other), of_block(), PAIRS * 4,
                            shared_address_in(exchange(), other));
        }
        barrier_wait_cluster(exchange(), turn / 2 % 2);
        largest = __vmaxu2(largest, of_other()[pair]);
        const uint32_t first = largest << 23, second = largest >> 16 << 23;
        inverses()[pair] = make_float2(group_inverse(first), group_inverse(second));
        float* scales = reinterpret_cast<float*>(to + SLAB_SCALES) +
                        side_place(2 * pair % SLAB_ROWS);
        if (part == 0 && 2 * pair < n_rows) {
            scales[0] = group_scale(first);
        }
        if (part == 0 && 2 * pair + 1 < n_rows) {
            scales[1] = group_scale(second);
        }
    }

    // Values of a slab; leaves the rounded values in `at`. `part`: which 64 channels of the group
    // the block has.
    __device__ __forceinline__ void pack(uint8_t* to, uint32_t slab, uint32_t part,
                                         uint32_t n_rows, float (&at)[HELD]) const {
        const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
        // Neighbouring channels of a row meet in one lane: the even ones get row 2t.
        const bool is_odd = lane / 4 % 2 == 1;
        const uint32_t row = lane % 4 * 2 + is_odd;
        uint8_t* target = to + value_in_slab(row, (part * 8 + warp) * 8 + lane / 8 * 2);
        const float2* inverse = inverses() + slab * (SLAB_ROWS / 2) + lane % 4;
        const uint32_t select = is_odd ? 0x7632 : 0x1054;
#pragma unroll
        for (uint32_t i = 0; i < HELD; i += 4) {
            const float2 both = inverse[i];
            const __half2 rounded =
                __floats2half2_rn(mul(at[i], both.x), mul(at[i + 1], both.y));
            const uint32_t own = half2_bits(__low2half(rounded), __high2half(rounded));
            const uint32_t other = __shfl_xor_sync(ALL_LANES, own, 4);
            if (slab * SLAB_ROWS + i * 2 + row < n_rows) {
                *reinterpret_cast<uint32_t*>(target + i / 4 * SLAB_TILE) =
                    __byte_perm(other, own, select);
            }
            at[i] = __low2float(rounded), at[i + 1] = __high2float(rounded);
        }
    }

    // The sums of the warp's eight channels of a slab.
    __device__ __forceinline__ void add_channels(uint32_t slab, const float (&at)[HELD]) const {
        const uint32_t lane = threadIdx.x % WARP;
        float* target = sums(threadIdx.x / WARP) + slab * SLAB_ROWS + lane * 2;
#pragma unroll
        for (uint32_t i = 0; i < HELD; i += 4) {
            float2 sum = make_float2(at[i], at[i + 1]);
#pragma unroll
            for (uint32_t distance = 4; distance < WARP; distance *= 2) {
                sum.x = add(sum.x, __shfl_xor_sync(ALL_LANES, sum.x, distance));
                sum.y = add(sum.y, __shfl_xor_sync(ALL_LANES, sum.y, distance));
            }
            if (lane < 4) {
                *reinterpret_cast<float2*>(target + 2 * i) = sum;
            }
        }
    }

    // Sums of the runs of 16 and 32 channels of one row.
    __device__ __forceinline__ void write_sums(uint8_t* to, uint32_t part) const {
        const uint32_t row = threadIdx.x, place = side_place(row % SLAB_ROWS);
        float* side32 = reinterpret_cast<float*>(to + SLAB_SUMS32) + place;
        float* side16 = reinterpret_cast<float*>(to + SLAB_SUMS16) + place;
        uint16_t* splits = reinterpret_cast<uint16_t*>(to + SLAB_SPLIT + row % SLAB_ROWS * 16);
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            const float first = add(sums(4 * i)[row], sums(4 * i + 1)[row]);
            const float second = add(sums(4 * i + 2)[row], sums(4 * i + 3)[row]);
            const float both = add(first, second);
            const uint32_t block = part * 2 + i, split = split_sum(both);
            side16[2 * block * SLAB_ROWS] = first;
            side16[(2 * block + 1) * SLAB_ROWS] = second;
            side32[block * SLAB_ROWS] = both;
            splits[block] = (uint16_t)split;
            splits[4 + block] = (uint16_t)(split >> 16);
        }
    }
};
