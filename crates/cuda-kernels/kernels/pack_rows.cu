// Packed rows (see activation.cuh) of f32 rows [n_rows][width]: as they are, after RMSNorm, or of
// silu(gate) * up of rows [n_rows][2 * width].
//
// A block of 16 warps takes two, four or eight rows of a core matrix, with eight, four or two warps
// for each. Packed groups are put together in shared memory and written in pieces that lie
// together.

#include "activation.cuh"
#include "chain.cuh"
#include "row_norm.cuh"
#include "silu.cuh"

static constexpr uint32_t WARPS = 16, THREADS = WARPS * WARP, MOST_ROWS = 8;
// Groups whose channels a warp has in flight.
static constexpr uint32_t BATCH = 4;
// Bytes in shared memory between the runs of 8 channels of all rows, the floats that stand beside
// the values of a row, the words of its split sums, and bytes of a group.
static constexpr uint32_t RUN = MOST_ROWS * 16 + 16, FLOATS = 13, SPLITS = 4;
static constexpr uint32_t SIDES = FLOATS + SPLITS;
static constexpr uint32_t STAGED = GROUP / 8 * RUN + SIDES * MOST_ROWS * 4;

extern __shared__ __align__(16) uint8_t shared_memory[];

static __device__ __forceinline__ void load(const float* row, uint32_t group, uint32_t width,
                                            float (&x)[4]) {
    if (width % 4 == 0) {
        load_quad(row, group, width, x);
    } else {
        load_any_quad(row, group, width, x);
    }
}

// The warp's place in the block, which takes 2^log_rows rows.
struct Place {
    // Rows of x; the block's first row; the warp's among them; which of the warps of that row.
    uint32_t n_rows, log_rows, first_row, row, row_warps, part;

    __device__ __forceinline__ Place(uint32_t n_rows, uint32_t log_rows)
        : n_rows(n_rows), log_rows(log_rows) {
        first_row = blockIdx.x << log_rows;
        row_warps = WARPS >> log_rows;
        row = threadIdx.x / WARP / row_warps;
        part = threadIdx.x / WARP % row_warps;
    }
    // The row of x, one that exists.
    __device__ __forceinline__ uint32_t source() const {
        return min(first_row + row, n_rows - 1);
    }
    // Groups that a block has at once; the i-th of this warp among them.
    __device__ __forceinline__ uint32_t batch() const { return BATCH * row_warps; }
    __device__ __forceinline__ uint32_t slot(uint32_t i) const { return i * row_warps + part; }
};

// Packs a group into its slot of shared memory.
static __device__ __forceinline__ void stage(const Place& place, uint32_t i, const float (&x)[4]) {
    const uint32_t lane = threadIdx.x % WARP;
    const PackedQuad packed = pack_group(x);
    uint8_t* to = shared_memory + place.slot(i) * STAGED;
    *reinterpret_cast<uint2*>(to + lane / 2 * RUN + place.row * 16 + lane % 2 * 8) =
        make_uint2(packed.words[0], packed.words[1]);
    float* side = reinterpret_cast<float*>(to + GROUP / 8 * RUN) + place.row;
    if (lane == 0) {
        side[0] = packed.scale;
    }
    if (lane % 8 == 0) {
        const uint32_t block = lane / 8, split = split_sum(packed.sum32);
        side[(1 + block) * MOST_ROWS] = packed.sum32;
        uint16_t* halves = reinterpret_cast<uint16_t*>(side + (FLOATS + block / 2) * MOST_ROWS);
        halves[block % 2] = (uint16_t)split;
        halves[SPLITS / 2 * MOST_ROWS * 2 + block % 2] = (uint16_t)(split >> 16);
    }
    if (lane % 4 == 0) {
        side[(5 + lane / 4) * MOST_ROWS] = packed.sum16;
    }
}

// Where in a slab the scale is, then the sums over 32 channels, over 16, and the split sums.
static __device__ __forceinline__ uint32_t place_of_side(uint32_t row, uint32_t side) {
    if (side >= FLOATS) {
        return SLAB_SPLIT + row * SPLITS * 4 + (side - FLOATS) * 4;
    }
    const uint32_t from = side == 0 ? SLAB_SCALES : SLAB_SUMS32 - SLAB_ROWS * 4;
    return from + (side * SLAB_ROWS + side_place(row)) * 4;
}

