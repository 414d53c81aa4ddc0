//! The weight formats, unpacked in registers: what decoding a row would write to memory goes
//! straight into the sum.
//!
//! Every weight has the bits that `gguf` gives it. The formats are described there.

use super::vector::Unpack;

/// A weight format with blocks of a fixed size.
///
/// Safety: pointers must be good for a whole block, and [`Unpack`]'s instruction set be there.
pub(super) trait Format {
    /// Weights of one block: a multiple of every register's lanes.
    const WEIGHTS: usize;
    /// Bytes of one block.
    const BYTES: usize;
    /// Whether two rows are multiplied side by side: their sums hide each other's additions where
    /// weights are small. Where they are large memory is the limit, and likes one row better.
    const IN_PAIRS: bool = true;
    /// Calls `f` with the weights of a block from top to bottom: the index of the first, and a
    /// register of them.
    unsafe fn unpack<V: Unpack>(block: *const u8, f: impl FnMut(usize, V));
}

/// How far ahead a row is asked for, in bytes.
const AHEAD: usize = 4 << 10;

/// Decodes a row; `rest` decodes what is left over of one whose length is no multiple of a block.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn decode_row<V: Unpack, F: Format>(
    bytes: &[u8],
    out: &mut [f32],
    rest: impl Fn(&[u8], &mut [f32]),
) {
    let n_blocks = (bytes.len() / F::BYTES).min(out.len() / F::WEIGHTS);
    for block in 0..n_blocks {
        // SAFETY: the instruction set is the caller's promise; both slices hold the block.
        unsafe {
            let out = out.as_mut_ptr().add(block * F::WEIGHTS);
            let block = bytes.as_ptr().add(block * F::BYTES);
            for line in (0..F::BYTES).step_by(64) {
                V::prefetch(block.wrapping_add(AHEAD + line));
            }
            F::unpack::<V>(block, |at, weights| {
                weights.store(out.add(at));
            });
        }
    }
    rest(
        &bytes[n_blocks * F::BYTES..],
        &mut out[n_blocks * F::WEIGHTS..],
    );
}

/// Registers that hold 32 values, at most.
const PARTS: usize = 4;

/// 32 bytes as integers; with fewer than [`PARTS`] registers, the others repeat the last.
#[inline(always)]
unsafe fn load_32<V: Unpack>(from: *const u8) -> [V::Ints; PARTS] {
    let last = 32 / V::LANES - 1;
    // SAFETY: the caller's promise, and no register begins beyond the last.
    std::array::from_fn(|part| unsafe { V::load_u8(from.add(part.min(last) * V::LANES)) })
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
    const IN_PAIRS: bool = false;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
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
    const IN_PAIRS: bool = false;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
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
    const IN_PAIRS: bool = false;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
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

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
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

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, f: impl FnMut(usize, V)) {
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

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, f: impl FnMut(usize, V)) {
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

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, f: impl FnMut(usize, V)) {
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

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, f: impl FnMut(usize, V)) {
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

/// The eight scales and the eight negative minima of a Q4_K or Q5_K block.
///
/// # Safety
/// As [`Format`].
#[inline(always)]
unsafe fn scales_and_minima<V: Unpack>(block: *const u8) -> ([f32; 16], [f32; 16]) {
    // SAFETY: the caller's promise; 16 values are written to places for 16.
    unsafe {
        let d = V::splat_f16(block.cast());
        let dmin = V::splat_f16(block.add(2).cast()).multiply(V::splat(-1.0));
        let [a, b, c] = block.add(4).cast::<[u32; 3]>().read_unaligned();
        let high = |bits: u32| (bits >> 6 & 0x0303_0303) << 4;
        let bytes = [
            a & 0x3f3f_3f3f,
            c & 0x0f0f_0f0f | high(a),
            b & 0x3f3f_3f3f,
            c >> 4 & 0x0f0f_0f0f | high(b),
        ];
        let (mut scales, mut minima) = ([0.0; 16], [0.0; 16]);
        for at in starts::<V>(16) {
            let factors = V::load_i8(bytes.as_ptr().cast::<u8>().add(at));
            factors.multiply(d).store(scales.as_mut_ptr().add(at));
            factors.multiply(dmin).store(minima.as_mut_ptr().add(at));
        }
        (scales, minima)
    }
}

pub(super) struct Q4K;

impl Format for Q4K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 144;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scales, minima) = scales_and_minima::<V>(block);
            for pair in 0..4 {
                let ints = load_32::<V>(block.add(16 + 32 * pair));
                for half in 0..2 {
                    let group = 2 * pair + half;
                    let map = V::nibble_map(V::splat(scales[group]), V::splat(minima[8 + group]));
                    for (at, ints) in starts::<V>(32).zip(ints) {
                        let ints = V::shift_right(ints, 4 * half as u32);
                        f(32 * group + at, V::map_nibbles(map, ints));
                    }
                }
            }
        }
    }
}

pub(super) struct Q5K;

impl Format for Q5K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 176;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scales, minima) = scales_and_minima::<V>(block);
            for pair in 0..4 {
                let ints = load_32::<V>(block.add(48 + 32 * pair));
                for half in 0..2 {
                    let group = 2 * pair + half;
                    let map = V::five_map(V::splat(scales[group]), V::splat(minima[8 + group]));
                    let fifth = V::bit_plane(block.add(16), group);
                    for (at, ints) in starts::<V>(32).zip(ints) {
                        let ints = V::shift_right(ints, 4 * half as u32);
                        f(32 * group + at, V::map_fives(map, ints, fifth >> at));
                    }
                }
            }
        }
    }
}

pub(super) struct Q6K;

impl Format for Q6K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 210;

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(block: *const u8, mut f: impl FnMut(usize, V)) {
        // SAFETY: the caller's promise.
        unsafe {
            let d = V::splat_f16(block.add(208).cast());
            let (mut scales, mut offsets) = ([0.0; 16], [0.0; 16]);
            for at in starts::<V>(16) {
                let scale = V::load_i8(block.add(192 + at)).multiply(d);
                scale.store(scales.as_mut_ptr().add(at));
                let offset = scale.multiply(V::splat(-32.0));
                offset.store(offsets.as_mut_ptr().add(at));
            }
            for half in 0..2 {
                let low = block.add(64 * half);
                let low = [load_32::<V>(low), load_32::<V>(low.add(32))];
                let high = load_32::<V>(block.add(128 + 32 * half));
                for quarter in 0..4 {
                    let low = low[quarter % 2];
                    for (at, (low, high)) in starts::<V>(32).zip(low.into_iter().zip(high)) {
                        let index = 128 * half + 32 * quarter + at;
                        let low = V::shift_right(low, 4 * (quarter as u32 / 2));
                        let high = V::shift_right(high, 2 * quarter as u32);
                        let scale = V::splat(scales[index / 16]);
                        let offset = V::splat(offsets[index / 16]);
                        f(index, V::six_bits(low, high).multiply_add(scale, offset));
                    }
                }
            }
        }
    }
}
