//! Rows of weights: which functions decode and multiply a type on an instruction set.
//!
//! Types without a [`Format`] are decoded by the functions of the `gguf` crate, compiled for more
//! of the processor.

use gguf::TensorType;
use gguf::dequant as d;

#[cfg(target_arch = "x86_64")]
use super::formats::{self, decode_row};
use super::kernels::Isa;
use super::matmul::RowTask;
#[cfg(target_arch = "x86_64")]
use super::packed::run_packed;

/// Decodes whole blocks of a row.
pub(super) type RowDecoder = fn(&[u8], &mut [f32]);

/// What there is for a type on an instruction set.
#[derive(Clone, Copy)]
pub(super) struct RowKernels {
    /// Decodes rows to memory.
    pub(super) decode: RowDecoder,
    /// Multiplies rows with a few rows of activations.
    pub(super) packed: Option<fn(&RowTask<'_>)>,
}

/// The functions for rows of `row_len` values; `None` if the type cannot be computed with.
pub(super) fn row_kernels(isa: Isa, tensor_type: TensorType, row_len: usize) -> Option<RowKernels> {
    let portable = portable_decoder(tensor_type)?;
    match isa {
        Isa::Portable => Some(RowKernels {
            decode: portable,
            packed: None,
        }),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => x86_kernels(isa, tensor_type, row_len),
    }
}

fn portable_decoder(tensor_type: TensorType) -> Option<RowDecoder> {
    match tensor_type {
        TensorType::F32 => Some(d::dequantize_row_f32),
        TensorType::F16 => Some(d::dequantize_row_f16),
        TensorType::Bf16 => Some(d::dequantize_row_bf16),
        TensorType::Q8_0 => Some(d::dequantize_row_q8_0),
        TensorType::Q4_0 => Some(d::dequantize_row_q4_0),
        TensorType::Q4_1 => Some(d::dequantize_row_q4_1),
        TensorType::Q5_0 => Some(d::dequantize_row_q5_0),
        TensorType::Q5_1 => Some(d::dequantize_row_q5_1),
        TensorType::Q2K => Some(d::dequantize_row_q2_k),
        TensorType::Q3K => Some(d::dequantize_row_q3_k),
        TensorType::Q4K => Some(d::dequantize_row_q4_k),
        TensorType::Q5K => Some(d::dequantize_row_q5_k),
        TensorType::Q6K => Some(d::dequantize_row_q6_k),
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn x86_kernels(isa: Isa, tensor_type: TensorType, row_len: usize) -> Option<RowKernels> {
    use std::arch::x86_64::{__m256, __m512};

    /// Both functions of a format, for both instruction sets.
    macro_rules! format {
        ($format:ty, $rest:expr) => {{
            #[target_feature(enable = "avx2,fma,f16c")]
            fn decode_avx2(bytes: &[u8], out: &mut [f32]) {
                // SAFETY: AVX2, FMA and F16C are there.
                unsafe { decode_row::<__m256, $format>(bytes, out, $rest) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn decode_avx512(bytes: &[u8], out: &mut [f32]) {
                // SAFETY: AVX-512 is there.
                unsafe { decode_row::<__m512, $format>(bytes, out, $rest) }
            }
            #[target_feature(enable = "avx2,fma,f16c")]
            fn packed_avx2(task: &RowTask<'_>) {
                // SAFETY: AVX2, FMA and F16C are there.
                unsafe { run_packed::<__m256, $format>(task) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn packed_avx512(task: &RowTask<'_>) {
                // SAFETY: AVX-512 is there.
                unsafe { run_packed::<__m512, $format>(task) }
            }
            let whole = row_len.is_multiple_of(<$format as formats::Format>::WEIGHTS);
            // SAFETY, all four: `Isa::detect` and `Isa::available` name only what this machine has.
            let kernels = if isa == Isa::Avx512 {
                RowKernels {
                    // SAFETY: as above.
                    decode: |bytes, out| unsafe { decode_avx512(bytes, out) },
                    // SAFETY: as above.
                    packed: Some(|task| unsafe { packed_avx512(task) }),
                }
            } else {
                RowKernels {
                    // SAFETY: as above.
                    decode: |bytes, out| unsafe { decode_avx2(bytes, out) },
                    // SAFETY: as above.
                    packed: Some(|task| unsafe { packed_avx2(task) }),
                }
            };
            let packed = kernels.packed.filter(|_| whole);
            Some(RowKernels { packed, ..kernels })
        }};
    }
    /// A decoder of the `gguf` crate, built with AVX2. (AVX-512 builds are no faster, and some
    /// much slower.)
    macro_rules! decoder {
        ($function:expr) => {{
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2(bytes: &[u8], out: &mut [f32]) {
                $function(bytes, out);
            }
            Some(RowKernels {
                // SAFETY: these instruction sets were found on this machine, and have AVX2.
                decode: |bytes, out| unsafe { avx2(bytes, out) },
                packed: None,
            })
        }};
    }
    match tensor_type {
        TensorType::F32 => format!(formats::F32, d::dequantize_row_f32),
        TensorType::F16 => format!(formats::F16, d::dequantize_row_f16),
        TensorType::Bf16 => format!(formats::Bf16, d::dequantize_row_bf16),
        TensorType::Q8_0 => format!(formats::Q8_0, d::dequantize_row_q8_0),
        TensorType::Q4_0 => format!(formats::Q4_0, d::dequantize_row_q4_0),
        TensorType::Q4_1 => format!(formats::Q4_1, d::dequantize_row_q4_1),
        TensorType::Q5_0 => format!(formats::Q5_0, d::dequantize_row_q5_0),
        TensorType::Q5_1 => format!(formats::Q5_1, d::dequantize_row_q5_1),
        TensorType::Q4K => format!(formats::Q4K, d::dequantize_row_q4_k),
        TensorType::Q5K => format!(formats::Q5K, d::dequantize_row_q5_k),
        TensorType::Q6K => format!(formats::Q6K, d::dequantize_row_q6_k),
        TensorType::Q2K => decoder!(d::dequantize_row_q2_k),
        TensorType::Q3K => decoder!(d::dequantize_row_q3_k),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random blocks of every type, on every instruction set, against the reference decoder.
    #[test]
    fn every_decoder_gives_the_reference_values() {
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
                .map(|isa| row_kernels(isa, tensor_type, 0).map(|kernels| kernels.decode));
            for decoder in decoders {
                assert_eq!(
                    decoder.is_some(),
                    tensor_type.can_dequantize(),
                    "{tensor_type}"
                );
                let Some(decoder) = decoder else { continue };
                for n_blocks in [1, 2, if cfg!(miri) { 3 } else { 63 }] {
                    let n = n_blocks * tensor_type.block_len();
                    let n_bytes = n_blocks * tensor_type.block_bytes();
                    let bytes: Vec<u8> = (0..n_bytes).map(|_| random()).collect();
                    let (mut reference, mut decoded) = (vec![0.0; n], vec![f32::NAN; n]);
                    gguf::dequantize(tensor_type, &bytes, &mut reference).unwrap();
                    decoder(&bytes, &mut decoded);
                    for (i, (a, b)) in reference.iter().zip(&decoded).enumerate() {
                        // A random scale may be a NaN, whose payload is nobody's promise, or an
                        // infinity, of which products and sums make different things. The sign
                        // of a zero is lost in any sum.
                        let equal = a == b || !a.is_finite() && !b.is_finite();
                        assert!(equal, "{tensor_type}, element {i}: {a} and {b}");
                    }
                }
            }
        }
    }
}
