//! Decoders with AVX2 and F16C, eight elements at a time.
//!
//! Formulas and their order of operations are those of `gguf::dequant`; only the bytes are
//! widened in registers here, which compilers do not find by themselves.

use std::arch::x86_64::*;

use gguf::TensorType;
use gguf::dequant::{f16_to_f32, scales_and_minima};

use super::RowDecoder;

/// The decoder of a type, for processors with AVX2 and F16C; `None` where the portable one is as
/// good.
pub(super) fn row_decoder(tensor_type: TensorType) -> Option<RowDecoder> {
    macro_rules! decoder {
        ($function:ident) => {
            // SAFETY: the caller of this function has found AVX2 and F16C.
            Some(|bytes, out| unsafe { $function(bytes, out) })
        };
    }
    match tensor_type {
        TensorType::F16 => decoder!(f16),
        TensorType::Q8_0 => decoder!(q8_0),
        TensorType::Q4_0 => decoder!(q4_0),
        TensorType::Q4_1 => decoder!(q4_1),
        TensorType::Q5_0 => decoder!(q5_0),
        TensorType::Q5_1 => decoder!(q5_1),
        TensorType::Q4K => decoder!(q4_k),
        TensorType::Q5K => decoder!(q5_k),
        TensorType::Q6K => decoder!(q6_k),
        _ => None,
    }
}

#[target_feature(enable = "avx2,f16c")]
fn f16(bytes: &[u8], out: &mut [f32]) {
    let (chunks, rest) = bytes.as_chunks::<16>();
    let (outs, rest_out) = out.as_chunks_mut::<8>();
    for (chunk, out) in chunks.iter().zip(outs) {
        store(out, _mm256_cvtph_ps(load(chunk)));
    }
    gguf::dequant::dequantize_row_f16(rest, rest_out);
}

