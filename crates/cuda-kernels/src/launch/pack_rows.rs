//! Activations as the product of many rows reads them.

use super::packed::GROUP;
use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::{Kernel, Kernels};

/// Rows of a slab, the unit of packed rows.
const SLAB_ROWS: usize = 128;
/// Bytes of a slab: values of two bytes, and 17 words for each row.
const SLAB_BYTES: usize = SLAB_ROWS * (GROUP * 2 + 17 * 4);

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

const THREADS: u32 = 512;
const WARPS: u32 = THREADS / 32;
/// Groups that a warp has in flight.
const BATCH: u32 = 4;
/// Shared memory of a packed group of up to 8 rows.
const STAGED_BYTES: u32 = 16 * (8 * 16 + 16) + 17 * 8 * 4;
/// Rows that a block takes: those of a core matrix, unless few rows would keep few warps busy.
const LOG_ROWS: u32 = 3;
const LOG_FEW_ROWS: u32 = 1;

/// Groups that a block has at once.
fn block_groups(log_rows: u32) -> u32 {
    (WARPS >> log_rows) * BATCH
}

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
        let launch = Launch::new(kernels, kernel).chained();
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        holds_packed(&launch, "out", self.out.len, self.n_rows, self.width)?;
        launch.aligned("out", self.out.at)?;
        match self.source {
            PackSource::Rows(x) => {
                self.check(&launch, "x", x, 1)?;
                self.run(launch, [ptr(x), ptr_mut(&self.out)], [n_rows, width], 1)
            }
            PackSource::Swiglu(gate_up) => {
                self.check(&launch, "gate_up", gate_up, 2)?;
                let rows = [ptr(gate_up), ptr_mut(&self.out)];
                self.run(launch, rows, [n_rows, width], 2)
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
        launch: Launch<'_>,
        [from, to]: [Arg; 2],
        [n_rows, width]: [u32; 2],
        parts: usize,
    ) -> Result<LaunchCost, CudaError> {
        let block_groups = block_groups(LOG_ROWS);
        let groups = width.div_ceil(GROUP as u32);
        let grid = [
            n_rows.div_ceil(1 << LOG_ROWS),
            groups.div_ceil(block_groups),
            1,
        ];
        let args = [
            from,
            to,
            Arg::U32(n_rows),
            Arg::U32(width),
            Arg::U32(LOG_ROWS),
        ];
        let launch = launch.shared((block_groups * STAGED_BYTES) as usize);
        launch.run(grid, THREADS, &args, self.cost(parts))
    }

    /// A block has whole rows.
    fn norm(
        &self,
        kernels: &Kernels,
        kernel: Kernel,
        [x, weight]: [Arg; 2],
        eps: f32,
    ) -> Result<LaunchCost, CudaError> {
        let groups = self.width.div_ceil(GROUP);
        let is_few = groups > block_groups(LOG_ROWS) as usize && self.n_rows < 1024;
        let log_rows = if is_few { LOG_FEW_ROWS } else { LOG_ROWS };
        let squares = (groups << log_rows) * size_of::<f32>();
        let staged = (block_groups(log_rows) * STAGED_BYTES) as usize;
        let launch = Launch::new(kernels, kernel)
            .shared(staged + squares)
            .chained();
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let args = [
            x,
            weight,
            ptr_mut(&self.out),
            Arg::U32(n_rows),
            Arg::U32(launch.dim("width", self.width)?),
            Arg::F32(eps),
            Arg::U32(log_rows),
        ];
        let grid = [n_rows.div_ceil(1 << log_rows), 1, 1];
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
