//! Attention over the paged cache, one task per row and key/value head.
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

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::kernels::{Isa, Portable, Vector, add_scaled, dot_tile, for_isa};
use super::matmul::Scratch;
use super::pool::{SharedOut, ThreadPool};
use super::{CpuBuffer, CpuKvCache};
use crate::backend::AttentionShape;
use crate::batch::{Batch, SequenceRows};
use crate::kv_cache::{BLOCK_POSITIONS, KvLayout};

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
    let group_width = shape.n_heads / shape.n_kv_heads * shape.head_dim;
    let shared = SharedOut::new(&mut out.data);
    for sequence in batch.sequences() {
        let n_tasks = sequence.rows.len() * shape.n_kv_heads;
        pool.run(n_tasks, &|worker, index| {
            // Late rows see more positions: they go first, so that no one waits for them.
            let offset = sequence.rows.len() - 1 - index / shape.n_kv_heads;
            let kv_head = index % shape.n_kv_heads;
            let row = sequence.rows.start + offset;
            let position = sequence.start + offset;
            let start = kv_head * group_width;
            let task = HeadTask {
                queries: &qkv.row(row)[start..start + group_width],
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
            let out = unsafe { shared.slice(row * out_width + start, group_width) };
            run_task(isa, &task, &mut scratch, out);
        });
    }
}

/// The query heads of one row that share a key/value head.
struct HeadTask<'a> {
    /// `[group][head_dim]`.
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
    /// Calls `f` with runs of visible positions (counted from the first visible one) and their
    /// keys or values, converted to f32.
    #[inline(always)]
    fn for_each_block(
        &self,
        cache: &[u16],
        converted: &mut [f32],
        mut f: impl FnMut(Range<usize>, &[f32]),
    ) {
        let head_dim = self.layout.head_dim;
        let mut position = self.visible.start;
        while position < self.visible.end {
            let slot = position % BLOCK_POSITIONS;
            let n_slots = (BLOCK_POSITIONS - slot).min(self.visible.end - position);
            let block = self.sequence.blocks[position / BLOCK_POSITIONS] as usize;
            let start = self.layout.head_offset(block, self.kv_head) + slot * head_dim;
            let stored: &[half::f16] = cache[start..start + n_slots * head_dim].reinterpret_cast();
            let converted = &mut converted[..n_slots * head_dim];
            stored.convert_to_f32_slice(converted);
            let first = position - self.visible.start;
            f(first..first + n_slots, converted);
            position += n_slots;
        }
    }
}

fn run_task(isa: Isa, task: &HeadTask<'_>, scratch: &mut Vec<f32>, out: &mut [f32]) {
    for_isa!(isa, attend, (task: &HeadTask<'_>, scratch: &mut Vec<f32>, out: &mut [f32]));
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn attend<V: Vector, const TILE: usize>(
    task: &HeadTask<'_>,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
) {
    let head_dim = task.layout.head_dim;
    let (n_heads, n_visible) = (task.queries.len() / head_dim, task.visible.len());
    let block_len = BLOCK_POSITIONS * head_dim;
    // Scratch memory only grows: in decode its length would otherwise change at every step.
    let needed = block_len + n_heads * n_visible;
    if scratch.len() < needed {
        scratch.resize(needed, 0.0);
    }
    let (converted, scores) = scratch[..needed].split_at_mut(block_len);
    let scale = 1.0 / (head_dim as f32).sqrt();
    task.for_each_block(task.keys, converted, |positions, keys| {
        for (query, scores) in task
            .queries
            .chunks_exact(head_dim)
            .zip(scores.chunks_exact_mut(n_visible))
        {
            for (key, score) in keys
                .chunks_exact(head_dim)
                .zip(&mut scores[positions.clone()])
            {
                // SAFETY: the caller's promise.
                let [[sum]] = unsafe { dot_tile::<V, 1, 1>([query], [key]) };
                *score = sum * scale;
            }
        }
    });
    scores.chunks_exact_mut(n_visible).for_each(softmax);
    out.fill(0.0);
    task.for_each_block(task.values, converted, |positions, values| {
        for (scores, out) in scores
            .chunks_exact(n_visible)
            .zip(out.chunks_exact_mut(head_dim))
        {
            for (value, &weight) in values
                .chunks_exact(head_dim)
                .zip(&scores[positions.clone()])
            {
                add_scaled::<V>(weight, value, out);
            }
        }
    });
}

/// Replaces scores by `e^score / sum of e^score`.
#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f64;
    for score in scores.iter_mut() {
        *score = (*score - max).exp();
        sum += f64::from(*score);
    }
    let inverse = (1.0 / sum) as f32;
    for score in scores.iter_mut() {
        *score *= inverse;
    }
}
