//! Decoding and encoding, bit for bit against vectors of the reference implementation. How they
//! are made stands in `vectors/make_vectors.py`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use gguf::{TensorType, dequantize, quantize};

/// A vector file, taken apart from the front.
struct Vectors {
    bytes: Vec<u8>,
    at: usize,
}

impl Vectors {
    fn open(folder: &str, tensor_type: TensorType) -> Vectors {
        let here = env!("CARGO_MANIFEST_DIR");
        let path = format!("{here}/tests/vectors/{folder}/{tensor_type}.bin");
        Vectors {
            bytes: std::fs::read(path).unwrap(),
            at: 0,
        }
    }

    fn take(&mut self, len: usize) -> &[u8] {
        self.at += len;
        &self.bytes[self.at - len..self.at]
    }

    fn u32(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        let bytes = self.take(count * 4);
        bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    }
}

/// Where the f16 scales of a block stand, and how many there are.
fn scales_of(tensor_type: TensorType) -> (usize, usize) {
    match tensor_type {
        TensorType::Q8_0 | TensorType::Q4_0 | TensorType::Q5_0 => (0, 1),
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4K | TensorType::Q5K => (0, 2),
        TensorType::Q2K => (80, 2),
        TensorType::Q3K => (108, 1),
        TensorType::Q6K => (208, 1),
        _ => (0, 0),
    }
}

/// The blocks that `pattern_blocks` in the script makes.
fn pattern_blocks(tensor_type: TensorType) -> Vec<u8> {
    let (at, n_scales) = scales_of(tensor_type);
    let block = |b: usize| {
        let mut block: Vec<u8> = (0..tensor_type.block_bytes())
            .map(|i| (b + i) as u8)
            .collect();
        for scale in 0..n_scales {
            let half = (0x2000 + 17 * b + scale) as u16;
            block[at + 2 * scale..][..2].copy_from_slice(&half.to_le_bytes());
        }
        block
    };
    (0..256).flat_map(block).collect()
}

fn fingerprint(values: &[f32]) -> u64 {
    values.iter().fold(0xcbf2_9ce4_8422_2325, |state, value| {
        (state ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn decoding_agrees_bit_for_bit() {
    let types = TensorType::ALL
        .iter()
        .filter(|tensor_type| tensor_type.can_dequantize());
    assert_eq!(types.clone().count(), 13);
    for &tensor_type in types {
        let mut vectors = Vectors::open("dequantize", tensor_type);
        let n_blocks = vectors.u32();
        let blocks = vectors.take(n_blocks * tensor_type.block_bytes()).to_vec();
        let expected = vectors.floats(n_blocks * tensor_type.block_len());
        let expected_print = u64::from_le_bytes(vectors.take(8).try_into().unwrap());
        assert_eq!(vectors.at, vectors.bytes.len());

        let mut found = vec![0.0; expected.len()];
        dequantize(tensor_type, &blocks, &mut found).unwrap();
        // Plain floats keep even the payload of a NaN; what is computed with one is just a NaN.
        let keeps_payload = tensor_type.block_len() == 1;
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let same = found.to_bits() == expected.to_bits()
                || (!keeps_payload && found.is_nan() && expected.is_nan());
            assert!(
                same,
                "{tensor_type} element {at}: {found:e}, expected {expected:e}"
            );
        }

        let mut found = vec![0.0; 256 * tensor_type.block_len()];
        dequantize(tensor_type, &pattern_blocks(tensor_type), &mut found).unwrap();
        assert_eq!(
            fingerprint(&found),
            expected_print,
            "{tensor_type} patterns"
        );
    }
}

#[test]
fn encoding_agrees_bit_for_bit() {
    // The K types leave the choice of scales open: `tests/quality.rs`.
    let types = TensorType::ALL
        .iter()
        .filter(|tensor_type| tensor_type.can_quantize() && tensor_type.block_len() < 256);
    assert_eq!(types.clone().count(), 8);
    for &tensor_type in types {
        let mut vectors = Vectors::open("quantize", tensor_type);
        let n_values = vectors.u32();
        let values = vectors.floats(n_values);
        let expected = vectors
            .take(tensor_type.row_bytes(n_values).unwrap())
            .to_vec();
        assert_eq!(vectors.at, vectors.bytes.len());

        let found = quantize(tensor_type, &values).unwrap();
        let (len, size) = (tensor_type.block_len(), tensor_type.block_bytes());
        for (at, found) in found.chunks_exact(size).enumerate() {
            let values = &values[at * len..][..len];
            let expected = &expected[at * size..][..size];
            assert_eq!(found, expected, "{tensor_type} block {at} of {values:?}");
        }
        assert_eq!(found.len(), expected.len());
    }
}
