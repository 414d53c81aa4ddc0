// What a warp of attention_prefill.cu knows of its rows: queries, and sums so far.
#pragma once

#include "prefill_place.cuh"
#include "rope.cuh"

static constexpr uint32_t TILE_PARTS = TILE / 8, BLOCK_PARTS = BLOCK_POSITIONS / 8;

// The channels that a lane has of the rows g (0) and g + 8 (1) of its warp's queries, two of each
// half step, turned by the rows' positions.
template <class S>
struct QueryChannels {
    static constexpr uint32_t HALF_STEPS = 2 * S::STEPS;
    const Args& args;
    const Place& place;
    float2 of[2][HALF_STEPS];

    __device__ __forceinline__ QueryChannels(const Args& a, const Place& p) : args(a), place(p) {
#pragma unroll
        for (uint32_t i = 0; i < 2 * HALF_STEPS; i++) {
            of[i % 2][i / 2] = read(i % 2, Query<S::STEPS>::channel(i / 2));
        }
        if (args.n_pairs > 0 && args.adjacent) {
            turn_adjacent(0), turn_adjacent(1);
        } else if (args.n_pairs > 0) {
            turn_halves(0), turn_halves(1);
        }
    }

private:
    __device__ __forceinline__ float2 read(uint32_t half, uint32_t channel) const {
        const uint32_t head_dim = S::dim(args), row = place.row(half);
        const size_t width = (size_t)(args.n_heads + 2 * args.n_kv_heads) * head_dim;
        const float* from =
            args.qkv + (place.first_row + row) * width + place.head * head_dim + channel;
        if (row >= place.n_rows) {
            return make_float2(0.0f, 0.0f);
        }
        if (S::IS_EXACT) {
            return *reinterpret_cast<const float2*>(from);
        }
        return make_float2(channel < head_dim ? from[0] : 0.0f,
                           channel + 1 < head_dim ? from[1] : 0.0f);
    }

    // Where the angles of a row begin; of one that does not exist, those of the last.
    __device__ __forceinline__ size_t angles(uint32_t half) const {
        const uint32_t row = min(place.row(half), place.n_rows - 1);
        return (size_t)(place.first_position + row) * args.n_pairs;
    }

    __device__ __forceinline__ void turn_adjacent(uint32_t half) {
        const float *cos = args.cos_table + angles(half), *sin = args.sin_table + angles(half);
#pragma unroll
        for (uint32_t i = 0; i < HALF_STEPS; i++) {
            const uint32_t pair = Query<S::STEPS>::channel(i) / 2;
            const uint32_t at = min(pair, args.n_pairs - 1);
            const float2 x = of[half][i];
            const float a = turned_first(x.x, x.y, cos[at], sin[at]);
            const float b = turned_second(x.x, x.y, cos[at], sin[at]);
            of[half][i] = pair < args.n_pairs ? make_float2(a, b) : x;
        }
    }

    // All channels turn: this lane has both of each pair.
    __device__ __forceinline__ void turn_halves(uint32_t half) {
        const float *cos = args.cos_table + angles(half), *sin = args.sin_table + angles(half);
#pragma unroll
        for (uint32_t i = 0; i < S::STEPS; i++) {
            const uint32_t pair = Query<S::STEPS>::channel(i);
            const float2 c = *reinterpret_cast<const float2*>(cos + pair);
            const float2 s = *reinterpret_cast<const float2*>(sin + pair);
            const float2 a = of[half][i], b = of[half][i + S::STEPS];
            of[half][i] = make_float2(turned_first(a.x, b.x, c.x, s.x),
                                      turned_first(a.y, b.y, c.y, s.y));
            of[half][i + S::STEPS] = make_float2(turned_second(a.x, b.x, c.x, s.x),
                                                 turned_second(a.y, b.y, c.y, s.y));
        }
    }
};

