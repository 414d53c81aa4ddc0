//! Some rows of a buffer.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[i] = x[rows[i]]`.
pub struct Gather<'a> {
    /// `[any][width]`
    pub x: View<'a, f32>,
    /// `[n_rows]`
    pub rows: View<'a, u32>,
    /// `[n_rows][width]`
    pub out: ViewMut<'a, f32>,
    /// Rows of `out`.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 256;

impl Gather<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.gather);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        launch.holds("x", self.x.len, &[1, self.width])?;
        launch.holds("rows", self.rows.len, &[self.n_rows])?;
        launch.holds("out", self.out.len, &[self.n_rows, self.width])?;
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (2 * self.width + 1)),
            flops: 0,
        };
        let args = [
            ptr(self.x),
            ptr(self.rows),
            ptr_mut(&self.out),
            Arg::U32(width),
        ];
        launch.run([n_rows, 1, 1], THREADS, &args, cost)
    }
}
