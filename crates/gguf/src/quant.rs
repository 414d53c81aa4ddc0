//! From f32 to stored blocks. The types of 32 follow ggml's reference formulas bit for bit: round
//! to nearest against the block's largest value. For the K types the format leaves the choice of
//! scales open, and `search` looks for those of the smallest squared error.
//!
//! What is computed depends on the values alone, not on the processor.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over fixed arrays vectorise as written, and read as the formulas"
)]

mod k_quants;
mod search;

use crate::block::TensorType;
use crate::dequant::f16_to_f32;
use crate::error::Error;

/// Encodes whole blocks. A value that the type cannot hold is an error, never a wrong number: not
/// finite in a block type, or so large that the block's f16 scale overflows.
pub fn quantize(tensor_type: TensorType, values: &[f32]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(tensor_type.row_bytes(values.len())?);
    match tensor_type {
        TensorType::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorType::F16 => {
            bytes.extend(
                values
                    .iter()
                    .flat_map(|&value| f32_to_f16(value).to_le_bytes()),
            );
        }
        TensorType::Bf16 => {
            bytes.extend(
                values
                    .iter()
                    .flat_map(|&value| f32_to_bf16(value).to_le_bytes()),
            );
        }
        TensorType::Q8_0 => blocks(tensor_type, values, &mut bytes, block_q8_0)?,
        TensorType::Q4_0 => blocks(tensor_type, values, &mut bytes, block_q4_0)?,
        TensorType::Q4_1 => blocks(tensor_type, values, &mut bytes, block_q4_1)?,
        TensorType::Q5_0 => blocks(tensor_type, values, &mut bytes, block_q5_0)?,
        TensorType::Q5_1 => blocks(tensor_type, values, &mut bytes, block_q5_1)?,
        TensorType::Q2K => blocks(tensor_type, values, &mut bytes, k_quants::block_q2_k)?,
        TensorType::Q3K => blocks(tensor_type, values, &mut bytes, k_quants::block_q3_k)?,
        TensorType::Q4K => blocks(tensor_type, values, &mut bytes, k_quants::block_q4_k)?,
        TensorType::Q5K => blocks(tensor_type, values, &mut bytes, k_quants::block_q5_k)?,
        TensorType::Q6K => blocks(tensor_type, values, &mut bytes, k_quants::block_q6_k)?,
        _ => return Err(Error::CannotQuantize { tensor_type }),
    }
    Ok(bytes)
}

