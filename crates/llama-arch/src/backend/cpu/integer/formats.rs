//! The weight formats as integers: what a block of the file says before its f32 scale.
//!
//! The formats are described in `gguf`.

use std::arch::x86_64::*;

use super::words::Words;

/// A format whose weights are `scale * (quant - OFFSET)`, or that of an integer scale for each 16,
/// or `scale * quant + minimum_scale * minimum`.
///
/// Safety: pointers must be good for a whole block, and AVX2 as well as the instruction set of
/// [`Words`] be there.
pub(super) trait IntegerFormat {
    /// Weights of one block of the file: 32 or 256.
    const WEIGHTS: usize;
    /// Bytes of one block.
    const BYTES: usize;
    /// The quant that stands for zero.
    const OFFSET: u8 = 0;
    /// Where a block has its f16 scale.
    const SCALE: usize = 0;
    /// Whether it has minima, whose f16 scale follows; K formats subtract them.
    const MINIMA: bool = false;
    /// Whether quants have integer scales of their own, one for each 16 of them.
    const SCALED: bool = false;

    /// The quants `32 * index ..` of a block: unsigned bytes.
    unsafe fn quants<V: Words>(block: *const u8, index: usize) -> __m256i;

    /// Sixteen integer scales: signed bytes.
    #[inline(always)]
    unsafe fn scales(_block: *const u8) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe { _mm_setzero_si128() }
    }

    /// Minima for each 32 quants of a block, four bytes for each half of it.
    #[inline(always)]
    unsafe fn minima(_block: *const u8) -> [u32; 2] {
        [0x0101_0101; 2]
    }
}

/// Bytes and bits of their neighbours above.
#[inline(always)]
unsafe fn shift_right(bytes: __m256i, bits: usize) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_srl_epi16(bytes, _mm_cvtsi32_si128((bits as u32).cast_signed())) }
}

/// The low four bits of every byte.
#[inline(always)]
unsafe fn low_nibbles(bytes: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(15)) }
}

/// 32 quants of 16 bytes: the low nibbles of all, then the high ones.
#[inline(always)]
unsafe fn nibbles(from: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = _mm_loadu_si128(from.cast());
        low_nibbles(_mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes))
    }
}

/// [`nibbles`] under the fifth bits of 32 quants, which are in four bytes.
#[inline(always)]
unsafe fn fives<V: Words>(fifth: *const u8, from: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let fifth = V::bytes_of_bits(u32::from_le(fifth.cast::<u32>().read_unaligned()));
        let fifth = _mm256_and_si256(fifth, _mm256_set1_epi8(16));
        _mm256_or_si256(nibbles(from), fifth)
    }
}

pub(super) struct Q8_0;

impl IntegerFormat for Q8_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 34;
    const OFFSET: u8 = 128;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let signed = _mm256_loadu_si256(block.add(2).cast());
            _mm256_xor_si256(signed, _mm256_set1_epi8(-128))
        }
    }
}

pub(super) struct Q4_0;

impl IntegerFormat for Q4_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 18;
    const OFFSET: u8 = 8;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { nibbles(block.add(2)) }
    }
}

pub(super) struct Q4_1;

impl IntegerFormat for Q4_1 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 20;
    const MINIMA: bool = true;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { nibbles(block.add(4)) }
    }
}

pub(super) struct Q5_0;

impl IntegerFormat for Q5_0 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 22;
    const OFFSET: u8 = 16;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { fives::<V>(block.add(2), block.add(6)) }
    }
}

pub(super) struct Q5_1;

impl IntegerFormat for Q5_1 {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 24;
    const MINIMA: bool = true;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, _: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { fives::<V>(block.add(4), block.add(8)) }
    }
}

/// Eight scales and eight minima of six bits, of a Q4_K or Q5_K block.
#[inline(always)]
unsafe fn scales_and_minima(block: *const u8) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        // Four bytes each: low six bits of scales and of minima, then low four bits of both for the
        // other halves, whose high two stand above the first ones.
        let head = _mm_loadu_si128(block.cast());
        let low = _mm_shuffle_epi32::<0b11_10_11_01>(head);
        let low = _mm_srlv_epi32(low, _mm_setr_epi32(0, 0, 0, 4));
        let low = _mm_and_si128(
            low,
            _mm_setr_epi32(SIX_BITS, FOUR_BITS, SIX_BITS, FOUR_BITS),
        );
        let high = _mm_srli_epi32::<2>(_mm_shuffle_epi32::<0b10_10_01_01>(head));
        let high = _mm_and_si128(high, _mm_setr_epi32(0, HIGH_BITS, 0, HIGH_BITS));
        _mm_or_si128(low, high)
    }
}

const SIX_BITS: i32 = 0x3f3f_3f3f;
const FOUR_BITS: i32 = 0x0f0f_0f0f;
const HIGH_BITS: i32 = 0x3030_3030;

/// 32 nibbles of a block of 128 bytes of them, in which pairs of 32 share bytes.
#[inline(always)]
unsafe fn paired_nibbles(from: *const u8, index: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = _mm256_loadu_si256(from.add(32 * (index / 2)).cast());
        low_nibbles(shift_right(bytes, 4 * (index % 2)))
    }
}

pub(super) struct Q4K;

impl IntegerFormat for Q4K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 144;
    const MINIMA: bool = true;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, index: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { paired_nibbles(block.add(16), index) }
    }

    #[inline(always)]
    unsafe fn scales(block: *const u8) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = scales_and_minima(block);
            // They are for each 32.
            _mm_unpacklo_epi8(bytes, bytes)
        }
    }

    #[inline(always)]
    unsafe fn minima(block: *const u8) -> [u32; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = _mm_extract_epi64::<1>(scales_and_minima(block));
            [bytes as u32, (bytes >> 32) as u32]
        }
    }
}

pub(super) struct Q5K;

impl IntegerFormat for Q5K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 176;
    const MINIMA: bool = true;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, index: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let bit = _mm256_set1_epi8((1_u8 << index).cast_signed());
            let planes = _mm256_loadu_si256(block.add(16).cast());
            let fifth = _mm256_cmpeq_epi8(_mm256_and_si256(planes, bit), bit);
            let fifth = _mm256_and_si256(fifth, _mm256_set1_epi8(16));
            _mm256_or_si256(paired_nibbles(block.add(48), index), fifth)
        }
    }

    #[inline(always)]
    unsafe fn scales(block: *const u8) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe { Q4K::scales(block) }
    }

    #[inline(always)]
    unsafe fn minima(block: *const u8) -> [u32; 2] {
        // SAFETY: the caller's promise.
        unsafe { Q4K::minima(block) }
    }
}

pub(super) struct Q6K;

impl IntegerFormat for Q6K {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 210;
    const OFFSET: u8 = 32;
    const SCALE: usize = 208;
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn quants<V: Words>(block: *const u8, index: usize) -> __m256i {
        let (half, quarter) = (index / 4, index % 4);
        // SAFETY: the caller's promise.
        unsafe {
            let low = _mm256_loadu_si256(block.add(64 * half + 32 * (quarter % 2)).cast());
            let low = low_nibbles(shift_right(low, 4 * (quarter / 2)));
            let high = _mm256_loadu_si256(block.add(128 + 32 * half).cast());
            let high = _mm256_and_si256(shift_right(high, 2 * quarter), _mm256_set1_epi8(3));
            _mm256_or_si256(low, _mm256_slli_epi16::<4>(high))
        }
    }

    #[inline(always)]
    unsafe fn scales(block: *const u8) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe { _mm_loadu_si128(block.add(192).cast()) }
    }
}
