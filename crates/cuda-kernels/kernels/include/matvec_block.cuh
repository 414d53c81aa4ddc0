// What a block of matvec.cu multiplies, and in which order its weights come.
#pragma once

#include "activation.cuh"
#include "cluster.cuh"
#include "matvec_args.cuh"
#include "stage_queue.cuh"

struct BlockWork {
    const Args& args;
    uint32_t n_rows, n_groups;
    // Number of this block among those of the cluster, which share tiles.
    uint32_t rank, n_ranks;
    // Of this block.
    uint32_t group_begin, group_end, tile_begin, tile_end;
    // Tiles before the end of each weight of the stack.
    uint32_t ends[3];
    // Whether every stage has a slot of its own, so that none need be released.
    bool is_resident;
    Shared shared;

    __device__ __forceinline__ BlockWork(const Args& args, uint8_t* memory, uint32_t n_rows)
        : args(args), n_rows(n_rows), n_groups(groups_of(args.row_len)), rank(cluster_rank()),
          n_ranks(cluster_size()), shared(memory, args, n_rows, n_groups) {
        const uint32_t halvings = n_ranks - 1;
        const uint32_t share = (n_groups + halvings) >> halvings;
        group_begin = rank * share;
        group_end = min(n_groups, group_begin + share);
        const uint32_t block = blockIdx.x >> halvings;
        tile_begin = block * args.block_tiles + min(block, args.larger_blocks);
        tile_end = tile_begin + args.block_tiles + (block < args.larger_blocks ? 1 : 0);
        stack_ends(args, ends);
        const uint32_t n_chunks = (group_end - group_begin + args.chunk - 1) / args.chunk;
        is_resident = n_chunks * (tile_end - tile_begin) <= args.depth;
    }

    __device__ __forceinline__ At at(uint32_t tile) const { return stack_at(args, ends, tile); }

    // Until the second of these the queue gets its barriers, and the first block of the cluster
    // begins. The asking warp does not wait.
    __device__ __forceinline__ void begin_arrive(bool is_asking) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        if (n_ranks > 1) {
            cluster_arrive_relaxed();
        }
        if (is_asking) {
            asm volatile("bar.arrive 2, %0;" ::"r"(blockDim.x) : "memory");
        }
#else
        __syncthreads();
#endif
    }
    __device__ __forceinline__ void begin_wait() const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        asm volatile("bar.sync 2, %0;" ::"r"(blockDim.x) : "memory");
        if (n_ranks > 1) {
            cluster_wait();
        }
#endif
    }

    // The order in which stages are asked for and taken: batch of tiles, chunk of groups, tile.
    // Calls `begin(nth)` for each chunk of a batch, and `run(group, tile, end, in)` for its tiles
    // of each weight of the stack.
    template <class Begin, class Run>
    __device__ __forceinline__ void for_each_run(uint32_t batch, Begin begin, Run run) const {
        const uint32_t batch_end = min(batch + args.batch, tile_end);
        uint32_t nth = 0;
#pragma unroll 1
        for (uint32_t group = group_begin; group < group_end; group += args.chunk) {
            begin(nth);
#pragma unroll 1
            for (uint32_t tile = batch; tile < batch_end;) {
                const At in = at(tile);
                const uint32_t end = min(batch_end, in.end_tile);
                run(group, tile, end, in);
                tile = end;
            }
            nth++;
        }
    }

    __device__ __forceinline__ void ask_run(StageQueue& queue, uint32_t group, uint32_t tile,
                                            uint32_t end, const At& in) const {
        const uint32_t unit_bytes = in.part.kind >> 8;
        const uint32_t n_chunk = min(args.chunk, group_end - group);
        const size_t first = (size_t)(tile - in.first_tile) * n_groups + group;
        const uint8_t* from = in.part.units + first * unit_bytes;
#pragma unroll 1
        for (; tile < end; tile++) {
            queue.ask(from, n_chunk * unit_bytes);
            from += n_groups * unit_bytes;
        }
    }

    __device__ __forceinline__ void ask_all(StageQueue& queue) const {
#pragma unroll 1
        for (uint32_t batch = tile_begin; batch < tile_end; batch += args.batch) {
            for_each_run(batch, [](uint32_t) {},
                         [&](uint32_t group, uint32_t tile, uint32_t end, const At& in) {
                             ask_run(queue, group, tile, end, in);
                         });
        }
    }
};
