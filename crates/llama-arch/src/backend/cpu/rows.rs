//! Rows of weights: which functions decode and multiply a type on an instruction set.
//!
//! Types without a [`Format`] are decoded by the functions of the `gguf` crate, compiled for more
//! of the processor.

use gguf::TensorType;
use gguf::dequant as d;

use super::formats::{self, Format};
use super::integer::IntegerKernels;
use super::kernels::Isa;
use super::matmul::RowTask;

/// Decodes whole blocks of a row.
pub(super) type RowDecoder = fn(&[u8], &mut [f32]);

/// What there is for a type on an instruction set.
#[derive(Clone, Copy)]
pub(super) struct RowKernels {
    /// Decodes rows to memory.
    pub(super) decode: RowDecoder,
    /// Multiplies rows with a few rows of activations.
    pub(super) packed: Option<fn(&RowTask<'_>)>,
    /// Multiplies rows with rounded activations.
    pub(super) integer: Option<IntegerKernels>,
}

/// The functions of format `F` over a register, built for its instruction set.
macro_rules! build {
    ($vector:ty, $features:literal) => {{
        #[target_feature(enable = $features)]
        fn decode<F: Format>(bytes: &[u8], out: &mut [f32]) {
            // SAFETY: the register's instruction set is enabled.
            unsafe { formats::decode_row::<$vector, F>(bytes, out) }
        }
        #[target_feature(enable = $features)]
        fn packed<F: Format>(task: &RowTask<'_>) {
            // SAFETY: as above.
            unsafe { super::packed::run_packed::<$vector, F>(task) }
        }
        RowKernels {
            // SAFETY: `Isa::detect` and `Isa::available` name only what this machine has.
            decode: |bytes, out| unsafe { decode::<F>(bytes, out) },
            // SAFETY: as above.
            packed: Some(|task| unsafe { packed::<F>(task) }),
            integer: None,
        }
    }};
}

/// A decoder of the `gguf` crate, built with AVX2 where there is such a thing. (AVX-512 builds are
/// no faster, and some much slower.)
macro_rules! decoder {
    ($isa:expr, $function:expr) => {{
        let decode: RowDecoder = match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2(bytes: &[u8], out: &mut [f32]) {
                    $function(bytes, out);
                }
                // SAFETY: these instruction sets were found on this machine, and have AVX2.
                |bytes, out| unsafe { avx2(bytes, out) }
            }
            _ => $function,
        };
        RowKernels {
            decode,
            packed: None,
            integer: None,
        }
    }};
}

/// The functions for rows of `row_len` values; `None` if the type cannot be computed with.
pub(super) fn row_kernels(isa: Isa, tensor_type: TensorType, row_len: usize) -> Option<RowKernels> {
    let kernels = match tensor_type {
        TensorType::F32 => format_kernels::<formats::F32>(isa, row_len),
        TensorType::F16 => format_kernels::<formats::F16>(isa, row_len),
        TensorType::Bf16 => format_kernels::<formats::Bf16>(isa, row_len),
        TensorType::Q8_0 => format_kernels::<formats::Q8_0>(isa, row_len),
        TensorType::Q4_0 => format_kernels::<formats::Q4_0>(isa, row_len),
        TensorType::Q4_1 => format_kernels::<formats::Q4_1>(isa, row_len),
        TensorType::Q5_0 => format_kernels::<formats::Q5_0>(isa, row_len),
        TensorType::Q5_1 => format_kernels::<formats::Q5_1>(isa, row_len),
        TensorType::Q4K => format_kernels::<formats::Q4K>(isa, row_len),
        TensorType::Q5K => format_kernels::<formats::Q5K>(isa, row_len),
        TensorType::Q6K => format_kernels::<formats::Q6K>(isa, row_len),
        TensorType::Q2K => decoder!(isa, d::dequantize_row_q2_k),
        TensorType::Q3K => decoder!(isa, d::dequantize_row_q3_k),
        _ => return None,
    };
    Some(kernels)
}

/// The functions of a format.
fn format_kernels<F: Format>(isa: Isa, row_len: usize) -> RowKernels {
    let kernels = match isa {
        Isa::Portable => RowKernels {
            decode: F::DECODE,
            packed: None,
            integer: None,
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => build!(std::arch::x86_64::__m256, "avx2,fma,f16c"),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => build!(
            std::arch::x86_64::__m512,
            "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
        ),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => build!(std::arch::aarch64::float32x4x2_t, "neon"),
    };
    let whole = row_len.is_multiple_of(F::WEIGHTS);
    RowKernels {
        packed: kernels.packed.filter(|_| whole),
        ..kernels
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

    /// All of them: subnormal, zero and infinite ones have bits too.
    #[test]
    fn every_number_of_sixteen_bits_has_its_own_bits() {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for tensor_type in [TensorType::F16, TensorType::Bf16] {
            let mut reference = vec![0.0; 1 << 16];
            gguf::dequantize(tensor_type, &bytes, &mut reference).unwrap();
            for isa in Isa::available() {
                let mut decoded = vec![0.0; 1 << 16];
                (row_kernels(isa, tensor_type, 1 << 16).unwrap().decode)(&bytes, &mut decoded);
                for (a, b) in reference.iter().zip(&decoded) {
                    let equal = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                    assert!(equal, "{tensor_type}, {isa:?}: {a:e} and {b:e}");
                }
            }
        }
    }
}
