//! Eight pairs of AVX2.

use std::arch::x86_64::*;

use super::{MAX_LANES, Words};

impl Words for __m256i {
    type Floats = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn load(from: *const [i16; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut [i16; 2]) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn splat(lane: i32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_set1_epi32(lane) }
    }

    #[inline(always)]
    unsafe fn widen(bytes: __m256i, part: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_cvtepi8_epi16(match part {
                0 => _mm256_castsi256_si128(bytes),
                _ => _mm256_extracti128_si256::<1>(bytes),
            })
        }
    }

    #[inline(always)]
    unsafe fn spread(words: __m128i, register: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let low = (2 * register as u16).cast_signed();
            let bytes = _mm256_set1_epi16(low | (low + 1) << 8);
            _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(words), bytes)
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_mullo_epi16(self, b) }
    }

    #[inline(always)]
    unsafe fn add_products(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_epi32(self, _mm256_madd_epi16(a, b)) }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtepi32_ps(self) }
    }

    #[inline(always)]
    unsafe fn byte_pairs(bytes: *const u32, index: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let shift = _mm_cvtsi32_si128((8 * index as u32).cast_signed());
            let lanes = _mm256_srl_epi32(_mm256_loadu_si256(bytes.cast()), shift);
            let byte = _mm256_and_si256(lanes, _mm256_set1_epi32(0xff));
            _mm256_or_si256(byte, _mm256_slli_epi32::<25>(byte))
        }
    }

    #[inline(always)]
    unsafe fn bytes_of_bits(bits: u32) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            // Each byte of the bits eight times, and in each of these another bit.
            let from = _mm256_setr_epi64x(
                0,
                0x0101_0101_0101_0101,
                0x0202_0202_0202_0202,
                0x0303_0303_0303_0303,
            );
            let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), from);
            let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit)
        }
    }

    #[inline(always)]
    unsafe fn bytes(first: __m256i, _second: __m256i) -> Self {
        first
    }

    #[inline(always)]
    unsafe fn add_byte_products(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's promise; two products fit 16 bits.
        unsafe {
            let pairs = _mm256_maddubs_epi16(a, b);
            self.add_products(pairs, _mm256_set1_epi16(1))
        }
    }

    #[inline(always)]
    unsafe fn times_64(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_slli_epi32::<6>(self) }
    }

    #[inline(always)]
    unsafe fn add_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn subtract_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_sub_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn multiply_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_mullo_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn spread_lanes(lanes: __m256i, register: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let halves = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
            let first = _mm256_set1_epi32((2 * register as u32).cast_signed());
            _mm256_permutevar8x32_epi32(lanes, _mm256_add_epi32(halves, first))
        }
    }

    #[inline(always)]
    unsafe fn from_lanes(lanes: __m256i) -> Self {
        lanes
    }

    #[inline(always)]
    unsafe fn transpose(r: &mut [Self; MAX_LANES]) {
        // SAFETY: the caller's promise.
        unsafe {
            for i in (0..8).step_by(2) {
                let [a, b] = [r[i], r[i + 1]];
                r[i] = _mm256_unpacklo_epi32(a, b);
                r[i + 1] = _mm256_unpackhi_epi32(a, b);
            }
            for i in (0..8).step_by(4) {
                let [a, b, c, d] = [r[i], r[i + 1], r[i + 2], r[i + 3]];
                r[i] = _mm256_unpacklo_epi64(a, c);
                r[i + 1] = _mm256_unpackhi_epi64(a, c);
                r[i + 2] = _mm256_unpacklo_epi64(b, d);
                r[i + 3] = _mm256_unpackhi_epi64(b, d);
            }
            for i in 0..4 {
                let [a, b] = [r[i], r[i + 4]];
                r[i] = _mm256_permute2x128_si256::<0x20>(a, b);
                r[i + 4] = _mm256_permute2x128_si256::<0x31>(a, b);
            }
        }
    }

    #[inline(always)]
    unsafe fn sums(r: &[Self; MAX_LANES]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let pairs = |i: usize| _mm256_hadd_epi32(r[i], r[i + 1]);
            let low = _mm256_hadd_epi32(pairs(0), pairs(2));
            let high = _mm256_hadd_epi32(pairs(4), pairs(6));
            let first = _mm256_permute2x128_si256::<0x20>(low, high);
            _mm256_add_epi32(first, _mm256_permute2x128_si256::<0x31>(low, high))
        }
    }

    #[inline(always)]
    unsafe fn run_sums(r: &[Self; MAX_LANES]) -> [Self; 2] {
        // SAFETY: the caller's promise.
        unsafe { [Self::sums(r), Self::zero()] }
    }
}
