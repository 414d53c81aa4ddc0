//! RoPE, and the cache's new entries.

use super::head_shape::HeadShape;
use super::{Heads, Launch, LaunchCost, MAX_HEAD_DIM, Paging, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// Which channels turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `2 i` and `2 i + 1`.
    Adjacent,
    /// `i` and `i + n_pairs`.
    Halves,
}

/// How channels turn: a pair `(a, b)` becomes `(a cos - b sin, a sin + b cos)` by the angles of
/// its row's position; channels from `2 n_pairs` on pass through.
#[derive(Clone, Copy)]
pub struct Rope<'a> {
    /// `[n_positions][n_pairs]`
    pub cos: View<'a, f32>,
    /// `[n_positions][n_pairs]`
    pub sin: View<'a, f32>,
    /// Pairs of channels that turn: at most half of `head_dim`.
    pub n_pairs: usize,
    /// Which channels turn together.
    pub pairing: RopePairing,
}

impl Rope<'_> {
    /// Whether attention can turn queries of so many channels itself: where one of its lanes has
    /// both channels of every pair.
    pub fn fits_attention(&self, head_dim: usize) -> bool {
        let all_turn = 2 * self.n_pairs == head_dim && HeadShape::of(head_dim).dim == head_dim;
        self.n_pairs > 0 && (self.pairing == RopePairing::Adjacent || all_turn)
    }

    /// The number of pairs, and whether they are adjacent, as the kernels take them.
    pub(super) fn args(&self, launch: &Launch<'_>, heads: &Heads) -> Result<[u32; 2], CudaError> {
        let (n_pairs, head_dim) = (self.n_pairs, heads.head_dim);
        let pairs = launch.dim("n_pairs", n_pairs)?;
        launch.require(n_pairs <= head_dim / 2, || {
            format!("{n_pairs} pairs in heads of {head_dim} channels")
        })?;
        launch.holds("cos", self.cos.len, &[1, n_pairs])?;
        launch.holds("sin", self.sin.len, &[self.cos.len])?;
        launch.aligned("cos", self.cos.at)?;
        launch.aligned("sin", self.sin.at)?;
        Ok([pairs, u32::from(self.pairing == RopePairing::Adjacent)])
    }
}

/// Turns K of every row by its position, and stores K and V of every row in the cache as f16,
/// rounded to nearest even.
pub struct RopeAppend<'a> {
    /// `[n_rows][heads.qkv_width()]`
    pub qkv: ViewMut<'a, f32>,
    /// Whether Q and K are turned in `qkv` too; attention that is told the angles turns Q itself.
    pub in_place: bool,
    /// The angles.
    pub rope: Rope<'a>,
    /// Keys of this layer: `[n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]`.
    pub keys: ViewMut<'a, half::f16>,
    /// Values of this layer: `[n_blocks][n_kv_heads][head_dim][BLOCK_POSITIONS]`.
    pub values: ViewMut<'a, half::f16>,
    /// Where the rows go.
    pub paging: Paging<'a>,
    /// How a row is divided.
    pub heads: Heads,
    /// Rows.
    pub n_rows: usize,
}

const THREADS: u32 = 128;
/// Rows of one block of threads.
const BLOCK_ROWS: u32 = 32;

impl RopeAppend<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let kernel = if self.in_place {
            kernels.rope_append
        } else {
            kernels.append
        };
        let launch = Launch::new(kernels, kernel).chained();
        let heads = self.heads;
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let [n_heads, n_kv_heads, head_dim] = launch.heads(&heads)?;
        let [pairs, adjacent] = self.rope.args(&launch, &heads)?;
        launch.require(heads.head_dim <= MAX_HEAD_DIM, || {
            format!("heads of {head_dim} channels, at most {MAX_HEAD_DIM}")
        })?;
        launch.holds("qkv", self.qkv.len, &[self.n_rows, heads.qkv_width()])?;
        launch.cache(self.keys.len, self.values.len, &heads)?;
        launch.aligned("qkv", self.qkv.at)?;
        launch.aligned("keys", self.keys.at)?;
        launch.aligned("values", self.values.at)?;
        launch.paging(&self.paging, self.n_rows)?;
        let kv_width = heads.n_kv_heads * heads.head_dim;
        // Heads that are turned, and values written for each row.
        let (n_turned, written) = if self.in_place {
            (n_heads + n_kv_heads, heads.qkv_width() - kv_width)
        } else {
            (n_kv_heads, 0)
        };
        let turned = n_turned as usize * heads.head_dim;
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (turned + written + kv_width))
                + floats(self.n_rows * kv_width),
            flops: 3 * (self.n_rows * turned) as u64,
        };
        let args = [
            ptr_mut(&self.qkv),
            ptr(self.rope.cos),
            ptr(self.rope.sin),
            ptr_mut(&self.keys),
            ptr_mut(&self.values),
            ptr(self.paging.positions),
            ptr(self.paging.row_tables),
            ptr(self.paging.block_tables),
            Arg::U32(n_rows),
            Arg::U32(n_heads),
            Arg::U32(n_kv_heads),
            Arg::U32(head_dim),
            Arg::U32(pairs),
            Arg::U32(adjacent),
        ];
        let grid = [n_rows.div_ceil(BLOCK_ROWS), n_turned + n_kv_heads, 1];
        launch.run(grid, THREADS, &args, cost)
    }
}
