// The rows of activations of matvec.cu: their norm, their packing, and as an operand.
#pragma once

#include "activation.cuh"
#include "cluster.cuh"
#include "matvec_args.cuh"
#include "row_norm.cuh"
#include "row_product.cuh"

// The groups that a warp packs: every `step`th from `first` on. Of warps with the same groups one
// is the `adder`, which tells the others what they must know of all groups.
struct WarpGroups {
    uint32_t first, step, count;
    bool is_adder;
};

// What a lane holds of a warp's first groups before the kernels before have ended (the weight of
// the norm), and right after (row 0): one trip to memory for all of them.
template <uint32_t ROWS>
struct FirstQuads {
    static constexpr uint32_t COUNT = ROWS == 1 ? 2 : 1;
    float weight[COUNT][4];
    float x[COUNT][4];
    float inverse_width;
};

// Of a row, for each of the warp's first groups; zeros beyond its groups.
template <uint32_t COUNT>
static __device__ __forceinline__ void load_first_quads(const float* row, const WarpGroups& groups,
                                                        uint32_t row_len,
                                                        float (&quads)[COUNT][4]) {
#pragma unroll
    for (uint32_t nth = 0; nth < COUNT; nth++) {
        quads[nth][0] = 0.0f, quads[nth][1] = 0.0f, quads[nth][2] = 0.0f, quads[nth][3] = 0.0f;
        if (nth < groups.count) {
            load_quad(row, groups.first + nth * groups.step, row_len, quads[nth]);
        }
    }
}

// The quad of a group that is known only at run time.
template <uint32_t COUNT>
static __device__ __forceinline__ void pick_quad(const float (&quads)[COUNT][4], uint32_t nth,
                                                 float (&quad)[4]) {
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        quad[i] = quads[0][i];
#pragma unroll
        for (uint32_t other = 1; other < COUNT; other++) {
            quad[i] = nth == other ? quads[other][i] : quad[i];
        }
    }
}

static __device__ __forceinline__ void takers_sync() {
    asm volatile("bar.sync 1, %0;" ::"r"(n_takers() * WARP) : "memory");
}

static __device__ __forceinline__ uint32_t lane_id() { return threadIdx.x % WARP; }

template <uint32_t ROWS>
static __device__ __forceinline__ void load_row_quad(const Args& args,
                                                     const FirstQuads<ROWS>& first,
                                                     const WarpGroups& groups, uint32_t nth,
                                                     uint32_t row, float (&x)[4]) {
    if (row > 0 || nth >= FirstQuads<ROWS>::COUNT) {
        const float* at = args.x + (size_t)row * args.row_len;
        load_quad(at, groups.first + nth * groups.step, args.row_len, x);
    } else {
        pick_quad(first.x, nth, x);
    }
}
// The sum of `count` values in ascending order, `stride` apart. They are fetched eight at a time:
// what is added beyond the end are zeros. `fetch(i)` gives the i-th, `add_to(total, value)` adds.
template <class Value, class Fetch, class AddTo>
static __device__ __forceinline__ float sum_ascending(uint32_t count, Fetch fetch, AddTo add_to) {
    constexpr uint32_t AT_ONCE = 8;
    float total = 0.0f;
#pragma unroll 1
    for (uint32_t first = 0; first < count; first += AT_ONCE) {
        Value values[AT_ONCE];
#pragma unroll
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            values[i] = first + i < count ? fetch(first + i) : Value{};
        }
#pragma unroll
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            total = add_to(total, values[i]);
        }
    }
    return total;
}

// The scale of the RMSNorm of the row of the lane's number. Every taking warp must call it.
template <uint32_t ROWS>
static __device__ __forceinline__ float norm_rows(const Args& args, const Shared& shared,
                                                 uint32_t n_groups, const WarpGroups& groups,
                                                 const FirstQuads<ROWS>& first) {
    const uint32_t lane = lane_id(), n_rows = ROWS == 1 ? 1 : args.n_rows;
    if (groups.is_adder) {
#pragma unroll 1
        for (uint32_t nth = 0; nth < groups.count; nth++) {
            const uint32_t group = groups.first + nth * groups.step;
#pragma unroll ROWS == 1 ? 1 : 2
            for (uint32_t row = 0; row < n_rows; row++) {
                float x[4];
                load_row_quad(args, first, groups, nth, row, x);
                const float squares = group_squares(x);
                if (lane == 0) {
                    shared.squares[group * n_rows + row] = squares;
                }
            }
        }
    }
    takers_sync();
    // Every warp for itself: cheaper than another barrier.
    const uint32_t row = ROWS == 1 ? 0 : min(lane, n_rows - 1);
    const float total = sum_ascending<float>(
        n_groups, [&](uint32_t group) { return shared.squares[group * n_rows + row]; }, add);
    return norm_scale(total, first.inverse_width, args.eps);
}

