//! The most likely token.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[r]` = the lowest `i` with the largest `x[r][i]`; [`Argmax::NONE`] in a row that has
/// anything that is not finite.
pub struct Argmax<'a> {
    /// `[n_rows][width]`
    pub x: View<'a, f32>,
    /// `[Argmax::n_keys(n_rows, width)]`, of any content.
    pub keys: ViewMut<'a, u64>,
    /// `[n_rows]`, all 0; they are 0 again afterwards.
    pub arrivals: ViewMut<'a, u32>,
    /// `[n_rows]`
    pub out: ViewMut<'a, u32>,
    /// `[n_rows]`: how many values are NaN or infinite.
    pub non_finite: ViewMut<'a, u32>,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 256;
/// Values of a block.
const BLOCK_WIDTH: usize = 2048;

impl Argmax<'_> {
    /// No index.
    pub const NONE: u32 = u32::MAX;

    /// Keys that a launch needs room for.
    pub fn n_keys(n_rows: usize, width: usize) -> usize {
        n_rows.saturating_mul(width.div_ceil(BLOCK_WIDTH))
    }

    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.argmax).chained();
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        // The kernel counts up in steps of its blocks, beyond the end.
        launch.require(width <= u32::MAX - BLOCK_WIDTH as u32, || {
            format!("width is {width}")
        })?;
        launch.holds("x", self.x.len, &[self.n_rows, self.width])?;
        launch.holds("out", self.out.len, &[self.n_rows])?;
        let n_keys = Self::n_keys(self.n_rows, self.width);
        launch.holds("keys", self.keys.len, &[n_keys])?;
        launch.holds("arrivals", self.arrivals.len, &[self.n_rows])?;
        launch.holds("non_finite", self.non_finite.len, &[self.n_rows])?;
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (self.width + 2)),
            flops: 0,
        };
        let args = [
            ptr(self.x),
            ptr_mut(&self.keys),
            ptr_mut(&self.arrivals),
            ptr_mut(&self.out),
            ptr_mut(&self.non_finite),
            Arg::U32(width),
        ];
        let n_blocks = self.width.div_ceil(BLOCK_WIDTH) as u32;
        launch.run([n_blocks, n_rows, 1], THREADS, &args, cost)
    }
}
