// out[r][o] = sum over k of weight[o][k] * x[r][k] for up to 16 rows, with packed weights.
//
// The activations of a group of 128 channels are scaled by a power of two and rounded to f16
// (activation.cuh); a warp adds the products of 16 outputs and a group on the matrix unit
// (unit_product.cuh); then one thread per output adds the groups in ascending order, each times
// its scale. Which rows come together, and how tiles and groups are spread, changes no bit.
//
// A block has some neighbouring tiles of 16 outputs. Its weights come in stages (stage_queue.cuh)
// that one warp asks for before the kernels before have ended: the groups of a tile or, of long
// rows, a chunk of them. Each of the other warps takes a unit of a stage, always of the same
// groups, whose activations it packs itself; if there are few groups, some warps take one stage
// and some the next. Two blocks of a cluster may share tiles: then each has half of the groups,
// and the first adds up.
//
// A stack of up to three weights of different formats (Q, K, V) is one launch.

#include "chain.cuh"
#include "matvec_block.cuh"
#include "matvec_rows.cuh"

// The same value, in a way that keeps the compiler from computing what follows from it in advance,
// for all formats, whichever there is.
static __device__ __forceinline__ uint32_t kept_here(uint32_t value) {
    asm volatile("" : "+r"(value));
    return value;
}

template <uint32_t ROWS>
struct Matvec : BlockWork {
    static constexpr uint32_t N = (ROWS + 7) / 8;

    __device__ __forceinline__ Matvec(const Args& args, uint8_t* memory)
        : BlockWork(args, memory, ROWS == 1 ? 1 : args.n_rows) {}

    // What a taking warp is: it takes unit `unit` of every `tile_warps`th stage, the `nth_tile`th
    // first. If there are more warps than that needs, `is_taking` is false.
    struct Taker {
        uint32_t warp, unit, nth_tile;
        WarpGroups groups;
        bool is_taking;
    };

    __device__ __forceinline__ Taker taker() const {
        Taker self;
        self.warp = threadIdx.x / WARP;
        self.nth_tile = self.warp / args.chunk;
        self.unit = self.warp % args.chunk;
        self.is_taking = self.nth_tile < args.tile_warps;
        self.groups.first = group_begin + self.unit;
        self.groups.step = args.chunk;
        self.groups.count = 0;
        if (self.is_taking && self.groups.first < group_end) {
            self.groups.count = (group_end - self.groups.first + args.chunk - 1) / args.chunk;
        }
        self.groups.is_adder = self.nth_tile == 0;
        return self;
    }

    // The parts of the unit of a stage that this warp takes, at `to`.
    template <class Format>
    __device__ __forceinline__ void multiply(const uint8_t* unit, const uint32_t (&b)[N][STEPS][2],
                                             const float (&row_sums)[2],
                                             const uint32_t (&b_sums)[N], uint32_t lane,
                                             uint32_t kept, float* to) const {
        using Scales = typename Format::Scales;
        if constexpr (ROWS == 1 && HAS_BLOCK_COLUMNS<Format>) {
            float part[2];
            row_product<Format>(unit, lane, b[0], row_sums, part);
            if (lane % 4 == 3) {
                to[lane / 4] = part[0];
                to[lane / 4 + 8] = part[1];
            }
            return;
        }
        float part[1][N][4] = {};
        if constexpr (Scales::IN_OPERAND) {
            chain_product<Format>(unit, lane, b, b_sums, part[0]);
            store(part[0], lane, to);
            return;
        }
        const uint8_t* const units[1] = {unit};
        Scales scales[1] = {Format::scales(unit, lane)};
#pragma unroll
        for (uint32_t half = 0; half < 2; half++) {
            uint32_t b_half[N][HALF_STEPS][2];
#pragma unroll
            for (uint32_t i = 0; i < N * STEPS; i++) {
                const uint32_t n = i / STEPS, step = i / 2 % HALF_STEPS;
                b_half[n][step][i % 2] = b[n][half * HALF_STEPS + step][i % 2];
            }
            float sums[N][2][HALF_STEPS];
            if constexpr (Scales::HAS_MINIMA) {
                load_sums<N>(n_rows, shared, kept, half, sums);
            }
            half_products<Format, 1, N>(units, scales, lane, half, b_half, sums, part);
        }
        store(part[0], lane, to);
    }

