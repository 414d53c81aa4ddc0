//! `exp` and `ln` that every device computes alike.
//!
//! They are made of f32 additions, multiplications and divisions, each rounded, in a fixed order.
//! `kernels/include/draw.cuh` of `cuda-kernels` is the same code: a token drawn on a device is the
//! token drawn here, to the last bit of its noise.

// The first has so few bits that its products with small integers are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Added and subtracted again, it rounds a small number to an integer.
const ROUNDER: f32 = 12_582_912.0;
/// `e^x` below this is no unit of [`weight`].
const WEIGHTLESS: f32 = -28.0;

/// `e^x` for `x <= 0`, in units of 2^-40, rounded down; NaN weighs nothing.
///
/// Sums of integers do not depend on their order.
pub(super) fn weight(x: f32) -> u64 {
    if x >= WEIGHTLESS {
        let rounded = x * std::f32::consts::LOG2_E + ROUNDER;
        let n = rounded - ROUNDER;
        let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
        let mut p = 1.0 / 5040.0;
        for factor in [
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ] {
            p = p * r + factor;
        }
        // 2^(n + 40): the low bits of `rounded` are those of n.
        let exponent = rounded.to_bits().wrapping_add(127 + 40);
        (p * f32::from_bits(exponent << 23)) as u64
    } else {
        0
    }
}

/// Natural logarithm of a normal positive number.
pub(super) fn ln(x: f32) -> f32 {
    // x = 2^n m with m from sqrt(1/2) to sqrt(2).
    let n = x.to_bits().wrapping_sub(0x3f35_04f3).cast_signed() >> 23;
    let m = f32::from_bits(x.to_bits().wrapping_sub((n << 23) as u32));
    let n = n as f32;
    n * LN_2_HIGH + (n * LN_2_LOW + two_atanh((m - 1.0) / (m + 1.0)))
}

/// `-ln(1 - x)` for `x` from 0 to 1/2.
pub(super) fn minus_ln_1m(x: f32) -> f32 {
    two_atanh(x / (2.0 - x))
}

/// `2 atanh(s) = ln((1 + s) / (1 - s))` for `|s| <= 1/3`.
fn two_atanh(s: f32) -> f32 {
    let z = s * s;
    let mut p = 1.0 / 15.0;
    for factor in [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0] {
        p = p * z + factor;
    }
    let twice = s + s;
    twice + twice * (z * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(from: f32, to: f32) -> impl Iterator<Item = f32> {
        (0..=100_000).map(move |i| from + (to - from) * (i as f32 / 100_000.0))
    }

    #[test]
    fn weights_are_those_of_exp() {
        for x in steps(-27.0, 0.0) {
            let expected = f64::from(x).exp() * 2_f64.powi(40);
            let error = (weight(x) as f64 - expected).abs();
            assert!(error <= 1.0 + expected * 2e-7, "{x}: {error}");
        }
        assert_eq!((weight(0.0), weight(-0.0)), (1 << 40, 1 << 40));
        let nothing = [-27.8, -28.0, -1e9, f32::NEG_INFINITY, f32::NAN];
        assert_eq!(nothing.map(weight), [0; 5]);
    }

    #[test]
    fn logarithms() {
        let close = |found: f32, expected: f64, x: f32| {
            let error = (f64::from(found) - expected).abs();
            assert!(error <= 2e-7 * expected.abs(), "{x}: {found}, {expected}");
        };
        for x in steps(1e-10, 30.0)
            .chain(steps(0.9, 1.1))
            .chain(steps(1e-10, 1e-6))
        {
            close(ln(x), f64::from(x).ln(), x);
        }
        for x in steps(1e-10, 0.5).chain(steps(1e-10, 1e-6)) {
            close(minus_ln_1m(x), -(-f64::from(x)).ln_1p(), x);
        }
    }
}
