//! Rows of weights as f32: which function decodes a type on an instruction set.
//!
//! The functions are those of the `gguf` crate, so all give the same bits; here they are compiled
//! for more of the processor. F16 alone has an instruction that compilers do not find.

use gguf::TensorType;
use gguf::dequant as d;

use super::kernels::Isa;

/// Decodes whole blocks of a row.
pub(super) type RowDecoder = fn(&[u8], &mut [f32]);

/// The decoder of a type; `None` if there is none.
pub(super) fn row_decoder(isa: Isa, tensor_type: TensorType) -> Option<RowDecoder> {
    /// `$function`, built with AVX2 where there is AVX2. (AVX-512 builds are no faster, and some
    /// much slower.)
    macro_rules! decoder {
        ($function:expr) => {{
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2(bytes: &[u8], out: &mut [f32]) {
                $function(bytes, out);
            }
            match isa {
                Isa::Portable => Some($function),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: these instruction sets were found on this machine, and have AVX2.
                Isa::Avx2 | Isa::Avx512 => Some(|bytes, out| unsafe { avx2(bytes, out) }),
            }
        }};
    }
    match tensor_type {
        TensorType::F32 => decoder!(d::dequantize_row_f32),
        TensorType::F16 => f16_decoder(isa),
        TensorType::Bf16 => decoder!(d::dequantize_row_bf16),
        TensorType::Q8_0 => decoder!(d::dequantize_row_q8_0),
        TensorType::Q4_0 => decoder!(d::dequantize_row_q4_0),
        TensorType::Q4_1 => decoder!(d::dequantize_row_q4_1),
        TensorType::Q5_0 => decoder!(d::dequantize_row_q5_0),
        TensorType::Q5_1 => decoder!(d::dequantize_row_q5_1),
        TensorType::Q2K => decoder!(d::dequantize_row_q2_k),
        TensorType::Q3K => decoder!(d::dequantize_row_q3_k),
        TensorType::Q4K => decoder!(d::dequantize_row_q4_k),
        TensorType::Q5K => decoder!(d::dequantize_row_q5_k),
        TensorType::Q6K => decoder!(d::dequantize_row_q6_k),
        _ => None,
    }
}

fn f16_decoder(isa: Isa) -> Option<RowDecoder> {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,f16c")]
    fn f16c(bytes: &[u8], out: &mut [f32]) {
        use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
        let (chunks, rest) = bytes.as_chunks::<16>();
        let (outs, rest_out) = out.as_chunks_mut::<8>();
        for (chunk, out) in chunks.iter().zip(outs) {
            // SAFETY: 16 bytes are read and 8 floats written, at any alignment.
            unsafe {
                let halves = _mm_loadu_si128(chunk.as_ptr().cast());
                _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(halves));
            }
        }
        d::dequantize_row_f16(rest, rest_out);
    }
    match isa {
        Isa::Portable => Some(d::dequantize_row_f16),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: these instruction sets were found on this machine, with F16C.
        Isa::Avx2 | Isa::Avx512 => Some(|bytes, out| unsafe { f16c(bytes, out) }),
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