#[target_feature(enable = "avx2,f16c")]
fn q8_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<34, 32>(bytes, out) {
        let d = _mm256_set1_ps(half(block, 0));
        for (part, out) in parts(out).enumerate() {
            let quants = _mm256_cvtepi8_epi32(load_8(block, 2 + 8 * part));
            store(out, _mm256_mul_ps(_mm256_cvtepi32_ps(quants), d));
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q4_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<18, 32>(bytes, out) {
        let d = _mm256_set1_ps(half(block, 0));
        let quants = nibbles(load(part(block, 2)));
        for (part, out) in parts(out).enumerate() {
            let quants = _mm256_sub_ps(widen(quants, part), _mm256_set1_ps(8.0));
            store(out, _mm256_mul_ps(d, quants));
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q4_1(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<20, 32>(bytes, out) {
        let (d, m) = (
            _mm256_set1_ps(half(block, 0)),
            _mm256_set1_ps(half(block, 2)),
        );
        let quants = nibbles(load(part(block, 4)));
        for (part, out) in parts(out).enumerate() {
            store(out, _mm256_add_ps(_mm256_mul_ps(d, widen(quants, part)), m));
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q5_0(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<22, 32>(bytes, out) {
        let d = _mm256_set1_ps(half(block, 0));
        let quants = _mm256_or_si256(nibbles(load(part(block, 6))), fifth_bits(part(block, 2)));
        for (part, out) in parts(out).enumerate() {
            let quants = _mm256_sub_ps(widen(quants, part), _mm256_set1_ps(16.0));
            store(out, _mm256_mul_ps(d, quants));
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q5_1(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<24, 32>(bytes, out) {
        let (d, m) = (
            _mm256_set1_ps(half(block, 0)),
            _mm256_set1_ps(half(block, 2)),
        );
        let quants = _mm256_or_si256(nibbles(load(part(block, 8))), fifth_bits(part(block, 4)));
        for (part, out) in parts(out).enumerate() {
            store(out, _mm256_add_ps(_mm256_mul_ps(d, widen(quants, part)), m));
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q4_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<144, 256>(bytes, out) {
        let groups = scales_and_minima(part(block, 0));
        for (pair, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            let packed = load_32(part(block, 16 + 32 * pair));
            let (low, high) = out.split_at_mut(32);
            scale_group(groups[2 * pair], low_nibbles(packed), low);
            scale_group(groups[2 * pair + 1], high_nibbles(packed), high);
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q5_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<176, 256>(bytes, out) {
        let groups = scales_and_minima(part(block, 0));
        let fifth = load_32(part(block, 16));
        for (pair, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            let packed = load_32(part(block, 48 + 32 * pair));
            let (low, high) = out.split_at_mut(32);
            let bit = |group: usize| {
                let mask = _mm256_set1_epi8((1_u8 << group).cast_signed());
                let set = _mm256_cmpeq_epi8(_mm256_and_si256(fifth, mask), mask);
                _mm256_and_si256(set, _mm256_set1_epi8(16))
            };
            let low_quants = _mm256_or_si256(low_nibbles(packed), bit(2 * pair));
            let high_quants = _mm256_or_si256(high_nibbles(packed), bit(2 * pair + 1));
            scale_group(groups[2 * pair], low_quants, low);
            scale_group(groups[2 * pair + 1], high_quants, high);
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn q6_k(bytes: &[u8], out: &mut [f32]) {
    for (block, out) in blocks::<210, 256>(bytes, out) {
        let d = half(block, 208);
        for (index, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
            let low = [0, 32].map(|at| load_32(part(block, 64 * index + at)));
            let high = load_32(part(block, 128 + 32 * index));
            let three = _mm256_set1_epi8(3);
            // Two bits each for the four runs of 32 elements, shifted to bits 4 and 5.
            let upper = [
                _mm256_slli_epi16::<4>(_mm256_and_si256(high, three)),
                _mm256_slli_epi16::<4>(_mm256_and_si256(_mm256_srli_epi16::<2>(high), three)),
                _mm256_slli_epi16::<4>(_mm256_and_si256(_mm256_srli_epi16::<4>(high), three)),
                _mm256_slli_epi16::<4>(_mm256_and_si256(_mm256_srli_epi16::<6>(high), three)),
            ];
            let lower = [
                low_nibbles(low[0]),
                low_nibbles(low[1]),
                high_nibbles(low[0]),
                high_nibbles(low[1]),
            ];
            for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                let quants = _mm256_or_si256(lower[run], upper[run]);
                for (part, out) in parts(out).enumerate() {
                    let scale = block[192 + 8 * index + 2 * run + part / 2].cast_signed();
                    let scale = _mm256_set1_ps(d * f32::from(scale));
                    let quants = _mm256_sub_ps(widen(quants, part), _mm256_set1_ps(32.0));
                    store(out, _mm256_mul_ps(scale, quants));
                }
            }
        }
    }
}

/// `scale * q - minimum` for 32 bytes `q`.
#[inline]
#[target_feature(enable = "avx2")]
fn scale_group((scale, minimum): (f32, f32), quants: __m256i, out: &mut [f32]) {
    let (scale, minimum) = (_mm256_set1_ps(scale), _mm256_set1_ps(minimum));
    for (part, out) in parts(out).enumerate() {
        store(
            out,
            _mm256_sub_ps(_mm256_mul_ps(scale, widen(quants, part)), minimum),
        );
    }
}

/// 32 nibbles as bytes: the low ones of 16 bytes, then the high ones.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(packed: __m128i) -> __m256i {
    let both = _mm256_set_m128i(_mm_srli_epi16::<4>(packed), packed);
    _mm256_and_si256(both, _mm256_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx2")]
fn low_nibbles(packed: __m256i) -> __m256i {
    _mm256_and_si256(packed, _mm256_set1_epi8(15))
}

#[inline]
#[target_feature(enable = "avx2")]
fn high_nibbles(packed: __m256i) -> __m256i {
    _mm256_and_si256(_mm256_srli_epi16::<4>(packed), _mm256_set1_epi8(15))
}

/// Bit `i` of 32 as bit 4 of byte `i`.
#[inline]
#[target_feature(enable = "avx2")]
fn fifth_bits(bits: &[u8; 4]) -> __m256i {
    let all = _mm256_set1_epi32(i32::from_le_bytes(*bits));
    // Byte i takes byte i / 8 of the 32 bits, and of that bit i % 8.
    let spread = _mm256_set_epi64x(
        0x0303_0303_0303_0303,
        0x0202_0202_0202_0202,
        0x0101_0101_0101_0101,
        0,
    );
    let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let set = _mm256_and_si256(_mm256_shuffle_epi8(all, spread), mask);
    _mm256_and_si256(_mm256_cmpeq_epi8(set, mask), _mm256_set1_epi8(16))
}

/// Bytes `8 part .. 8 part + 8` of 32, unsigned, as f32.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(bytes: __m256i, part: usize) -> __m256 {
    let half = if part < 2 {
        _mm256_castsi256_si128(bytes)
    } else {
        _mm256_extracti128_si256::<1>(bytes)
    };
    let eight = if part.is_multiple_of(2) {
        half
    } else {
        _mm_unpackhi_epi64(half, half)
    };
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight))
}

/// Whole blocks of `B` bytes and their `N` elements.
#[inline(always)]
fn blocks<'a, const B: usize, const N: usize>(
    bytes: &'a [u8],
    out: &'a mut [f32],
) -> impl Iterator<Item = (&'a [u8; B], &'a mut [f32; N])> {
    bytes
        .as_chunks::<B>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<N>().0)
}

/// Runs of eight elements.
#[inline(always)]
fn parts(out: &mut [f32]) -> impl Iterator<Item = &mut [f32; 8]> {
    out.as_chunks_mut::<8>().0.iter_mut()
}

/// `N` bytes of a block from `at` on.
#[inline(always)]
fn part<const N: usize, const B: usize>(block: &[u8; B], at: usize) -> &[u8; N] {
    let mut bytes = block[at..at + N].as_chunks::<N>().0.iter();
    bytes.next().unwrap_or(&[0; N])
}

#[inline(always)]
fn half<const B: usize>(block: &[u8; B], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([block[at], block[at + 1]]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the 16 bytes are there; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_8<const B: usize>(block: &[u8; B], at: usize) -> __m128i {
    _mm_set1_epi64x(i64::from_le_bytes(*part(block, at)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the 32 bytes are there; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(out: &mut [f32; 8], values: __m256) {
    // SAFETY: there is room for eight values; the store needs no alignment.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
}