    __device__ __forceinline__ void store(const float (&part)[N][4], uint32_t lane,
                                          float* to) const {
#pragma unroll
        for (uint32_t i = 0; i < N * 4; i++) {
            const uint32_t row = i / 4 * 8 + lane % 4 * 2 + i % 2;
            if ((ROWS > 1 || i % 2 == 0) && row < n_rows) {
                to[row * Shared::COLUMN + i / 2 % 2 * 8 + lane / 4] = part[i / 4][i % 4];
            }
        }
    }

    // A run of tiles of one weight.
    template <class Format>
    __device__ __forceinline__ void take_run(StageQueue& queue, const Taker& self,
                                             uint32_t (&b)[N][STEPS][2], uint32_t kept,
                                             uint32_t n_tiles, float* to, bool has_group) const {
        if (is_resident && (!has_group || self.nth_tile >= n_tiles)) {
            queue.skip((int32_t)n_tiles);
            return;
        }
        const uint32_t lane = kept_here(lane_id());
        float row_sums[2] = {};
        if constexpr (ROWS == 1) {
            load_row_operand<Format>(shared.values + kept * Shared::ROW_WORDS, Shared::LANE_WORDS,
                                     lane, b[0]);
            if constexpr (HAS_BLOCK_COLUMNS<Format> && Format::Scales::HAS_MINIMA) {
                load_row_sums<Format>(shared.sums + kept * STEPS, lane, row_sums);
            }
        }
        uint32_t b_sums[N] = {};
        if constexpr (Format::Scales::IN_OPERAND && Format::Scales::HAS_MINIMA) {
            load_splits<N>(n_rows, shared, kept, b_sums);
        }
        const uint32_t offset = kept_here(self.unit) * Format::UNIT_BYTES;
        const uint32_t tile_floats = n_rows * Shared::COLUMN;
        // Of stages that stay, a warp sees its own only. One that left out another could mistake
        // one round of a slot for the next.
        const uint32_t step = is_resident ? args.tile_warps : 1, others = args.tile_warps - step;
        const uint32_t first = self.nth_tile;
        uint32_t until_mine = has_group ? first : ~0u;
        int32_t left = (int32_t)n_tiles;
        if (is_resident) {
            queue.skip((int32_t)first);
            left -= (int32_t)first;
            until_mine = 0;
        }
        to += first * tile_floats;
#pragma unroll 1
        do {
            queue.wait();
            if (until_mine == 0) {
                multiply<Format>(queue.slot + offset, b, row_sums, b_sums, lane, kept, to);
                to += args.tile_warps * tile_floats;
                until_mine = others + 1;
            }
            until_mine--;
            if (is_resident) {
                queue.skip((int32_t)step);
            } else {
                queue.release();
                queue.advance();
            }
            left -= (int32_t)step;
        } while (left > 0);
        if (is_resident) {
            queue.skip(left);
        }
    }

    // Of the groups of a warp the `nth`, with all tiles of the batch that is run over.
    __device__ __forceinline__ void take(StageQueue& queue, const Taker& self,
                                         uint32_t (&b)[N][STEPS][2], uint32_t batch,
                                         uint32_t nth, uint32_t tile, uint32_t end,
                                         const At& in) const {
        const uint32_t group = self.groups.first + nth * self.groups.step;
        const uint32_t column = (group * args.batch + tile - batch) * n_rows;
        float* to = in_first(shared.parts + column * Shared::COLUMN);
        const bool has_group = nth < self.groups.count;
        switch (in.part.kind & 0xff) {
#define TAKE(name, Raw, Format)                                                                 \
    case Format::NUMBER:                                                                        \
        take_run<Format>(queue, self, b, kept(self, nth), end - tile, to, has_group);           \
        break;
            FOR_EACH_PACKED_FORMAT(TAKE)
        }
    }

    // Number of the nth group of a warp among those whose packed rows the block keeps.
    __device__ __forceinline__ uint32_t kept(const Taker& self, uint32_t nth) const {
        return (args.keep > 1 ? nth * args.chunk * args.tile_warps : 0) + self.warp;
    }

