//! Attention over the paged cache.

use super::{Heads, Launch, LaunchCost, MAX_HEAD_DIM, Paging, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// Causal attention of every row over its own sequence:
/// `out[r][h] = sum over j of softmax_j(q[r][h] . k[j][g] / sqrt(head_dim)) * v[j][g]` with
/// `g = h / (n_heads / n_kv_heads)` and `j` from the window's start to the row's position.
///
/// The row's own key and value are in the cache already.
pub struct Attention<'a> {
    /// `[n_rows][heads.qkv_width()]`; only Q is read.
    pub qkv: View<'a, f32>,
    /// Keys of this layer: `[n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]`.
    pub keys: View<'a, half::f16>,
    /// Values of this layer, likewise.
    pub values: View<'a, half::f16>,
    /// Where the rows stand.
    pub paging: Paging<'a>,
    /// `[n_rows][n_heads * head_dim]`
    pub out: ViewMut<'a, f32>,
    /// How a row is divided; `head_dim` is at most [`MAX_HEAD_DIM`].
    pub heads: Heads,
    /// Newest positions that a row sees, its own included; `None`: all.
    pub window: Option<usize>,
    /// Rows.
    pub n_rows: usize,
}

const THREADS: u32 = 256;

impl Attention<'_> {
    /// Launches it. The cost stands for one position a row: the host does not know them.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.attention);
        let heads = self.heads;
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let [n_heads, n_kv_heads, head_dim] = launch.heads(&heads)?;
        launch.require(heads.head_dim <= MAX_HEAD_DIM, || {
            format!("heads of {head_dim} channels, at most {MAX_HEAD_DIM}")
        })?;
        let window = match self.window {
            Some(window) => launch.dim("window", window)?,
            None => 0,
        };
        let q_width = heads.n_heads * heads.head_dim;
        launch.holds("qkv", self.qkv.len, &[self.n_rows, heads.qkv_width()])?;
        launch.holds("out", self.out.len, &[self.n_rows, q_width])?;
        launch.cache(self.keys.len, self.values.len, &heads)?;
        launch.aligned("keys", self.keys.at)?;
        launch.paging(&self.paging, self.n_rows)?;
        let kv_width = heads.n_kv_heads * heads.head_dim;
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (2 * q_width + kv_width)),
            flops: 4 * (self.n_rows * q_width) as u64,
        };
        let args = [
            ptr(self.qkv),
            ptr(self.keys),
            ptr(self.values),
            ptr(self.paging.positions),
            ptr(self.paging.row_tables),
            ptr(self.paging.block_tables),
            ptr_mut(&self.out),
            Arg::U32(n_heads),
            Arg::U32(n_kv_heads),
            Arg::U32(head_dim),
            Arg::U32(window),
            Arg::F32((1.0 / (heads.head_dim as f64).sqrt()) as f32),
        ];
        launch.run([n_rows, n_heads, 1], THREADS, &args, cost)
    }
}