/// The nearest half-precision number, ties to even; too large becomes infinite, and a NaN keeps
/// the upper bits of its payload.
#[inline(always)]
pub fn f32_to_f16(value: f32) -> u16 {
    const INFINITY: u32 = 0xff << 23;
    let sign = (value.to_bits() >> 16) as u16 & 0x8000;
    let magnitude = value.to_bits() & 0x7fff_ffff;
    let half = if magnitude > INFINITY {
        0x7c00 | (magnitude >> 13 & 0x3ff).max(1)
    } else if magnitude >= (127 + 16) << 23 {
        0x7c00
    } else if magnitude >= (127 - 14) << 23 {
        let rebased = magnitude - ((127 - 15) << 23);
        // A carry out of the mantissa raises the exponent, at the top to infinity: as it should.
        (rebased + 0xfff + (rebased >> 13 & 1)) >> 13
    } else {
        // The unit in the last place of 0.5 is the smallest subnormal half: the addition rounds.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    };
    sign | half as u16
}

/// The nearest bfloat16, ties to even; a NaN becomes quiet.
#[inline(always)]
fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Encodes a block of values; `None` if a scale is not finite.
type BlockEncoder<const LEN: usize> = fn(&[f32; LEN], &mut Vec<u8>) -> Option<()>;

fn blocks<const LEN: usize>(
    tensor_type: TensorType,
    values: &[f32],
    bytes: &mut Vec<u8>,
    encode: BlockEncoder<LEN>,
) -> Result<(), Error> {
    for (number, block) in values.as_chunks::<LEN>().0.iter().enumerate() {
        let finite = block.iter().all(|value| value.is_finite());
        if !finite || encode(block, bytes).is_none() {
            let (at, value) = worst(block);
            return Err(Error::UnquantizableValue {
                tensor_type,
                index: number * LEN + at,
                value,
            });
        }
    }
    Ok(())
}

/// The value to blame: the first that is not finite, or else the largest.
fn worst(block: &[f32]) -> (usize, f32) {
    let not_finite = block.iter().position(|value| !value.is_finite());
    let at = not_finite.unwrap_or_else(|| largest(block));
    (at, block[at])
}

/// The index of the first value of the largest magnitude.
fn largest(block: &[f32]) -> usize {
    let mut at = 0;
    for i in 1..block.len() {
        if block[i].abs() > block[at].abs() {
            at = i;
        }
    }
    at
}

fn push_half(value: f32, bytes: &mut Vec<u8>) -> Option<()> {
    let half = f32_to_f16(value);
    bytes.extend(half.to_le_bytes());
    f16_to_f32(half).is_finite().then_some(())
}

/// `1 / d`, and 0 for the scale of a block of zeros.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

fn block_q8_0(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let d = block[largest(block)].abs() / 127.0;
    push_half(d, bytes)?;
    bytes.extend(block.map(|value| ((value * inverse(d)).round() as i8).cast_unsigned()));
    Some(())
}

fn block_q4_0(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let quants = around_zero::<8>(block, bytes)?;
    push_nibbles(&quants, bytes);
    Some(())
}

fn block_q4_1(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let quants = above_minimum::<15>(block, bytes)?;
    push_nibbles(&quants, bytes);
    Some(())
}

fn block_q5_0(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let quants = around_zero::<16>(block, bytes)?;
    push_fifth_bits(&quants, bytes);
    push_nibbles(&quants, bytes);
    Some(())
}

fn block_q5_1(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<()> {
    let quants = above_minimum::<31>(block, bytes)?;
    push_fifth_bits(&quants, bytes);
    push_nibbles(&quants, bytes);
    Some(())
}

/// Scale and quants such that the value of the largest magnitude is the quant 0 (`-HALF`).
fn around_zero<const HALF: u8>(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<[u8; 32]> {
    let half = f32::from(HALF);
    let d = block[largest(block)] / -half;
    push_half(d, bytes)?;
    Some(block.map(|value| ((value * inverse(d) + (half + 0.5)) as u8).min(2 * HALF - 1)))
}

/// Scale, minimum and quants such that the smallest value is 0 and the largest is `MAX`.
fn above_minimum<const MAX: u8>(block: &[f32; 32], bytes: &mut Vec<u8>) -> Option<[u8; 32]> {
    let minimum = block.iter().copied().fold(f32::INFINITY, f32::min);
    let maximum = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let d = (maximum - minimum) / f32::from(MAX);
    push_half(d, bytes)?;
    push_half(minimum, bytes)?;
    Some(block.map(|value| (((value - minimum) * inverse(d) + 0.5) as u8).min(MAX)))
}

fn push_nibbles(quants: &[u8; 32], bytes: &mut Vec<u8>) {
    bytes.extend((0..16).map(|i| quants[i] & 15 | quants[i + 16] << 4));
}

fn push_fifth_bits(quants: &[u8; 32], bytes: &mut Vec<u8>) {
    let bits = (0..32).fold(0_u32, |bits, i| bits | u32::from(quants[i] >> 4) << i);
    bytes.extend(bits.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_come_back_and_what_lies_between_them_rounds_to_even() {
        for half in 0..0x7c00_u16 {
            let (value, next) = (f16_to_f32(half), f16_to_f32(half + 1));
            assert_eq!(f32_to_f16(value), half);
            assert_eq!(f32_to_f16(-value), half | 0x8000);
            if half < 0x7bff {
                let middle = value + (next - value) / 2.0;
                assert_eq!(
                    f32_to_f16(middle),
                    half + (half & 1),
                    "between {value} and {next}"
                );
                assert_eq!(f32_to_f16(middle.next_down()), half);
                assert_eq!(f32_to_f16(middle.next_up()), half + 1);
            }
        }
        assert_eq!(f32_to_f16(65519.996), 0x7bff);
        assert_eq!(f32_to_f16(65520.0), 0x7c00);
        assert_eq!(f32_to_f16(f32::MAX), 0x7c00);
        assert_eq!(f32_to_f16(f32::from_bits(0x7f80_0001)), 0x7c01);
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        let mut values = [1.0_f32; 64];
        values[40] = f32::NAN;
        let error = quantize(TensorType::Q4_0, &values);
        assert!(matches!(
            error,
            Err(Error::UnquantizableValue { index: 40, .. })
        ));
        values[40] = -1e8;
        for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q5_1] {
            let error = quantize(tensor_type, &values);
            assert!(matches!(
                error,
                Err(Error::UnquantizableValue { index: 40, .. })
            ));
        }
        assert!(matches!(
            quantize(TensorType::Iq4Xs, &[0.0; 256]),
            Err(Error::CannotQuantize { .. })
        ));
    }
}
