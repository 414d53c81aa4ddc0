//! Many activation rows against weights decoded to f32.
//!
//! ```text
//! decode the task's weight rows into a panel (second-level cache)
//! for each tile of activation rows:
//!     for each block of DEPTH inputs:               (tile in the first-level cache)
//!         for each GROUP of panel rows:
//!             GROUP x TILE sums in registers += panel x tile
//! ```
//!
//! Every sum has one accumulator per lane, filled in order of the index, and the lanes are added
//! in one fixed tree: a result depends on the instruction set, never on how many rows were
//! computed together.

use super::aligned::AlignedVec;
use super::kernels::{Isa, for_isa};
use super::matmul::{GROUP, RowTask, store};
use super::vector::{MAX_LANES, Portable, Vector, multiply_add};

/// Inputs of a block: six activation rows of it fill half of a first-level cache.
const DEPTH: usize = 1024;
/// Values of a panel: what a second-level cache of 1 MiB has room for beside the activations.
const PANEL: usize = 160 << 10;
/// Values between panel rows beyond their length, against rows that share cache sets.
const PADDING: usize = 16;

/// Weight rows of one panel: whole groups.
pub(super) fn panel_rows(row_len: usize) -> usize {
    (PANEL / row_len.max(1) / GROUP * GROUP).clamp(GROUP, 64)
}

