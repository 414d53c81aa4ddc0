//! Activations as the product of many rows reads them.

use super::packed::GROUP;
use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::{Kernel, Kernels};

/// Rows of a slab, the unit of packed rows.
const SLAB_ROWS: usize = 128;
/// Bytes of a slab: values of two bytes, and 13 floats for each row.
const SLAB_BYTES: usize = SLAB_ROWS * (GROUP * 2 + 13 * 4);

/// Bytes of packed rows. They are in slabs of 128 rows and 128 channels, see
/// `kernels/include/activation.cuh`.
pub fn packed_rows_bytes(n_rows: usize, width: usize) -> usize {
    n_rows.div_ceil(SLAB_ROWS) * width.div_ceil(GROUP) * SLAB_BYTES
}

/// What is packed.
#[derive(Clone, Copy)]
pub enum PackSource<'a> {
    /// `[n_rows][width]`
    Rows(View<'a, f32>),
    /// `x * weight / sqrt(mean(x^2) + eps)`, the bits that [`super::RmsNorm`] gives.
    Norm {
        /// `[n_rows][width]`
        x: View<'a, f32>,
        /// `[width]`
        weight: View<'a, f32>,
        /// Added to the mean of the squares.
        eps: f32,
    },
    /// `silu(gate) * up` of `[n_rows][2 * width]`, the bits that [`super::Swiglu`] gives.
    Swiglu(View<'a, f32>),
}

/// Rounds rows to f16 with a power of two for each group of 128 channels, at most 2^-11 of the
/// group's largest value away.
pub struct PackRows<'a> {
    /// What is packed.
    pub source: PackSource<'a>,
    /// [`packed_rows_bytes`]
    pub out: ViewMut<'a, u8>,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 256;
/// Warps of a block, each of which has a row or part of one.
const WARPS: u32 = THREADS / 32;
/// Groups that a warp has in flight.
const BATCH: u32 = 4;

impl PackRows<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let kernel = match self.source {
            PackSource::Rows(_) => kernels.pack_rows,
            PackSource::Norm { .. } => kernels.pack_rows_norm,
            PackSource::Swiglu(_) => kernels.pack_rows_swiglu,
        };
        let launch = Launch::new(kernels, kernel);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        holds_packed(&launch, "out", self.out.len, self.n_rows, self.width)?;
        launch.aligned("out", self.out.at)?;
        match self.source {
            PackSource::Rows(x) => {
                self.check(&launch, "x", x, 1)?;
                let args = [
                    ptr(x),
                    ptr_mut(&self.out),
                    Arg::U32(n_rows),
                    Arg::U32(width),
                ];
                self.run(&launch, width.div_ceil(128).div_ceil(BATCH), &args, 1)
            }
            PackSource::Swiglu(gate_up) => {
                self.check(&launch, "gate_up", gate_up, 2)?;
                let out = ptr_mut(&self.out);
                let args = [ptr(gate_up), out, Arg::U32(n_rows), Arg::U32(width)];
                self.run(&launch, width.div_ceil(128), &args, 2)
            }
            PackSource::Norm { x, weight, eps } => {
                self.check(&launch, "x", x, 1)?;
                launch.holds("weight", weight.len, &[self.width])?;
                launch.aligned("weight", weight.at)?;
                self.norm(kernels, kernel, [ptr(x), ptr(weight)], eps)
            }
        }
    }

    fn check(
        &self,
        launch: &Launch<'_>,
        what: &str,
        x: View<'_, f32>,
        parts: usize,
    ) -> Result<(), CudaError> {
        launch.holds(what, x.len, &[self.n_rows, parts, self.width])?;
        launch.aligned(what, x.at)
    }

    fn cost(&self, parts: usize) -> LaunchCost {
        let values = self.n_rows * self.width;
        LaunchCost {
            bytes: floats(parts * values) + 2 * values as u64,
            flops: 4 * values as u64,
        }
    }

    fn run(
        &self,
        launch: &Launch<'_>,
        columns: u32,
        args: &[Arg],
        parts: usize,
    ) -> Result<LaunchCost, CudaError> {
        let rows = launch.dim("n_rows", self.n_rows)?.div_ceil(WARPS);
        launch.run([rows, columns, 1], THREADS, args, self.cost(parts))
    }

    /// Long rows, and few rows, are shared among the warps of a block.
    fn norm(
        &self,
        kernels: &Kernels,
        kernel: Kernel,
        [x, weight]: [Arg; 2],
        eps: f32,
    ) -> Result<LaunchCost, CudaError> {
        let groups = self.width.div_ceil(GROUP);
        let row_warps = match groups {
            ..=4 => 1,
            5..=8 if self.n_rows >= 2048 => 1,
            5..=8 => 2,
            9..=16 => 4,
            _ => WARPS,
        };
        let block_rows = WARPS / row_warps;
        let launch =
            Launch::new(kernels, kernel).shared(groups * block_rows as usize * size_of::<f32>());
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let args = [
            x,
            weight,
            ptr_mut(&self.out),
            Arg::U32(n_rows),
            Arg::U32(launch.dim("width", self.width)?),
            Arg::F32(eps),
            Arg::U32(row_warps),
        ];
        let grid = [n_rows.div_ceil(block_rows), 1, 1];
        launch.run(grid, THREADS, &args, self.cost(1))
    }
}

/// That packed rows have room.
pub(super) fn holds_packed(
    launch: &Launch<'_>,
    what: &str,
    len: usize,
    n_rows: usize,
    width: usize,
) -> Result<(), CudaError> {
    let needed = packed_rows_bytes(n_rows, width);
    launch.require(needed <= len, || {
        format!("{what} has {len} bytes, not {needed} for {n_rows} packed rows of {width}")
    })
}
