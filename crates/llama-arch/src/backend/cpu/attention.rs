//! Attention over the paged cache, one task per row and group of query heads.
//!
//! ```text
//! for each block of positions:  scores[h][j] = q[h] . k[j] / sqrt(head_dim)
//! softmax over j
//! for each block of positions:  out[h] += p[h][j] v[j], j ascending
//! ```
//!
//! The query heads that share a key/value head go together, so each key and value is converted
//! from f16 once. Sums run over absolute positions in order: neither blocks nor chunks show.

use std::ops::Range;
use std::sync::PoisonError;

use super::aligned::AlignedVec;
use super::exp::exp;
use super::gemm::dot_tile;
use super::kernels::{Isa, for_isa};
use super::matmul::Scratch;
use super::pool::{SharedOut, ThreadPool};
use super::vector::{MAX_LANES, Portable, Vector, multiply_add};
use super::{CpuBuffer, CpuKvCache};
use crate::backend::AttentionShape;
use crate::batch::{Batch, SequenceRows};
use crate::kv_cache::{BLOCK_POSITIONS, KvLayout};

/// Heads and positions whose scores are computed together.
const TILE: usize = 4;
/// Registers of channels that are summed together.
const CHANNELS: usize = 2;

/// See [`crate::backend::Backend::attention`].
pub(super) fn attention(
    (pool, isa, scratch): (&ThreadPool, Isa, &[Scratch]),
    qkv: &CpuBuffer,
    (cache, layer): (&CpuKvCache, usize),
    (batch, shape): (&Batch, &AttentionShape),
    out: &mut CpuBuffer,
) {
    out.rows = qkv.rows;
    let out_width = out.width;
    let group = shape.n_heads / shape.n_kv_heads;
    // Heads that share keys are a task, unless that leaves threads without one.
    let n_groups = qkv.rows * shape.n_kv_heads;
    let heads = group.div_ceil(pool.threads().div_ceil(n_groups.max(1)));
    let tasks_per_group = group.div_ceil(heads);
    let tasks_per_row = shape.n_kv_heads * tasks_per_group;
    let shared = SharedOut::new(&mut out.data);
    pool.run(qkv.rows * tasks_per_row, &|worker, index| {
        let Some((sequence, offset)) = locate(batch, index / tasks_per_row) else {
            return;
        };
        let kv_head = index % tasks_per_row / tasks_per_group;
        let first_head = index % tasks_per_group * heads;
        let n_heads = heads.min(group - first_head);
        let row = sequence.rows.start + offset;
        let position = sequence.start + offset;
        let start = (kv_head * group + first_head) * shape.head_dim;
        let width = n_heads * shape.head_dim;
        let task = HeadTask {
            queries: &qkv.row(row)[start..start + width],
            visible: shape.window.map_or(0, |w| (position + 1).saturating_sub(w))..position + 1,
            keys: &cache.keys[layer],
            values: &cache.values[layer],
            layout: &cache.layout,
            sequence,
            kv_head,
        };
        let mut scratch = scratch[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // SAFETY: every task has its own row and heads.
        let out = unsafe { shared.slice(row * out_width + start, width) };
        run_task(isa, &task, &mut scratch, out);
    });
}

/// The sequence of the `index`-th row of work and the row's place in it. Late rows see more
/// positions: they go first, so that no one waits for them.
fn locate(batch: &Batch, mut index: usize) -> Option<(&SequenceRows, usize)> {
    for sequence in batch.sequences() {
        let n_rows = sequence.rows.len();
        if index < n_rows {
            return Some((sequence, n_rows - 1 - index));
        }
        index -= n_rows;
    }
    None
}

/// Query heads of one row that share a key/value head.
struct HeadTask<'a> {
    /// `[heads][head_dim]`.
    queries: &'a [f32],
    /// Positions that the row sees.
    visible: Range<usize>,
    /// f16 bits, see [`KvLayout`].
    keys: &'a [u16],
    values: &'a [u16],
    layout: &'a KvLayout,
    sequence: &'a SequenceRows,
    kv_head: usize,
}

impl HeadTask<'_> {
    /// Runs of visible positions (counted from the first visible one), and where the cache holds
    /// them.
    fn blocks(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let head_dim = self.layout.head_dim;
        let mut position = self.visible.start;
        std::iter::from_fn(move || {
            let slot = position % BLOCK_POSITIONS;
            let n_slots = (BLOCK_POSITIONS - slot).min(self.visible.end - position);
            let block = *self.sequence.blocks.get(position / BLOCK_POSITIONS)? as usize;
            let start = self.layout.head_offset(block, self.kv_head) + slot * head_dim;
            let first = position - self.visible.start;
            position += n_slots;
            (n_slots > 0).then(|| (first..first + n_slots, start..start + n_slots * head_dim))
        })
    }
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn convert<V: Vector>(halves: &[u16], out: &mut [f32]) {
    assert_eq!(halves.len(), out.len());
    let whole = out.len() / V::LANES * V::LANES;
    for at in (0..whole).step_by(V::LANES) {
        // SAFETY: the caller's promise; the register ends at `whole` or before.
        unsafe { V::load_f16(halves.as_ptr().add(at)).store(out.as_mut_ptr().add(at)) };
    }
    for (out, &half) in out[whole..].iter_mut().zip(&halves[whole..]) {
        *out = gguf::dequant::f16_to_f32(half);
    }
}

