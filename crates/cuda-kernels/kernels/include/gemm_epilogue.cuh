// What becomes of the sums of a matrix product on compute capability 9.0.
//
// A lane holds for each eight activation rows two neighbouring ones (2t, 2t + 1 with t = lane % 4)
// of rows g and g + 8 of its warp's tile of the weight (g = lane / 4).
#pragma once

#include "gemm_hopper.cuh"
#include "silu.cuh"

// Columns of a matrix of f32. If `ffn` is not 0 the weight is paired: row g of tile i is gate
// 8 i + g, row g + 8 is up 8 i + g, and those are columns 8 i + g and ffn + 8 i + g.
struct Columns {
    const float* bias;
    float* out;
    uint32_t n_outputs, ffn, out_stride, accumulate;

    __device__ __forceinline__ void init(uint8_t*, uint64_t*) {}

    template <uint32_t SLABS>
    __device__ __forceinline__ void write(const Place& place, const Work& work,
                                          const float (&total)[SLABS][HELD]) const {
        const uint32_t lane = threadIdx.x % WARP;
        const uint32_t tile = place.first_tile + threadIdx.x / WARP;
        const bool is_paired = ffn > 0;
        const uint32_t first = tile * (is_paired ? 8 : 16) + lane / 4;
        const uint32_t column[2] = {first, first + (is_paired ? ffn : 8)};
        const uint32_t end[2] = {is_paired ? ffn : n_outputs, is_paired ? 2 * ffn : n_outputs};
        const uint32_t row = place.first_row + lane % 4 * 2;
#pragma unroll
        for (uint32_t half = 0; half < 2; half++) {
            if (column[half] >= end[half]) {
                continue;
            }
            // Adding -0 changes nothing.
            const float extra = bias ? bias[column[half]] : -0.0f;
            float* at = out + (size_t)row * out_stride + column[half];
            const uint32_t n_rows = row < work.n_rows ? work.n_rows - row : 0;
#pragma unroll
            for (uint32_t slab = 0; slab < SLABS; slab++) {
#pragma unroll
                for (uint32_t n = 0; n < HELD / 4; n += BATCH / SLABS) {
                    write_batch<BATCH / SLABS>(at, extra, n_rows, slab * SLAB_ROWS + n * 8,
                                               &total[slab][n * 4 + half * 2]);
                }
            }
        }
    }

private:
    // Eights of rows of which the old values are read at once, if one slab leaves room.
    static constexpr uint32_t BATCH = 16;