    // An output of the batch: its tile there, its row of activations and its row of the tile.
    struct Place {
        uint32_t nth, row, output;
        // Column of `out`.
        uint32_t column;
        // Not of a padding row.
        bool exists;
    };

    __device__ __forceinline__ Place place_of(uint32_t i, uint32_t first) const {
        Place place;
        place.output = i % TILE_ROWS;
        const uint32_t rows_log2 = ROWS == 1 ? 0 : args.rows_log2;
        place.row = i / TILE_ROWS & ((1u << rows_log2) - 1);
        place.nth = i / TILE_ROWS >> rows_log2;
        const uint32_t tile = first + place.nth;
        bool exists;
        if (args.n_pairs > 0) {
            const uint32_t pair = tile * 8 + place.output % 8;
            place.column = place.output < 8 ? pair : args.n_pairs + pair;
            exists = pair < args.n_pairs;
        } else {
            const At in = at(tile);
            const uint32_t in_part = (tile - in.first_tile) * TILE_ROWS + place.output;
            place.column = in.first_column + in_part;
            exists = in_part < in.part.n_outputs;
        }
        place.exists = exists && place.row < n_rows && tile < min(first + args.batch, tile_end);
        return place;
    }

    // What the epilogue adds to a total. What `out` held is known only after the wait.
    __device__ __forceinline__ float extra(const Place& at) const {
        const float* from = args.epilogue == BIAS ? args.bias + at.column
                                                  : args.out + (size_t)at.row * args.out_stride +
                                                        at.column;
        return at.exists && args.epilogue != STORE && args.epilogue != SWIGLU ? *from : 0.0f;
    }

    __device__ __forceinline__ float total(const Place& at) const {
        const float* part =
            shared.parts + (at.nth * n_rows + at.row) * Shared::COLUMN + at.output;
        const float* scale = shared.scales + at.row;
        const uint32_t step = args.batch * n_rows * Shared::COLUMN;
        const auto fetch = [&](uint32_t group) {
            return make_float2(scale[group * n_rows], part[group * step]);
        };
        return sum_ascending<float2>(n_groups, fetch, [](float sum, const float2& scaled) {
            return __fmaf_rn(scaled.x, scaled.y, sum);
        });
    }

    // Whole warps must call it: a gate finds its up projection eight lanes on.
    __device__ __forceinline__ void finish(const Place& at, float extra) const {
        float result = at.exists ? total(at) : 0.0f;
        bool is_output = at.exists;
        if (args.epilogue == SWIGLU) {
            const float up = __shfl_down_sync(ALL_LANES, result, 8);
            result = mul(result / (1.0f + expf(-result)), up);
            is_output = is_output && at.output < 8;
        } else if (args.epilogue != STORE) {
            result = add(result, extra);
        }
        if (is_output) {
            args.out[(size_t)at.row * args.out_stride + at.column] = result;
        }
    }

    // All that add up have what they need, or have read it.
    __device__ __forceinline__ void sync() const {
        if (n_ranks > 1) {
            cluster_sync();
        } else {
            takers_sync();
        }
    }

    __device__ __forceinline__ void add_up(uint32_t batch, const Place& first_place,
                                           float first_extra) const {
        const uint32_t n_tiles = min(args.batch, tile_end - batch);
        const uint32_t count = rank == 0 ? n_tiles * TILE_ROWS << args.rows_log2 : 0;
        Place place = first_place;
        float added = first_extra;
#pragma unroll 1
        for (uint32_t i = threadIdx.x; i / WARP * WARP < count; i += n_takers() * WARP) {
            if (batch != tile_begin || i != threadIdx.x) {
                place = place_of(i, batch);
                added = extra(place);
            }
            finish(place, added);
        }
    }

