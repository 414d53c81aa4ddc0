//! What lies in the device's memory beside weights: activations, keys and values, angles.

use std::cell::RefCell;

use cuda_kernels::{Buffer, Device, f16};

use super::Outcome;
use super::step_tables::StepTables;
use crate::kv_cache::KvLayout;
use crate::rope::RopeTable;

/// Activations: `[rows][width]` of a fixed capacity.
pub struct CudaBuffer {
    pub(super) values: Buffer<f32>,
    /// The tokens or rows that its rows are picked by.
    pub(super) picks: Buffer<u32>,
    pub(super) rows: usize,
    pub(super) width: usize,
}

impl CudaBuffer {
    pub(super) fn new(device: &Device, max_rows: usize, width: usize) -> Outcome<Self> {
        Ok(Self {
            values: device.zeroed(max_rows * width)?,
            picks: device.zeroed(max_rows)?,
            rows: 0,
            width,
        })
    }
}

/// Keys and values as f16, one buffer per layer, and the tables of the current step. Inside a block
/// values are `[n_kv_heads][head_dim][BLOCK_POSITIONS]`: attention sums over positions.
pub struct CudaKvCache {
    pub(super) keys: Vec<Buffer<f16>>,
    pub(super) values: Vec<Buffer<f16>>,
    pub(super) tables: RefCell<StepTables>,
}

impl CudaKvCache {
    pub(super) fn new(device: &Device, layout: &KvLayout) -> Outcome<Self> {
        let layer = |_| device.zeroed::<f16>(layout.layer_len());
        let layers = || (0..layout.n_layers).map(layer).collect::<Outcome<_>>();
        Ok(Self {
            keys: layers()?,
            values: layers()?,
            tables: StepTables::new(device, layout)?.into(),
        })
    }

    /// Where it is: the address of its first keys.
    pub(super) fn address(&self) -> u64 {
        self.keys.first().map_or(0, |keys| keys.view().address())
    }
}

/// Angles in the device's memory.
pub struct CudaRope {
    pub(super) cos: Buffer<f32>,
    pub(super) sin: Buffer<f32>,
    pub(super) n_pairs: usize,
}

impl CudaRope {
    pub(super) fn upload(device: &Device, table: &RopeTable) -> Outcome<Self> {
        Ok(Self {
            cos: device.upload(&table.cos)?,
            sin: device.upload(&table.sin)?,
            n_pairs: table.n_pairs,
        })
    }

    /// Where it is.
    pub(super) fn address(&self) -> u64 {
        self.cos.view().address()
    }
}
