//! Rows of weights as f32: which function decodes a type on an instruction set.
//!
//! All decoders of a type give the same bits, those of the `gguf` crate.

#[cfg(target_arch = "x86_64")]
mod x86;

use gguf::TensorType;
use gguf::dequant;

use super::kernels::Isa;

/// Decodes whole blocks of a row.
pub(super) type RowDecoder = fn(&[u8], &mut [f32]);

/// The decoder of a type; `None` if there is none.
pub(super) fn row_decoder(isa: Isa, tensor_type: TensorType) -> Option<RowDecoder> {
    #[cfg(target_arch = "x86_64")]
    if isa != Isa::Portable
        && let Some(decoder) = x86::row_decoder(tensor_type)
    {
        return Some(decoder);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = isa;
    match tensor_type {
        TensorType::F32 => Some(dequant::dequantize_row_f32),
        TensorType::F16 => Some(dequant::dequantize_row_f16),
        TensorType::Bf16 => Some(dequant::dequantize_row_bf16),
        TensorType::Q8_0 => Some(dequant::dequantize_row_q8_0),
        TensorType::Q4_0 => Some(dequant::dequantize_row_q4_0),
        TensorType::Q4_1 => Some(dequant::dequantize_row_q4_1),
        TensorType::Q5_0 => Some(dequant::dequantize_row_q5_0),
        TensorType::Q5_1 => Some(dequant::dequantize_row_q5_1),
        TensorType::Q2K => Some(dequant::dequantize_row_q2_k),
        TensorType::Q3K => Some(dequant::dequantize_row_q3_k),
        TensorType::Q4K => Some(dequant::dequantize_row_q4_k),
        TensorType::Q5K => Some(dequant::dequantize_row_q5_k),
        TensorType::Q6K => Some(dequant::dequantize_row_q6_k),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks of every type, on every instruction set, against the reference decoder.
    #[test]
    fn every_decoder_gives_the_reference_bits() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        for id in 0..64 {
            let Some(tensor_type) = TensorType::from_id(id) else {
                continue;
            };
            let decoders = Isa::available()
                .into_iter()
                .map(|isa| row_decoder(isa, tensor_type));
            for decoder in decoders {
                assert_eq!(
                    decoder.is_some(),
                    tensor_type.can_dequantize(),
                    "{tensor_type}"
                );
                let Some(decoder) = decoder else { continue };
                for n_blocks in [1, 2, 63] {
                    let n = n_blocks * tensor_type.block_len();
                    let n_bytes = n_blocks * tensor_type.block_bytes();
                    let bytes: Vec<u8> = (0..n_bytes).map(|_| random()).collect();
                    let (mut reference, mut decoded) = (vec![0.0; n], vec![f32::NAN; n]);
                    gguf::dequantize(tensor_type, &bytes, &mut reference).unwrap();
                    decoder(&bytes, &mut decoded);
                    for (i, (a, b)) in reference.iter().zip(&decoded).enumerate() {
                        // A random scale may be a NaN, whose payload is nobody's promise.
                        let equal = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                        assert!(equal, "{tensor_type}, element {i}: {a} and {b}");
                    }
                }
            }
        }
    }
}
