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
        let [d0, d1, quants @ ..] = block;
        let d = half_at(*d0, *d1);
        for i in 0..16 {
            out[i] = d * (f32::from(quants[i] & 15) - 8.0);
            out[i + 16] = d * (f32::from(quants[i] >> 4) - 8.0);
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
        let [d0, d1, m0, m1, quants @ ..] = block;
        let (d, m) = (half_at(*d0, *d1), half_at(*m0, *m1));
        for i in 0..16 {
            out[i] = d * f32::from(quants[i] & 15) + m;
            out[i + 16] = d * f32::from(quants[i] >> 4) + m;
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
        let [d0, d1, h0, h1, h2, h3, quants @ ..] = block;
        let d = half_at(*d0, *d1);
        let (low, high) = five_bits(u32::from_le_bytes([*h0, *h1, *h2, *h3]), quants);
        for i in 0..16 {
            out[i] = d * (f32::from(low[i]) - 16.0);
            out[i + 16] = d * (f32::from(high[i]) - 16.0);
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
        let [d0, d1, m0, m1, h0, h1, h2, h3, quants @ ..] = block;
        let (d, m) = (half_at(*d0, *d1), half_at(*m0, *m1));
        let (low, high) = five_bits(u32::from_le_bytes([*h0, *h1, *h2, *h3]), quants);
        for i in 0..16 {
            out[i] = d * f32::from(low[i]) + m;
            out[i + 16] = d * f32::from(high[i]) + m;
        }
    }
}

/// The first and the last 16 quants of a block: nibbles under their fifth bits.
#[inline(always)]
fn five_bits(fifth: u32, nibbles: &[u8; 16]) -> ([u8; 16], [u8; 16]) {
    let (mut low, mut high) = ([0; 16], [0; 16]);
    for i in 0..16 {
        low[i] = nibbles[i] & 15 | ((fifth >> i & 1) << 4) as u8;
        high[i] = nibbles[i] >> 4 | ((fifth >> (i + 16) & 1) << 4) as u8;
    }
    (low, high)
}
