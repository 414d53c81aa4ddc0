//! Registers of f32 lanes, and what it takes to fill them with weights.
//!
//! The inner loops are written once over [`Vector`]. Lanes are added in one fixed tree, so that a
//! sum depends on the register's width and on nothing else.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

/// Lanes of the widest register.
pub(super) const MAX_LANES: usize = 16;

/// A register of f32 lanes.
///
/// Safety: every function needs the instruction set of its type on this machine, and a pointer
/// must be good for [`Vector::LANES`] values.
pub(super) trait Vector: Copy {
    /// Values in one register.
    const LANES: usize;
    /// Whether `a * b + c` is rounded once.
    const FUSED: bool;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The f16 bits at `from`.
    unsafe fn load_f16(from: *const u16) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn subtract(self, b: Self) -> Self;
    unsafe fn multiply(self, b: Self) -> Self;
    unsafe fn divide(self, b: Self) -> Self;
    /// `self * b + c`.
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
    /// The greater one; `b` if one is not a number.
    unsafe fn max(self, b: Self) -> Self;
    /// The smaller one; `b` if one is not a number.
    unsafe fn min(self, b: Self) -> Self;
    /// `2^n` of lanes `n + ROUNDER`, with `n` from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// The lanes of each register, added pairwise: half onto half until one is left.
    unsafe fn sums<const N: usize>(registers: [Self; N]) -> [f32; N];

    /// Added to a small number it leaves the nearest integer in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;

    /// Asks for the cache line of an address, which may be any.
    #[inline(always)]
    fn prefetch(_from: *const u8) {}

    /// [`Vector::prefetch`] into the second-level cache.
    #[inline(always)]
    fn prefetch_second(_from: *const u8) {}

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::splat(0.0) }
    }
}

/// A register that weights are unpacked into, with the values that `gguf` gives them.
///
/// Safety: as [`Vector`].
pub(super) trait Unpack: Vector {
    /// Integers of at least eight bits in as many lanes.
    type Ints: Copy;
    /// What a quant of four bits stands for, prepared.
    type Nibbles: Copy;
    /// What a quant of five bits stands for, prepared.
    type Fives: Copy;
    /// One f16 in every lane.
    unsafe fn splat_f16(from: *const u16) -> Self;
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// Signed bytes as numbers.
    unsafe fn load_i8(from: *const u8) -> Self;
    unsafe fn load_u8(from: *const u8) -> Self::Ints;
    unsafe fn shift_right(ints: Self::Ints, bits: u32) -> Self::Ints;
    /// The number of the low four bits of `low` under the low two of `high`.
    unsafe fn six_bits(low: Self::Ints, high: Self::Ints) -> Self;
    /// `scale * quant + offset`, rounded once. Products of scales and quants are exact in f32 in
    /// every format, so this is also what rounding twice gives.
    unsafe fn nibble_map(scale: Self, offset: Self) -> Self::Nibbles;
    /// Maps the low four bits of every lane.
    unsafe fn map_nibbles(map: Self::Nibbles, ints: Self::Ints) -> Self;
    /// [`Unpack::nibble_map`] for five bits.
    unsafe fn five_map(scale: Self, offset: Self) -> Self::Fives;
    /// Maps the low four bits of every lane, under the bit of `fifth` of that lane.
    unsafe fn map_fives(map: Self::Fives, ints: Self::Ints, fifth: u32) -> Self;
    /// Bit `bit` of each of 32 bytes.
    unsafe fn bit_plane(from: *const u8, bit: usize) -> u32;
}

/// Eight lanes for any processor; compilers make registers of them.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Portable {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], b.0[lane])))
    }
}

impl Vector for Portable {
    const LANES: usize = 8;
    const FUSED: bool = false;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let halves = unsafe { from.cast::<[u16; 8]>().read_unaligned() };
        Self(halves.map(gguf::dequant::f16_to_f32))
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn divide(self, b: Self) -> Self {
        self.zip(b, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, mut c: Self) -> Self {
        for lane in 0..8 {
            c.0[lane] += self.0[lane] * b.0[lane];
        }
        c
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        self.zip(b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        self.zip(b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        let one = 1.0_f32.to_bits();
        Self(
            self.0
                .map(|lane| f32::from_bits((lane.to_bits() << 23).wrapping_add(one))),
        )
    }

    #[inline(always)]
    unsafe fn sums<const N: usize>(registers: [Self; N]) -> [f32; N] {
        registers.map(|register| add_lanes(register.0))
    }
}

/// `a * b + c`, rounded as `V` rounds.
#[inline(always)]
pub(super) fn multiply_add<V: Vector>(a: f32, b: f32, c: f32) -> f32 {
    if V::FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn add_lanes<const L: usize>(mut lanes: [f32; L]) -> f32 {
    let mut half = L / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
