//! Rows of weights as f32, for every type, inlined into the kernel that needs them.

use gguf::TensorType;
use gguf::dequant as row;

/// Decodes one row. Types that [`TensorType::can_dequantize`] denies were refused at load.
#[inline(always)]
pub(super) fn dequantize_row(tensor_type: TensorType, bytes: &[u8], out: &mut [f32]) {
    match tensor_type {
        TensorType::F32 => row::dequantize_row_f32(bytes, out),
        TensorType::F16 => row::dequantize_row_f16(bytes, out),
        TensorType::Bf16 => row::dequantize_row_bf16(bytes, out),
        TensorType::Q8_0 => row::dequantize_row_q8_0(bytes, out),
        TensorType::Q4_0 => row::dequantize_row_q4_0(bytes, out),
        TensorType::Q4_1 => row::dequantize_row_q4_1(bytes, out),
        TensorType::Q5_0 => row::dequantize_row_q5_0(bytes, out),
        TensorType::Q5_1 => row::dequantize_row_q5_1(bytes, out),
        TensorType::Q2K => row::dequantize_row_q2_k(bytes, out),
        TensorType::Q3K => row::dequantize_row_q3_k(bytes, out),
        TensorType::Q4K => row::dequantize_row_q4_k(bytes, out),
        TensorType::Q5K => row::dequantize_row_q5_k(bytes, out),
        TensorType::Q6K => row::dequantize_row_q6_k(bytes, out),
        _ => debug_assert!(false, "{tensor_type} rows cannot be decoded"),
    }
}
