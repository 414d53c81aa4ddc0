//! RMSNorm over rows.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[r][i] = x[r][i] * weight[i] / sqrt(mean(x[r]^2) + eps)`.
pub struct RmsNorm<'a> {
    /// `[n_rows][width]`
    pub x: View<'a, f32>,
    /// `[width]`
    pub weight: View<'a, f32>,
    /// `[n_rows][width]`
    pub out: ViewMut<'a, f32>,
    /// Added to the mean of the squares.
    pub eps: f32,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row.
    pub width: usize,
}

const THREADS: u32 = 256;

impl RmsNorm<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.rms_norm);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("width", self.width)?;
        launch.holds("x", self.x.len, &[self.n_rows, self.width])?;
        launch.holds("weight", self.weight.len, &[self.width])?;
        launch.holds("out", self.out.len, &[self.n_rows, self.width])?;
        let cost = LaunchCost {
            bytes: floats((2 * self.n_rows + 1) * self.width),
            flops: 4 * (self.n_rows * self.width) as u64,
        };
        let args = [
            ptr(self.x),
            ptr(self.weight),
            ptr_mut(&self.out),
            Arg::U32(width),
            Arg::F32(self.eps),
        ];
        launch.run([n_rows, 1, 1], THREADS, &args, cost)
    }
}
