//! The activation between the two halves of the feed-forward network.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[r][i] = silu(gate_up[r][i]) * gate_up[r][ffn + i]` with `silu(x) = x / (1 + e^-x)`.
pub struct Swiglu<'a> {
    /// `[n_rows][2 * ffn]`
    pub gate_up: View<'a, f32>,
    /// `[n_rows][ffn]`
    pub out: ViewMut<'a, f32>,
    /// Rows.
    pub n_rows: usize,
    /// Values of a row of `out`.
    pub ffn: usize,
}

const THREADS: u32 = 256;

impl Swiglu<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.swiglu);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let ffn = launch.dim("ffn", self.ffn)?;
        launch.holds("gate_up", self.gate_up.len, &[self.n_rows, 2, self.ffn])?;
        launch.holds("out", self.out.len, &[self.n_rows, self.ffn])?;
        let cost = LaunchCost {
            bytes: 3 * floats(self.n_rows * self.ffn),
            flops: 5 * (self.n_rows * self.ffn) as u64,
        };
        let args = [ptr(self.gate_up), ptr_mut(&self.out), Arg::U32(ffn)];
        launch.run([n_rows, ffn.div_ceil(THREADS), 1], THREADS, &args, cost)
    }
}