    template <uint32_t COUNT>
    __device__ __forceinline__ void write_batch(float* at, float extra, uint32_t n_rows,
                                                uint32_t first, const float* total) const {
        float before[COUNT][2];
#pragma unroll
        for (uint32_t n = 0; n < COUNT; n++) {
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                before[n][i] = extra;
                if (accumulate && first + n * 8 + i < n_rows) {
                    before[n][i] = at[(size_t)(first + n * 8 + i) * out_stride];
                }
            }
        }
#pragma unroll
        for (uint32_t n = 0; n < COUNT; n++) {
#pragma unroll
            for (uint32_t i = 0; i < 2; i++) {
                if (first + n * 8 + i < n_rows) {
                    at[(size_t)(first + n * 8 + i) * out_stride] =
                        add(before[n][i], total[n * 4 + i]);
                }
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
    uint64_t* exchange = nullptr;
    uint32_t turn = 0;

    __device__ __forceinline__ void init(uint8_t* memory, uint64_t* barrier) {
        scratch = memory;
        exchange = barrier;
    }

    __device__ __forceinline__ void write(const Place& place, const Work& work,
                                          float (&total)[SLABS][HELD]) {
        // The last tile's scratch has been read.
        named_sync(1, CONSUMERS);
        activate(place, total);
        exchange_largest();
        const uint32_t block = place.first_tile / BLOCK_TILES;
        const uint32_t groups = groups_of(ffn);
#pragma unroll
        for (uint32_t slab = 0; slab < SLABS; slab++) {
            const uint32_t row = place.first_row + slab * SLAB_ROWS;
            uint8_t* to = out + slab_at(row, block / 2, groups);
            pack(to, row, slab, block % 2, work.n_rows, total[slab]);
            if (has_sums) {
                add_channels(slab, total[slab]);
            }
        }
        if (has_sums) {
            named_sync(1, CONSUMERS);
            const uint32_t row = place.first_row + threadIdx.x;
            if (threadIdx.x < ROWS && row < work.n_rows) {
                write_sums(out + slab_at(row, block / 2, groups), block % 2);
            }
        }
        turn++;
    }

private:
    // Exponents of two neighbouring rows, a half word each: of the block, ...
    __device__ __forceinline__ uint32_t* of_block() const {
        return reinterpret_cast<uint32_t*>(scratch);
    }
    // ... of the other block, which may be one tile ahead, ...
    __device__ __forceinline__ uint32_t* of_other() const {
        return of_block() + (1 + turn % 2) * PAIRS;
    }
    // ... and of a warp.
    __device__ __forceinline__ uint32_t* of_warp(uint32_t warp) const {
        return of_block() + (3 + warp) * PAIRS;
    }
    // The sums of a warp's eight channels, later in the same memory.
    __device__ __forceinline__ float* sums(uint32_t warp) const {
        return reinterpret_cast<float*>(of_warp(0)) + warp * ROWS;
    }

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
            is_usual = is_usual && silu_is_usual(gate);
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

    __device__ __forceinline__ void exchange_largest() const {
        named_sync(1, CONSUMERS);
        if (threadIdx.x < WARPGROUP) {
            const uint32_t other = cluster_rank() ^ 1;
            if (threadIdx.x < PAIRS) {
                uint32_t largest = of_warp(0)[threadIdx.x];
#pragma unroll
                for (uint32_t warp = 1; warp < CONSUMER_WARPS; warp++) {
                    largest = __vmaxu2(largest, of_warp(warp)[threadIdx.x]);
                }
                of_block()[threadIdx.x] = largest;
                store_in_cluster(shared_address_in(of_other() + threadIdx.x, other), largest);
            }
            barrier_arrive_in_cluster(shared_address_in(exchange, other));
        }
        named_sync(1, CONSUMERS);
        barrier_wait_cluster(exchange, turn % 2);
    }

    __device__ __forceinline__ uint32_t largest_of(uint32_t pair) const {
        return __vmaxu2(of_block()[pair], of_other()[pair]);
    }

    // Values and scales of a slab; leaves the rounded values in `at`. `part`: which 64 channels of
    // the group the block has.
    __device__ __forceinline__ void pack(uint8_t* to, uint32_t first_row, uint32_t slab,
                                         uint32_t part, uint32_t n_rows,
                                         float (&at)[HELD]) const {
        const uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
        // Neighbouring channels of a row meet in one lane: the even ones get row 2t.
        const bool is_odd = lane / 4 % 2 == 1;
        const uint32_t row = lane % 4 * 2 + is_odd;
        uint8_t* target = to + value_in_slab(row, (part * 8 + warp) * 8 + lane / 8 * 2);
        const uint32_t first_pair = slab * (SLAB_ROWS / 2);
#pragma unroll
        for (uint32_t i = 0; i < HELD; i += 4) {
            const uint32_t largest = largest_of(first_pair + i + lane % 4);
            const __half low = __float2half_rn(mul(at[i], group_inverse(largest << 23)));
            const __half high = __float2half_rn(mul(at[i + 1], group_inverse(largest >> 16 << 23)));
            const uint32_t own = half2_bits(low, high);
            const uint32_t other = __shfl_xor_sync(ALL_LANES, own, 4);
            const uint32_t word = is_odd ? __byte_perm(other, own, 0x7632)
                                         : __byte_perm(own, other, 0x5410);
            if (first_row + i * 2 + row < n_rows) {
                *reinterpret_cast<uint32_t*>(target + i / 4 * SLAB_TILE) = word;
            }
            at[i] = __half2float(low), at[i + 1] = __half2float(high);
        }
        const uint32_t i = threadIdx.x;
        if (part == 0 && i < SLAB_ROWS && first_row + i < n_rows) {
            const uint32_t exponent = largest_of(first_pair + i / 2) >> i % 2 * 16 & 0xffff;
            reinterpret_cast<float*>(to + SLAB_SCALES)[i] = group_scale(exponent << 23);
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
        float* side = reinterpret_cast<float*>(to + SLAB_SCALES) + threadIdx.x % SLAB_ROWS;
        const uint32_t row = threadIdx.x;
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            const float first = add(sums(4 * i)[row], sums(4 * i + 1)[row]);
            const float second = add(sums(4 * i + 2)[row], sums(4 * i + 3)[row]);
            side[(5 + part * 4 + 2 * i) * SLAB_ROWS] = first;
            side[(6 + part * 4 + 2 * i) * SLAB_ROWS] = second;
            side[(1 + part * 2 + i) * SLAB_ROWS] = add(first, second);
        }
    }
};
