//! The tensor `rope_freqs.weight` of Llama 3.1 and later, by its published formula.

use crate::spec::{RopeScaling, RopeSpec};

/// The divisors of the frequencies, `dims / 2` of them; `None` if the scaling is not Llama 3's.
pub(crate) fn llama3_factors(rope: &RopeSpec) -> Option<Vec<f32>> {
    let &RopeScaling::Llama3 {
        factor,
        low_freq_factor,
        high_freq_factor,
        original_context,
    } = &rope.scaling
    else {
        return None;
    };
    let (factor, original) = (f64::from(factor), original_context as f64);
    let (low, high) = (f64::from(low_freq_factor), f64::from(high_freq_factor));
    let n_pairs = rope.dims / 2;
    let step = root(f64::from(rope.theta), n_pairs);
    let mut wavelength = std::f64::consts::TAU;
    let factors = (0..n_pairs).map(|_| {
        let turns = original / wavelength;
        wavelength *= step;
        let divisor = if turns > high {
            1.0
        } else if turns < low {
            factor
        } else {
            let smooth = (turns - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        };
        divisor as f32
    });
    Some(factors.collect())
}

/// The `n`-th root of a number of at least 1, by bisection: unlike `powf`, the same everywhere.
fn root(x: f64, n: usize) -> f64 {
    let (mut low, mut high) = (1.0, x);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        let power = (0..n).fold(1.0, |power, _| power * middle);
        if power > x {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_root() {
        assert!((root(1024.0, 10) - 2.0).abs() < 1e-14);
        assert!((root(500_000.0, 64) - 500_000f64.powf(1.0 / 64.0)).abs() < 1e-13);
    }

    /// Llama 3.1: head dimension 128, base 500,000, factor 8 of an original 8192.
    #[test]
    fn llama_3_1_factors_rise_from_1_to_8() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192,
        };
        let factors = llama3_factors(&RopeSpec {
            theta: 500_000.0,
            dims: 128,
            scaling,
        })
        .unwrap();
        assert!(factors[..29].iter().all(|&factor| factor == 1.0));
        assert!(factors[35..].iter().all(|&factor| factor == 8.0));
        // The first wavelength between: 2 pi * 500000^(29/64) = 2402, 3.41 of them fit.
        assert!((factors[29] - 1.207_5).abs() < 1e-3, "{}", factors[29]);
        assert!(factors.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
