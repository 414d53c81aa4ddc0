//! Whether something went wrong in the numbers.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[r]` = how many values of `x[r]` are NaN or infinite.
pub struct CountNonFinite<'a> {
    /// `[n_rows][width]`
    pub x: View<'a, f32>,
    /// `[n_rows]`
    pub out: ViewMut<'a, u32>,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 256;

impl CountNonFinite<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.count_non_finite);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        // The kernel counts up in steps of its threads, beyond the end.
        launch.require(width <= u32::MAX - THREADS, || format!("width is {width}"))?;
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
