//! Matrix products with weights as the file stores them.
//!
//! ```text
//! for each task of 16 to 64 weight rows, in parallel:
//!     for each group of GROUP rows:
//!         dequantise the group to f32
//!         for each tile of activation rows: GROUP x TILE dot products
//! ```
//!
//! A group is small enough to stay in the cache while the activations stream past it.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use super::kernels::{Isa, Portable, Vector, dot_tile, for_isa};
use super::pool::{SharedOut, ThreadPool};
use super::rows::RowDecoder;
use super::{CpuBuffer, CpuMatrix};

/// Weight rows of one task: as many as leave every thread a few tasks. Long runs of rows keep the
/// processor's own prefetching going.
const ROWS_PER_TASK: RangeInclusive<usize> = 16..=64;
const TASKS_PER_THREAD: usize = 4;
/// Weight rows dequantised and multiplied together.
const GROUP: usize = 4;

/// What happens to a dot product.
#[derive(Clone, Copy)]
pub(super) enum Epilogue<'a> {
    /// `out = sum`.
    Store,
    /// `out = sum + bias`.
    Bias(&'a [f32]),
    /// `out = out + sum`.
    Add,
}

/// Memory of one worker for dequantised rows.
pub(super) type Scratch = Mutex<Vec<f32>>;

/// `out[r][o] = epilogue(sum over i of weight[o][i] * x[r][i])`.
pub(super) fn matmul(
    (pool, isa, scratch): (&ThreadPool, Isa, &[Scratch]),
    weight: &CpuMatrix,
    x: &CpuBuffer,
    epilogue: Epilogue<'_>,
    out: &mut CpuBuffer,
) {
    debug_assert_eq!(weight.row_len, x.width);
    debug_assert_eq!(weight.n_rows, out.width);
    out.rows = x.rows;
    let width = out.width;
    let shared = SharedOut::new(&mut out.data);
    let mut first_output = 0;
    for part in &weight.parts {
        let rows_per_task = (part.n_rows / (TASKS_PER_THREAD * pool.threads()) / GROUP * GROUP)
            .clamp(*ROWS_PER_TASK.start(), *ROWS_PER_TASK.end());
        pool.run(part.n_rows.div_ceil(rows_per_task), &|worker, index| {
            let first = index * rows_per_task;
            let n_rows = rows_per_task.min(part.n_rows - first);
            let mut rows = scratch[worker]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            rows.resize(GROUP * weight.row_len, 0.0);
            let row_bytes = part.row_bytes;
            let task = RowTask {
                decode: part.decode,
                row_bytes,
                bytes: &part.bytes[first * row_bytes..(first + n_rows) * row_bytes],
                x: x.values(),
                row_len: weight.row_len,
                epilogue,
                out: &shared,
                out_width: width,
                first_output: first_output + first,
            };
            run_task(isa, &task, &mut rows);
        });
        first_output += part.n_rows;
    }
}

/// Some weight rows against all activation rows.
struct RowTask<'a> {
    decode: RowDecoder,
    row_bytes: usize,
    bytes: &'a [u8],
    /// `[rows][row_len]`.
    x: &'a [f32],
    row_len: usize,
    epilogue: Epilogue<'a>,
    out: &'a SharedOut<'a>,
    out_width: usize,
    /// Column of `out` that the first weight row computes.
    first_output: usize,
}

fn run_task(isa: Isa, task: &RowTask<'_>, rows: &mut [f32]) {
    for_isa!(isa, run_groups, (task: &RowTask<'_>, rows: &mut [f32]));
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn run_groups<V: Vector, const TILE: usize>(task: &RowTask<'_>, rows: &mut [f32]) {
    let groups = task.bytes.chunks(GROUP * task.row_bytes);
    for (group, bytes) in groups.enumerate() {
        for (bytes, row) in bytes
            .chunks_exact(task.row_bytes)
            .zip(rows.chunks_mut(task.row_len))
        {
            (task.decode)(bytes, row);
        }
        let first_output = task.first_output + group * GROUP;
        // A group at the end of the matrix may be short: its missing rows are computed from what
        // the scratch memory holds, and not stored.
        let n_outputs = bytes.len() / task.row_bytes;
        let mut group = rows.chunks_exact(task.row_len);
        let group = std::array::from_fn(|_| group.next().unwrap_or_default());
        // SAFETY: the caller's promise.
        unsafe { run_tiles::<V, TILE>(task, group, first_output, n_outputs) };
    }
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn run_tiles<V: Vector, const TILE: usize>(
    task: &RowTask<'_>,
    group: [&[f32]; GROUP],
    first_output: usize,
    n_outputs: usize,
) {
    let mut tiles = task.x.chunks_exact(TILE * task.row_len);
    let mut row = 0;
    for tile in &mut tiles {
        let x = std::array::from_fn(|i| &tile[i * task.row_len..(i + 1) * task.row_len]);
        // SAFETY: the caller's promise.
        let sums = unsafe { dot_tile::<V, GROUP, TILE>(group, x) };
        for i in 0..TILE {
            store(
                task,
                row + i,
                first_output,
                &sums.map(|sums| sums[i])[..n_outputs],
            );
        }
        row += TILE;
    }
    for x in tiles.remainder().chunks_exact(task.row_len) {
        // SAFETY: the caller's promise.
        let sums = unsafe { dot_tile::<V, GROUP, 1>(group, [x]) };
        store(task, row, first_output, &sums.map(|[sum]| sum)[..n_outputs]);
        row += 1;
    }
}

#[inline(always)]
fn store(task: &RowTask<'_>, row: usize, first_output: usize, sums: &[f32]) {
    let start = row * task.out_width + first_output;
    // SAFETY: every task has its own columns, and a task uses one slice at a time.
    let out = unsafe { task.out.slice(start, sums.len()) };
    match task.epilogue {
        Epilogue::Store => out.copy_from_slice(sums),
        Epilogue::Bias(bias) => {
            let bias = &bias[first_output..first_output + sums.len()];
            for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                *out = sum + bias;
            }
        }
        Epilogue::Add => {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum;
            }
        }
    }
}
