//! Matrix products with weights as the file stores them.
//!
//! A task is a run of weight rows against all activation rows. With few of these the weights are
//! read once, so they are decoded in registers ([`super::packed`]); with many they are decoded to
//! memory ([`super::gemm`]). The bits are the same.

use std::sync::{Mutex, PoisonError};

use super::aligned::AlignedVec;
use super::gemm::{panel_rows, run_decoded};
use super::kernels::Isa;
use super::packed::MAX_ROWS;
use super::pool::{SharedOut, ThreadPool};
use super::rows::RowDecoder;
use super::{CpuBuffer, CpuMatrix, CpuPart};

/// Weight rows multiplied together.
pub(super) const GROUP: usize = 4;
/// Bytes of packed weights in one task: long enough for the processor's own prefetching, short
/// enough that threads end together.
const TASK_BYTES: usize = 128 << 10;
const TASKS_PER_THREAD: usize = 4;

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

/// Memory of one worker.
pub(super) type Scratch = Mutex<AlignedVec>;

/// Some weight rows against all activation rows.
pub(super) struct RowTask<'a> {
    pub(super) decode: RowDecoder,
    pub(super) row_bytes: usize,
    pub(super) bytes: &'a [u8],
    /// Distance in bytes from this task's rows to those that its thread takes next, most likely.
    pub(super) to_next: usize,
    /// `[rows][row_len]`.
    pub(super) x: &'a [f32],
    pub(super) row_len: usize,
    pub(super) epilogue: Epilogue<'a>,
    pub(super) out: &'a SharedOut<'a>,
    pub(super) out_width: usize,
    /// Column of `out` that the first weight row computes.
    pub(super) first_output: usize,
}

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
    let packed = |part: &CpuPart| part.kernels.packed.filter(|_| x.rows <= MAX_ROWS);
    let rows_per_task = |part: &CpuPart| match packed(part) {
        Some(_) => {
            let most = (TASK_BYTES / part.row_bytes / GROUP * GROUP).max(4 * GROUP);
            (part.n_rows / (TASKS_PER_THREAD * pool.threads()) / GROUP * GROUP)
                .clamp(4 * GROUP, most)
        }
        None => panel_rows(weight.row_len),
    };
    let n_tasks = |part: &CpuPart| part.n_rows.div_ceil(rows_per_task(part));
    pool.run(weight.parts.iter().map(n_tasks).sum(), &|worker, index| {
        let Some((part, index, first_row)) = locate(&weight.parts, n_tasks, index) else {
            return;
        };
        let first = index * rows_per_task(part);
        let n_rows = rows_per_task(part).min(part.n_rows - first);
        let row_bytes = part.row_bytes;
        let task = RowTask {
            decode: part.kernels.decode,
            row_bytes,
            bytes: &part.bytes[first * row_bytes..(first + n_rows) * row_bytes],
            to_next: rows_per_task(part) * row_bytes,
            x: x.values(),
            row_len: weight.row_len,
            epilogue,
            out: &shared,
            out_width: width,
            first_output: first_row + first,
        };
        match packed(part) {
            Some(run) => run(&task),
            None => {
                let mut scratch = scratch[worker]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                run_decoded(isa, &task, &mut scratch);
            }
        }
    });
}

/// The part of the `index`-th task, which of the part's tasks it is, and the part's first row.
fn locate(
    parts: &[CpuPart],
    n_tasks: impl Fn(&CpuPart) -> usize,
    mut index: usize,
) -> Option<(&CpuPart, usize, usize)> {
    let mut first_row = 0;
    for part in parts {
        if index < n_tasks(part) {
            return Some((part, index, first_row));
        }
        index -= n_tasks(part);
        first_row += part.n_rows;
    }
    None
}

/// Stores the first `n` sums of activation row `row`, for the outputs from `first_output` on.
#[inline(always)]
pub(super) fn store<const N: usize>(
    task: &RowTask<'_>,
    row: usize,
    first_output: usize,
    sums: &[f32; N],
    n: usize,
) {
    let start = row * task.out_width + first_output;
    // SAFETY: every task has its own columns, and a task uses one slice at a time.
    let out = unsafe { task.out.slice(start, n) };
    // With a length known to the compiler this is one instruction.
    match out.first_chunk_mut::<N>() {
        Some(out) => store_values(task.epilogue, first_output, sums, out),
        None => store_values(task.epilogue, first_output, &sums[..n], out),
    }
}

#[inline(always)]
fn store_values(epilogue: Epilogue<'_>, first_output: usize, sums: &[f32], out: &mut [f32]) {
    match epilogue {
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
