//! One struct per operation: its fields are what the kernel reads and writes, and `launch` checks
//! that they fit together before it asks the driver for anything.
//!
//! Buffers are `[rows][width]`, row-major. A launch is asynchronous: it returns what it costs, and
//! an error of the kernel itself comes with a later call. Token ids, positions, block numbers and
//! row numbers are read by the device, where nobody checks them: they are the caller's duty.

mod add_in_place;
mod argmax;
mod attention_decode;
mod attention_prefill;
mod count_non_finite;
mod embed;
mod embed_packed;
mod gather;
mod gemm;
mod head_norm;
mod head_shape;
mod matmul;
mod matvec;
mod pack_rows;
mod packed;
mod read_bandwidth;
mod repack;
mod rms_norm;
mod rope_append;
mod sample;
mod swiglu;

pub use add_in_place::AddInPlace;
pub use argmax::Argmax;
pub use attention_decode::{AttentionDecode, DecodeScratch, HeadNorms};
pub use attention_prefill::{AttentionPrefill, prefill_tiles};
pub use count_non_finite::CountNonFinite;
pub use embed::Embed;
pub use embed_packed::EmbedPacked;
pub use gather::Gather;
pub(crate) use gemm::WideKernels;
pub use gemm::{Gemm, GemmSwiglu};
pub use head_norm::HeadNorm;
pub(crate) use head_shape::PerHeadShape;
pub use matmul::{Epilogue, Matmul};
pub use matvec::{MAX_MATVEC_ROWS, Matvec, MatvecEpilogue, MatvecShape, Norm};
pub use pack_rows::{PackRows, PackSource, packed_rows_bytes};
pub use packed::{PackedWeight, RowOrder};
pub use read_bandwidth::ReadBandwidth;
pub use repack::{Repack, RepackRows};
pub use rms_norm::RmsNorm;
pub use rope_append::{Rope, RopeAppend, RopePairing};
pub use sample::{Sample, SampleParams, SampleResult, SampleState};
pub use swiglu::Swiglu;

use crate::buffer::{Element, View, ViewMut};
use crate::driver::{Arg, DevicePtr, LaunchConfig};
use crate::error::CudaError;
use crate::modules::{Kernel, Kernels};
use crate::weight_type::WeightType;

/// Positions of one block of the cache.
pub const BLOCK_POSITIONS: usize = 32;
/// The widest head that attention takes.
pub const MAX_HEAD_DIM: usize = 256;

/// What a launch moves and computes, at the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchCost {
    /// Bytes that must be read and written once.
    pub bytes: u64,
    /// Floating-point operations; a multiplication with an addition counts two.
    pub flops: u64,
}

/// A weight matrix `[n_rows][row_len]`, as the file stores it.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    /// The rows, one after the other.
    pub bytes: View<'a, u8>,
    /// How they are stored.
    pub weight_type: WeightType,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub row_len: usize,
}

/// Heads of a QKV row: Q heads, then K heads, then V heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Query heads: a multiple of `n_kv_heads`.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
}

impl Heads {
    /// Channels of a QKV row.
    pub fn qkv_width(&self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// Values of a cache block: its positions for every key (or value) head.
    pub fn block_len(&self) -> usize {
        self.n_kv_heads * BLOCK_POSITIONS * self.head_dim
    }
}

/// Where rows stand in their sequences, and where those are in the cache.
#[derive(Clone, Copy)]
pub struct Paging<'a> {
    /// Position of each row.
    pub positions: View<'a, u32>,
    /// For each row where the block table of its sequence begins in `block_tables`.
    pub row_tables: View<'a, u32>,
    /// Block tables: the block of each run of [`BLOCK_POSITIONS`] positions, from 0 on.
    pub block_tables: View<'a, u32>,
}

fn ptr<T: Element>(view: View<'_, T>) -> Arg {
    Arg::Ptr(view.at)
}

fn ptr_mut<T: Element>(view: &ViewMut<'_, T>) -> Arg {
    Arg::Ptr(view.at)
}

const NULL: Arg = Arg::Ptr(DevicePtr(0));

/// Bytes of `values` floats.
fn floats(values: usize) -> u64 {
    values as u64 * 4
}

/// A launch in the making: checks, then one call.
struct Launch<'a> {
    kernels: &'a Kernels,
    kernel: Kernel,
    shared_bytes: usize,
    is_chained: bool,
    cluster: u32,
}

impl<'a> Launch<'a> {
    fn new(kernels: &'a Kernels, kernel: Kernel) -> Self {
        Self {
            kernels,
            kernel,
            shared_bytes: 0,
            is_chained: false,
            cluster: 1,
        }
    }

    /// With this much dynamic shared memory for each block.
    fn shared(self, shared_bytes: usize) -> Self {
        Self {
            shared_bytes,
            ..self
        }
    }

    /// Beginning before the launch before has ended, where device and kernel can: one that cannot
    /// begins after it as always.
    fn chained(self) -> Self {
        Self {
            is_chained: self.kernel.waits,
            ..self
        }
    }

