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
    // SAFETY: the caller's promise.
    unsafe {
        while row + TILE <= n_x {
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
    let x: [&[f32]; X] = std::array::from_fn(|i| &task.x[(at + i) * row_len..][..row_len]);
    let rows_of = |group: usize| -> [&[f32]; GROUP] {
        std::array::from_fn(|i| &panel.rows[(group * GROUP + i) * panel.stride..][..row_len])
    };
    let n_groups = panel.n_rows.div_ceil(GROUP);
    let last_block = whole.saturating_sub(1) / DEPTH * DEPTH;
    for block in (0..=last_block).step_by(DEPTH) {
        let range = block..whole.min(block + DEPTH);
        for group in 0..n_groups {
            let weights = rows_of(group);
            let sums = &mut panel.sums[group * GROUP * X * V::LANES..][..GROUP * X * V::LANES];
            // SAFETY: the caller's promise; there is room for `GROUP x X` registers.
            let lanes = unsafe {
                let lanes = if block == 0 {
                    [[V::zero(); X]; GROUP]
                } else {
                    load_tile(sums)
                };
                let part = |row: &[f32]| row[range.clone()].as_ptr();
                dot_tile(weights.map(part), x.map(part), range.len(), lanes)
            };
            if block < last_block {
                // SAFETY: as above.
                unsafe { store_tile(lanes, sums) };
                continue;
            }
            let n_outputs = GROUP.min(panel.n_rows - group * GROUP);
            for (i, x) in x.iter().enumerate() {
                // SAFETY: the caller's promise.
                let mut sums = unsafe { V::sums(lanes.map(|lanes| lanes[i])) };
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    let rest = weights[whole..].iter().zip(&x[whole..]);
                    *sum = rest.fold(*sum, |sum, (&w, &x)| multiply_add::<V>(w, x, sum));
                }
                let first_output = task.first_output + group * GROUP;
                store(task, at + i, first_output, &sums[..n_outputs]);
            }
        }
    }
}

/// `W x X` sums of products, on top of `sums`, `len` values deep: whole registers.
///
/// # Safety
/// The instruction set of `V` must be there, and pointers be good for `len` values.
#[inline(always)]
pub(super) unsafe fn dot_tile<V: Vector, const W: usize, const X: usize>(
    w: [*const f32; W],
    x: [*const f32; X],
    len: usize,
    mut sums: [[V; X]; W],
) -> [[V; X]; W] {
    let mut at = 0;
    while at < len {
        // SAFETY: the caller's promise: a register begins before `len`, a multiple of its lanes.
        unsafe {
            let w = w.map(|row| V::load(row.add(at)));
            for (j, row) in x.iter().enumerate() {
                let x = V::load(row.add(at));
                for (sums, w) in sums.iter_mut().zip(w) {
                    sums[j] = w.multiply_add(x, sums[j]);
                }
            }
        }
        at += V::LANES;
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
    registers: [[V; X]; W],
    to: &mut [f32],
) {
    for (index, register) in registers.into_iter().flatten().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { register.store(to.as_mut_ptr().add(index * V::LANES)) };
    }
}