// Queries as fragments, in registers or where only this thread looks.
template <class S>
struct Queries {
    uint32_t kept[S::KEEPS_QUERIES ? S::STEPS : 1][2][4];
    float units[2];
    uint4* own;

    __device__ __forceinline__ Queries(const Args& args, const Place& place, uint4* shared)
        : own(shared + threadIdx.x) {
        const QueryChannels<S> channels(args, place);
        const auto load = [&](uint32_t half, uint32_t half_step) {
            return channels.of[half][half_step];
        };
        const Query<S::STEPS> query(load, args.scale);
        units[0] = query.first.up, units[1] = query.second.up;
#pragma unroll
        for (uint32_t step = 0; step < S::STEPS; step++) {
            uint32_t terms[2][4];
            query.fragments(load, args.scale, step, terms[0], terms[1]);
            put(step, terms);
        }
    }

    __device__ __forceinline__ void put(uint32_t step, const uint32_t (&terms)[2][4]) {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            if (S::KEEPS_QUERIES) {
#pragma unroll
                for (uint32_t j = 0; j < 4; j++) {
                    kept[step][i][j] = terms[i][j];
                }
            } else {
                own[(step * 2 + i) * S::THREADS] =
                    make_uint4(terms[i][0], terms[i][1], terms[i][2], terms[i][3]);
            }
        }
    }

    __device__ __forceinline__ void get(uint32_t step, uint32_t (&terms)[2][4]) const {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            if (S::KEEPS_QUERIES) {
#pragma unroll
                for (uint32_t j = 0; j < 4; j++) {
                    terms[i][j] = kept[step][i][j];
                }
            } else {
                const uint4 bits = own[(step * 2 + i) * S::THREADS];
                terms[i][0] = bits.x, terms[i][1] = bits.y;
                terms[i][2] = bits.z, terms[i][3] = bits.w;
            }
        }
    }
};

// Sums of the rows of a warp over a split.
template <class S>
struct Sums {
    float values[S::RUNS][4], total[4], bases[2];

    __device__ __forceinline__ void clear() {
        bases[0] = NOTHING, bases[1] = NOTHING;
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            total[i] = 0.0f;
#pragma unroll
            for (uint32_t run = 0; run < S::RUNS; run++) {
                values[run][i] = 0.0f;
            }
        }
    }

    // Raises the bases to the tile's largest scores, of which this lane has some, where these
    // exceed them.
    __device__ __forceinline__ void rebase(const float (&largest)[2]) {
        const bool any = exceeds(largest[0], bases[0]) || exceeds(largest[1], bases[1]);
        if (!__any_sync(ALL_LANES, any)) {
            return;
        }
        float parts[2];
#pragma unroll
        for (uint32_t row = 0; row < 2; row++) {
            const float of_row = row_max(largest[row]);
            const float next = exceeds(of_row, bases[row]) ? of_row : bases[row];
            parts[row] = rescale(bases[row], next);
            bases[row] = next;
        }
        scale_rows(total, parts[0], parts[1]);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            scale_rows(values[run], parts[0], parts[1]);
        }
    }
};

// From the scores of a tile to weights; the sums are scaled if their bases rise.
template <class S>
static __device__ __forceinline__ void find_weights(const Place& place, uint32_t tile,
                                                    const float (&units)[2],
                                                    const Scores<TILE_PARTS>& of_all,
                                                    Sums<S>& sums,
                                                    Weights<TILE_PARTS / 2>& weights) {
    Scores<TILE_PARTS> scores;
#pragma unroll
    for (uint32_t i = 0; i < 4 * TILE_PARTS; i++) {
        scores[i / 4][i % 4] = of_all[i / 4][i % 4];
    }
    const uint32_t first = tile * TILE;
    const bool is_whole = first + TILE <= place.warp_first() + 1 &&
                          first >= visible_start(place.warp_last(), place.window);
    float largest[2];
#pragma unroll
    for (uint32_t row = 0; row < 2; row++) {
        if (!is_whole) {
            const uint32_t position = place.first_position + place.row(row);
            mask_row(scores, row, (int)visible_start(position, place.window) - (int)first,
                     (int)position + 1 - (int)first);
        }
        largest[row] = lane_max(scores, row, units[row]);
    }
    sums.rebase(largest);
    weigh(scores, 0, units[0], sums.bases[0], weights);
    weigh(scores, 1, units[1], sums.bases[1], weights);
}