    /// With clusters of this many neighbouring blocks, which the device must have.
    fn clustered(self, cluster: u32) -> Self {
        Self { cluster, ..self }
    }

    fn require(&self, holds: bool, reason: impl FnOnce() -> String) -> Result<(), CudaError> {
        if holds {
            return Ok(());
        }
        Err(CudaError::Shape {
            kernel: self.kernel.name,
            device: self.kernels.device.info().name.clone(),
            reason: reason(),
        })
    }

    /// A dimension as kernels take it: at least 1.
    fn dim(&self, what: &str, value: usize) -> Result<u32, CudaError> {
        match u32::try_from(value) {
            Ok(value @ 1..) => Ok(value),
            _ => {
                self.require(false, || format!("{what} is {value}, not 1 to 2^32 - 1"))?;
                Ok(0)
            }
        }
    }

    /// That a view of `len` values has room for `dims`.
    fn holds(&self, what: &str, len: usize, dims: &[usize]) -> Result<(), CudaError> {
        let needed = dims.iter().try_fold(1_usize, |n, &dim| n.checked_mul(dim));
        self.require(needed.is_some_and(|needed| needed <= len), || {
            let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
            format!("{what} has {len} values, not [{}]", dims.join("]["))
        })
    }

    /// That the kernel may read 16 bytes at once.
    fn aligned(&self, what: &str, at: DevicePtr) -> Result<(), CudaError> {
        self.require(at.0.is_multiple_of(16), || {
            format!("{what} does not begin at a multiple of 16 bytes")
        })
    }

    fn heads(&self, heads: &Heads) -> Result<[u32; 3], CudaError> {
        let dims = [
            self.dim("n_heads", heads.n_heads)?,
            self.dim("n_kv_heads", heads.n_kv_heads)?,
            self.dim("head_dim", heads.head_dim)?,
        ];
        self.require(heads.n_heads.is_multiple_of(heads.n_kv_heads), || {
            let Heads {
                n_heads,
                n_kv_heads,
                ..
            } = heads;
            format!("{n_heads} query heads cannot share {n_kv_heads} key heads")
        })?;
        Ok(dims)
    }

    fn paging(&self, paging: &Paging<'_>, n_rows: usize) -> Result<(), CudaError> {
        self.holds("positions", paging.positions.len, &[n_rows])?;
        self.holds("row_tables", paging.row_tables.len, &[n_rows])?;
        self.holds("block_tables", paging.block_tables.len, &[1])
    }

    /// Keys and values of one layer.
    fn cache(&self, keys: usize, values: usize, heads: &Heads) -> Result<(), CudaError> {
        let block_len = heads.block_len();
        let is_whole = keys > 0 && keys.is_multiple_of(block_len);
        self.require(is_whole && keys == values, || {
            format!("{keys} keys and {values} values are not blocks of {block_len}")
        })
    }

    fn weight(&self, weight: &Weight<'_>) -> Result<(), CudaError> {
        let Weight {
            weight_type,
            n_rows,
            row_len,
            ..
        } = *weight;
        let Some(row_bytes) = weight_type.row_bytes(row_len) else {
            return self.require(false, || {
                format!("a row of {row_len} values is no whole {weight_type:?} blocks")
            });
        };
        self.holds("weight", weight.bytes.len, &[n_rows, row_bytes])?;
        self.aligned("weight", weight.bytes.at)
    }

    /// Asks the driver. `args` are those of the entry point, in order.
    fn run(
        &self,
        grid: [u32; 3],
        threads: u32,
        args: &[Arg],
        cost: LaunchCost,
    ) -> Result<LaunchCost, CudaError> {
        let [x, y, z] = grid;
        self.require(x < 1 << 31 && y < 1 << 16 && z < 1 << 16, || {
            format!("a grid of {x} x {y} x {z} blocks is too large")
        })?;
        let most = self.kernel.max_shared_bytes as usize;
        let shared_bytes = self.shared_bytes;
        self.require(shared_bytes <= most, || {
            format!("{shared_bytes} bytes of shared memory for a block, which has {most} at most")
        })?;
        let config = LaunchConfig {
            grid,
            block: [threads, 1, 1],
            shared_bytes: shared_bytes as u32,
            is_chained: self.is_chained,
            cluster: self.cluster,
        };
        let function = self.kernel.function;
        let outcome = self.kernels.device.attempt(|driver, stream| {
            // SAFETY: the function is of a loaded module and takes these types (a test compares
            // them with its PTX). The views behind the pointers are alive, hold the shapes that
            // were checked, and are freed only after the stream has come that far. A kernel
            // cannot reach the host's memory.
            unsafe { driver.launch(function, config, stream, args) }
        });
        outcome?.map_err(|code| {
            self.kernels.device.noted(CudaError::Launch {
                kernel: self.kernel.name,
                device: self.kernels.device.info().name.clone(),
                shape: format!("{x} x {y} x {z} blocks of {threads} threads"),
                code,
            })
        })?;
        self.kernels.device.ask(cost);
        Ok(cost)
    }
}