// Packs the `nth` group of a warp, of every row, as number `kept` of the block.
template <uint32_t ROWS>
static __device__ __forceinline__ void pack_rows(const Args& args, const Shared& shared,
                                                 const WarpGroups& groups, uint32_t nth,
                                                 uint32_t kept, const FirstQuads<ROWS>& first,
                                                 float row_scale) {
    const uint32_t lane = lane_id(), n_rows = ROWS == 1 ? 1 : args.n_rows;
    const uint32_t group = groups.first + nth * groups.step;
    const bool is_normed = args.norm_weight != nullptr;
    float weight[4];
    if (is_normed && nth >= FirstQuads<ROWS>::COUNT) {
        load_quad(args.norm_weight, group, args.row_len, weight);
    } else {
        pick_quad(first.weight, nth, weight);
    }
    // Channels 4 lane, + 1 and + 2, + 3: words of two lanes for the step lane / 4.
    const uint32_t place = lane % 2 * 2 * Shared::LANE_WORDS + lane / 4 * 2 + lane % 4 / 2;
#pragma unroll ROWS == 1 ? 1 : 2
    for (uint32_t row = 0; row < n_rows; row++) {
        float x[4];
        load_row_quad(args, first, groups, nth, row, x);
        if (is_normed) {
            const float scale =
                ROWS == 1 ? row_scale : __shfl_sync(ALL_LANES, row_scale, (int)row);
#pragma unroll
            for (uint32_t i = 0; i < 4; i++) {
                x[i] = normed(x[i], scale, weight[i]);
            }
        }
        const uint32_t largest = __reduce_max_sync(
            ALL_LANES, max(max(magnitude(x[0]), magnitude(x[1])),
                           max(magnitude(x[2]), magnitude(x[3]))));
        const float inverse = group_inverse(largest);
        __half value[4];
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            value[i] = __float2half_rn(mul(x[i], inverse));
        }
        const uint32_t at = kept * n_rows + row;
        uint32_t* values = shared.values + at * Shared::ROW_WORDS + place;
        values[0] = half2_bits(value[0], value[1]);
        values[Shared::LANE_WORDS] = half2_bits(value[2], value[3]);
        if (args.with_sums) {
            float sum = add(add(__half2float(value[0]), __half2float(value[1])),
                            add(__half2float(value[2]), __half2float(value[3])));
            sum = add(sum, __shfl_xor_sync(ALL_LANES, sum, 1));
            sum = add(sum, __shfl_xor_sync(ALL_LANES, sum, 2));
            if (lane % 4 == 0) {
                shared.sums[at * STEPS + lane / 4] = sum;
            }
        }
        if (lane == 0 && groups.is_adder) {
            *in_first(&shared.scales[group * n_rows + row]) = group_scale(largest);
        }
    }
    __syncwarp();
}

// The second operand of the matrix instruction.
template <uint32_t N>
static __device__ __forceinline__ void load_operand(uint32_t n_rows, const Shared& shared,
                                                    uint32_t kept, uint32_t (&b)[N][STEPS][2]) {
    const uint32_t lane = lane_id();
#pragma unroll
    for (uint32_t n = 0; n < N; n++) {
        const uint32_t row = n * 8 + lane / 4;
        const uint32_t* values = shared.values +
                                 (kept * n_rows + row) * Shared::ROW_WORDS +
                                 lane % 4 * Shared::LANE_WORDS;
#pragma unroll
        for (uint32_t i = 0; i < STEPS / 2; i++) {
            uint4 words = make_uint4(0, 0, 0, 0);
            if (row < n_rows) {
                words = reinterpret_cast<const uint4*>(values)[i];
            }
            b[n][2 * i][0] = words.x, b[n][2 * i][1] = words.y;
            b[n][2 * i + 1][0] = words.z, b[n][2 * i + 1][1] = words.w;
        }
    }
}

// The lane's words of split sums, for `chain_product`.
template <uint32_t N>
static __device__ __forceinline__ void load_splits(uint32_t n_rows, const Shared& shared,
                                                   uint32_t kept, uint32_t (&b_sums)[N]) {
    const uint32_t lane = lane_id();
#pragma unroll
    for (uint32_t n = 0; n < N; n++) {
        const uint32_t row = n * 8 + lane / 4;
        b_sums[n] = 0;
        if (row < n_rows) {
            // Of two neighbouring runs of 32.
            const float4 runs = reinterpret_cast<const float4*>(
                shared.sums + (kept * n_rows + row) * STEPS)[lane % 2];
            const uint32_t first = split_sum(add(runs.x, runs.y));
            const uint32_t second = split_sum(add(runs.z, runs.w));
            b_sums[n] = __byte_perm(first, second, lane % 4 < 2 ? 0x5410 : 0x7632);
        }
    }
}

// The sums of runs of 16 channels of half a group, as `half_products` takes them.
template <uint32_t N>
static __device__ __forceinline__ void load_sums(uint32_t n_rows, const Shared& shared,
                                                 uint32_t kept, uint32_t half,
                                                 float (&sums)[N][2][HALF_STEPS]) {
#pragma unroll
    for (uint32_t i = 0; i < N * 2; i++) {
        const uint32_t row = i / 2 * 8 + lane_id() % 4 * 2 + i % 2;
        float4 quad = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (row < n_rows) {
            const float* of_row = shared.sums + (kept * n_rows + row) * STEPS;
            quad = reinterpret_cast<const float4*>(of_row)[half];
        }
        float(&to)[HALF_STEPS] = sums[i / 2][i % 2];
        to[0] = quad.x, to[1] = quad.y, to[2] = quad.z, to[3] = quad.w;
    }
}
