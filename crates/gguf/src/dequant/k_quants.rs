//! The K types: blocks of 256 elements, with a scale (and a minimum) for each 16 or 32 of them.

use super::half_at;

/// Decodes Q2_K: 16 scales and minima of 4 bits, 64 bytes of 2-bit quants, scale `d` of the
/// scales, scale `dmin` of the minima; `d * scale * q - dmin * minimum`.
#[inline(always)]
pub fn dequantize_row_q2_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<84>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<256>().0)
    {
        let (scales, rest) = split::<16, 68, 84>(block);
        let (packed, [d0, d1, m0, m1]) = split::<64, 4, 68>(rest);
        let (d, dmin) = (half_at(*d0, *d1), half_at(*m0, *m1));
        let quants = two_bits(packed);
        let minima = scales.map(|packed| dmin * f32::from(packed >> 4));
        let scales = scales.map(|packed| d * f32::from(packed & 15));
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            for i in 0..16 {
                out[i] = scales[group] * f32::from(quants[group * 16 + i]) - minima[group];
            }
        }
    }
}

/// Decodes Q3_K: 32 bytes of third bits, 64 bytes of 2-bit quants, 16 scales of 6 bits, scale `d`
/// of the scales; `d * (scale - 32) * (q - 4)`.
#[inline(always)]
pub fn dequantize_row_q3_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<110>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<256>().0)
    {
        let (third, rest) = split::<32, 78, 110>(block);
        let (packed, rest) = split::<64, 14, 78>(rest);
        let (scales, [d0, d1]) = split::<12, 2, 14>(rest);
        let d = half_at(*d0, *d1);
        let mut quants = two_bits(packed);
        for (bit, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for i in 0..32 {
                quants[i] |= (third[i] >> bit & 1) << 2;
            }
        }
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            // The low four bits of all scales stand in eight bytes, the high two in four more.
            let low = scales[group % 8] >> (group / 8 * 4) & 15;
            let high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
            let scale = d * (f32::from(low | high << 4) - 32.0);
            for i in 0..16 {
                out[i] = scale * (f32::from(quants[group * 16 + i]) - 4.0);
            }
        }
    }
}

/// The 2-bit quants of a block: in each 32 bytes, the lowest bits of all come first.
#[inline(always)]
fn two_bits(packed: &[u8; 64]) -> [u8; 256] {
    let mut quants = [0; 256];
    let halves = packed
        .as_chunks::<32>()
        .0
        .iter()
        .zip(quants.as_chunks_mut::<128>().0);
    for (packed, quants) in halves {
        for i in 0..32 {
            quants[i] = packed[i] & 3;
            quants[i + 32] = packed[i] >> 2 & 3;
            quants[i + 64] = packed[i] >> 4 & 3;
            quants[i + 96] = packed[i] >> 6;
        }
    }
    quants
}

/// Decodes Q4_K: `d`, `dmin`, eight scales and minima of 6 bits, 128 bytes of two nibbles, of
/// which the low ones come first in each 64 elements; `d * scale * q - dmin * minimum`.
#[inline(always)]
pub fn dequantize_row_q4_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<144>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<256>().0)
    {
        let (head, quants) = split::<16, 128, 144>(block);
        let groups = scales_and_minima(head);
        let pairs = quants
            .as_chunks::<32>()
            .0
            .iter()
            .zip(out.as_chunks_mut::<64>().0);
        for (pair, (quants, out)) in pairs.enumerate() {
            let [(low_scale, low_min), (high_scale, high_min)] =
                [groups[pair * 2], groups[pair * 2 + 1]];
            for i in 0..32 {
                out[i] = low_scale * f32::from(quants[i] & 15) - low_min;
                out[i + 32] = high_scale * f32::from(quants[i] >> 4) - high_min;
            }
        }
    }
}

/// Decodes Q5_K: as Q4_K, with 32 bytes of fifth bits before the nibbles.
#[inline(always)]
pub fn dequantize_row_q5_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<176>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<256>().0)
    {
        let (head, rest) = split::<16, 160, 176>(block);
        let (fifth, quants) = split::<32, 128, 160>(rest);
        let groups = scales_and_minima(head);
        let pairs = quants
            .as_chunks::<32>()
            .0
            .iter()
            .zip(out.as_chunks_mut::<64>().0);
        for (pair, (quants, out)) in pairs.enumerate() {
            let [(low_scale, low_min), (high_scale, high_min)] =
                [groups[pair * 2], groups[pair * 2 + 1]];
            for i in 0..32 {
                let bits = fifth[i] >> (pair * 2);
                let low = quants[i] & 15 | (bits & 1) << 4;
                let high = quants[i] >> 4 | (bits >> 1 & 1) << 4;
                out[i] = low_scale * f32::from(low) - low_min;
                out[i + 32] = high_scale * f32::from(high) - high_min;
            }
        }
    }
}

/// Decodes Q6_K: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, scale `d`
/// of the scales; `d * scale * (q - 32)`.
#[inline(always)]
pub fn dequantize_row_q6_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in bytes
        .as_chunks::<210>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<256>().0)
    {
        let (low, rest) = split::<128, 82, 210>(block);
        let (high, rest) = split::<64, 18, 82>(rest);
        let (scales, [d0, d1]) = split::<16, 2, 18>(rest);
        let d = half_at(*d0, *d1);
        let mut quants = two_bits(high);
        let halves = low
            .as_chunks::<64>()
            .0
            .iter()
            .zip(quants.as_chunks_mut::<128>().0);
        for (low, quants) in halves {
            for i in 0..64 {
                quants[i] = quants[i] << 4 | low[i] & 15;
                quants[i + 64] = quants[i + 64] << 4 | low[i] >> 4;
            }
        }
        for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[group].cast_signed());
            for i in 0..16 {
                out[i] = scale * (f32::from(quants[group * 16 + i]) - 32.0);
            }
        }
    }
}

/// The eight scales and minima at the head of a Q4_K or Q5_K block, as f32.
#[inline(always)]
fn scales_and_minima(head: &[u8; 16]) -> [(f32, f32); 8] {
    let [d0, d1, m0, m1, packed @ ..] = head;
    let (d, dmin) = (half_at(*d0, *d1), half_at(*m0, *m1));
    let mut groups = [(0.0, 0.0); 8];
    for i in 0..4 {
        // Six bits each for the first four; of the last four, the low four bits share a byte and
        // the high two stand above the first four.
        let (scale, minimum, low) = (packed[i], packed[i + 4], packed[i + 8]);
        let last_scale = low & 15 | scale >> 6 << 4;
        let last_minimum = low >> 4 | minimum >> 6 << 4;
        groups[i] = (d * f32::from(scale & 63), dmin * f32::from(minimum & 63));
        groups[i + 4] = (d * f32::from(last_scale), dmin * f32::from(last_minimum));
    }
    groups
}

/// The first `A` and the last `B` bytes of `N = A + B`.
#[inline(always)]
fn split<const A: usize, const B: usize, const N: usize>(bytes: &[u8; N]) -> (&[u8; A], &[u8; B]) {
    const { assert!(A + B == N) };
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => (first, last),
        _ => (&[0; A], &[0; B]),
    }
}
