//! Attention of the newest position of sequences, with all that comes before it.

use super::head_shape::{HeadShape, score_scale};
use super::{Heads, Launch, LaunchCost, NULL, Paging, RopePairing, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// For rows that are each alone in their sequence: norms of the heads, RoPE, the cache's new
/// entries, and attention, with the bits of [`HeadNorm`](super::HeadNorm),
/// [`RopeAppend`](super::RopeAppend) and [`AttentionPrefill`](super::AttentionPrefill).
///
/// It may begin before the launch before has ended; positions, tables and the cache of earlier
/// positions must not come from launches that are still under way then. `qkv` may.
pub struct AttentionDecode<'a> {
    /// `[n_rows][heads.qkv_width()]`, as the matrix product made it.
    pub qkv: View<'a, f32>,
    /// Norms of the heads of Q and K, if there are any.
    pub norms: Option<HeadNorms<'a>>,
    /// `[n_positions][n_pairs]`
    pub cos: View<'a, f32>,
    /// `[n_positions][n_pairs]`
    pub sin: View<'a, f32>,
    /// Pairs of channels that turn: at most half of `head_dim`.
    pub n_pairs: usize,
    /// Which channels turn together.
    pub pairing: RopePairing,
    /// Keys of this layer: `[n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]`.
    pub keys: ViewMut<'a, half::f16>,
    /// Values of this layer: `[n_blocks][n_kv_heads][head_dim][BLOCK_POSITIONS]`.
    pub values: ViewMut<'a, half::f16>,
    /// Where the rows stand.
    pub paging: Paging<'a>,
    /// Room for what the blocks of a row hand to each other.
    pub scratch: DecodeScratch<'a>,
    /// `[n_rows][n_heads * head_dim]`
    pub out: ViewMut<'a, f32>,
    /// How a row is divided; `head_dim` is at most [`MAX_HEAD_DIM`](super::MAX_HEAD_DIM).
    pub heads: Heads,
    /// Newest positions that a row sees, its own included; `None`: all.
    pub window: Option<usize>,
    /// Rows.
    pub n_rows: usize,
    /// More than the largest position that a row may have, in any replay of a recorded launch.
    pub n_positions: usize,
}

/// RMSNorm over single heads.
#[derive(Clone, Copy)]
pub struct HeadNorms<'a> {
    /// `[head_dim]`
    pub q_weight: View<'a, f32>,
    /// `[head_dim]`
    pub k_weight: View<'a, f32>,
    /// Added to the mean of the squares.
    pub eps: f32,
}

/// Room for the parts of long rows. Launches that cannot overlap may share it.
pub struct DecodeScratch<'a> {
    /// [`AttentionDecode::n_sums`] values.
    pub sums: ViewMut<'a, f32>,
    /// [`AttentionDecode::n_tickets`] values: zeros, and zeros again after every launch.
    pub tickets: ViewMut<'a, u32>,
}

const THREADS: u32 = 256;
/// Positions of one block of threads, which a warp takes a cache block of.
const SPLIT: usize = 256;
/// Query heads of one block of threads.
const BLOCK_HEADS: usize = 8;
/// Splits that a cluster merges.
const CLUSTER: usize = 8;
/// Blocks of a split, beyond which clusters wait longer for places than they save.
const MOST_CLUSTERED: usize = 4;

