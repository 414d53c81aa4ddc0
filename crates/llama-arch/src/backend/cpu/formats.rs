//! The weight formats, unpacked in registers: what decoding a row would write to memory goes
//! straight into the sum.
//!
//! Every weight has the bits that `gguf` gives it. The formats are described there.

mod k_quants;

pub(super) use self::k_quants::{Q4K, Q5K, Q6K};
use gguf::dequant as d;

use super::vector::Unpack;

/// A weight format with blocks of a fixed size.
///
/// Safety: pointers must be good for a whole block, and [`Unpack`]'s instruction set be there.
pub(super) trait Format {
    /// Weights of one block: a multiple of every register's lanes.
    const WEIGHTS: usize;
    /// Bytes of one block.
    const BYTES: usize;
    /// Rows multiplied side by side: their sums hide each other's additions where weights are
    /// small. Where they are large memory is the limit, and likes one row better.
    const ROWS: usize = 2;
    /// Pieces in which a block is unpacked.
    const PIECES: usize = 1;
    /// Decodes blocks as the file has them, of which one here may be several.
    const DECODE: fn(&[u8], &mut [f32]);
    /// What the pieces of a block share.
    type Head: Copy + Default;
    unsafe fn head<V: Unpack>(block: *const u8) -> Self::Head;
    /// Calls `f` with the weights of a piece from top to bottom: the index in the block of the
    /// first, and a register of them.
    unsafe fn unpack<V: Unpack>(
        block: *const u8,
        step: (&Self::Head, usize),
        f: impl FnMut(usize, V),
    );
}

/// How far ahead a row is asked for, in bytes.
const AHEAD: usize = 4 << 10;

/// Decodes a row, of any length.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn decode_row<V: Unpack, F: Format>(bytes: &[u8], out: &mut [f32]) {
    let n_blocks = (bytes.len() / F::BYTES).min(out.len() / F::WEIGHTS);
    for block in 0..n_blocks {
        // SAFETY: the instruction set is the caller's promise; both slices hold the block.
        unsafe {
            let out = out.as_mut_ptr().add(block * F::WEIGHTS);
            let block = bytes.as_ptr().add(block * F::BYTES);
            for line in (0..F::BYTES).step_by(64) {
                V::prefetch(block.wrapping_add(AHEAD + line));
            }
            let head = F::head::<V>(block);
            for piece in 0..F::PIECES {
                F::unpack::<V>(block, (&head, piece), |at, weights| {
                    weights.store(out.add(at));
                });
            }
        }
    }
    (F::DECODE)(
        &bytes[n_blocks * F::BYTES..],
        &mut out[n_blocks * F::WEIGHTS..],
    );
}

/// Indices of the registers' first values among `n`, for loops.
#[inline(always)]
fn starts<V: Unpack>(n: usize) -> impl Iterator<Item = usize> {
    (0..n / V::LANES).map(|part| part * V::LANES)
}

pub(super) struct F32;

impl Format for F32 {
    const WEIGHTS: usize = 16;
    const BYTES: usize = 64;
    const ROWS: usize = 1;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_f32;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), mut f: impl FnMut(usize, V)) {
        for at in starts::<V>(16) {
            // SAFETY: the caller's promise.
            f(at, unsafe { V::load(block.cast::<f32>().add(at)) });
        }
    }
}

pub(super) struct F16;

impl Format for F16 {
    const WEIGHTS: usize = 16;
    const BYTES: usize = 32;
    const ROWS: usize = 1;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_f16;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), mut f: impl FnMut(usize, V)) {
        for at in starts::<V>(16) {
            // SAFETY: the caller's promise.
            f(at, unsafe { V::load_f16(block.cast::<u16>().add(at)) });
        }
    }
}

pub(super) struct Bf16;

impl Format for Bf16 {
    const WEIGHTS: usize = 16;
    const BYTES: usize = 32;
    const ROWS: usize = 1;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_bf16;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), mut f: impl FnMut(usize, V)) {
        for at in starts::<V>(16) {
            // SAFETY: the caller's promise.
            f(at, unsafe { V::load_bf16(block.cast::<u16>().add(at)) });
        }
    }
}

pub(super) struct Q8_0;

impl Format for Q8_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 34;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q8_0;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), mut f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::splat_f16(block.cast());
            for at in starts::<V>(32) {
                f(at, V::load_i8(block.add(2 + at)).multiply(scale));
            }
        }
    }
}

/// 16 bytes of nibbles: the low ones of all, then the high ones.
///
/// # Safety
/// As [`Format`].
#[inline(always)]
unsafe fn nibbles<V: Unpack>(from: *const u8, map: V::Nibbles, mut f: impl FnMut(usize, V)) {
    for half in 0..2 {
        for at in starts::<V>(16) {
            // SAFETY: the caller's promise.
            unsafe {
                let ints = V::shift_right(V::load_u8(from.add(at)), 4 * half);
                f(16 * half as usize + at, V::map_nibbles(map, ints));
            }
        }
    }
}

/// As [`nibbles`], each under a fifth bit from `fifth`.
///
/// # Safety
/// As [`Format`].
#[inline(always)]
unsafe fn fives<V: Unpack>(
    from: *const u8,
    fifth: u32,
    map: V::Fives,
    mut f: impl FnMut(usize, V),
) {
    for half in 0..2 {
        for at in starts::<V>(16) {
            // SAFETY: the caller's promise.
            unsafe {
                let ints = V::shift_right(V::load_u8(from.add(at)), 4 * half);
                let index = 16 * half as usize + at;
                f(index, V::map_fives(map, ints, fifth >> index));
            }
        }
    }
}

pub(super) struct Q4_0;

impl Format for Q4_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 18;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q4_0;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::splat_f16(block.cast());
            nibbles(
                block.add(2),
                V::nibble_map(scale, scale.multiply(V::splat(-8.0))),
                f,
            );
        }
    }
}

pub(super) struct Q4_1;

impl Format for Q4_1 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 20;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q4_1;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, minimum) = (
                V::splat_f16(block.cast()),
                V::splat_f16(block.add(2).cast()),
            );
            nibbles(block.add(4), V::nibble_map(scale, minimum), f);
        }
    }
}

pub(super) struct Q5_0;

impl Format for Q5_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 22;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q5_0;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = V::splat_f16(block.cast());
            let fifth = u32::from_le(block.add(2).cast::<u32>().read_unaligned());
            fives(
                block.add(6),
                fifth,
                V::five_map(scale, scale.multiply(V::splat(-16.0))),
                f,
            );
        }
    }
}

pub(super) struct Q5_1;

impl Format for Q5_1 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 24;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q5_1;
    type Head = ();

    #[inline(always)]
    unsafe fn head<V: Unpack>(_block: *const u8) {}

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, _: (&(), usize), f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, minimum) = (
                V::splat_f16(block.cast()),
                V::splat_f16(block.add(2).cast()),
            );
            let fifth = u32::from_le(block.add(4).cast::<u32>().read_unaligned());
            fives(block.add(8), fifth, V::five_map(scale, minimum), f);
        }
    }
}
