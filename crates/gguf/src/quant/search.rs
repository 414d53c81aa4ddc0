//! Scales for a group of values: those of the smallest squared error that a search finds.
//!
//! For given quants the best scale (and offset) is a linear regression; for a given scale the best
//! quants are the nearest ones. Alternating the two is Lloyd's method for scalar quantisers
//! (S. Lloyd, "Least squares quantization in PCM", 1982), which only finds the nearest local
//! minimum: so it is started from several ranges, from one that cuts the extremes off to one that
//! has room for them.
//!
//! The plain squared error is what counts for a model as a whole: its loss grows linearly with it
//! (V. Malinovskii et al., "Pushing the Limits of Large Language Model Quantization via the
//! Linearity Theorem", 2024).

/// Rounds to the nearest integer, for magnitudes below 2^22. Unlike [`f32::round`] it vectorises
/// for every processor.
#[inline(always)]
pub(super) fn nearest(value: f32) -> f32 {
    const SHIFT: f32 = (3 << 22) as f32;
    (value + SHIFT) - SHIFT
}

/// Sums in eight lanes, so that the loop vectorises in the order it is written.
#[inline(always)]
pub(super) fn sum<const N: usize>(term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; 8];
    for start in (0..N).step_by(8) {
        for lane in 0..8 {
            lanes[lane] += term(start + lane);
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// `scale * q - minimum`, with quants from 0 to `MAX` and a minimum that is not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) minimum: f32,
}

impl Affine {
    /// The nearest quants.
    #[inline(always)]
    pub(super) fn quants<const N: usize, const MAX: u8>(self, values: &[f32; N]) -> [f32; N] {
        let inverse = inverse(self.scale);
        values.map(|value| nearest(((value + self.minimum) * inverse).clamp(0.0, f32::from(MAX))))
    }

    /// The squared error with given quants.
    #[inline(always)]
    pub(super) fn error<const N: usize>(self, values: &[f32; N], quants: &[f32; N]) -> f32 {
        sum::<N>(|i| {
            let off = self.scale * quants[i] - self.minimum - values[i];
            off * off
        })
    }

    /// The best scale and minimum for given quants; `None` if they say nothing about it.
    #[inline(always)]
    fn fit<const N: usize>(values: &[f32; N], quants: &[f32; N]) -> Option<Affine> {
        let n = N as f32;
        let (q, x) = (sum::<N>(|i| quants[i]), sum::<N>(|i| values[i]));
        let (mean_q, mean_x) = (q / n, x / n);
        let spread = sum::<N>(|i| (quants[i] - mean_q) * (quants[i] - mean_q));
        let joint = sum::<N>(|i| (quants[i] - mean_q) * (values[i] - mean_x));
        if spread <= 0.0 {
            return None;
        }
        let scale = joint / spread;
        let minimum = scale * mean_q - mean_x;
        if minimum >= 0.0 {
            return Some(Affine { scale, minimum });
        }
        // The offset can only be below zero: what is best without one.
        let squares = sum::<N>(|i| quants[i] * quants[i]);
        let scale = sum::<N>(|i| quants[i] * values[i]) / squares;
        Some(Affine {
            scale,
            minimum: 0.0,
        })
    }

    /// The best that the search finds; scale and minimum are not negative.
    pub(super) fn search<const N: usize, const MAX: u8>(values: &[f32; N]) -> Affine {
        let low = values.iter().copied().fold(0.0, f32::min);
        let high = values.iter().copied().fold(0.0, f32::max);
        if high <= low {
            return Affine::default();
        }
        let mut best = (f32::INFINITY, Affine::default());
        for start in starts::<N>(f32::from(MAX)) {
            // What is cut off, or added, is shared by both ends.
            let scale = (high - low) / start;
            let slack = (scale * f32::from(MAX) - (high - low)) / 2.0;
            let mut now = Affine {
                scale,
                minimum: (slack - low).max(0.0),
            };
            for _ in 0..ROUNDS {
                let quants = now.quants::<N, MAX>(values);
                let Some(fitted) = Affine::fit(values, &quants) else {
                    break;
                };
                if fitted.scale <= 0.0 {
                    break;
                }
                let error = fitted.error(values, &quants);
                if error < best.0 {
                    best = (error, fitted);
                }
                now = fitted;
            }
        }
        if best.0.is_infinite() {
            // All values are alike but for their sign: the range itself is exact.
            let scale = (high - low) / f32::from(MAX);
            return Affine {
                scale,
                minimum: -low,
            };
        }
        best.1
    }
}

/// Turns between quants and scale from each start.
const ROUNDS: usize = 3;

/// By how many steps the range of values is divided at first: from fewer than the quants have,
/// which leaves room at the ends, to more, which cuts the extremes off.
fn starts<const N: usize>(max: f32) -> impl Iterator<Item = f32> {
    // Few quants leave the most to choose.
    let (from, to, n) = if max < 4.0 {
        (-0.6, 2.4, 16)
    } else if max < 8.0 {
        (-0.6, 2.6, 14)
    } else if max < 20.0 {
        (-0.8, 2.8, 12)
    } else {
        (-0.8, 2.4, 10)
    };
    (0..n).map(move |i| max + from + (to - from) * i as f32 / (n - 1) as f32)
}

/// `scale * q`, with quants from `-HALF` to `HALF - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Symmetric {
    /// Of either sign: the end that has one more quant can lie on either side.
    pub(super) scale: f32,
}

impl Symmetric {
    /// The nearest quants.
    #[inline(always)]
    pub(super) fn quants<const N: usize, const HALF: u8>(self, values: &[f32; N]) -> [f32; N] {
        let inverse = inverse(self.scale);
        let half = f32::from(HALF);
        values.map(|value| nearest((value * inverse).clamp(-half, half - 1.0)))
    }

    /// The squared error with given quants.
    #[inline(always)]
    pub(super) fn error<const N: usize>(self, values: &[f32; N], quants: &[f32; N]) -> f32 {
        sum::<N>(|i| {
            let off = self.scale * quants[i] - values[i];
            off * off
        })
    }

    /// The best that the search finds.
    pub(super) fn search<const N: usize, const HALF: u8>(values: &[f32; N]) -> Symmetric {
        let largest = values.iter().copied().fold(0.0, larger);
        if largest == 0.0 {
            return Symmetric::default();
        }
        let mut best = (f32::INFINITY, Symmetric::default());
        for sign in [-1.0, 1.0] {
            for start in starts::<N>(f32::from(HALF)) {
                let mut now = Symmetric {
                    scale: sign * largest / (start - 0.5),
                };
                for _ in 0..ROUNDS {
                    let quants = now.quants::<N, HALF>(values);
                    let squares = sum::<N>(|i| quants[i] * quants[i]);
                    if squares <= 0.0 {
                        break;
                    }
                    let scale = sum::<N>(|i| quants[i] * values[i]) / squares;
                    now = Symmetric { scale };
                    let error = now.error(values, &quants);
                    if error < best.0 {
                        best = (error, now);
                    }
                }
            }
        }
        best.1
    }
}

/// The one of the larger magnitude.
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if b.abs() > a.abs() { b } else { a }
}

/// `1 / scale`, and 0 for a scale of 0.
#[inline(always)]
pub(super) fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}
