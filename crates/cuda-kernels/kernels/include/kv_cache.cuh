// Where keys and values of a layer stand: f16 [n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim].
//
// A row's block table begins at `block_tables[row_tables[row]]`; its entry `p / BLOCK_POSITIONS`
// is the block of position `p`.
#pragma once

#include <cuda_fp16.h>
#include <stdint.h>

static constexpr uint32_t BLOCK_POSITIONS = 32;

// Index of the first channel of a head at a slot of a block.
static __device__ __forceinline__ size_t cache_index(uint32_t block, uint32_t slot,
                                                     uint32_t kv_head, uint32_t n_kv_heads,
                                                     uint32_t head_dim) {
    return (((size_t)block * n_kv_heads + kv_head) * BLOCK_POSITIONS + slot) * head_dim;
}
