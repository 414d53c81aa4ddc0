//! Attention of the rows of prompts.

use super::head_shape::{HeadShape, score_scale};
use super::{Heads, Launch, LaunchCost, NULL, Paging, Rope, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// Causal attention of every row over its own sequence:
/// `out[r][h] = sum over j of softmax_j(q[r][h] . k[j][g] / sqrt(head_dim)) * v[j][g]` with
/// `g = h / (n_heads / n_kv_heads)` and `j` from the window's start to the row's position.
///
/// The row's own key and value are in the cache already.
pub struct AttentionPrefill<'a> {
    /// `[n_rows][heads.qkv_width()]`; only Q is read.
    pub qkv: View<'a, f32>,
    /// What Q is turned by first, if it is not yet; [`Rope::fits_attention`].
    pub rope: Option<Rope<'a>>,
    /// Keys of this layer: `[n_blocks][n_kv_heads][BLOCK_POSITIONS][head_dim]`.
    pub keys: View<'a, half::f16>,
    /// Values of this layer: `[n_blocks][n_kv_heads][head_dim][BLOCK_POSITIONS]`.
    pub values: View<'a, half::f16>,
    /// Where the rows stand.
    pub paging: Paging<'a>,
    /// What [`prefill_tiles`] made of the rows.
    pub tiles: View<'a, u32>,
    /// `[n_rows][n_heads * head_dim]`
    pub out: ViewMut<'a, f32>,
    /// How a row is divided; `head_dim` is at most [`MAX_HEAD_DIM`](super::MAX_HEAD_DIM).
    pub heads: Heads,
    /// Newest positions that a row sees, its own included; `None`: all.
    pub window: Option<usize>,
    /// Rows.
    pub n_rows: usize,
    /// Tiles.
    pub n_tiles: usize,
}

/// Values that stand for one tile.
const TILE_LEN: usize = 2;

/// The tiles of rows at `positions`, whose block tables begin at `row_tables`: each is a first row
/// and a number of rows of one sequence at neighbouring positions. What takes longest comes first.
pub fn prefill_tiles(positions: &[u32], row_tables: &[u32], head_dim: usize) -> Vec<u32> {
    let most = tile_rows(HeadShape::of(head_dim).dim);
    let mut tiles: Vec<[usize; TILE_LEN]> = Vec::new();
    for (row, (&position, &table)) in positions.iter().zip(row_tables).enumerate() {
        let follows = |first: usize| {
            row_tables[first] == table
                && u64::from(positions[first]) + (row - first) as u64 == u64::from(position)
        };
        match tiles.last_mut() {
            Some([first, n_rows]) if *n_rows < most && follows(*first) => *n_rows += 1,
            _ => tiles.push([row, 1]),
        }
    }
    tiles.sort_by_key(|&[first, _]| std::cmp::Reverse(positions[first]));
    let values = tiles.iter().flatten();
    values.map(|&value| value as u32).collect()
}

impl AttentionPrefill<'_> {
    /// Launches it. The cost stands for one position a row: the host does not know them.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let heads = self.heads;
        let shape = HeadShape::of(heads.head_dim);
        let wide = WIDE_DIMS.iter().position(|&dim| dim == heads.head_dim);
        let launch = match wide.zip(kernels.attention_prefill_wide) {
            Some((index, wide)) => Launch::new(kernels, wide[index])
                .shared(wide_shared_bytes(heads.head_dim))
                .chained(),
            None => shape
                .launch(kernels, &kernels.attention_prefill, heads.head_dim)?
                .shared(shared_bytes(shape.dim)),
        };
        launch.dim("n_rows", self.n_rows)?;
        let n_tiles = launch.dim("n_tiles", self.n_tiles)?;
        let [n_heads, n_kv_heads, head_dim] = launch.heads(&heads)?;
        let window = match self.window {
            Some(window) => launch.dim("window", window)?,
            None => 0,
        };
        let (cos, sin, [n_pairs, adjacent]) = match &self.rope {
            Some(rope) => {
                launch.require(rope.fits_attention(heads.head_dim), || {
                    format!("{} pairs of channels in heads of {head_dim}", rope.n_pairs)
                })?;
                (ptr(rope.cos), ptr(rope.sin), rope.args(&launch, &heads)?)
            }
            None => (NULL, NULL, [0; 2]),
        };
        let q_width = heads.n_heads * heads.head_dim;
        launch.holds("qkv", self.qkv.len, &[self.n_rows, heads.qkv_width()])?;
        launch.holds("out", self.out.len, &[self.n_rows, q_width])?;
        launch.holds("tiles", self.tiles.len, &[self.n_tiles, TILE_LEN])?;
        launch.cache(self.keys.len, self.values.len, &heads)?;
        launch.aligned("qkv", self.qkv.at)?;
        launch.aligned("keys", self.keys.at)?;
        launch.aligned("values", self.values.at)?;
        launch.aligned("tiles", self.tiles.at)?;
        launch.aligned("out", self.out.at)?;
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
            ptr(self.tiles),
            ptr_mut(&self.out),
            Arg::U32(n_heads),
            Arg::U32(n_kv_heads),
            Arg::U32(head_dim),
            Arg::U32(window),
            Arg::F32(score_scale(heads.head_dim)),
            cos,
            sin,
            Arg::U32(n_pairs),
            Arg::U32(adjacent),
        ];
        let threads = 32 * warps(shape.dim) as u32;
        launch.run([n_heads, n_tiles, 1], threads, &args, cost)
    }
}

/// Channels of the heads that the kernels of compute capability 9.0 are for.
const WIDE_DIMS: [usize; 3] = [64, 96, 128];
/// Positions that are worked on together.
const TILE: usize = 64;

/// Warps of a block of threads.
fn warps(dim: usize) -> usize {
    match dim {
        ..64 => 4,
        64..=128 => 8,
        _ => 2,
    }
}

/// Rows of a tile.
fn tile_rows(dim: usize) -> usize {
    16 * warps(dim)
}

/// Keys and values of two tiles of positions, or of one where queries are kept beside them; the
/// sums of the tile of rows, if they are not in the output.
fn shared_bytes(dim: usize) -> usize {
    let tile = 2 * TILE * dim * size_of::<half::f16>();
    let rows = tile_rows(dim) * dim * size_of::<f32>();
    match dim {
        0..=96 => 2 * tile + rows,
        97..=128 => 2 * tile,
        _ => tile + rows,
    }
}

/// The same for compute capability 9.0: four tiles, the keys in panels of 64 channels, and
/// barriers.
fn wide_shared_bytes(dim: usize) -> usize {
    let tile = TILE * (dim.next_multiple_of(64) + dim) * size_of::<half::f16>();
    let sums = match dim {
        ..=96 => tile_rows(dim) * dim * size_of::<f32>(),
        _ => 0,
    };
    4 * (tile + 2 * size_of::<u64>()) + sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_runs_of_one_sequence() {
        let positions: Vec<u32> = (0..130).chain([7]).chain(130..132).chain(40..43).collect();
        let row_tables = [[0; 130].as_slice(), &[9], &[0; 2], &[0; 3]].concat();
        let expected = [[131, 2], [128, 2], [133, 3], [130, 1], [0, 128]].concat();
        assert_eq!(prefill_tiles(&positions, &row_tables, 128), expected);
        assert_eq!(prefill_tiles(&[0; 0], &[], 64), []);
        let narrow = prefill_tiles(&positions, &row_tables, 32);
        assert_eq!(narrow[4..6], [64, 64]);
        assert_eq!(narrow[narrow.len() - 2..], [0, 64]);
    }
}