fn run_task(isa: Isa, task: &HeadTask<'_>, scratch: &mut AlignedVec, out: &mut [f32]) {
    for_isa!(isa, attend, (task: &HeadTask<'_>, scratch: &mut AlignedVec, out: &mut [f32]));
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn attend<V: Vector, const N: usize>(
    task: &HeadTask<'_>,
    scratch: &mut AlignedVec,
    out: &mut [f32],
) {
    let head_dim = task.layout.head_dim;
    let (n_heads, n_visible) = (task.queries.len() / head_dim, task.visible.len());
    let block_len = (BLOCK_POSITIONS * head_dim).next_multiple_of(MAX_LANES);
    let stride = n_visible.next_multiple_of(MAX_LANES);
    let (converted, scores) = scratch
        .at_least(block_len + n_heads * stride)
        .split_at_mut(block_len);
    let scale = 1.0 / (head_dim as f32).sqrt();
    for (positions, stored) in task.blocks() {
        let step = (positions.len(), stride, scale);
        // SAFETY: the caller's promise.
        unsafe { convert::<V>(&task.keys[stored.clone()], &mut converted[..stored.len()]) };
        let keys = &converted[..BLOCK_POSITIONS * head_dim];
        for first in (0..n_heads).step_by(TILE) {
            let queries = &task.queries[first * head_dim..];
            let scores = &mut scores[first * stride + positions.start..];
            // SAFETY: the caller's promise.
            unsafe { score_tile::<V>((n_heads - first, queries), keys, step, scores) };
        }
    }
    for scores in scores.chunks_exact_mut(stride) {
        // SAFETY: the caller's promise.
        unsafe { softmax::<V>(scores, n_visible) };
    }
    out.fill(0.0);
    for (positions, stored) in task.blocks() {
        let values = &mut converted[..stored.len()];
        // SAFETY: the caller's promise.
        unsafe { convert::<V>(&task.values[stored], values) };
        for first in (0..n_heads).step_by(TILE) {
            let weights = (&scores[first * stride + positions.start..], stride);
            let values = (&*values, positions.len());
            let out = &mut out[first * head_dim..];
            // SAFETY: the caller's promise.
            unsafe { add_tile::<V>((n_heads - first, weights), values, head_dim, out) };
        }
    }
}

/// [`score_heads`] of a tile at the start of `n_heads` heads.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn score_tile<V: Vector>(
    (n_heads, queries): (usize, &[f32]),
    keys: &[f32],
    step: (usize, usize, f32),
    scores: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match n_heads {
            1 => score_heads::<V, 1>(queries, keys, step, scores),
            2 => score_heads::<V, 2>(queries, keys, step, scores),
            3 => score_heads::<V, 3>(queries, keys, step, scores),
            _ => score_heads::<V, TILE>(queries, keys, step, scores),
        }
    }
}

/// [`add_values`] of a tile at the start of `n_heads` heads.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn add_tile<V: Vector>(
    (n_heads, weights): (usize, (&[f32], usize)),
    values: (&[f32], usize),
    head_dim: usize,
    out: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match n_heads {
            1 => add_values::<V, 1>(weights, values, head_dim, out),
            2 => add_values::<V, 2>(weights, values, head_dim, out),
            3 => add_values::<V, 3>(weights, values, head_dim, out),
            _ => add_values::<V, TILE>(weights, values, head_dim, out),
        }
    }
}

