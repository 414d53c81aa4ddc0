//! The most likely token.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[r]` = the lowest `i` with the largest `x[r][i]`; NaN is never the largest.
pub struct Argmax<'a> {
    /// `[n_rows][width]`
    pub x: View<'a, f32>,
    /// `[n_rows]`
    pub out: ViewMut<'a, u32>,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 1024;

impl Argmax<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.argmax);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        launch.holds("x", self.x.len, &[self.n_rows, self.width])?;
        launch.holds("out", self.out.len, &[self.n_rows])?;
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (self.width + 1)),
            flops: 0,
        };
        let args = [ptr(self.x), ptr_mut(&self.out), Arg::U32(width)];
        launch.run([n_rows, 1, 1], THREADS, &args, cost)
    }
}
