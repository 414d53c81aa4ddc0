//! Plain floats, and the types with blocks of 32 elements and one scale each.

use super::{f16_to_f32, half_at};

/// Decodes F32: little-endian floats.
#[inline(always)]
pub fn dequantize_row_f32(bytes: &[u8], out: &mut [f32]) {
    for (bytes, out) in bytes.as_chunks::<4>().0.iter().zip(out) {
        *out = f32::from_le_bytes(*bytes);
    }
}

/// Decodes F16: little-endian halves.
#[inline(always)]
pub fn dequantize_row_f16(bytes: &[u8], out: &mut [f32]) {
    for (bytes, out) in bytes.as_chunks::<2>().0.iter().zip(out) {
        *out = f16_to_f32(u16::from_le_bytes(*bytes));
    }
}

/// Decodes BF16: the upper halves of floats.
#[inline(always)]
pub fn dequantize_row_bf16(bytes: &[u8], out: &mut [f32]) {
    for (bytes, out) in bytes.as_chunks::<2>().0.iter().zip(out) {
        *out = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
    }
}

/// Decodes Q8_0: scale `d`, 32 signed bytes `q`; `d * q`.
#[inline(always)]
pub fn dequantize_row_q8_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<34>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<32>().0)
    {
        let [d0, d1, quants @ ..] = block;
        let d = half_at(*d0, *d1);
        for i in 0..32 {
            out[i] = f32::from(quants[i].cast_signed()) * d;
        }
    }
}

/// Decodes Q4_0: scale `d`, 16 bytes of two nibbles `q`; `d * (q - 8)`. The low nibbles are the
/// first 16 elements.
#[inline(always)]
pub fn dequantize_row_q4_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<18>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<32>().0)
    {
        let [d0, d1, nibbles @ ..] = block;
        let d = half_at(*d0, *d1);
        let nibbles = twice(nibbles);
        for i in 0..32 {
            out[i] = d * (nibble(&nibbles, i) as f32 - 8.0);
        }
    }
}

/// Decodes Q4_1: scale `d`, minimum `m`, 16 bytes of two nibbles `q`; `d * q + m`.
#[inline(always)]
pub fn dequantize_row_q4_1(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<20>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<32>().0)
    {
        let [d0, d1, m0, m1, nibbles @ ..] = block;
        let (d, m) = (half_at(*d0, *d1), half_at(*m0, *m1));
        let nibbles = twice(nibbles);
        for i in 0..32 {
            out[i] = d * nibble(&nibbles, i) as f32 + m;
        }
    }
}

/// Decodes Q5_0: scale `d`, 32 fifth bits, 16 bytes of two nibbles; `d * (q - 16)`.
#[inline(always)]
pub fn dequantize_row_q5_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<22>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<32>().0)
    {
        let [d0, d1, h0, h1, h2, h3, nibbles @ ..] = block;
        let d = half_at(*d0, *d1);
        let fifth = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let nibbles = twice(nibbles);
        for i in 0..32 {
            let quant = nibble(&nibbles, i) | fifth_bit(fifth, i);
            out[i] = d * (quant as f32 - 16.0);
        }
    }
}

/// Decodes Q5_1: scale `d`, minimum `m`, 32 fifth bits, 16 bytes of two nibbles; `d * q + m`.
#[inline(always)]
pub fn dequantize_row_q5_1(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<24>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<32>().0)
    {
        let [d0, d1, m0, m1, h0, h1, h2, h3, nibbles @ ..] = block;
        let (d, m) = (half_at(*d0, *d1), half_at(*m0, *m1));
        let fifth = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let nibbles = twice(nibbles);
        for i in 0..32 {
            let quant = nibble(&nibbles, i) | fifth_bit(fifth, i);
            out[i] = d * quant as f32 + m;
        }
    }
}

/// The 16 bytes twice, so that one loop over 32 elements reads them in order. Of a loop over 16,
/// LLVM makes one over several blocks at a time, which is many times slower.
#[inline(always)]
fn twice(nibbles: &[u8; 16]) -> [u8; 32] {
    let mut doubled = [0; 32];
    doubled[..16].copy_from_slice(nibbles);
    doubled[16..].copy_from_slice(nibbles);
    doubled
}

/// Quant `i` of 32: a low nibble in the first half, a high one in the second.
#[inline(always)]
fn nibble(doubled: &[u8; 32], i: usize) -> i32 {
    i32::from(doubled[i]) >> (i / 16 * 4) & 15
}

/// The fifth bit of quant `i`, at its place.
#[inline(always)]
fn fifth_bit(fifth: u32, i: usize) -> i32 {
    ((fifth >> i & 1) << 4).cast_signed()
}