impl AttentionDecode<'_> {
    /// Values of [`DecodeScratch::sums`].
    pub fn n_sums(heads: &Heads, n_rows: usize, n_positions: usize) -> usize {
        let n_splits = n_positions.div_ceil(SPLIT).next_multiple_of(CLUSTER);
        let n_slots = n_rows * heads.n_heads * n_splits;
        (2 * n_slots).next_multiple_of(4) + n_slots * heads.head_dim
    }

    /// Values of [`DecodeScratch::tickets`].
    pub fn n_tickets(heads: &Heads, n_rows: usize) -> usize {
        n_rows * heads.n_kv_heads * parts(heads)
    }

    /// Launches it. The cost stands for one position a row: the host does not know them.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let heads = self.heads;
        let shape = HeadShape::of(heads.head_dim);
        let mut n_splits = self.n_positions.div_ceil(SPLIT);
        let n_blocks = heads.n_kv_heads * parts(&heads) * self.n_rows;
        let clustered = kernels.attention_decode_clustered.as_ref();
        let entries = match clustered.filter(|_| n_splits > 1 && n_blocks <= MOST_CLUSTERED) {
            Some(clustered) => {
                n_splits = n_splits.next_multiple_of(CLUSTER);
                clustered
            }
            None => &kernels.attention_decode,
        };
        let launch = shape
            .launch(kernels, entries, heads.head_dim)?
            .shared(shared_bytes(shape.dim, kernels))
            .chained();
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let [n_heads, n_kv_heads, head_dim] = launch.heads(&heads)?;
        let window = match self.window {
            Some(window) => launch.dim("window", window)?,
            None => 0,
        };
        self.check(&launch)?;
        let splits = launch.dim("n_positions", n_splits)?;
        let (q_weight, k_weight, eps) = match self.norms {
            Some(norms) => (ptr(norms.q_weight), ptr(norms.k_weight), norms.eps),
            None => (NULL, NULL, 0.0),
        };
        let args = [
            ptr(self.qkv),
            ptr(self.cos),
            ptr(self.sin),
            q_weight,
            k_weight,
            ptr_mut(&self.keys),
            ptr_mut(&self.values),
            ptr(self.paging.positions),
            ptr(self.paging.row_tables),
            ptr(self.paging.block_tables),
            ptr_mut(&self.scratch.sums),
            ptr_mut(&self.scratch.tickets),
            ptr_mut(&self.out),
            Arg::U32(n_heads),
            Arg::U32(n_kv_heads),
            Arg::U32(head_dim),
            Arg::U32(self.n_pairs as u32),
            Arg::U32(u32::from(self.pairing == RopePairing::Adjacent)),
            Arg::U32(window),
            Arg::F32(eps),
            Arg::F32(score_scale(heads.head_dim)),
        ];
        let (q_width, kv_width) = (n_heads * head_dim, n_kv_heads * head_dim);
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (2 * q_width + 3 * kv_width) as usize),
            flops: 4 * (self.n_rows * q_width as usize) as u64,
        };
        let grid = [splits, n_kv_heads * parts(&heads) as u32, n_rows];
        launch.run(grid, THREADS, &args, cost)
    }

    fn check(&self, launch: &Launch<'_>) -> Result<(), CudaError> {
        let (heads, n_rows, n_pairs) = (self.heads, self.n_rows, self.n_pairs);
        launch.require(n_pairs <= heads.head_dim / 2, || {
            format!("{n_pairs} pairs in heads of {} channels", heads.head_dim)
        })?;
        if let Some(norms) = &self.norms {
            launch.holds("q_weight", norms.q_weight.len, &[heads.head_dim])?;
            launch.holds("k_weight", norms.k_weight.len, &[heads.head_dim])?;
        }
        launch.holds("qkv", self.qkv.len, &[n_rows, heads.qkv_width()])?;
        launch.holds(
            "out",
            self.out.len,
            &[n_rows, heads.n_heads * heads.head_dim],
        )?;
        launch.holds("cos", self.cos.len, &[1, n_pairs])?;
        launch.holds("sin", self.sin.len, &[self.cos.len])?;
        let n_sums = Self::n_sums(&heads, n_rows, self.n_positions);
        launch.holds("sums", self.scratch.sums.len, &[n_sums])?;
        let n_tickets = Self::n_tickets(&heads, n_rows);
        launch.holds("tickets", self.scratch.tickets.len, &[n_tickets])?;
        launch.cache(self.keys.len, self.values.len, &heads)?;
        launch.aligned("keys", self.keys.at)?;
        launch.aligned("values", self.values.at)?;
        launch.aligned("sums", self.scratch.sums.at)?;
        launch.aligned("out", self.out.at)?;
        launch.paging(&self.paging, n_rows)
    }
}

/// Blocks of threads that share the query heads of one KV head.
fn parts(heads: &Heads) -> usize {
    (heads.n_heads / heads.n_kv_heads.max(1)).div_ceil(BLOCK_HEADS)
}

/// Copies of the keys and values of a split. Wide heads have room for one of the two at a time,
/// and before compute capability 9.0 those of more than 64 channels are wide.
fn shared_bytes(dim: usize, kernels: &Kernels) -> usize {
    let widest_together = match kernels.device.info().compute_capability {
        (..9, _) => 64,
        _ => 128,
    };
    let copies = if dim > widest_together { 1 } else { 2 };
    copies * SPLIT * dim * size_of::<half::f16>()
}
