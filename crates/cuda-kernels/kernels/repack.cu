// Rows of a GGUF weight -> units of 16 rows x 128 channels (packed_weight.cuh), without loss.
// One block of threads per unit, blockIdx.x tile, blockIdx.y group.
//
// Rows 0 .. 7 of tile i are the rows tile_step * i .. of `first`, rows 8 .. 15 those of `second`;
// what lies beyond the `first_rows` and `second_rows` that exist is zero. So a plain weight is
// first = row 0, second = row 8, tile_step = 16, and a gate with its up projection is first =
// gate, second = up, tile_step = 8.

#include "block_format.cuh"
#include "block_quant.cuh"
#include "packed_weight.cuh"
#include "reduce.cuh"

static constexpr uint32_t THREADS = WARP * STEPS;

struct Source {
    const uint8_t* first;
    const uint8_t* second;
    uint32_t first_rows, second_rows, tile_step, row_len;
};

// The rows of a tile, of which those that do not exist are null.
template <class Raw>
static __device__ __forceinline__ const uint8_t* tile_row(const Source& source, uint32_t row) {
    const bool is_first = row < 8;
    const uint32_t index = blockIdx.x * source.tile_step + row % 8;
    const uint8_t* rows = is_first ? source.first : source.second;
    return index < (is_first ? source.first_rows : source.second_rows)
               ? rows + index * row_bytes<Raw>(source.row_len)
               : nullptr;
}

// Stored quant of a row and a channel of the group of this block.
template <class Raw>
static __device__ __forceinline__ uint32_t quant_at(const Source& source, uint32_t row,
                                                    uint32_t channel) {
    const uint8_t* values = tile_row<Raw>(source, row);
    const uint32_t k = blockIdx.y * GROUP + channel;
    if (values == nullptr || k >= source.row_len) {
        return 0;
    }
    return StoredQuant<Raw>::quant(values + (size_t)(k / Raw::LEN) * Raw::BYTES, k % Raw::LEN);
}

// The eight quants that a lane has of a step: value e of register r is number 2r + e.
struct StepQuants {
    uint32_t of[8];

    template <class Raw>
    __device__ __forceinline__ void read(const Source& source, uint32_t lane, uint32_t step) {
#pragma unroll
        for (uint32_t i = 0; i < 8; i++) {
            const uint32_t row = lane / 4 + i / 2 % 2 * 8;
            const uint32_t channel = step * 16 + lane % 4 * 2 + i / 4 * 8 + i % 2;
            of[i] = quant_at<Raw>(source, row, channel);
        }
    }

    // Some bits of every quant: those of value e of register r from bit `first + gap r + 16 e`.
    __device__ __forceinline__ uint32_t word(uint32_t from, uint32_t mask, uint32_t gap) const {
        uint32_t bits = 0;
#pragma unroll
        for (uint32_t i = 0; i < 8; i++) {
            bits |= (of[i] >> from & mask) << (i / 2 * gap + i % 2 * 16);
        }
        return bits;
    }
};

template <class Quants>
static __device__ __forceinline__ void write_low(uint8_t* unit, uint32_t lane, uint32_t step,
                                                 const StepQuants& quants) {
    constexpr uint32_t L = Quants::LOW_BITS;
    uint32_t* lane_words = reinterpret_cast<uint32_t*>(unit + lane * 16);
    if constexpr (L == 16) {
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            lane_words[step * 128 + i] = quants.of[2 * i] | quants.of[2 * i + 1] << 16;
        }
    } else if constexpr (L == 8) {
#pragma unroll
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t* of = quants.of + 4 * i;
            lane_words[step / 2 * 128 + step % 2 * 2 + i] =
                of[0] | of[1] << 8 | of[2] << 16 | of[3] << 24;
        }
    } else if constexpr (L == 4) {
        lane_words[step / 4 * 128 + step % 4] = quants.word(0, 15, 4);
    } else {
        // Two steps share a word; each has a byte of both half words.
        const uint32_t bits = quants.word(0, 3, 2);
        uint8_t* bytes = unit + lane * 16 + step / 2 * 4 + step % 2;
        bytes[0] = (uint8_t)bits;
        bytes[2] = (uint8_t)(bits >> 16);
    }
}

