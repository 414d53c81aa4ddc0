//! What lies in the device's memory: weights, activations, keys and values, angles.

use std::cell::RefCell;
use std::ops::Range;

use cuda_kernels::launch::Weight;
use cuda_kernels::{Buffer, Device, WeightType, f16};

use super::Outcome;
use super::device::failed;
use super::step_tables::StepTables;
use crate::backend::{MatrixPart, MatrixSource};
use crate::error::{Error, Result};
use crate::kv_cache::KvLayout;
use crate::rope::RopeTable;

/// Bytes of weights that are handed to the driver at once.
const UPLOAD_BYTES: usize = 16 << 20;

/// A weight matrix in the device's memory.
pub struct CudaMatrix {
    pub(super) row_len: usize,
    pub(super) n_rows: usize,
    parts: Vec<CudaPart>,
}

struct CudaPart {
    bytes: Buffer<u8>,
    weight_type: WeightType,
    n_rows: usize,
}

impl CudaMatrix {
    pub(super) fn upload(device: &Device, source: &MatrixSource) -> Result<Self> {
        let parts = source
            .parts
            .iter()
            .map(|part| CudaPart::upload(device, part));
        Ok(Self {
            row_len: source.row_len,
            n_rows: source.n_rows(),
            parts: parts.collect::<Result<_>>()?,
        })
    }

    /// The parts as kernels take them, each with its rows of the whole.
    pub(super) fn weights(&self) -> impl Iterator<Item = (Range<usize>, Weight<'_>)> {
        self.parts.iter().scan(0, |next, part| {
            let first = *next;
            *next += part.n_rows;
            let weight = Weight {
                bytes: part.bytes.view(),
                weight_type: part.weight_type,
                n_rows: part.n_rows,
                row_len: self.row_len,
            };
            Some((first..*next, weight))
        })
    }
}

impl CudaPart {
    fn upload(device: &Device, part: &MatrixPart) -> Result<Self> {
        let Some(weight_type) = WeightType::from_gguf(part.tensor_type.id()) else {
            return Err(Error::UnsupportedTensorType {
                name: part.name.clone(),
                tensor_type: part.tensor_type.name(),
            });
        };
        let len = part.bytes.len();
        let mut bytes = device.zeroed(len).map_err(failed("matrix"))?;
        for (index, chunk) in part.bytes.chunks(UPLOAD_BYTES).enumerate() {
            let written = bytes.write(index * UPLOAD_BYTES, chunk);
            written.map_err(failed("matrix"))?;
        }
        Ok(Self {
            bytes,
            weight_type,
            n_rows: part.n_rows,
        })
    }
}

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

/// Keys and values as f16, one buffer per layer, and the tables of the current step.
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
}
