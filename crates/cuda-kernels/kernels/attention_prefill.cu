// Attention of the rows of prompts: Q in `qkv` is turned already, K and V are in the cache.
//
// The arithmetic is that of attention.cuh. One block of threads per query head and tile of rows,
// which stand in one sequence at neighbouring positions; a warp has 16 of them. Keys and
// values go through shared memory, the next two cache blocks while the last two are worked on.
// The sums of the splits before are parked in shared memory too: they are touched once a split.

#include "attention.cuh"
#include "prefill_place.cuh"

// Queries as fragments, in registers or where only this thread looks.
template <class S>
struct Queries {
    uint32_t kept[S::KEEPS_QUERIES ? S::STEPS : 1][2][4];
    float units[2];
    uint4* own;

    __device__ __forceinline__ Queries(const Args& args, const Place& place, uint4* shared)
        : own(shared + threadIdx.x) {
        const uint32_t head_dim = S::dim(args);
        const size_t width = (size_t)(args.n_heads + 2 * args.n_kv_heads) * head_dim;
        const float* first = args.qkv + place.first_row * width + place.head * head_dim;
        const auto load = [&](uint32_t half, uint32_t channel) {
            const uint32_t row = place.row(half);
            const float* from = first + row * width + channel;
            if (row >= place.n_rows) {
                return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            }
            if (S::IS_EXACT) {
                return *reinterpret_cast<const float4*>(from);
            }
            return make_float4(
                channel < head_dim ? from[0] : 0.0f, channel + 1 < head_dim ? from[1] : 0.0f,
                channel + 2 < head_dim ? from[2] : 0.0f, channel + 3 < head_dim ? from[3] : 0.0f);
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

template <class S>
static __device__ __forceinline__ void score(const Queries<S>& queries, const uint4* keys,
                                             Scores& scores) {
    const uint32_t g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (uint32_t step = 0; step < S::STEPS; step += 2) {
        uint4 pieces[TILE_PARTS];
#pragma unroll
        for (uint32_t part = 0; part < TILE_PARTS; part++) {
            const uint32_t slot = g / 2 * 8 + 2 * part + g % 2;
            const uint32_t channel = step_channel(step, S::STEPS, t);
            const uint4* piece = keys + S::key_at(slot, channel / 8);
            if (step + 1 < S::STEPS) {
                pieces[part] = *piece;
            } else {
                const uint2 half = reinterpret_cast<const uint2*>(piece)[channel / 4 % 2];
                pieces[part].x = half.x, pieces[part].y = half.y;
            }
        }
#pragma unroll
        for (uint32_t i = step; i < step + 2 && i < S::STEPS; i++) {
            uint32_t terms[2][4];
            queries.get(i, terms);
#pragma unroll
            for (uint32_t part = 0; part < TILE_PARTS; part++) {
                const uint4 piece = pieces[part];
                const uint32_t low[2] = {piece.x, piece.y}, high[2] = {piece.z, piece.w};
                add_scores(scores[part], terms[0], terms[1], i == step ? low : high);
            }
        }
    }
}

// One cache block: scores, weights, sums.
template <class S>
static __device__ __forceinline__ void attend_block(const Args& args, const Place& place,
                                                    uint32_t block, const uint4* keys,
                                                    const Queries<S>& queries, Sums<S>& sums) {
    Scores scores = {};
    score<S>(queries, keys, scores);
    const uint32_t first = block * BLOCK_POSITIONS;
    const bool is_whole = first + BLOCK_POSITIONS <= place.warp_first() + 1 &&
                          first >= visible_start(place.warp_last(), args.window);
    float largest[2];
#pragma unroll
    for (uint32_t row = 0; row < 2; row++) {
        if (!is_whole) {
            const uint32_t position = place.first_position + place.row(row);
            mask_row(scores, row, (int)visible_start(position, args.window) - (int)first,
                     (int)position + 1 - (int)first);
        }
        largest[row] = lane_max(scores, row, queries.units[row]);
    }
    sums.rebase(largest);
    Weights weights;
    weigh(scores, 0, queries.units[0], sums.bases[0], weights);
    weigh(scores, 1, queries.units[1], sums.bases[1], weights);
    add_total(sums.total, weights);
    const uint4* values = keys + S::KEYS + threadIdx.x % WARP;
#pragma unroll
    for (uint32_t run = 0; run < S::RUNS; run++) {
        add_values(sums.values[run], weights, values[run * WARP]);
    }
}

// The sums of all splits so far.
template <class S>
struct Row {
    float bases[2], totals[2];
    float4* parked;

    __device__ __forceinline__ explicit Row(uint4* shared)
        : parked(reinterpret_cast<float4*>(shared) + threadIdx.x) {
        bases[0] = NOTHING, bases[1] = NOTHING;
        totals[0] = 0.0f, totals[1] = 0.0f;
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            parked[run * S::THREADS] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        }
    }

    __device__ __forceinline__ void merge(const Sums<S>& sums) {
        const Merge first(bases[0], sums.bases[0]), second(bases[1], sums.bases[1]);
        bases[0] = first.base, bases[1] = second.base;
        totals[0] = first(totals[0], sums.total[0]);
        totals[1] = second(totals[1], sums.total[2]);
#pragma unroll
        for (uint32_t run = 0; run < S::RUNS; run++) {
            float4& sum = parked[run * S::THREADS];
            const float(&more)[4] = sums.values[run];
            sum = make_float4(first(sum.x, more[0]), first(sum.y, more[1]),
                              second(sum.z, more[2]), second(sum.w, more[3]));
        }
    }

    __device__ __forceinline__ void write(const Args& args, const Place& place) const {
        const uint32_t head_dim = S::dim(args);
#pragma unroll
        for (uint32_t half = 0; half < 2; half++) {
            const uint32_t row = place.row(half);
            if (row >= place.n_rows) {
                continue;
            }
            float* out = args.out +
                         ((size_t)(place.first_row + row) * args.n_heads + place.head) * head_dim;
#pragma unroll
            for (uint32_t run = 0; run < S::RUNS; run++) {
                const float4 sum = parked[run * S::THREADS];
                const uint32_t channel = 8 * run + threadIdx.x % 4 * 2;
                const float a = normalised(half ? sum.z : sum.x, totals[half]);
                const float b = normalised(half ? sum.w : sum.y, totals[half]);
                if (S::IS_EXACT) {
                    *reinterpret_cast<float2*>(out + channel) = make_float2(a, b);
                } else {
                    channel < head_dim ? out[channel] = a : 0.0f;
                    channel + 1 < head_dim ? out[channel + 1] = b : 0.0f;
                }
            }
        }
    }
};

template <class S>
static __device__ __forceinline__ void attend(const Args& args) {
    extern __shared__ uint4 shared[];
    const Place place(args);
    const uint32_t start = visible_start(place.first_position, args.window);
    const uint32_t first_block = start / BLOCK_POSITIONS / S::BLOCKS * S::BLOCKS;
    const uint32_t last_block = place.last_position() / BLOCK_POSITIONS;
    Fetcher<S> fetcher(args, place);
    fetcher.look_up(first_block);
    fetcher.fetch(first_block, shared);
    copies_end_group();
    fetcher.look_up(first_block + S::BLOCKS);
    const Queries<S> queries(args, place, shared + 2 * S::STAGE + S::PARKED);
    Row<S> row(shared + 2 * S::STAGE);
    Sums<S> sums;
    sums.clear();

    const uint32_t warp_start = visible_start(place.warp_first(), args.window);
    bool has_sums = false;
    for (uint32_t block = first_block, turn = 0; block <= last_block;
         block += S::BLOCKS, turn ^= 1) {
        if (block + S::BLOCKS <= last_block) {
            fetcher.fetch(block + S::BLOCKS, shared + (turn ^ 1) * S::STAGE);
            fetcher.look_up(block + 2 * S::BLOCKS);
        }
        copies_end_group();
        copies_wait<1>();
        __syncthreads();
#pragma unroll
        for (uint32_t b = 0; b < S::BLOCKS; b++) {
            const uint32_t first = (block + b) * BLOCK_POSITIONS;
            if (place.n_warp_rows > 0 && first <= place.warp_last() &&
                first + BLOCK_POSITIONS > warp_start) {
                const uint4* keys = shared + turn * S::STAGE + b * (S::KEYS + S::VALUES);
                attend_block<S>(args, place, block + b, keys, queries, sums);
                has_sums = true;
            }
        }
        const uint32_t next = block + S::BLOCKS;
        if (has_sums && (next % SPLIT_TILES == 0 || next > last_block)) {
            row.merge(sums);
            sums.clear();
            has_sums = false;
        }
        __syncthreads();
    }
    row.write(args, place);
}

#define ATTENTION_PREFILL(name, ...)                                                              \
    extern "C" __global__ void                                                                    \
    __launch_bounds__(Shape<__VA_ARGS__>::THREADS, Shape<__VA_ARGS__>::MIN_BLOCKS)                \
        attention_prefill_##name(const float* qkv, const __half* keys, const __half* values,      \
                                 const uint32_t* positions, const uint32_t* row_tables,           \
                                 const uint32_t* block_tables, const uint2* tiles, float* out,    \
                                 uint32_t n_heads, uint32_t n_kv_heads, uint32_t head_dim,        \
                                 uint32_t window, float scale) {                                  \
        attend<Shape<__VA_ARGS__>>(Args{qkv, keys, values, positions, row_tables, block_tables,   \
                                        tiles, out, n_heads, n_kv_heads, head_dim, window,        \
                                        scale});                                                  \
    }

ATTENTION_PREFILL(64, 64, true, 4, 3)
ATTENTION_PREFILL(80, 80, true, 8, 1)
ATTENTION_PREFILL(96, 96, true, 8, 1)
ATTENTION_PREFILL(128, 128, true, 8, 1)
ATTENTION_PREFILL(256, 256, true, 4, 1)
ATTENTION_PREFILL(up_to_32, 32, false, 4, 3)
ATTENTION_PREFILL(up_to_256, 256, false, 4, 1)
