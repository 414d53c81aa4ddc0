//! A few activation rows against packed weights: decoding and multiplying in one pass, at the
//! speed of memory.
//!
//! Every sum is the one that [`super::gemm`] computes from decoded rows: a lane adds up every
//! `LANES`-th product in order.

use super::formats::Format;
use super::matmul::{RowTask, store};
use super::vector::Unpack;

/// Most activation rows of one pass; with more, decoding the weights first pays.
pub(super) const MAX_ROWS: usize = 3;
/// How far ahead memory is asked for, in bytes. The processor's own prefetching follows two rows
/// side by side at a third of this speed.
const AHEAD: usize = 24 << 10;

/// All rows of a task, of which there are up to [`MAX_ROWS`] of activations.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn run_packed<V: Unpack, F: Format>(task: &RowTask<'_>) {
    let n_rows = task.bytes.len() / task.row_bytes;
    let whole = n_rows / F::ROWS * F::ROWS;
    // SAFETY: the caller's promise.
    unsafe {
        for row in (0..whole).step_by(F::ROWS) {
            match F::ROWS {
                4 => run_rows::<V, F, 4>(task, row),
                2 => run_rows::<V, F, 2>(task, row),
                _ => run_rows::<V, F, 1>(task, row),
            }
        }
        for row in whole..n_rows {
            run_rows::<V, F, 1>(task, row);
        }
    }
}

#[inline(always)]
unsafe fn run_rows<V: Unpack, F: Format, const R: usize>(task: &RowTask<'_>, row: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match task.x.len() / task.row_len {
            1 => run_tile::<V, F, R, 1>(task, row),
            2 => run_tile::<V, F, R, 2>(task, row),
            _ => run_tile::<V, F, R, MAX_ROWS>(task, row),
        }
    }
}

#[inline(always)]
unsafe fn run_tile<V: Unpack, F: Format, const R: usize, const X: usize>(
    task: &RowTask<'_>,
    first: usize,
) {
    let (row_bytes, row_len) = (task.row_bytes, task.row_len);
    let rows = std::array::from_fn(|i| &task.bytes[(first + i) * row_bytes..][..row_bytes]);
    let x = std::array::from_fn(|i| &task.x[i * row_len..][..row_len]);
    // SAFETY: the caller's promise.
    let sums = unsafe { dot_packed::<V, F, R, X>(rows, x) };
    for i in 0..X {
        // SAFETY: the caller's promise.
        let sums: [f32; R] = unsafe { V::sums(std::array::from_fn(|row| sums[row][i])) };
        store(task, i, task.first_output + first, &sums, R);
    }
}

/// The lanes of `R x X` dot products.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn dot_packed<V: Unpack, F: Format, const R: usize, const X: usize>(
    rows: [&[u8]; R],
    x: [&[f32]; X],
) -> [[V; X]; R] {
    let n_blocks = x[0].len() / F::WEIGHTS;
    assert!(rows.iter().all(|row| row.len() == n_blocks * F::BYTES));
    assert!(x.iter().all(|x| x.len() == n_blocks * F::WEIGHTS));
    // SAFETY: the instruction set is the caller's promise; rows are whole blocks, as many as the
    // activations have, by the assertions.
    unsafe {
        let mut sums = [[V::zero(); X]; R];
        for block in 0..n_blocks {
            // Rows lie one after the other: all of them are asked for in order of address.
            let ahead = rows[0].as_ptr().wrapping_add(AHEAD + block * R * F::BYTES);
            for line in (0..R * F::BYTES).step_by(64) {
                V::prefetch(ahead.wrapping_add(line));
            }
            let x: [_; X] = std::array::from_fn(|i| x[i].as_ptr().add(block * F::WEIGHTS));
            let blocks: [_; R] = std::array::from_fn(|i| rows[i].as_ptr().add(block * F::BYTES));
            let mut heads = [F::Head::default(); R];
            for (head, block) in heads.iter_mut().zip(blocks) {
                *head = F::head::<V>(block);
            }
            for piece in 0..F::PIECES {
                for i in 0..R {
                    F::unpack::<V>(blocks[i], (&heads[i], piece), |at, weights| {
                        for (sum, x) in sums[i].iter_mut().zip(x) {
                            *sum = weights.multiply_add(V::load(x.add(at)), *sum);
                        }
                    });
                }
            }
        }
        sums
    }
}
