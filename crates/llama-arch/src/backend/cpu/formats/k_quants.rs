//! The K formats: blocks of 256 weights under scales of their own precision.

use gguf::dequant as d;

use super::super::vector::Unpack;
use super::{Format, starts};

/// Eight or sixteen scales, and as many offsets.
type Scales = ([f32; 16], [f32; 16]);

/// Registers that hold 32 values, at most.
const PARTS: usize = 4;

/// 32 bytes as integers; with fewer than [`PARTS`] registers, the others repeat the last.
#[inline(always)]
unsafe fn load_32<V: Unpack>(from: *const u8) -> [V::Ints; PARTS] {
    let last = 32 / V::LANES - 1;
    // SAFETY: the caller's promise, and no register begins beyond the last.
    std::array::from_fn(|part| unsafe { V::load_u8(from.add(part.min(last) * V::LANES)) })
}

/// The eight scales and the eight negative minima of a Q4_K or Q5_K block.
///
/// # Safety
/// As [`Format`].
#[inline(always)]
unsafe fn scales_and_minima<V: Unpack>(block: *const u8) -> Scales {
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

pub(in crate::backend::cpu) struct Q4K;

impl Format for Q4K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 144;
    const ROWS: usize = 4;
    const PIECES: usize = 4;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q4_k;
    type Head = Scales;

    #[inline(always)]
    unsafe fn head<V: Unpack>(block: *const u8) -> Self::Head {
        // SAFETY: the caller's promise.
        unsafe { scales_and_minima::<V>(block) }
    }

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(
        block: *const u8,
        ((scales, minima), pair): (&Self::Head, usize),
        mut f: impl FnMut(usize, V),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
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

pub(in crate::backend::cpu) struct Q5K;

impl Format for Q5K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 176;
    const ROWS: usize = 4;
    const PIECES: usize = 4;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q5_k;
    type Head = Scales;

    #[inline(always)]
    unsafe fn head<V: Unpack>(block: *const u8) -> Self::Head {
        // SAFETY: the caller's promise.
        unsafe { scales_and_minima::<V>(block) }
    }

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(
        block: *const u8,
        ((scales, minima), pair): (&Self::Head, usize),
        mut f: impl FnMut(usize, V),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
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

pub(in crate::backend::cpu) struct Q6K;

impl Format for Q6K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 210;
    const ROWS: usize = 4;
    const PIECES: usize = 2;
    const DECODE: fn(&[u8], &mut [f32]) = d::dequantize_row_q6_k;
    /// Scales, and what a quant of zero stands for.
    type Head = Scales;

    #[inline(always)]
    unsafe fn head<V: Unpack>(block: *const u8) -> Self::Head {
        let (mut scales, mut offsets) = ([0.0; 16], [0.0; 16]);
        // SAFETY: the caller's promise; 16 values are written to places for 16.
        unsafe {
            let d = V::splat_f16(block.add(208).cast());
            for at in starts::<V>(16) {
                let scale = V::load_i8(block.add(192 + at)).multiply(d);
                scale.store(scales.as_mut_ptr().add(at));
                let offset = scale.multiply(V::splat(-32.0));
                offset.store(offsets.as_mut_ptr().add(at));
            }
        }
        (scales, offsets)
    }

    #[inline(always)]
    unsafe fn unpack<V: Unpack>(
        block: *const u8,
        ((scales, offsets), half): (&Self::Head, usize),
        mut f: impl FnMut(usize, V),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
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
