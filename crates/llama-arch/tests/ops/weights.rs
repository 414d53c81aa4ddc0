//! Weight matrices of every type, with their values.

use gguf::TensorType;
use llama_arch::backend::{MatrixPart, MatrixSource, RowKind};

use crate::cases::{Rng, sizes};

/// Every type that a backend must compute with.
pub(crate) fn types() -> Vec<TensorType> {
    let all = TensorType::ALL.iter().copied();
    all.filter(|tensor_type| tensor_type.can_dequantize())
        .collect()
}

/// Row lengths that a type can have: its multiples of one block at and around powers of two.
pub(crate) fn row_lens(tensor_type: TensorType, max_len: usize) -> Vec<usize> {
    let block = tensor_type.block_len();
    let max_power = (max_len / block).ilog2();
    sizes(max_power).into_iter().map(|n| n * block).collect()
}

/// A matrix as a backend takes it, and `[n_rows][row_len]` values as `gguf` decodes them.
pub(crate) struct Weights {
    pub(crate) source: MatrixSource,
    pub(crate) values: Vec<f32>,
}

impl Weights {
    /// Random weights; `parts` are types and rows, from top to bottom.
    pub(crate) fn new(rng: &mut Rng, parts: &[(TensorType, usize)], row_len: usize) -> Self {
        let mut source = MatrixSource {
            rows: RowKind::Single,
            row_len,
            parts: Vec::new(),
        };
        let mut values = Vec::new();
        for &(tensor_type, n_rows) in parts {
            let bytes = bytes(rng, tensor_type, n_rows, row_len);
            let mut part = vec![0.0; n_rows * row_len];
            gguf::dequantize(tensor_type, &bytes, &mut part).unwrap();
            values.append(&mut part);
            source.parts.push(MatrixPart {
                name: format!("part.{}.weight", source.parts.len()),
                tensor_type,
                n_rows,
                bytes: bytes.into(),
            });
        }
        assert!(values.iter().all(|value| value.is_finite()));
        Self { source, values }
    }
}

fn bytes(rng: &mut Rng, tensor_type: TensorType, n_rows: usize, row_len: usize) -> Vec<u8> {
    if tensor_type.can_quantize() {
        // Rows around different means, so that no two rows and no two columns are exchangeable.
        let row = |_| {
            let mean = rng.normal();
            let row = rng.normals(row_len);
            row.into_iter().map(move |value| mean + value)
        };
        let values: Vec<f32> = (0..n_rows).flat_map(row).collect();
        return gguf::quantize(tensor_type, &values).unwrap();
    }
    let n_bytes = n_rows * tensor_type.row_bytes(row_len).unwrap();
    let mut bytes: Vec<u8> = (0..n_bytes).map(|_| rng.next() as u8).collect();
    for block in bytes.chunks_exact_mut(tensor_type.block_bytes()) {
        for &(at, size) in scales(tensor_type) {
            let sign = if rng.below(4) == 0 { -1.0 } else { 1.0 };
            let scale = gguf::f32_to_f16((sign * size * rng.uniform(0.5, 1.5)) as f32);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    bytes
}

/// Where the f16 scales of a block stand, and what gives weights around 1.
fn scales(tensor_type: TensorType) -> &'static [(usize, f64)] {
    match tensor_type {
        TensorType::Q2K => &[(80, 0.06), (82, 0.06)],
        TensorType::Q3K => &[(108, 0.03)],
        TensorType::Q4K => &[(0, 0.004), (2, 0.02)],
        TensorType::Q5K => &[(0, 0.002), (2, 0.02)],
        TensorType::Q6K => &[(208, 0.001)],
        other => panic!("{other} blocks have no known scales"),
    }
}
