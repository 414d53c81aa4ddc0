//! Operations without a matrix: norms, RoPE, activation.

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::CpuKvCache;
use super::exp::exp;
use super::kernels::{Isa, for_isa};
use super::vector::{MAX_LANES, Portable, Vector};
use crate::backend::AttentionShape;
use crate::batch::SequenceRows;
use crate::config::RopePairing;
use crate::kv_cache::BLOCK_POSITIONS;
use crate::rope::RopeTable;

/// `out[i] = x[i] * weight[i] / sqrt(mean(x^2) + eps)`; the squares are summed in f64, because a
/// single outlier can be as large as all other channels together.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let scale = rms_scale(x, eps);
    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

/// [`rms_norm`] in place.
pub(super) fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = rms_scale(x, eps);
    for (x, &weight) in x.iter_mut().zip(weight) {
        *x = *x * scale * weight;
    }
}

fn rms_scale(x: &[f32], eps: f32) -> f32 {
    // Eight running sums, so that the additions do not wait for each other.
    let mut sums = [0.0_f64; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest
        .iter()
        .map(|&value| f64::from(value) * f64::from(value))
        .sum();
    let mean = (sums.iter().sum::<f64>() + rest) / x.len() as f64;
    (1.0 / (mean + f64::from(eps)).sqrt()) as f32
}

/// Turns the first `rope_dims` channels of one head at one position.
pub(super) fn turn_head(head: &mut [f32], rope: &RopeTable, position: usize, pairing: RopePairing) {
    let n_pairs = rope.n_pairs;
    let at = position * n_pairs..(position + 1) * n_pairs;
    let angles = rope.cos[at.clone()].iter().zip(&rope.sin[at]);
    let (step, gap) = match pairing {
        RopePairing::Adjacent => (2, 1),
        RopePairing::Halves => (1, n_pairs),
    };
    for (pair, (&cos, &sin)) in angles.enumerate() {
        let first = pair * step;
        let (a, b) = (head[first], head[first + gap]);
        head[first] = a * cos - b * sin;
        head[first + gap] = a * sin + b * cos;
    }
}

/// Stores keys and values of one row at its position.
pub(super) fn append(
    row: &[f32],
    position: usize,
    (cache, layer): (&mut CpuKvCache, usize),
    (sequence, shape): (&SequenceRows, &AttentionShape),
) {
    let block = sequence.blocks[position / BLOCK_POSITIONS] as usize;
    let slot = position % BLOCK_POSITIONS;
    let head_dim = shape.head_dim;
    let (keys, values) = row[shape.q_width()..].split_at(shape.kv_width());
    for kv_head in 0..shape.n_kv_heads {
        let start = cache.layout.head_offset(block, kv_head) + slot * head_dim;
        let channels = kv_head * head_dim..(kv_head + 1) * head_dim;
        for (stored, new) in [
            (&mut cache.keys[layer], keys),
            (&mut cache.values[layer], values),
        ] {
            let stored: &mut [half::f16] = stored[start..start + head_dim].reinterpret_cast_mut();
            stored.convert_from_f32_slice(&new[channels.clone()]);
        }
    }
}

/// `out[i] = silu(gate[i]) * up[i]`.
pub(super) fn swiglu(isa: Isa, gate: &[f32], up: &[f32], out: &mut [f32]) {
    for_isa!(isa, swiglu_row, (gate: &[f32], up: &[f32], out: &mut [f32]));
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn swiglu_row<V: Vector, const N: usize>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    assert!(gate.len() == out.len() && up.len() == out.len());
    let whole = out.len() / V::LANES * V::LANES;
    for at in (0..whole).step_by(V::LANES) {
        // SAFETY: the caller's promise; `at` is the start of a register in all three.
        unsafe {
            let (gate, up) = (V::load(gate.as_ptr().add(at)), V::load(up.as_ptr().add(at)));
            swiglu_register(gate, up).store(out.as_mut_ptr().add(at));
        }
    }
    // What is left, in registers of its own.
    let rest = out.len() - whole;
    let mut last = [[0.0; MAX_LANES]; 3];
    last[0][..rest].copy_from_slice(&gate[whole..]);
    last[1][..rest].copy_from_slice(&up[whole..]);
    let [gate, up, products] = &mut last;
    // SAFETY: the caller's promise; these are as long as the widest register.
    unsafe {
        let (gate, up) = (V::load(gate.as_ptr()), V::load(up.as_ptr()));
        swiglu_register(gate, up).store(products.as_mut_ptr());
    }
    out[whole..].copy_from_slice(&products[..rest]);
}

/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
unsafe fn swiglu_register<V: Vector>(gate: V, up: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let divisor = V::splat(1.0).add(exp(V::zero().subtract(gate)));
        gate.divide(divisor).multiply(up)
    }
}