// The word of high bits that lane `lane` has for the steps from `step` on.
template <class Raw, class Quants>
static __device__ __forceinline__ uint32_t high_bits_of(const Source& source, uint32_t lane,
                                                        uint32_t step) {
    constexpr uint32_t L = Quants::LOW_BITS, H = Quants::HIGH_BITS;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 4 / H; i++) {
        StepQuants quants;
        quants.read<Raw>(source, lane, step + i);
#pragma unroll
        for (uint32_t n = 0; n < 8; n++) {
            const uint32_t high = quants.of[n] >> L & ((1 << H) - 1);
            bits |= high << (high_bit<L, H>(step + i, n / 2) + n % 2 * 16);
        }
    }
    return bits;
}

// One thread per row of the tile and block of 32 channels.
template <class Raw>
static __device__ __forceinline__ void write_scales(const Source& source, uint8_t* scales,
                                                    uint32_t row, uint32_t block) {
    const uint8_t* values = tile_row<Raw>(source, row);
    const uint32_t k = blockIdx.y * GROUP + block * 32;
    if (values != nullptr && k < source.row_len) {
        const uint8_t* at = values + (size_t)(k / Raw::LEN) * Raw::BYTES;
        StoredQuant<Raw>::scales(at, k % Raw::LEN / 32, scales, row % 8, row / 8, block);
    }
}

template <class Raw, class Format>
static __device__ __forceinline__ void repack(const Source& source, uint8_t* units) {
    using Quants = typename Format::Quants;
    using Scales = typename Format::Scales;
    const size_t index = (size_t)blockIdx.x * gridDim.y + blockIdx.y;
    uint8_t* unit = units + index * Format::UNIT_BYTES;
    const uint32_t lane = threadIdx.x % WARP, step = threadIdx.x / WARP;
    StepQuants quants;
    quants.read<Raw>(source, lane, step);
    write_low<Quants>(unit, lane, step, quants);
    if constexpr (Quants::HIGH_BITS > 0) {
        constexpr uint32_t STEPS_OF_WORD = 4 / Quants::HIGH_BITS;
        constexpr uint32_t WORDS = STEPS / STEPS_OF_WORD;
        if (step % STEPS_OF_WORD == 0) {
            uint32_t* high = reinterpret_cast<uint32_t*>(unit + Quants::LOW_BYTES);
            high[lane * WORDS + step / STEPS_OF_WORD] =
                high_bits_of<Raw, Quants>(source, lane, step);
        }
    }
    if constexpr (Scales::HAS_SCALES) {
        uint8_t* scales = unit + Quants::BYTES;
        for (uint32_t i = threadIdx.x; i < Scales::BYTES / 4; i += THREADS) {
            reinterpret_cast<uint32_t*>(scales)[i] = 0;
        }
        __syncthreads();
        if (threadIdx.x < TILE_ROWS * 4) {
            write_scales<Raw>(source, scales, threadIdx.x / 4, threadIdx.x % 4);
        }
    }
}

#define REPACK(name, Raw, Format)                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS) repack_##name(                        \
        const uint8_t* __restrict__ first, const uint8_t* __restrict__ second,                  \
        uint8_t* __restrict__ units, uint32_t first_rows, uint32_t second_rows,                 \
        uint32_t tile_step, uint32_t row_len) {                                                 \
        const Source source = {first, second, first_rows, second_rows, tile_step, row_len};     \
        repack<Raw, Format>(source, units);                                                     \
    }

FOR_EACH_PACKED_FORMAT(REPACK)
