//! Which functions multiply a type's integers on an instruction set.

use std::arch::x86_64::{__m256i, __m512i};

use gguf::TensorType;

use super::super::kernels::Isa;
use super::super::matmul::RowTask;
use super::activations::{ActivationBlock, Activations};
use super::formats::{self, IntegerFormat};
use super::many::{Panel, PanelKernels};
use super::{IntegerKernels, PANEL, few, many};

/// The functions of format `F` over a register, built for its instruction set; panels are
/// multiplied with so many activation rows side by side.
macro_rules! build {
    ($words:ty, $tile:literal, $features:literal) => {{
        #[target_feature(enable = $features)]
        fn few<F: IntegerFormat>(task: &RowTask<'_>, x: &Activations) {
            // SAFETY: the register's instruction set is enabled.
            unsafe { few::run::<$words, F>(task, x) }
        }
        #[target_feature(enable = $features)]
        unsafe fn unpack<F: IntegerFormat>(
            rows: &[*const u8; PANEL],
            place: (usize, usize),
            panel: &mut Panel,
        ) {
            // SAFETY: as above; the pointers are the caller's promise.
            unsafe { many::unpack::<$words, F>(rows, place, panel) }
        }
        #[target_feature(enable = $features)]
        fn multiply<const RUNS: usize, const MINIMA: bool>(
            panel: &Panel,
            x: &[ActivationBlock],
            sums: &mut [[f32; PANEL]],
        ) {
            // SAFETY: as above.
            unsafe { many::multiply::<$words, $tile>(panel, (RUNS, MINIMA), x, sums) }
        }
        IntegerKernels {
            few: |task, x| {
                check::<F>(task);
                // SAFETY: `integer_kernels` chooses what this machine has.
                unsafe { few::<F>(task, x) };
            },
            many: |task, x, scratch| {
                check::<F>(task);
                let kernels = PanelKernels {
                    unpack: unpack::<F>,
                    multiply: match (F::SCALED, F::MINIMA) {
                        (true, true) => multiply::<4, true>,
                        (true, false) => multiply::<4, false>,
                        (false, true) => multiply::<1, true>,
                        (false, false) => multiply::<1, false>,
                    },
                };
                // SAFETY: as above.
                unsafe { many::run(task, x, scratch, kernels) };
            },
        }
    }};
}

/// Rows are whole blocks, as many as they have channels: the kernels read by pointers.
fn check<F: IntegerFormat>(task: &RowTask<'_>) {
    assert_eq!(task.row_len % F::WEIGHTS, 0);
    assert_eq!(task.row_bytes, task.row_len / F::WEIGHTS * F::BYTES);
    assert_eq!(task.bytes.len() % task.row_bytes, 0);
}

/// The functions for a type; `None` if there are none.
pub(in crate::backend::cpu) fn integer_kernels(
    isa: Isa,
    tensor_type: TensorType,
) -> Option<IntegerKernels> {
    let kernels = match tensor_type {
        TensorType::Q8_0 => format_kernels::<formats::Q8_0>,
        TensorType::Q4_0 => format_kernels::<formats::Q4_0>,
        TensorType::Q4_1 => format_kernels::<formats::Q4_1>,
        TensorType::Q5_0 => format_kernels::<formats::Q5_0>,
        TensorType::Q5_1 => format_kernels::<formats::Q5_1>,
        TensorType::Q4K => format_kernels::<formats::Q4K>,
        TensorType::Q5K => format_kernels::<formats::Q5K>,
        TensorType::Q6K => format_kernels::<formats::Q6K>,
        _ => return None,
    };
    kernels(isa)
}

/// The functions of a format.
fn format_kernels<F: IntegerFormat>(isa: Isa) -> Option<IntegerKernels> {
    let kernels = match isa {
        Isa::Portable => return None,
        Isa::Avx512 if is_x86_feature_detected!("avx512vnni") => build!(
            __m512i,
            6,
            "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"
        ),
        Isa::Avx2 | Isa::Avx512 => build!(__m256i, 4, "avx2,fma,f16c"),
    };
    Some(kernels)
}
