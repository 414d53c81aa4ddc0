//! RMSNorm over single heads.

use super::{Heads, Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// RMSNorm over each head of Q with `q_weight` and of K with `k_weight`, in place.
pub struct HeadNorm<'a> {
    /// `[n_rows][heads.qkv_width()]`
    pub qkv: ViewMut<'a, f32>,
    /// `[head_dim]`
    pub q_weight: View<'a, f32>,
    /// `[head_dim]`
    pub k_weight: View<'a, f32>,
    /// Added to the mean of the squares.
    pub eps: f32,
    /// How a row is divided.
    pub heads: Heads,
    /// Rows.
    pub n_rows: usize,
}

const THREADS: u32 = 32;

impl HeadNorm<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.head_norm);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let [n_heads, n_kv_heads, head_dim] = launch.heads(&self.heads)?;
        launch.holds("qkv", self.qkv.len, &[self.n_rows, self.heads.qkv_width()])?;
        launch.holds("q_weight", self.q_weight.len, &[self.heads.head_dim])?;
        launch.holds("k_weight", self.k_weight.len, &[self.heads.head_dim])?;
        let width = (self.heads.n_heads + self.heads.n_kv_heads) * self.heads.head_dim;
        let cost = LaunchCost {
            bytes: 2 * floats(self.n_rows * width),
            flops: 4 * (self.n_rows * width) as u64,
        };
        let args = [
            ptr_mut(&self.qkv),
            ptr(self.q_weight),
            ptr(self.k_weight),
            Arg::U32(n_heads),
            Arg::U32(n_kv_heads),
            Arg::U32(head_dim),
            Arg::F32(self.eps),
        ];
        launch.run([n_rows, n_heads + n_kv_heads, 1], THREADS, &args, cost)
    }
}
