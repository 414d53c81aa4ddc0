//! Philox4x32-10: random numbers from a counter and a key, without state.
//!
//! J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The number for
//! (seed, position, id) is the same on every device, in every batch and in any order.

use super::{elementary, is_better};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The generator with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
}

impl Philox {
    /// The generator keyed by a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
        }
    }

    /// The four numbers of a counter.
    pub fn block(&self, mut counter: [u32; 4]) -> [u32; 4] {
        let mut key = self.key;
        for _ in 0..ROUNDS {
            let products = [0, 2].map(|i| u64::from(MULTIPLIERS[i / 2]) * u64::from(counter[i]));
            let [high, low] = [
                products.map(|p| (p >> 32) as u32),
                products.map(|p| p as u32),
            ];
            counter = [
                high[1] ^ counter[1] ^ key[0],
                low[1],
                high[0] ^ counter[3] ^ key[1],
                low[0],
            ];
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        counter
    }

    /// Standard Gumbel noise, `-ln(-ln(u))`, for a token id at a position.
    ///
    /// `u = (x + 1/2) / 2^32` for a 32-bit `x`, so the noise lies in -3.2..=23.
    pub fn gumbel(&self, position: u64, id: u32) -> f32 {
        gumbel(self.numbers(position, id / 4)[id as usize % 4])
    }

    /// The numbers of four neighbouring ids, from `4 * ids` on.
    fn numbers(&self, position: u64, ids: u32) -> [u32; 4] {
        self.block([ids, 0, position as u32, (position >> 32) as u32])
    }
}

fn gumbel(x: u32) -> f32 {
    // Twice `x + 1/2` is odd: 33 bits, rounded to f32 once. Near 1, u is told by 1 - u.
    let scaled = |x: u32| (2 * u64::from(x) + 1) as f32 * (1.0 / 8_589_934_592.0);
    let minus_ln_u = if x < 1 << 31 {
        -elementary::ln(scaled(x))
    } else {
        elementary::minus_ln_1m(scaled(!x))
    };
    -elementary::ln(minus_ln_u)
}

/// No less than [`gumbel`], and cheap: `-ln(-ln u) <= -ln(1 - u)`, and `1 - u` is at least the
/// power of two that the leading ones of `x` tell.
fn gumbel_bound(x: u32) -> f32 {
    (x.leading_ones() + 1) as f32 * 0.6932
}

/// The noise of every token at one position.
pub(super) struct GumbelNoise {
    philox: Philox,
    position: u64,
}

impl GumbelNoise {
    pub(super) fn new(seed: u64, position: u64) -> Self {
        Self {
            philox: Philox::new(seed),
            position,
        }
    }

    /// The id with the largest sum of logit and noise; the lowest such id. Few tokens come near
    /// enough to the best for their two logarithms to be worth computing.
    pub(super) fn largest_sum(&self, logits: impl Iterator<Item = (f32, u32)>) -> u32 {
        let mut best = (f32::NEG_INFINITY, u32::MAX);
        let mut numbers = (u32::MAX, [0; 4]);
        for (logit, id) in logits {
            if numbers.0 != id / 4 {
                numbers = (id / 4, self.philox.numbers(self.position, id / 4));
            }
            let x = numbers.1[id as usize % 4];
            if logit + gumbel_bound(x) >= best.0 {
                let sum = (logit + gumbel(x), id);
                if is_better(sum, best) {
                    best = sum;
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the generator.
    #[test]
    fn known_answers() {
        let zeros = Philox::new(0).block([0; 4]);
        assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Philox::new(u64::MAX).block([u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Philox {
            key: [0xa409_3822, 0x299f_31d0],
        };
        assert_eq!(
            pi.block([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn noise_differs_by_seed_position_and_id() {
        let base = Philox::new(42).gumbel(7, 100);
        for other in [
            Philox::new(43).gumbel(7, 100),
            Philox::new(42).gumbel(8, 100),
            Philox::new(42).gumbel(7, 101),
            Philox::new(42).gumbel(7, 104),
            Philox::new(42 + (1 << 32)).gumbel(7, 100),
            Philox::new(42).gumbel(7 + (1 << 32), 100),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base, Philox::new(42).gumbel(7, 100));
    }

    #[test]
    fn the_bound_is_never_below_the_noise() {
        let powers =
            (0..32).flat_map(|bit| [1_u32 << bit, !(1 << bit), u32::MAX << bit, !0 >> bit]);
        let others = (0..100_000_u32).map(|i| i.wrapping_mul(2_654_435_761));
        for x in powers.chain(others).chain([0, u32::MAX]) {
            assert!(gumbel(x) <= gumbel_bound(x), "{x:#x}");
        }
    }

    #[test]
    fn noise_is_as_exact_as_f32_is() {
        let edges = [0, 1, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX];
        for x in (0..200_000_u32)
            .map(|i| i.wrapping_mul(2_654_435_761))
            .chain(edges)
        {
            let u = (f64::from(x) + 0.5) / 4_294_967_296.0;
            let expected = -(-u.ln()).ln();
            let error = (f64::from(gumbel(x)) - expected).abs();
            assert!(error < 4e-7 * expected.abs().max(1.0), "{x:#x}: {error}");
        }
    }

    /// Mean of the standard Gumbel is Euler's constant, its variance pi^2 / 6.
    #[test]
    fn noise_has_the_moments_of_gumbel() {
        let philox = Philox::new(1);
        let noise: Vec<f64> = (0..100_000)
            .map(|i| f64::from(philox.gumbel(i / 1000, (i % 1000) as u32)))
            .collect();
        let mean = noise.iter().sum::<f64>() / 1e5;
        let variance = noise.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!((mean - 0.5772).abs() < 0.02, "mean {mean}");
        assert!((variance - 1.6449).abs() < 0.04, "variance {variance}");
    }
}