/// Scores of `H` heads for the first positions of a block of keys: `scores[h * stride + j]`.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn score_heads<V: Vector, const H: usize>(
    queries: &[f32],
    keys: &[f32],
    (n_positions, stride, scale): (usize, usize, f32),
    scores: &mut [f32],
) {
    let head_dim = keys.len() / BLOCK_POSITIONS;
    let whole = head_dim / V::LANES * V::LANES;
    for first in (0..n_positions).step_by(TILE) {
        // Short of a tile, positions beyond are computed from what the memory holds, and not
        // stored.
        let tile = &keys[first * head_dim..][..TILE * head_dim];
        let n_tile = TILE.min(n_positions - first);
        // SAFETY: the caller's promise; `whole` is whole registers.
        let lanes: [[V; H]; TILE] = unsafe {
            let (keys, queries) = (tile.as_ptr(), queries[..H * head_dim].as_ptr());
            dot_tile((keys, head_dim), (queries, head_dim), whole)
        };
        for h in 0..H {
            // SAFETY: the caller's promise.
            let mut sums: [f32; TILE] = unsafe { V::sums(std::array::from_fn(|i| lanes[i][h])) };
            let query = &queries[h * head_dim..][whole..head_dim];
            for (sum, key) in sums.iter_mut().zip(tile.chunks_exact(head_dim)) {
                let rest = key[whole..].iter().zip(query);
                *sum = rest.fold(*sum, |sum, (&k, &q)| multiply_add::<V>(k, q, sum)) * scale;
            }
            let scores = &mut scores[h * stride + first..][..n_tile];
            match scores.first_chunk_mut::<TILE>() {
                Some(scores) => *scores = sums,
                None => scores.copy_from_slice(&sums[..n_tile]),
            }
        }
    }
}

/// Replaces the first `n` scores by `e^score / sum of e^score` and those beyond by zeros.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn softmax<V: Vector>(scores: &mut [f32], n: usize) {
    scores[n..].fill(f32::NEG_INFINITY);
    let registers = (0..scores.len()).step_by(V::LANES);
    let scores = scores.as_mut_ptr();
    // SAFETY: the caller's promise; the slice is whole registers long.
    unsafe {
        let mut greatest = V::splat(f32::NEG_INFINITY);
        for at in registers.clone() {
            greatest = greatest.max(V::load(scores.add(at)));
        }
        let mut lanes = [f32::NEG_INFINITY; MAX_LANES];
        greatest.store(lanes.as_mut_ptr());
        let greatest = V::splat(lanes.into_iter().fold(f32::NEG_INFINITY, f32::max));
        let mut sum = V::zero();
        for at in registers.clone() {
            let weight = exp(V::load(scores.add(at)).subtract(greatest));
            weight.store(scores.add(at));
            sum = sum.add(weight);
        }
        let [sum] = V::sums([sum]);
        let inverse = V::splat(1.0 / sum);
        for at in registers {
            V::load(scores.add(at))
                .multiply(inverse)
                .store(scores.add(at));
        }
    }
}

/// Adds the values of a run of positions to `H` heads: `out[h][d] += weights[h][j] values[j][d]`.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn add_values<V: Vector, const H: usize>(
    (weights, stride): (&[f32], usize),
    (values, n_positions): (&[f32], usize),
    head_dim: usize,
    out: &mut [f32],
) {
    let weights: [&[f32]; H] = std::array::from_fn(|h| &weights[h * stride..][..n_positions]);
    let mut channel = 0;
    // SAFETY: the caller's promise; registers end within a head.
    unsafe {
        while channel + CHANNELS * V::LANES <= head_dim {
            add_channels::<V, H, CHANNELS>(weights, values, (channel, head_dim), out);
            channel += CHANNELS * V::LANES;
        }
        while channel + V::LANES <= head_dim {
            add_channels::<V, H, 1>(weights, values, (channel, head_dim), out);
            channel += V::LANES;
        }
    }
    for (out, weights) in out.chunks_mut(head_dim).zip(weights) {
        for (value, &weight) in values.chunks_exact(head_dim).zip(weights) {
            for (out, &value) in out[channel..].iter_mut().zip(&value[channel..]) {
                *out = multiply_add::<V>(weight, value, *out);
            }
        }
    }
}

/// [`add_values`] for `C` registers of channels.
///
/// # Safety
/// The instruction set of `V` must be there, and the channels within a head.
#[inline(always)]
unsafe fn add_channels<V: Vector, const H: usize, const C: usize>(
    weights: [&[f32]; H],
    values: &[f32],
    (channel, head_dim): (usize, usize),
    out: &mut [f32],
) {
    let n_positions = weights[0].len();
    assert!(values.len() == n_positions * head_dim && out.len() >= H * head_dim);
    assert!(weights.iter().all(|weights| weights.len() == n_positions));
    assert!(channel + C * V::LANES <= head_dim);
    // SAFETY: the caller's promise; every place is within its slice by the assertions.
    unsafe {
        let place = |h: usize, c: usize| h * head_dim + channel + c * V::LANES;
        let load = |h: usize| std::array::from_fn(|c| V::load(out.as_ptr().add(place(h, c))));
        let mut sums: [[V; C]; H] = std::array::from_fn(load);
        for position in 0..n_positions {
            let value: [V; C] =
                std::array::from_fn(|c| V::load(values.as_ptr().add(place(position, c))));
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = V::splat(*weights.get_unchecked(position));
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = weight.multiply_add(value, *sum);
                }
            }
        }
        for (h, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                sum.store(out.as_mut_ptr().add(place(h, c)));
            }
        }
    }
}
