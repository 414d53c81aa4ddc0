//! Eight lanes of NEON: two registers of four, so that a loop with one sum has two to fill.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Unpack, Vector};

/// Applies a function of registers to both halves.
macro_rules! halves {
    ($function:ident($($register:expr),+)) => {
        // SAFETY: the caller's promise.
        unsafe { float32x4x2_t($function($($register.0),+), $function($($register.1),+)) }
    };
}

impl Vector for float32x4x2_t {
    const LANES: usize = 8;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        let half = unsafe { vdupq_n_f32(value) };
        Self(half, half)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(vld1q_f32(from), vld1q_f32(from.add(4))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            vst1q_f32(to, self.0);
            vst1q_f32(to.add(4), self.1);
        }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let halves = vld1q_u16(from);
            Self(
                convert_f16(vget_low_u16(halves)),
                convert_f16(vget_high_u16(halves)),
            )
        }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        halves!(vaddq_f32(self, b))
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        halves!(vsubq_f32(self, b))
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        halves!(vmulq_f32(self, b))
    }

    #[inline(always)]
    unsafe fn divide(self, b: Self) -> Self {
        halves!(vdivq_f32(self, b))
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        halves!(vfmaq_f32(c, self, b))
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // Its own instruction for this would prefer what is not a number.
        halves!(select_greater(self, b, self, b))
    }

    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        halves!(select_greater(b, self, self, b))
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        halves!(power_of_two(self))
    }

    #[inline(always)]
    unsafe fn sums<const N: usize>(registers: [Self; N]) -> [f32; N] {
        // SAFETY: the caller's promise.
        registers.map(|register| unsafe {
            let quarters = vaddq_f32(register.0, register.1);
            vpadds_f32(vadd_f32(vget_low_f32(quarters), vget_high_f32(quarters)))
        })
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a hint that every processor of the target knows, for any address.
        unsafe {
            asm!(
                "prfm pldl1keep, [{}]",
                in(reg) from.addr(),
                options(nomem, nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    fn prefetch_second(from: *const u8) {
        // SAFETY: as above.
        unsafe {
            asm!(
                "prfm pldl2keep, [{}]",
                in(reg) from.addr(),
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}

/// `x` where `a > b`, `y` elsewhere and where they cannot be compared.
#[inline(always)]
unsafe fn select_greater(
    a: float32x4_t,
    b: float32x4_t,
    x: float32x4_t,
    y: float32x4_t,
) -> float32x4_t {
    // SAFETY: the caller has NEON.
    unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
}

/// See [`Vector::power_of_two`].
#[inline(always)]
unsafe fn power_of_two(lanes: float32x4_t) -> float32x4_t {
    // SAFETY: the caller has NEON.
    unsafe {
        let exponent = vshlq_n_u32::<23>(vreinterpretq_u32_f32(lanes));
        let one = vreinterpretq_u32_f32(vdupq_n_f32(1.0));
        vreinterpretq_f32_u32(vaddq_u32(exponent, one))
    }
}

/// Four f16. The intrinsic is younger than the oldest compiler that this crate promises.
#[inline(always)]
unsafe fn convert_f16(halves: uint16x4_t) -> float32x4_t {
    let converted: float32x4_t;
    // SAFETY: the caller has NEON; registers are all that the instruction touches.
    unsafe {
        asm!(
            "fcvtl {0:v}.4s, {1:v}.4h",
            out(vreg) converted,
            in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    converted
}

/// Bytes as numbers.
#[inline(always)]
unsafe fn convert_u8(bytes: uint8x8_t) -> float32x4x2_t {
    // SAFETY: the caller has NEON.
    unsafe {
        let wide = vmovl_u8(bytes);
        float32x4x2_t(
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))),
            vcvtq_f32_u32(vmovl_high_u16(wide)),
        )
    }
}

/// The low four bits of every byte.
#[inline(always)]
unsafe fn low_nibbles(bytes: uint8x8_t) -> uint8x8_t {
    // SAFETY: the caller has NEON.
    unsafe { vand_u8(bytes, vdup_n_u8(15)) }
}

/// One bit for each of eight lanes.
const LANE_BITS: u64 = 0x8040_2010_0804_0201;

impl Unpack for float32x4x2_t {
    /// As bytes, which shifts and masks do in one register.
    type Ints = uint8x8_t;
    /// Scale and offset.
    type Nibbles = [float32x4x2_t; 2];
    /// Scale and offset.
    type Fives = [float32x4x2_t; 2];

    #[inline(always)]
    unsafe fn splat_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let half = unsafe { convert_f16(vdup_n_u16(from.read_unaligned())) };
        Self(half, half)
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let bits = vld1q_u16(from);
            let low = vshlq_n_u32::<16>(vmovl_u16(vget_low_u16(bits)));
            let high = vshlq_n_u32::<16>(vmovl_high_u16(bits));
            Self(vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let wide = vmovl_s8(vld1_s8(from.cast()));
            Self(
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                vcvtq_f32_s32(vmovl_high_s16(wide)),
            )
        }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> uint8x8_t {
        // SAFETY: the caller's promise.
        unsafe { vld1_u8(from) }
    }

    #[inline(always)]
    unsafe fn shift_right(ints: uint8x8_t, bits: u32) -> uint8x8_t {
        // SAFETY: the caller's promise.
        unsafe { vshl_u8(ints, vdup_n_s8(-(bits as i8))) }
    }

    #[inline(always)]
    unsafe fn six_bits(low: uint8x8_t, high: uint8x8_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let high = vand_u8(vshl_n_u8::<4>(high), vdup_n_u8(48));
            convert_u8(vorr_u8(low_nibbles(low), high))
        }
    }

    #[inline(always)]
    unsafe fn nibble_map(scale: Self, offset: Self) -> [Self; 2] {
        [scale, offset]
    }

    #[inline(always)]
    unsafe fn map_nibbles([scale, offset]: [Self; 2], ints: uint8x8_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe { convert_u8(low_nibbles(ints)).multiply_add(scale, offset) }
    }

    #[inline(always)]
    unsafe fn five_map(scale: Self, offset: Self) -> [Self; 2] {
        [scale, offset]
    }

    #[inline(always)]
    unsafe fn map_fives([scale, offset]: [Self; 2], ints: uint8x8_t, fifth: u32) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let fifth = vtst_u8(vdup_n_u8(fifth as u8), vcreate_u8(LANE_BITS));
            let quants = vorr_u8(low_nibbles(ints), vand_u8(fifth, vdup_n_u8(16)));
            convert_u8(quants).multiply_add(scale, offset)
        }
    }

    #[inline(always)]
    unsafe fn bit_plane(from: *const u8, bit: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let mask = vdupq_n_u8(1 << bit);
            let lanes = vreinterpretq_u8_u64(vdupq_n_u64(LANE_BITS));
            // A bit of its own for each of eight bytes, so that sums put them together.
            let low = vandq_u8(vtstq_u8(vld1q_u8(from), mask), lanes);
            let high = vandq_u8(vtstq_u8(vld1q_u8(from.add(16)), mask), lanes);
            let pairs = vpaddq_u8(low, high);
            let quads = vpaddq_u8(pairs, pairs);
            vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(quads, quads)))
        }
    }
}
