//! The K types: 256 values share the scale of the scales of their groups, so that a search goes on
//! after each group has its own best scale. What the layouts are stands beside the decoders.

use super::search::{Affine, Symmetric, inverse, larger, nearest, sum};
use crate::dequant::f16_to_f32;
use crate::quant::f32_to_f16;

/// Turns between the scales of the groups and the scale of those.
const ROUNDS: usize = 2;

/// Blocks whose largest value is below this are zeros in every K type.
const ZERO: f32 = 1e-12;

/// Encodes one block; `None` if a scale overflows.
pub(super) fn block_q2_k(values: &[f32; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let block = AffineBlock::<16>::search::<16, 3, 15>(values)?;
    bytes.extend((0..16).map(|g| block.scales[g] | block.minima[g] << 4));
    push_two_bits(&block.quants, bytes);
    bytes.extend(block.d.to_le_bytes());
    bytes.extend(block.dmin.to_le_bytes());
    Some(())
}

/// Encodes one block; `None` if a scale overflows.
pub(super) fn block_q3_k(values: &[f32; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let block = SymmetricBlock::search::<4, 32>(values)?;
    let third = |i: usize| (0..8).fold(0, |bits, b| bits | block.quants[b * 32 + i] >> 2 << b);
    bytes.extend((0..32).map(third));
    push_two_bits(&block.quants.map(|quant| quant & 3), bytes);
    let mut packed = [0; 12];
    for (group, scale) in block.scales.into_iter().enumerate() {
        let scale = (scale + 32) as u8;
        packed[group % 8] |= (scale & 15) << (group / 8 * 4);
        packed[8 + group % 4] |= scale >> 4 << (group / 4 * 2);
    }
    bytes.extend(packed);
    bytes.extend(block.d.to_le_bytes());
    Some(())
}

/// Encodes one block; `None` if a scale overflows.
pub(super) fn block_q4_k(values: &[f32; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let block = AffineBlock::<8>::search::<32, 15, 63>(values)?;
    push_head(&block, bytes);
    push_nibble_pairs(&block.quants, bytes);
    Some(())
}

/// Encodes one block; `None` if a scale overflows.
pub(super) fn block_q5_k(values: &[f32; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let block = AffineBlock::<8>::search::<32, 31, 63>(values)?;
    push_head(&block, bytes);
    let fifth = |i: usize| (0..8).fold(0, |bits, b| bits | block.quants[b * 32 + i] >> 4 << b);
    bytes.extend((0..32).map(fifth));
    push_nibble_pairs(&block.quants.map(|quant| quant & 15), bytes);
    Some(())
}

/// Encodes one block; `None` if a scale overflows.
pub(super) fn block_q6_k(values: &[f32; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let block = SymmetricBlock::search::<32, 128>(values)?;
    for quants in block.quants.as_chunks::<128>().0 {
        bytes.extend((0..64).map(|i| quants[i] & 15 | quants[i + 64] << 4));
    }
    push_two_bits(&block.quants.map(|quant| quant >> 4), bytes);
    bytes.extend(block.scales.map(|scale| (scale as i8).cast_unsigned()));
    bytes.extend(block.d.to_le_bytes());
    Some(())
}

/// Quants below 4: in each 32 bytes, the lowest bits of all hold the first 32.
fn push_two_bits(quants: &[u8; 256], bytes: &mut Vec<u8>) {
    for q in quants.as_chunks::<128>().0 {
        bytes.extend((0..32).map(|i| q[i] | q[i + 32] << 2 | q[i + 64] << 4 | q[i + 96] << 6));
    }
}

/// Quants below 16: of each 64, the first half in the low nibbles.
fn push_nibble_pairs(quants: &[u8; 256], bytes: &mut Vec<u8>) {
    for q in quants.as_chunks::<64>().0 {
        bytes.extend((0..32).map(|i| q[i] | q[i + 32] << 4));
    }
}

/// The head of Q4_K and Q5_K: both scales, and eight scales and minima of six bits.
fn push_head(block: &AffineBlock<8>, bytes: &mut Vec<u8>) {
    bytes.extend(block.d.to_le_bytes());
    bytes.extend(block.dmin.to_le_bytes());
    let (scales, minima) = (&block.scales, &block.minima);
    bytes.extend((0..4).map(|i| scales[i] | scales[i + 4] >> 4 << 6));
    bytes.extend((0..4).map(|i| minima[i] | minima[i + 4] >> 4 << 6));
    bytes.extend((0..4).map(|i| scales[i + 4] & 15 | minima[i + 4] << 4));
}

/// A power of two that brings the largest value between 1 and 2, so that no square overflows.
#[derive(Clone, Copy)]
struct Unit(f32);

impl Unit {
    /// `None` for a block of zeros.
    fn of(values: &[f32; 256]) -> Option<Unit> {
        let largest = values.iter().copied().fold(0.0, larger).abs();
        // Only the exponent is kept.
        let power = f32::from_bits(largest.to_bits() & 0x7f80_0000);
        (largest >= ZERO).then_some(Unit(power))
    }

    fn normalised(self, values: &[f32; 256]) -> [f32; 256] {
        values.map(|value| value / self.0)
    }

    /// The nearest scale that can be stored, and its value in units; `None` if it is too large.
    fn half(self, scale: f32) -> Option<(u16, f32)> {
        let half = f32_to_f16(scale * self.0);
        let value = f16_to_f32(half);
        value.is_finite().then_some((half, value / self.0))
    }
}

/// `d * scale * q - dmin * minimum`, in `G` groups.
struct AffineBlock<const G: usize> {
    d: u16,
    dmin: u16,
    scales: [u8; G],
    minima: [u8; G],
    quants: [u8; 256],
}

impl<const G: usize> AffineBlock<G> {
    /// The best that the search finds with groups of `N`, quants up to `MAX`, and scales and
    /// minima up to `LEVELS`.
    fn search<const N: usize, const MAX: u8, const LEVELS: u8>(
        values: &[f32; 256],
    ) -> Option<Self> {
        const { assert!(G * N == 256) };
        let mut best = AffineBlock {
            d: 0,
            dmin: 0,
            scales: [0; G],
            minima: [0; G],
            quants: [0; 256],
        };
        let Some(unit) = Unit::of(values) else {
            return Some(best);
        };
        let values = unit.normalised(values);
        let groups = values.as_chunks::<N>().0;
        let mut wanted = [Affine::default(); G];
        for (wanted, group) in wanted.iter_mut().zip(groups) {
            *wanted = Affine::search::<N, MAX>(group);
        }
        let levels = f32::from(LEVELS);
        let largest = |of: fn(&Affine) -> f32| wanted.iter().map(of).fold(0.0, f32::max);
        let mut d = largest(|group| group.scale) / levels;
        let mut dmin = largest(|group| group.minimum) / levels;
        let mut best_error = f32::INFINITY;
        for _ in 0..=ROUNDS {
            let ((d_half, d_now), (dmin_half, dmin_now)) = (unit.half(d)?, unit.half(dmin)?);
            let steps = Steps::<LEVELS>(d_now, dmin_now);
            let mut now = AffineBlock {
                d: d_half,
                dmin: dmin_half,
                ..best
            };
            let mut error = 0.0;
            let mut fit = Regression::default();
            for g in 0..G {
                let found = steps.nearest::<N, MAX>(&groups[g], wanted[g]);
                fit.add(&groups[g], &found);
                error += found.error;
                (now.scales[g], now.minima[g]) = (found.scale, found.minimum);
                for (to, quant) in now.quants[g * N..].iter_mut().zip(found.quants) {
                    *to = quant as u8;
                }
            }
            if error < best_error {
                (best, best_error) = (now, error);
            }
            let Some(fitted) = fit.solve() else { break };
            (d, dmin) = fitted;
        }
        Some(best)
    }
}

/// What a group becomes with scales that can be stored.
struct Stored<const N: usize> {
    scale: u8,
    minimum: u8,
    quants: [f32; N],
    error: f32,
}

/// The steps between scales, and between minima, of which there are up to `LEVELS`.
struct Steps<const LEVELS: u8>(f32, f32);

impl<const LEVELS: u8> Steps<LEVELS> {
    /// The best stored form in the neighbourhood of what is wanted.
    fn nearest<const N: usize, const MAX: u8>(
        &self,
        values: &[f32; N],
        wanted: Affine,
    ) -> Stored<N> {
        let Steps(d, dmin) = *self;
        let around = |wanted: f32, step: f32| {
            let middle = nearest((wanted * inverse(step)).clamp(0.0, f32::from(LEVELS)));
            [middle, middle - 1.0, middle + 1.0]
                .into_iter()
                .filter(|level| (0.0..=f32::from(LEVELS)).contains(level))
        };
        let mut best = Stored {
            scale: 0,
            minimum: 0,
            quants: [0.0; N],
            error: f32::INFINITY,
        };
        for scale in around(wanted.scale, d) {
            for minimum in around(wanted.minimum, dmin) {
                let now = Affine {
                    scale: d * scale,
                    minimum: dmin * minimum,
                };
                let quants = now.quants::<N, MAX>(values);
                let error = now.error(values, &quants);
                if error < best.error {
                    best = Stored {
                        scale: scale as u8,
                        minimum: minimum as u8,
                        quants,
                        error,
                    };
                }
            }
        }
        best
    }
}

/// The regression of a block's values on `scale * q` and `-minimum`, whose factors are `d` and
/// `dmin`.
#[derive(Default)]
struct Regression {
    aa: f32,
    ab: f32,
    bb: f32,
    ax: f32,
    bx: f32,
}

impl Regression {
    fn add<const N: usize>(&mut self, values: &[f32; N], stored: &Stored<N>) {
        let (scale, minimum) = (f32::from(stored.scale), f32::from(stored.minimum));
        let quants = &stored.quants;
        let x = sum::<N>(|i| values[i]);
        let q = sum::<N>(|i| quants[i]);
        self.aa += scale * scale * sum::<N>(|i| quants[i] * quants[i]);
        self.ab -= scale * minimum * q;
        self.bb += minimum * minimum * N as f32;
        self.ax += scale * sum::<N>(|i| quants[i] * values[i]);
        self.bx -= minimum * x;
    }

    fn solve(&self) -> Option<(f32, f32)> {
        let determinant = self.aa * self.bb - self.ab * self.ab;
        let (d, dmin) = if determinant > 1e-6 * self.aa * self.bb {
            (
                (self.ax * self.bb - self.bx * self.ab) / determinant,
                (self.bx * self.aa - self.ax * self.ab) / determinant,
            )
        } else {
            (self.ax / self.aa, 0.0)
        };
        (d.is_finite() && d > 0.0 && dmin >= 0.0).then_some((d, dmin))
    }
}

/// `d * scale * (q - HALF)` in 16 groups of 16.
struct SymmetricBlock {
    d: u16,
    scales: [i16; 16],
    /// From 0.
    quants: [u8; 256],
}

impl SymmetricBlock {
    /// The best that the search finds with scales from `-LEVELS` to `LEVELS - 1`.
    fn search<const HALF: u8, const LEVELS: u8>(values: &[f32; 256]) -> Option<Self> {
        let mut best = SymmetricBlock {
            d: 0,
            scales: [0; 16],
            quants: [HALF; 256],
        };
        let Some(unit) = Unit::of(values) else {
            return Some(best);
        };
        let values = unit.normalised(values);
        let groups = values.as_chunks::<16>().0;
        let mut wanted = [Symmetric::default(); 16];
        for (wanted, group) in wanted.iter_mut().zip(groups) {
            *wanted = Symmetric::search::<16, HALF>(group);
        }
        // There is one more scale below zero than above.
        let largest = wanted.iter().map(|group| group.scale).fold(0.0, larger);
        let mut d = largest / -f32::from(LEVELS);
        let mut best_error = f32::INFINITY;
        for _ in 0..=ROUNDS {
            let (half, step) = unit.half(d)?;
            let mut now = SymmetricBlock { d: half, ..best };
            let (mut error, mut squares, mut joint) = (0.0, 0.0, 0.0);
            for g in 0..16 {
                let values = &groups[g];
                let (scale, quants, group_error) =
                    signed_step::<HALF, LEVELS>(values, wanted[g].scale, step);
                error += group_error;
                squares += scale * scale * sum::<16>(|i| quants[i] * quants[i]);
                joint += scale * sum::<16>(|i| quants[i] * values[i]);
                now.scales[g] = scale as i16;
                for (to, quant) in now.quants[g * 16..].iter_mut().zip(quants) {
                    *to = (quant + f32::from(HALF)) as u8;
                }
            }
            if error < best_error {
                (best, best_error) = (now, error);
            }
            if squares <= 0.0 {
                break;
            }
            d = joint / squares;
        }
        Some(best)
    }
}

/// The best multiple of `step` in the neighbourhood of a scale, with its quants and its error.
fn signed_step<const HALF: u8, const LEVELS: u8>(
    values: &[f32; 16],
    wanted: f32,
    step: f32,
) -> (f32, [f32; 16], f32) {
    let range = -f32::from(LEVELS)..=f32::from(LEVELS) - 1.0;
    let middle = nearest((wanted * inverse(step)).clamp(*range.start(), *range.end()));
    let mut best = (0.0, [0.0; 16], f32::INFINITY);
    for level in [middle, middle - 1.0, middle + 1.0] {
        let now = Symmetric {
            scale: step * level,
        };
        let quants = now.quants::<16, HALF>(values);
        let error = now.error(values, &quants);
        if range.contains(&level) && error < best.2 {
            best = (level, quants, error);
        }
    }
    best
}
