//! The exponential function on registers.

use super::vector::Vector;

/// `e^x`, within 2e-7 of its value where that is a normal number; overflows to infinity,
/// underflows to zero, and what is not a number stays so.
///
/// ```text
/// n = round(x / ln 2), r = x - n ln 2, |r| <= ln 2 / 2
/// e^x = 2^n (1 + r + r^2 / 2 + ... )
/// ```
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    /// Beyond these the result is zero or infinite.
    const LEAST: f32 = -150.0;
    const GREATEST: f32 = 150.0;
    /// ln 2 in two parts: products of the first with small integers are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const COEFFICIENTS: [f32; 6] = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
    ];
    // SAFETY: the caller's promise.
    unsafe {
        // The order of the operands keeps what is not a number.
        let x = V::splat(GREATEST).min(V::splat(LEAST).max(x));
        let rounder = V::splat(V::ROUNDER);
        let whole = x
            .multiply_add(V::splat(std::f32::consts::LOG2_E), rounder)
            .subtract(rounder);
        let rest = whole.multiply_add(V::splat(-LN_2[0]), x);
        let rest = whole.multiply_add(V::splat(-LN_2[1]), rest);
        let mut sum = V::splat(1.0 / 5040.0);
        for coefficient in COEFFICIENTS {
            sum = sum.multiply_add(rest, V::splat(coefficient));
        }
        let sum = sum.multiply_add(rest, V::splat(1.0));
        // 2^n in two steps: one alone would overflow before the result does.
        let first = whole.multiply_add(V::splat(0.5), rounder);
        let second = whole.subtract(first.subtract(rounder)).add(rounder);
        sum.multiply(first.power_of_two())
            .multiply(second.power_of_two())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::kernels::{Isa, for_isa};
    use crate::backend::cpu::vector::Portable;

    fn exp_all(isa: Isa, x: &[f32], out: &mut [f32]) {
        #[inline(always)]
        unsafe fn run<V: Vector, const N: usize>(x: &[f32], out: &mut [f32]) {
            for at in (0..x.len()).step_by(V::LANES) {
                // SAFETY: slices are whole registers long.
                unsafe { exp(V::load(x.as_ptr().add(at))).store(out.as_mut_ptr().add(at)) };
            }
        }
        assert!(x.len().is_multiple_of(16) && x.len() == out.len());
        for_isa!(isa, run, (x: &[f32], out: &mut [f32]));
    }

    #[test]
    fn close_to_the_function_everywhere() {
        let step = if cfg!(miri) { 1 << 10 } else { 1 };
        let x: Vec<f32> = (0..1 << 18)
            .step_by(step)
            .map(|i| (i as f32 - 131_072.0) * 1e-3)
            .collect();
        for isa in Isa::available() {
            let mut out = vec![0.0; x.len()];
            exp_all(isa, &x, &mut out);
            for (&x, &found) in x.iter().zip(&out) {
                let expected = f64::from(x).exp();
                if expected > f64::from(f32::MAX) {
                    assert_eq!(found, f32::INFINITY, "{x}");
                } else {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error <= 2e-7 * expected + 2e-45, "{x}: {found}, {expected}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite() {
        let mut x = [0.0; 16];
        x[..4].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30]);
        for isa in Isa::available() {
            let mut out = [0.0; 16];
            exp_all(isa, &x, &mut out);
            assert!(out[0].is_nan());
            assert_eq!(out[1..5], [f32::INFINITY, 0.0, 0.0, 1.0]);
        }
    }
}