    __device__ __forceinline__ void take_all(StageQueue& queue) const {
        const Taker self = taker();
        FirstQuads<ROWS> quads = {};
        if (args.norm_weight != nullptr) {
            load_first_quads(args.norm_weight, self.groups, args.row_len, quads.weight);
        }
        quads.inverse_width = 1.0f / (float)args.row_len;
        const Place place = place_of(threadIdx.x, tile_begin);
        chain_wait();
        load_first_quads(args.x, self.groups, args.row_len, quads.x);
        const float added = rank == 0 ? extra(place) : 0.0f;
        float row_scale = 1.0f;
        if (args.norm_weight != nullptr) {
            row_scale = norm_rows<ROWS>(args, shared, n_groups, self.groups, quads);
        }
        begin_wait();
#pragma unroll 1
        for (uint32_t batch = tile_begin; batch < tile_end; batch += args.batch) {
            if (self.is_taking) {
                take_batch(queue, self, quads, row_scale, batch);
            }
            sync();
            add_up(batch, place, added);
            if (batch + args.batch < tile_end) {
                sync();
            }
        }
    }

    __device__ __forceinline__ void take_batch(StageQueue& queue, const Taker& self,
                                               const FirstQuads<ROWS>& quads, float row_scale,
                                               uint32_t batch) const {
        uint32_t b[N][STEPS][2];
        uint32_t nth_group = 0;
        const auto begin = [&](uint32_t nth) {
            nth_group = nth;
            const bool is_packed = batch != tile_begin && args.keep >= self.groups.count;
            if (nth < self.groups.count && !is_packed) {
                pack_rows<ROWS>(args, shared, self.groups, nth, kept(self, nth), quads,
                                       row_scale);
            }
            if constexpr (ROWS > 1) {
                load_operand<N>(n_rows, shared, kept(self, nth), b);
            }
        };
        for_each_run(batch, begin, [&](uint32_t, uint32_t tile, uint32_t end, const At& in) {
            take(queue, self, b, batch, nth_group, tile, end, in);
        });
    }

    __device__ __forceinline__ void run() {
        StageQueue queue(shared.slots, shared.barriers, args.stage_bytes, args.depth);
        const bool is_asking = threadIdx.x / WARP == n_takers();
        if (is_asking) {
            queue.init(args.chunk * args.tile_warps);
        }
        begin_arrive(is_asking);
        chain_release();
        if (is_asking) {
            ask_all(queue);
            if (n_ranks > 1) {
                cluster_wait();
                cluster_sync();
            }
        } else {
            take_all(queue);
        }
    }
};

#define MATVEC(name, ROWS, BOUNDS)                                                              \
    extern "C" __global__ void BOUNDS name(                                                     \
        const float* x, const float* norm_weight, const float* bias, float* out,                \
        const uint8_t* units_0, const uint8_t* units_1, const uint8_t* units_2,                 \
        uint32_t kind_0, uint32_t kind_1, uint32_t kind_2, uint32_t outputs_0,                  \
        uint32_t outputs_1, uint32_t outputs_2, float eps, uint32_t n_rows, uint32_t rows_log2, \
        uint32_t row_len, uint32_t out_stride, uint32_t n_pairs, uint32_t epilogue,             \
        uint32_t depth, uint32_t stage_bytes, uint32_t chunk, uint32_t tile_warps,              \
        uint32_t block_tiles, uint32_t larger_blocks, uint32_t batch, uint32_t keep,            \
        uint32_t with_sums) {                                                                   \
        extern __shared__ __align__(128) uint8_t memory[];                                      \
        const Args args = {x, norm_weight, bias, out,                                           \
                           {{units_0, kind_0, outputs_0},                                       \
                            {units_1, kind_1, outputs_1},                                       \
                            {units_2, kind_2, outputs_2}},                                      \
                           eps, n_rows, rows_log2, row_len, out_stride, n_pairs, epilogue,      \
                           depth, stage_bytes, chunk, tile_warps, block_tiles, larger_blocks,   \
                           batch, keep, with_sums};                                             \
        Matvec<ROWS>(args, memory).run();                                                \
    }

// A multiprocessor has registers for sixteen warps: two blocks of eight, so that the next kernel of
// a chain fetches its weights while this one works, or one of more warps for many weights. One row
// takes fewer, as few as spill nothing, which leaves some for attention: what a chained kernel
// spills costs more than it does.
MATVEC(matvec_rows1, 1, __maxnreg__(112))
MATVEC(matvec_rows8, 8, __launch_bounds__(256, 2))
MATVEC(matvec_rows16, 16, __launch_bounds__(256, 1))
MATVEC(matvec_rows8_wide, 8, __launch_bounds__(512, 1))
