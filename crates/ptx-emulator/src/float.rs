//! Arithmetic with the rounding that PTX asks for.

/// The value of a half-precision number.
#[inline(always)]
pub(crate) fn half_to_float(half: u32) -> f32 {
    let magnitude = (half & 0x7fff) << 13;
    // 2^112 moves the exponent's bias; subnormal numbers become normal.
    let mut bits = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    bits = if magnitude >= 0x0f80_0000 {
        magnitude | 0x7f80_0000
    } else {
        bits
    };
    f32::from_bits(bits | (half & 0x8000) << 16)
}

/// The nearest half-precision number, ties to even.
#[inline(always)]
pub(crate) fn float_to_half(value: f32) -> u32 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // The unit of subnormal halves is the distance of floats from 0.5 on.
    let subnormal = (f32::from_bits(magnitude) + 0.5)
        .to_bits()
        .wrapping_sub(0x3f00_0000);
    let rounded = magnitude.wrapping_add(0xfff + (magnitude >> 13 & 1));
    let normal = rounded.wrapping_sub(0x3800_0000) >> 13;
    let mut half = if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    half = if magnitude >= 0x477f_f000 {
        0x7c00
    } else {
        half
    };
    half = if magnitude > 0x7f80_0000 {
        0x7fff
    } else {
        half
    };
    half | (bits >> 16 & 0x8000)
}

/// `a * b + c` of halves, rounded once.
#[inline(always)]
fn half_fma(a: u32, b: u32, c: u32) -> u32 {
    let product = half_to_float(a) * half_to_float(b);
    float_to_half(sum_to_odd(product, half_to_float(c)))
}

/// The sum rounded so that rounding it again to half precision is as if it were exact.
#[inline(always)]
fn sum_to_odd(a: f32, b: f32) -> f32 {
    let sum = a + b;
    let part = sum - a;
    let error = (a - (sum - part)) + (b - part);
    let is_inexact = error != 0.0;
    let is_too_large = is_inexact && (error > 0.0) != (sum > 0.0);
    let bits = sum.to_bits().wrapping_sub(u32::from(is_too_large)) | u32::from(is_inexact);
    f32::from_bits(bits)
}

/// Each half of three words.
#[inline(always)]
pub(crate) fn fma_pair(a: u32, b: u32, c: u32) -> u32 {
    let low = half_fma(a & 0xffff, b & 0xffff, c & 0xffff);
    low | half_fma(a >> 16, b >> 16, c >> 16) << 16
}

/// Applies a function of floats to each half of two words. Single precision is wide enough for
/// sums and products of halves to be rounded twice.
#[inline(always)]
pub(crate) fn pair(a: u32, b: u32, f: impl Fn(f32, f32) -> f32) -> u32 {
    let low = float_to_half(f(half_to_float(a & 0xffff), half_to_float(b & 0xffff)));
    low | float_to_half(f(half_to_float(a >> 16), half_to_float(b >> 16))) << 16
}

/// `a * b + c`, rounded down.
#[inline(always)]
pub(crate) fn fma_down(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    let nearest = sum as f32;
    let is_above = f64::from(nearest) > sum || (f64::from(nearest) == sum && error < 0.0);
    if is_above && nearest.is_finite() {
        nearest.next_down()
    } else {
        nearest
    }
}

/// The larger; a number rather than none, +0 rather than -0.
#[inline(always)]
pub(crate) fn max(a: u32, b: u32) -> u32 {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let larger = if x > y || y.is_nan() { a } else { b };
    if x == y { a & b } else { larger }
}

/// The smaller; a number rather than none, -0 rather than +0.
#[inline(always)]
pub(crate) fn min(a: u32, b: u32) -> u32 {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    let smaller = if x < y || y.is_nan() { a } else { b };
    if x == y { a | b } else { smaller }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_come_back() {
        for half in 0..0x1_0000_u32 {
            let value = half_to_float(half);
            if !value.is_nan() {
                assert_eq!(float_to_half(value), half, "{value}");
            }
        }
    }

    #[test]
    fn halves_are_rounded_to_even() {
        for half in 0..0x7bff_u32 {
            let (low, high) = (half_to_float(half), half_to_float(half + 1));
            let middle = (low + high) / 2.0;
            assert_eq!(float_to_half(middle), half + (half & 1), "{middle}");
            assert_eq!(float_to_half(middle.next_up()), half + 1, "{middle}");
            assert_eq!(float_to_half(middle.next_down()), half, "{middle}");
        }
        assert_eq!(float_to_half(65520.0), 0x7c00);
        assert_eq!(float_to_half(65519.996), 0x7bff);
    }

    #[test]
    fn a_sum_of_halves_is_rounded_once() {
        // 2048 * 1.5 + 1 is a tie; the least half tips it.
        let (one, least) = (0x3c00, 1);
        let tie = float_to_half(2049.0);
        assert_eq!(tie, float_to_half(2048.0));
        assert_eq!(
            sum_to_odd(2049.0, half_to_float(least)),
            2049.0_f32.next_up()
        );
        assert!(float_to_half(sum_to_odd(2049.0, half_to_float(least))) == tie + 1);
        assert_eq!(fma_pair(one, one, 0x8000 | one), 0);
    }

    #[test]
    fn rounding_down() {
        assert_eq!(fma_down(1.0, 1.0, 1e-30), 1.0);
        assert_eq!(fma_down(1.0, 1.0, -1e-30), 1.0_f32.next_down());
        assert_eq!(max(0x8000_0000, 0), 0);
        assert_eq!(min(0, 0x8000_0000), 0x8000_0000);
    }
}
