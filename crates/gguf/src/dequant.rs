//! From stored blocks to f32, bit for bit what ggml computes.
//!
//! Each `dequantize_row_*` decodes whole blocks and ignores what is left over in the longer of its
//! two slices. All are `#[inline(always)]` loops over arrays of fixed size, without a branch or a
//! run-time feature check inside: called from a function with
//! `#[target_feature(enable = "avx2")]` they compile to that function's instructions.

#![allow(
    clippy::needless_range_loop,
    reason = "loops over fixed arrays vectorise as written, and read as the formulas"
)]

mod k_quants;
mod simple;

pub use k_quants::{
    dequantize_row_q2_k, dequantize_row_q3_k, dequantize_row_q4_k, dequantize_row_q5_k,
    dequantize_row_q6_k,
};
pub use simple::{
    dequantize_row_bf16, dequantize_row_f16, dequantize_row_f32, dequantize_row_q4_0,
    dequantize_row_q4_1, dequantize_row_q5_0, dequantize_row_q5_1, dequantize_row_q8_0,
};

use crate::block::TensorType;
use crate::error::Error;

/// Decodes whole blocks. `bytes` and `out` must hold the same number of them.
pub fn dequantize(tensor_type: TensorType, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
    let row: fn(&[u8], &mut [f32]) = match tensor_type {
        TensorType::F32 => dequantize_row_f32,
        TensorType::F16 => dequantize_row_f16,
        TensorType::Bf16 => dequantize_row_bf16,
        TensorType::Q8_0 => dequantize_row_q8_0,
        TensorType::Q4_0 => dequantize_row_q4_0,
        TensorType::Q4_1 => dequantize_row_q4_1,
        TensorType::Q5_0 => dequantize_row_q5_0,
        TensorType::Q5_1 => dequantize_row_q5_1,
        TensorType::Q2K => dequantize_row_q2_k,
        TensorType::Q3K => dequantize_row_q3_k,
        TensorType::Q4K => dequantize_row_q4_k,
        TensorType::Q5K => dequantize_row_q5_k,
        TensorType::Q6K => dequantize_row_q6_k,
        _ => return Err(Error::CannotDequantize { tensor_type }),
    };
    let expected = tensor_type.row_bytes(out.len())?;
    if bytes.len() != expected {
        return Err(Error::SizeMismatch {
            what: format!("the {tensor_type} buffer"),
            found: bytes.len() as u64,
            expected: expected as u64,
        });
    }
    row(bytes, out);
    Ok(())
}

/// A half-precision number as f32, exactly; the payload of a NaN is kept.
#[inline(always)]
pub fn f16_to_f32(half: u16) -> f32 {
    const EXPONENT: u32 = 0x0f80_0000;
    let sign = u32::from(half & 0x8000) << 16;
    // Exponent and mantissa at their place in an f32, with the exponent still biased by 15.
    let shifted = u32::from(half & 0x7fff) << 13;
    let normal = shifted + ((127 - 15) << 23);
    // Inf and NaN: the other half of the way to an exponent of 255.
    let special = normal + ((127 - 15) << 23);
    // Zero and subnormals: as the mantissa of 2^-14, from which 2^-14 is then taken.
    let tiny = f32::from_bits(normal + (1 << 23)) - f32::from_bits((127 - 14) << 23);
    let magnitude = match shifted & EXPONENT {
        EXPONENT => special,
        0 => tiny.to_bits(),
        _ => normal,
    };
    f32::from_bits(sign | magnitude)
}

/// The f16 in two bytes of a block, as f32.
#[inline(always)]
fn half_at(low: u8, high: u8) -> f32 {
    f16_to_f32(u16::from_le_bytes([low, high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_by_its_definition() {
        for half in (0..=u16::MAX).step_by(if cfg!(miri) { 257 } else { 1 }) {
            let (exponent, mantissa) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
            let magnitude = match exponent {
                0x1f if mantissa == 0.0 => f64::INFINITY,
                0x1f => f64::NAN,
                0 => mantissa * 2_f64.powi(-24),
                _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
            };
            let expected = if half & 0x8000 == 0 {
                magnitude
            } else {
                -magnitude
            } as f32;
            let found = f16_to_f32(half);
            if expected.is_nan() {
                let payload = u32::from(half & 0x8000) << 16 | u32::from(half & 0x3ff) << 13;
                assert_eq!(found.to_bits(), payload | 0x7f80_0000, "{half:#06x}");
            } else {
                assert_eq!(found.to_bits(), expected.to_bits(), "{half:#06x}");
            }
        }
    }

    #[test]
    fn buffers_that_do_not_match_are_refused() {
        let mut out = [0.0; 64];
        let wrong = dequantize(TensorType::Q8_0, &[0; 67], &mut out);
        assert!(matches!(
            wrong,
            Err(Error::SizeMismatch {
                found: 67,
                expected: 68,
                ..
            })
        ));
        let wrong = dequantize(TensorType::Q8_0, &[0; 34], &mut out[..33]);
        assert!(matches!(wrong, Err(Error::BlockMisaligned { .. })));
        let wrong = dequantize(TensorType::Iq4Xs, &[0; 136], &mut [0.0; 256]);
        assert!(matches!(wrong, Err(Error::CannotDequantize { .. })));
    }
}