// The sums of all splits so far.
template <class S>
struct Row {
    const Args& args;
    const Place& place;
    float bases[2], totals[2];
    float4* parked;

    __device__ __forceinline__ Row(const Args& a, const Place& p, uint4* shared)
        : args(a), place(p), parked(reinterpret_cast<float4*>(shared) + threadIdx.x) {
        bases[0] = NOTHING, bases[1] = NOTHING;
        totals[0] = 0.0f, totals[1] = 0.0f;
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            park(run, make_float4(0.0f, 0.0f, 0.0f, 0.0f));
        }
    }

    // Two channels of row g (0) or g + 8 (1), if they are there, from or to the output.
    __device__ __forceinline__ float* output(uint32_t run, uint32_t half) const {
        const size_t row = place.first_row + place.row(half);
        return args.out + (row * args.n_heads + place.head) * S::dim(args) + 8 * run +
               threadIdx.x % 4 * 2;
    }
    __device__ __forceinline__ bool has(uint32_t run, uint32_t half, uint32_t column) const {
        return place.row(half) < place.n_rows &&
               (S::IS_EXACT || 8 * run + threadIdx.x % 4 * 2 + column < args.head_dim);
    }
    __device__ __forceinline__ float2 read(uint32_t run, uint32_t half) const {
        const float* from = output(run, half);
        return make_float2(has(run, half, 0) ? from[0] : 0.0f, has(run, half, 1) ? from[1] : 0.0f);
    }
    __device__ __forceinline__ void write(uint32_t run, uint32_t half, float a, float b) const {
        float* to = output(run, half);
        if (S::IS_EXACT && has(run, half, 0)) {
            *reinterpret_cast<float2*>(to) = make_float2(a, b);
        } else {
            has(run, half, 0) ? to[0] = a : 0.0f;
            has(run, half, 1) ? to[1] = b : 0.0f;
        }
    }

    __device__ __forceinline__ float4 parked_sum(uint32_t run) const {
        if (!S::PARKS_IN_OUTPUT) {
            return parked[run * S::THREADS];
        }
        const float2 first = read(run, 0), second = read(run, 1);
        return make_float4(first.x, first.y, second.x, second.y);
    }
    __device__ __forceinline__ void park(uint32_t run, float4 sum) const {
        if (!S::PARKS_IN_OUTPUT) {
            parked[run * S::THREADS] = sum;
        } else {
            write(run, 0, sum.x, sum.y);
            write(run, 1, sum.z, sum.w);
        }
    }

    __device__ __forceinline__ void merge(const Sums<S>& sums) {
        const Merge first(bases[0], sums.bases[0]), second(bases[1], sums.bases[1]);
        bases[0] = first.base, bases[1] = second.base;
        totals[0] = first(totals[0], sums.total[0]);
        totals[1] = second(totals[1], sums.total[2]);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            const float4 sum = parked_sum(run);
            const float(&more)[4] = sums.values[run];
            park(run, make_float4(first(sum.x, more[0]), first(sum.y, more[1]),
                                  second(sum.z, more[2]), second(sum.w, more[3])));
        }
    }

    __device__ __forceinline__ void finish() const {
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            const float4 sum = parked_sum(run);
            write(run, 0, normalised(sum.x, totals[0]), normalised(sum.y, totals[0]));
            write(run, 1, normalised(sum.z, totals[1]), normalised(sum.w, totals[1]));
        }
    }
};
