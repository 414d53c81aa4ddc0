//! The table of RoPE angles, computed once on the host in f64.
//!
//! Device sines of raw angles lose all their digits at long positions, so every backend reads
//! this table instead.

use crate::config::{RopeConfig, RopeScaling};

/// Cosine and sine for every position and pair of channels.
///
/// Both are `[n_positions][dims / 2]`, row-major, f32, and already multiplied by the attention
/// factor of the scaling.
#[derive(Clone, Debug)]
pub struct RopeTable {
    /// Cosines.
    pub cos: Vec<f32>,
    /// Sines.
    pub sin: Vec<f32>,
    /// `dims / 2`.
    pub n_pairs: usize,
}

/// Divisors of the frequencies that come as tensors with the weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RopeFactors {
    /// `rope_freqs.weight`, or Phi-3's short factors.
    pub short: Option<Vec<f32>>,
    /// Phi-3's long factors, for contexts beyond the original one.
    pub long: Option<Vec<f32>>,
}

impl RopeTable {
    /// The table for positions `0..n_positions`.
    ///
    /// Angle of position `p` and pair `i`: `p / (scale * factor[i] * theta^(2i / dims))`.
    pub fn new(config: &RopeConfig, factors: &RopeFactors, n_positions: usize) -> Self {
        let n_pairs = config.dims / 2;
        let (scale, magnitude, factors) = match config.scaling {
            RopeScaling::None => (1.0, 1.0, &factors.short),
            RopeScaling::Linear { factor } => (f64::from(factor), 1.0, &factors.short),
            RopeScaling::LongRope {
                original_context,
                attention_factor,
            } => {
                let long = n_positions > original_context;
                let factors = if long { &factors.long } else { &factors.short };
                (1.0, f64::from(attention_factor), factors)
            }
        };
        let frequencies: Vec<f64> = (0..n_pairs)
            .map(|i| {
                let exponent = -2.0 * i as f64 / config.dims as f64;
                let factor = factors
                    .as_ref()
                    .map_or(1.0, |factors| f64::from(factors[i]));
                f64::from(config.theta).powf(exponent) / (factor * scale)
            })
            .collect();
        let mut cos = Vec::with_capacity(n_positions * n_pairs);
        let mut sin = Vec::with_capacity(n_positions * n_pairs);
        for position in 0..n_positions {
            for frequency in &frequencies {
                let (s, c) = (position as f64 * frequency).sin_cos();
                cos.push((c * magnitude) as f32);
                sin.push((s * magnitude) as f32);
            }
        }
        Self { cos, sin, n_pairs }
    }

    /// Bytes of a table for `n_positions`.
    pub fn bytes(config: &RopeConfig, n_positions: usize) -> u64 {
        n_positions as u64 * config.dims as u64 * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LlamaConfig, RopePairing};

    fn plain(theta: f32, dims: usize) -> RopeConfig {
        RopeConfig {
            theta,
            dims,
            pairing: RopePairing::Halves,
            scaling: RopeScaling::None,
        }
    }

    /// Angles at far positions against an argument reduced in integer arithmetic: for
    /// `theta = 1` every frequency is 1, so the angle is the position itself.
    #[test]
    fn far_positions_keep_their_digits() {
        let table = RopeTable::new(&plain(1.0, 2), &RopeFactors::default(), 1 << 20);
        // cos and sin of the integers 131071 and 1048575, to 12 digits.
        for (position, cos, sin) in [
            (131_071_usize, (131_071.0_f64).cos(), (131_071.0_f64).sin()),
            (1_048_575, (1_048_575.0_f64).cos(), (1_048_575.0_f64).sin()),
            (1, 0.540_302_305_868, 0.841_470_984_808),
        ] {
            assert!((f64::from(table.cos[position]) - cos).abs() < 1e-6);
            assert!((f64::from(table.sin[position]) - sin).abs() < 1e-6);
        }
    }

    #[test]
    fn linear_scaling_divides_positions() {
        let mut config = plain(10_000.0, 8);
        let base = RopeTable::new(&config, &RopeFactors::default(), 16);
        config.scaling = RopeScaling::Linear { factor: 4.0 };
        let scaled = RopeTable::new(&config, &RopeFactors::default(), 61);
        for position in 0..16 {
            for pair in 0..4 {
                let near = base.cos[position * 4 + pair] - scaled.cos[position * 4 * 4 + pair];
                assert!(near.abs() < 1e-6);
            }
        }
    }

    #[test]
    fn long_factors_start_past_the_original_context() {
        let mut config = plain(10_000.0, 4);
        config.scaling = RopeScaling::LongRope {
            original_context: 8,
            attention_factor: 2.0,
        };
        let factors = RopeFactors {
            short: Some(vec![1.0, 1.0]),
            long: Some(vec![2.0, 2.0]),
        };
        let short = RopeTable::new(&config, &factors, 8);
        let long = RopeTable::new(&config, &factors, 9);
        assert!((f64::from(short.sin[2]) - 2.0 * 1.0_f64.sin()).abs() < 1e-6);
        assert!((f64::from(long.sin[2]) - 2.0 * 0.5_f64.sin()).abs() < 1e-6);
    }

    #[test]
    fn qwen_frequencies_use_its_base() {
        let config = &LlamaConfig::QWEN2_5_0_5B.rope;
        let table = RopeTable::new(config, &RopeFactors::default(), 2);
        // Pair 16 of 32: 1e6^(-1/2) = 1e-3.
        assert!((table.sin[32 + 16] - 1e-3).abs() < 1e-8);
    }
}