/// All rows of a task, of which there are up to [`panel_rows`].
pub(super) fn run_decoded(isa: Isa, task: &RowTask<'_>, scratch: &mut AlignedVec) {
    for_isa!(isa, run_panel, (task: &RowTask<'_>, scratch: &mut AlignedVec));
}

/// Decoded weight rows, and where their sums wait between blocks.
struct Panel<'a> {
    rows: &'a [f32],
    stride: usize,
    n_rows: usize,
    /// `[groups][GROUP x TILE][lanes]`.
    sums: &'a mut [f32],
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn run_panel<V: Vector, const TILE: usize>(task: &RowTask<'_>, scratch: &mut AlignedVec) {
    let row_len = task.row_len;
    let n_rows = task.bytes.len() / task.row_bytes;
    let n_groups = n_rows.div_ceil(GROUP);
    let stride = row_len.next_multiple_of(MAX_LANES) + PADDING;
    let panel_len = n_groups * GROUP * stride;
    let sums_len = n_groups * GROUP * TILE * V::LANES;
    let (rows, sums) = scratch
        .at_least(panel_len + sums_len)
        .split_at_mut(panel_len);
    // A group at the end of the matrix may be short: its missing rows are computed from what the
    // scratch memory holds, and not stored.
    for (bytes, row) in task
        .bytes
        .chunks_exact(task.row_bytes)
        .zip(rows.chunks_mut(stride))
    {
        (task.decode)(bytes, &mut row[..row_len]);
    }
    let mut panel = Panel {
        rows,
        stride,
        n_rows,
        sums,
    };
    let n_x = task.x.len() / row_len;
    let mut row = 0;
    // The next task's weights come from memory while this one's are multiplied, some per tile.
    let mut next = (0..task.bytes.len()).step_by(64);
    let lines_per_tile = next.len() / (n_x / TILE).max(1);
    // SAFETY: the caller's promise.
    unsafe {
        while row + TILE <= n_x {
            for line in next.by_ref().take(lines_per_tile) {
                V::prefetch_second(task.bytes.as_ptr().wrapping_add(task.to_next + line));
            }
            run_tile::<V, TILE>(task, &mut panel, row);
            row += TILE;
        }
        match n_x - row {
            0 => {}
            1 => run_tile::<V, 1>(task, &mut panel, row),
            2 => run_tile::<V, 2>(task, &mut panel, row),
            3 => run_tile::<V, 3>(task, &mut panel, row),
            4 => run_tile::<V, 4>(task, &mut panel, row),
            _ => run_tile::<V, 5>(task, &mut panel, row),
        }
    }
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn run_tile<V: Vector, const X: usize>(
    task: &RowTask<'_>,
    panel: &mut Panel<'_>,
    at: usize,
) {
    let row_len = task.row_len;
    let whole = row_len / V::LANES * V::LANES;
    let x = &task.x[at * row_len..][..X * row_len];
    let tile_len = GROUP * X * V::LANES;
    let last_block = whole.saturating_sub(1) / DEPTH * DEPTH;
    for block in (0..=last_block).step_by(DEPTH) {
        let depth = DEPTH.min(whole - block);
        let x_block = (x[block..].as_ptr(), row_len);
        for group in 0..panel.n_rows.div_ceil(GROUP) {
            let rows = &panel.rows[group * GROUP * panel.stride..][..GROUP * panel.stride];
            let rows_block = (rows[block..].as_ptr(), panel.stride);
            let waiting = &mut panel.sums[group * tile_len..][..tile_len];
            // SAFETY: the caller's promise; `GROUP` rows and `X` rows hold the block, and there is
            // room for `GROUP x X` registers.
            unsafe {
                let lanes = if block == 0 {
                    dot_tile::<V, GROUP, X>(rows_block, x_block, depth)
                } else {
                    let sums = load_tile(waiting);
                    add_dot_tile::<V, GROUP, X>(rows_block, x_block, depth, sums)
                };
                if block < last_block {
                    store_tile(&lanes, waiting);
                } else {
                    finish_tile(
                        task,
                        (rows, panel.stride),
                        (x, at),
                        (group, panel.n_rows),
                        &lanes,
                    );
                }
            }
        }
    }
}

/// Adds up the lanes, and what is left of rows that are not whole registers; stores the sums.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn finish_tile<V: Vector, const X: usize>(
    task: &RowTask<'_>,
    (rows, stride): (&[f32], usize),
    (x, at): (&[f32], usize),
    (group, n_rows): (usize, usize),
    lanes: &[[V; X]; GROUP],
) {
    let row_len = task.row_len;
    let whole = row_len / V::LANES * V::LANES;
    let n_outputs = GROUP.min(n_rows - group * GROUP);
    for i in 0..X {
        // SAFETY: the caller's promise.
        let mut sums: [f32; GROUP] = unsafe { V::sums(std::array::from_fn(|row| lanes[row][i])) };
        if whole < row_len {
            let x = &x[i * row_len..][whole..row_len];
            for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(stride)) {
                let rest = row[whole..].iter().zip(x);
                *sum = rest.fold(*sum, |sum, (&w, &x)| multiply_add::<V>(w, x, sum));
            }
        }
        store(
            task,
            at + i,
            task.first_output + group * GROUP,
            &sums,
            n_outputs,
        );
    }
}

/// `W x X` sums of products, `len` values deep: whole registers. Rows are given by the first
/// one and the distance to the next.
///
/// # Safety
/// The instruction set of `V` must be there, and all rows be good for `len` values.
#[inline(always)]
pub(super) unsafe fn dot_tile<V: Vector, const W: usize, const X: usize>(
    w: (*const f32, usize),
    x: (*const f32, usize),
    len: usize,
) -> [[V; X]; W] {
    // SAFETY: the caller's promise.
    unsafe { add_dot_tile(w, x, len, [[V::zero(); X]; W]) }
}

/// [`dot_tile`] on top of sums.
///
/// # Safety
/// As [`dot_tile`].
#[inline(always)]
unsafe fn add_dot_tile<V: Vector, const W: usize, const X: usize>(
    (w, w_stride): (*const f32, usize),
    (x, x_stride): (*const f32, usize),
    len: usize,
    mut sums: [[V; X]; W],
) -> [[V; X]; W] {
    // One pointer a row: arithmetic on indices would be checked for overflow at every step.
    let w: [_; W] = std::array::from_fn(|i| w.wrapping_add(i * w_stride));
    let x: [_; X] = std::array::from_fn(|j| x.wrapping_add(j * x_stride));
    for at in (0..len).step_by(V::LANES) {
        // SAFETY: the caller's promise: a register begins before `len`, a multiple of its lanes.
        unsafe {
            let w: [V; W] = std::array::from_fn(|i| V::load(w[i].add(at)));
            for j in 0..X {
                let x = V::load(x[j].add(at));
                for i in 0..W {
                    sums[i][j] = w[i].multiply_add(x, sums[i][j]);
                }
            }
        }
    }
    sums
}

/// # Safety
/// The instruction set of `V` must be there, and `from` hold all registers.
#[inline(always)]
unsafe fn load_tile<V: Vector, const W: usize, const X: usize>(from: &[f32]) -> [[V; X]; W] {
    // SAFETY: the caller's promise.
    let register = |index: usize| unsafe { V::load(from.as_ptr().add(index * V::LANES)) };
    std::array::from_fn(|i| std::array::from_fn(|j| register(i * X + j)))
}

/// # Safety
/// The instruction set of `V` must be there, and `to` have room for all registers.
#[inline(always)]
unsafe fn store_tile<V: Vector, const W: usize, const X: usize>(
    registers: &[[V; X]; W],
    to: &mut [f32],
) {
    for (i, row) in registers.iter().enumerate() {
        for (j, register) in row.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { register.store(to.as_mut_ptr().add((i * X + j) * V::LANES)) };
        }
    }
}