// Writes the groups in shared memory, `first` and those after it. The whole block calls it.
static __device__ __forceinline__ void write_staged(const Place& place, uint8_t* packed,
                                                    uint32_t first, uint32_t groups) {
    const uint32_t n_groups = min(place.batch(), groups - first), log = place.log_rows;
    const uint32_t first_row = place.first_row % SLAB_ROWS;
    uint8_t* slabs = packed + slab_at(place.first_row, first, groups);
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < n_groups * (GROUP / 8) << log; i += THREADS) {
        const uint32_t row = i & ((1 << log) - 1), run = i >> log, group = run / (GROUP / 8);
        const uint8_t* from = shared_memory + group * STAGED + run % (GROUP / 8) * RUN + row * 16;
        uint8_t* to = slabs + (size_t)group * SLAB_BYTES +
                      value_in_slab(first_row + row, run % (GROUP / 8) * 8);
        if (place.first_row + row < place.n_rows) {
            *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
        }
    }
    for (uint32_t i = threadIdx.x; i < n_groups * SIDES << log; i += THREADS) {
        const uint32_t row = i & ((1 << log) - 1), side = i >> log;
        const uint8_t* from = shared_memory + side / SIDES * STAGED + GROUP / 8 * RUN +
                              (side % SIDES * MOST_ROWS + row) * 4;
        uint8_t* to = slabs + (size_t)(side / SIDES) * SLAB_BYTES +
                      place_of_side(first_row + row, side % SIDES);
        if (place.first_row + row < place.n_rows) {
            *reinterpret_cast<float*>(to) = *reinterpret_cast<const float*>(from);
        }
    }
    __syncthreads();
}

// A block has some of the groups of its rows.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    pack_rows(const float* x, uint8_t* __restrict__ packed, uint32_t n_rows, uint32_t width,
              uint32_t log_rows) {
    chain_release();
    chain_wait();
    const Place place(n_rows, log_rows);
    const uint32_t first = blockIdx.y * place.batch();
    const float* from = x + (size_t)place.source() * width;
    float quads[BATCH][4];
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
        load(from, first + place.slot(i), width, quads[i]);
    }
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
        stage(place, i, quads[i]);
    }
    write_staged(place, packed, first, groups_of(width));
}

// The same of silu(gate) * up.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    pack_rows_swiglu(const float* gate_up, uint8_t* __restrict__ packed, uint32_t n_rows,
                     uint32_t ffn, uint32_t log_rows) {
    chain_release();
    chain_wait();
    const Place place(n_rows, log_rows);
    const uint32_t first = blockIdx.y * place.batch();
    const float* from = gate_up + (size_t)place.source() * 2 * ffn;
    float gate[BATCH][4], up[BATCH][4];
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
        load(from, first + place.slot(i), ffn, gate[i]);
        load(from + ffn, first + place.slot(i), ffn, up[i]);
    }
#pragma unroll
    for (uint32_t i = 0; i < BATCH; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            gate[i][j] = silu_times(gate[i][j], up[i][j]);
        }
        stage(place, i, gate[i]);
    }
    write_staged(place, packed, first, groups_of(ffn));
}

// x * weight / sqrt(mean(x^2) + eps). A block has all the groups of its rows.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    pack_rows_norm(const float* x, const float* __restrict__ weight,
                   uint8_t* __restrict__ packed, uint32_t n_rows, uint32_t width, float eps,
                   uint32_t log_rows) {
    chain_release();
    chain_wait();
    const Place place(n_rows, log_rows);
    const uint32_t groups = groups_of(width), n_slots = place.batch();
    const float* from = x + (size_t)place.source() * width;
    float* squares = reinterpret_cast<float*>(shared_memory + n_slots * STAGED);
    float* row_squares = squares + place.row * groups;
    float quads[BATCH][4];
    for (uint32_t first = 0; first < groups; first += n_slots) {
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            load(from, first + place.slot(i), width, quads[i]);
        }
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            const float of_group = group_squares(quads[i]);
            if (threadIdx.x % WARP == 0 && first + place.slot(i) < groups) {
                row_squares[first + place.slot(i)] = of_group;
            }
        }
    }
    __syncthreads();
    float total = 0.0f;
    for (uint32_t group = 0; group < groups; group++) {
        total = add(total, row_squares[group]);
    }
    const float scale = norm_scale(total, 1.0f / (float)width, eps);
    for (uint32_t first = 0; first < groups; first += n_slots) {
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            // A row of one batch is still there.
            if (groups > n_slots) {
                load(from, first + place.slot(i), width, quads[i]);
            }
        }
#pragma unroll
        for (uint32_t i = 0; i < BATCH; i++) {
            float factor[4];
            load(weight, first + place.slot(i), width, factor);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                quads[i][j] = normed(quads[i][j], scale, factor[j]);
            }
            stage(place, i, quads[i]);
        }
        write_staged(place, packed, first, groups);
    }
}
