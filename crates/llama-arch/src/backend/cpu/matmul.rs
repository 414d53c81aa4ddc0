//! Matrix products with weights as the file stores them.
//!
//! A task is a run of weight rows against all activation rows. With few of these the weights are
//! read once, so they are decoded in registers ([`super::packed`]); with many they are decoded to
//! memory ([`super::gemm`]). The bits are the same. Quantised weights have another way beside this
//! one, with activations rounded to integers ([`super::integer`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::aligned::AlignedVec;
use super::gemm::{panel_rows, run_decoded};
use super::integer::activations::Activations;
use super::integer::{MAX_FEW, MAX_LANES, PANEL};
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

/// What a part of a matrix is multiplied by.
#[derive(Clone, Copy)]
enum Kernel {
    /// Rounded activations, few and many rows of them.
    IntegerFew(fn(&RowTask<'_>, &Activations)),
    IntegerMany(fn(&RowTask<'_>, &Activations, &mut AlignedVec)),
    /// Activations as they are, few and many rows.
    Packed(fn(&RowTask<'_>)),
    Decoded,
}

impl Kernel {
    fn of(part: &CpuPart, n_rows: usize) -> Self {
        match (part.kernels.integer, part.kernels.packed) {
            (Some(integer), _) if n_rows <= MAX_FEW => Self::IntegerFew(integer.few),
            (Some(integer), _) => Self::IntegerMany(integer.many),
            (None, Some(packed)) if n_rows <= MAX_ROWS => Self::Packed(packed),
            (None, _) => Self::Decoded,
        }
    }

    /// Weight rows of one task: whole groups that are multiplied together.
    fn rows_per_task(self, part: &CpuPart, row_len: usize, threads: usize) -> usize {
        let of_groups = |group: usize| {
            let least = group.max(4 * GROUP);
            let most = (TASK_BYTES / part.row_bytes / group * group).max(least);
            (part.n_rows / (TASKS_PER_THREAD * threads) / group * group).clamp(least, most)
        };
        match self {
            Self::IntegerFew(_) => of_groups(MAX_LANES),
            Self::IntegerMany(_) => PANEL,
            Self::Packed(_) => of_groups(GROUP),
            Self::Decoded => panel_rows(row_len),
        }
    }
}

/// `out[r][o] = epilogue(sum over i of weight[o][i] * x[r][i])`.
pub(super) fn matmul(
    (pool, isa, scratch): (&ThreadPool, Isa, &[Scratch]),
    activations: &Mutex<Activations>,
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
    let mut activations = lock(activations);
    if weight
        .parts
        .iter()
        .any(|part| part.kernels.integer.is_some())
    {
        activations.set((pool, isa), x.values(), x.width);
    }
    let rows_per_task = |part: &CpuPart| {
        Kernel::of(part, x.rows).rows_per_task(part, weight.row_len, pool.threads())
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
        match Kernel::of(part, x.rows) {
            Kernel::IntegerFew(run) => run(&task, &activations),
            Kernel::IntegerMany(run) => run(&task, &activations, &mut lock(&scratch[worker])),
            Kernel::Packed(run) => run(&task),
            Kernel::Decoded => run_decoded(isa, &task, &mut lock(&scratch[worker])),
        }
    });
}

/// Scratch memory is written before it is read: what a panic left of it does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
