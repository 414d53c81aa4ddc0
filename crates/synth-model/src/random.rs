//! Random numbers by position: element `i` of a tensor depends on the seed, the tensor's name and
//! `i` alone, so any part of a model can be made by itself, in any order, by any thread.
//!
//! Only integer operations and correctly rounded float operations are used: no libm function,
//! whose last bit differs between platforms, comes near a weight.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mean of the sum of four 16-bit fields.
const SUM_MEAN: i32 = 131_070;

/// One over the deviation of that sum: `sqrt(3 / (2^32 - 1))`.
const SUM_SCALE: f32 = 2.642_914e-5;

/// The 64-bit FNV-1a hash.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
#[inline(always)]
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// An endless sequence of random words that can be read at any index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    key: u64,
}

impl Stream {
    /// The sequence of this seed and name; other seeds or names give unrelated ones.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self {
            key: mix(mix(seed.wrapping_add(GOLDEN)) ^ fnv1a(name.as_bytes())),
        }
    }

    /// 64 random bits.
    #[inline(always)]
    pub(crate) fn word(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(GOLDEN)))
    }

    /// A number of mean 0 and deviation 1, nearly Gaussian: the sum of four uniform ones. Its
    /// largest magnitude is 3.46.
    #[inline(always)]
    pub(crate) fn gaussian(self, index: u64) -> f32 {
        let word = self.word(index);
        let field = |shift: u32| ((word >> shift) & 0xffff) as i32;
        (field(0) + field(16) + field(32) + field(48) - SUM_MEAN) as f32 * SUM_SCALE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_gaussian() {
        let stream = Stream::new(7, "t");
        let n = 1 << 18;
        let moment = |power: i32| {
            (0..n)
                .map(|i| f64::from(stream.gaussian(i)).powi(power))
                .sum::<f64>()
                / n as f64
        };
        assert!(moment(1).abs() < 0.01);
        assert!((moment(2) - 1.0).abs() < 0.01);
        assert!(moment(3).abs() < 0.03);
        // Four uniform numbers have a kurtosis of 3 - 6/20.
        assert!((moment(4) - 2.7).abs() < 0.05);
    }

    #[test]
    fn streams_differ_by_seed_and_by_name() {
        let base = Stream::new(1, "a");
        for other in [Stream::new(2, "a"), Stream::new(1, "b")] {
            let shared = (0..1000).filter(|&i| base.word(i) == other.word(i)).count();
            let correlation: f32 = (0..1000)
                .map(|i| base.gaussian(i) * other.gaussian(i))
                .sum::<f32>()
                / 1000.0;
            assert_eq!(shared, 0);
            assert!(correlation.abs() < 0.15, "{correlation}");
        }
    }

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
