//! Where keys and values of earlier positions live: fixed blocks, addressed through a table.
//!
//! A sequence's position `p` is slot `p % BLOCK_POSITIONS` of block `table[p / BLOCK_POSITIONS]`.
//! Which blocks a sequence gets is the caller's affair; the values and the order in which they
//! are summed depend on the absolute position alone, so any table gives the same bits.

use crate::config::LlamaConfig;

/// Positions in one block.
pub const BLOCK_POSITIONS: usize = 32;

/// Shape of a cache: f16 keys and f16 values, each
/// `[n_layers][n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvLayout {
    /// Transformer layers.
    pub n_layers: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Blocks in each layer.
    pub n_blocks: usize,
}

impl KvLayout {
    /// The layout for `n_blocks` blocks of a model.
    pub fn new(config: &LlamaConfig, n_blocks: usize) -> Self {
        Self {
            n_layers: config.n_layers,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            n_blocks,
        }
    }

    /// Values of the keys (or values) of one layer.
    pub fn layer_len(&self) -> usize {
        self.n_blocks * self.n_kv_heads * BLOCK_POSITIONS * self.head_dim
    }

    /// Index inside a layer of the first channel of a head at slot 0 of a block.
    pub fn head_offset(&self, block: usize, kv_head: usize) -> usize {
        (block * self.n_kv_heads + kv_head) * BLOCK_POSITIONS * self.head_dim
    }

    /// Bytes of keys and values of all layers.
    pub fn bytes(&self) -> u64 {
        2 * 2 * self.n_layers as u64 * self.layer_len() as u64
    }
}

/// Blocks that hold `n_positions`.
pub fn blocks_for(n_positions: usize) -> usize {
    n_positions.div_ceil(BLOCK_POSITIONS)
}
