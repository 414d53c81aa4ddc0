// out[r][o] = sum over k of weight[o][k] * x[r][k] for packed rows x and a packed weight, then the
// epilogue: a bias is added, or what `out` holds, or (gemm_swiglu) silu(gate) * up is packed as
// rows again, for the next product.
//
// In each group of 128 channels the matrix instruction adds the products of values and quants,
// block by block of those that share a scale:
//   p = chain over the block's steps of 16 channels, from 0
//   g = scale * p + g, then g = minimum * sum of x over the block + g      (f16: g = p)
//   total = x scale * g + total                                            groups from 0 on
// The order depends on K alone, and the instruction of four warps rounds as a chain of
// mma.m16n8k16 does: a row gives the same bits in any batch, and in the product for single rows.
//
// A block of two warpgroups that multiply and one that copies takes 128 rows of the weight (A, from
// registers) and 128 or 256 rows of x (B, from shared memory), and while it writes one tile the
// next is copied. Tiles of rows are the inner loop: a weight is read once, and the activations
// stay in the cache.

#include "chain.cuh"
#include "gemm_epilogue.cuh"
#include "gemm_hopper.cuh"

static constexpr uint32_t PRODUCER_REGISTERS = 24, CONSUMER_REGISTERS = 240;

extern __shared__ __align__(128) uint8_t shared_memory[];

template <uint32_t CLUSTER>
static __device__ __forceinline__ void sync() {
    if (CLUSTER > 1) {
        cluster_sync();
    } else {
        __syncthreads();
    }
}

// The tiles of the weight and rows of x that come `i`-th.
template <uint32_t ROWS, uint32_t CLUSTER>
static __device__ __forceinline__ Place place_at(uint32_t i, uint32_t row_tiles) {
    const uint32_t block = i / row_tiles * CLUSTER + (CLUSTER > 1 ? cluster_rank() : 0);
    return Place{block * BLOCK_TILES, i % row_tiles * ROWS};
}

// Blocks of a cluster take neighbouring rows of the weight and the same rows of x.
template <class Format, uint32_t SLABS, uint32_t CLUSTER, class Epilogue>
static __device__ __forceinline__ void gemm(const Work& work, Epilogue epilogue) {
    using Memory = Stages<Format, SLABS>;
    const Memory memory{shared_memory};
    memory.init();
    chain_release();
    sync<CLUSTER>();
    // Weights alone are copied before the launch before has ended.
    if (threadIdx.x / WARP != CONSUMER_WARPS) {
        chain_wait();
    }
    constexpr uint32_t TILES = CLUSTER * BLOCK_TILES;
    const uint32_t row_tiles = (work.n_rows + Memory::ROWS - 1) / Memory::ROWS;
    const uint32_t n_places = (work.n_tiles + TILES - 1) / TILES * row_tiles;
    const uint32_t first = blockIdx.x / CLUSTER, step = gridDim.x / CLUSTER;
    if (threadIdx.x >= CONSUMERS) {
        give_registers<PRODUCER_REGISTERS>();
        if (threadIdx.x < CONSUMERS + WARP) {
            WeightProducer<Format, SLABS> producer{memory};
            for (uint32_t i = first; i < n_places; i += step) {
                producer.produce(work, place_at<Memory::ROWS, CLUSTER>(i, row_tiles));
            }
        } else if (threadIdx.x == CONSUMERS + WARP) {
            RowProducer<Format, SLABS> producer{memory};
            for (uint32_t i = first; i < n_places; i += step) {
                producer.produce(work, place_at<Memory::ROWS, CLUSTER>(i, row_tiles));
            }
        }
    } else {
        take_registers<CONSUMER_REGISTERS>();
        Consumer<Format, SLABS> consumer{memory};
        epilogue.init(shared_memory + Memory::SCRATCH, memory.exchanges());
        consumer.turns.open();
        for (uint32_t i = first; i < n_places; i += step) {
            const Place place = place_at<Memory::ROWS, CLUSTER>(i, row_tiles);
            float total[SLABS][HELD];
            consumer.consume(work, total);
            epilogue.write(place, work, total);
        }
        consumer.turns.close();
    }
    // No block may end while the other writes to its shared memory.
    if (CLUSTER > 1) {
        cluster_sync();
    }
}

#define GEMM(name, Format, SLABS, ROWS)                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) gemm_##name##_rows##ROWS(          \
        const uint8_t* __restrict__ weight, const uint8_t* __restrict__ packed,                 \
        const float* __restrict__ bias, float* __restrict__ out, uint32_t n_rows,               \
        uint32_t groups, uint32_t n_tiles, uint32_t n_outputs, uint32_t ffn,                    \
        uint32_t out_stride, uint32_t accumulate) {                                             \
        const Work work{n_rows, groups, n_tiles, weight, packed};                               \
        const Columns columns{bias, out, n_outputs, ffn, out_stride, accumulate};               \
        gemm<Format, SLABS, 1>(work, columns);                                                  \
    }                                                                                           \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(THREADS, 1)          \
        gemm_swiglu_##name##_rows##ROWS(                                                        \
            const uint8_t* __restrict__ weight, const uint8_t* __restrict__ packed,             \
            uint8_t* __restrict__ out, uint32_t n_rows, uint32_t groups, uint32_t n_tiles,      \
            uint32_t ffn, uint32_t has_sums) {                                                  \
        const Work work{n_rows, groups, n_tiles, weight, packed};                               \
        gemm<Format, SLABS, 2>(work, SwigluRows<SLABS>{out, ffn, has_sums});                    \
    }
#define GEMM_ONE_SLAB(name, File, Format) GEMM(name, Format, 1, 128)

FOR_EACH_PACKED_FORMAT(GEMM_ONE_SLAB)
GEMM(f16, PackedF16, 2, 256)
