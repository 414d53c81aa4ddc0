// Where keys and values of a layer stand, both f16:
//   keys [n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]
//   values [n_blocks][n_kv_heads][head_dim][BLOCK_POSITIONS]
//
// Values of neighbouring positions are neighbours, as the product of weights and values reads them.
// A row's block table begins at `block_tables[row_tables[row]]`; its entry `p / BLOCK_POSITIONS`
// is the block of position `p`.
#pragma once

#include <cuda_fp16.h>
#include <stdint.h>

static constexpr uint32_t BLOCK_POSITIONS = 32;

// Index of the first value of a head in a block of keys, and in a block of values.
static __device__ __forceinline__ size_t head_index(uint32_t block, uint32_t kv_head,
                                                    uint32_t n_kv_heads, uint32_t head_dim) {
    return ((size_t)block * n_kv_heads + kv_head) * BLOCK_POSITIONS * head_dim;
}
