//! Whatever is written is read back the same, and written again as the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;

use gguf::{GgufFile, MetadataValue, TensorType, Value, Writer, quantize};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = MetadataValue> {
    let numbers = prop_oneof![
        any::<u8>().prop_map(MetadataValue::from),
        any::<i8>().prop_map(MetadataValue::from),
        any::<u16>().prop_map(MetadataValue::from),
        any::<i16>().prop_map(MetadataValue::from),
        any::<u32>().prop_map(MetadataValue::from),
        any::<i32>().prop_map(MetadataValue::from),
        any::<f32>().prop_map(MetadataValue::from),
        any::<bool>().prop_map(MetadataValue::from),
        any::<u64>().prop_map(MetadataValue::from),
        any::<i64>().prop_map(MetadataValue::from),
        any::<f64>().prop_map(MetadataValue::from),
        any::<String>().prop_map(MetadataValue::from),
    ];
    let arrays = prop_oneof![
        any::<Vec<u8>>().prop_map(MetadataValue::from),
        any::<Vec<i8>>().prop_map(MetadataValue::from),
        any::<Vec<u16>>().prop_map(MetadataValue::from),
        any::<Vec<i16>>().prop_map(MetadataValue::from),
        any::<Vec<u32>>().prop_map(MetadataValue::from),
        any::<Vec<i32>>().prop_map(MetadataValue::from),
        any::<Vec<f32>>().prop_map(MetadataValue::from),
        any::<Vec<bool>>().prop_map(MetadataValue::from),
        any::<Vec<u64>>().prop_map(MetadataValue::from),
        any::<Vec<i64>>().prop_map(MetadataValue::from),
        any::<Vec<f64>>().prop_map(MetadataValue::from),
        any::<Vec<String>>().prop_map(MetadataValue::from),
    ];
    prop_oneof![numbers, arrays]
}

fn metadata() -> impl Strategy<Value = BTreeMap<String, MetadataValue>> {
    prop::collection::btree_map("[^\0]{1,20}", value(), 0..12)
}

/// A tensor of any type: its shape, and a byte to fill it from.
fn tensor() -> impl Strategy<Value = (TensorType, Vec<u64>, u8)> {
    let dims = prop::collection::vec(1_u64..4, 1..=4);
    (prop::sample::select(TensorType::ALL), dims, any::<u8>()).prop_map(|(kind, mut dims, seed)| {
        dims[0] *= kind.block_len() as u64;
        (kind, dims, seed)
    })
}

fn data_of((kind, dims, seed): &(TensorType, Vec<u64>, u8)) -> Vec<u8> {
    let elements = dims.iter().product::<u64>() as usize;
    let len = elements / kind.block_len() * kind.block_bytes();
    (0..len)
        .map(|i| seed.wrapping_add((i % 251) as u8))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(256)
    })]

    #[test]
    fn what_is_written_is_read(
        metadata in metadata(),
        tensors in prop::collection::btree_map("[^\0]{1,16}", tensor(), 0..8),
        alignment in prop::sample::select(vec![8_u32, 16, 32, 64, 4096]),
    ) {
        let mut writer = Writer::new();
        writer.alignment(alignment);
        for (key, value) in &metadata {
            writer.metadata(key, value.clone());
        }
        for (name, tensor) in &tensors {
            writer.tensor(name, &tensor.1, tensor.0, data_of(tensor));
        }
        let bytes = writer.to_bytes().unwrap();
        let file = GgufFile::from_bytes(bytes.clone()).unwrap();

        prop_assert!(file.warnings().is_empty());
        prop_assert_eq!(file.file_bytes(), bytes.len() as u64);
        let keys: Vec<&str> = file.metadata().keys().collect();
        prop_assert_eq!(keys[0], "general.alignment");
        prop_assert!(keys[1..].iter().eq(metadata.keys()));
        for (key, expected) in &metadata {
            let found = MetadataValue::from(file.metadata().value(key).unwrap());
            prop_assert_eq!(found.value_type(), expected.value_type());
            // By their text, in which a NaN is like another.
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        }
        prop_assert_eq!(file.n_tensors(), tensors.len());
        for (found, (name, expected)) in file.tensors().zip(&tensors) {
            prop_assert_eq!(found.name(), name);
            prop_assert_eq!(found.dims(), &expected.1[..]);
            prop_assert_eq!(found.tensor_type(), expected.0);
            prop_assert_eq!(found.bytes(), data_of(expected));
            prop_assert_eq!(file.tensor(name).unwrap().bytes(), found.bytes());
            prop_assert_eq!(found.row_len() * found.n_rows(), found.n_elements());
            let start = found.bytes().as_ptr() as usize - file_start(&file);
            prop_assert_eq!(start % alignment as usize, 0);
        }
        prop_assert_eq!(Writer::from_file(&file).to_bytes().unwrap(), bytes);
    }

    #[test]
    fn what_is_encoded_decodes_to_about_the_same(
        values in prop::collection::vec(-100.0_f32..100.0, 64),
    ) {
        let errors = [
            (TensorType::F32, 0.0),
            (TensorType::F16, 1.0 / 2048.0),
            (TensorType::Bf16, 1.0 / 256.0),
            (TensorType::Q8_0, 1.0 / 200.0),
            (TensorType::Q5_1, 1.0 / 14.0),
            (TensorType::Q5_0, 1.0 / 14.0),
            (TensorType::Q4_1, 1.0 / 7.0),
            (TensorType::Q4_0, 1.0 / 7.0),
        ];
        for (tensor_type, relative) in errors {
            let bytes = quantize(tensor_type, &values).unwrap();
            let mut decoded = vec![0.0; 64];
            gguf::dequantize(tensor_type, &bytes, &mut decoded).unwrap();
            for (block, found) in values.chunks(32).zip(decoded.chunks(32)) {
                let largest = block.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (value, found) in block.iter().zip(found) {
                    let error = (value - found).abs();
                    prop_assert!(error <= largest * relative, "{tensor_type}: {value} as {found}");
                }
            }
        }
    }
}

/// Where the file begins in memory, found through its first key.
fn file_start(file: &GgufFile) -> usize {
    // Magic, version, two counts and the length of the key.
    file.metadata().keys().next().unwrap().as_ptr() as usize - (4 + 4 + 8 + 8 + 8)
}

#[test]
fn tensors_decode_to_what_was_stored() {
    let values = [1.5_f32, -0.25];
    let mut writer = Writer::new();
    for kind in [TensorType::F32, TensorType::Bf16] {
        let bytes = quantize(kind, &values).unwrap();
        writer.tensor(kind.name(), &[2], kind, bytes);
    }
    let file = GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap();
    for tensor in file.tensors() {
        assert_eq!(tensor.to_f32().unwrap(), values, "{tensor:?}");
    }
}

#[test]
fn the_longest_string_that_is_read_can_be_written() {
    let written = |len: usize| Writer::new().metadata("k", "x".repeat(len)).to_bytes();
    let bytes = written(16 << 20).unwrap();
    let file = GgufFile::from_bytes(bytes).unwrap();
    assert_eq!(file.metadata().str("k").unwrap().len(), 16 << 20);
    assert!(written((16 << 20) + 1).is_err());
}

#[test]
fn clones_and_shared_bytes_outlive_the_file() {
    let mut writer = Writer::new();
    writer.tensor("t", &[4], TensorType::I8, vec![1, 2, 3, 4]);
    let file = GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap();
    let (clone, shared) = (file.clone(), file.tensor("t").unwrap().shared_bytes());
    drop(file);
    assert_eq!(clone.tensor("t").unwrap().bytes().as_ptr(), shared.as_ptr());
    drop(clone);
    let thread = std::thread::spawn(move || shared.slice(1..3).to_vec());
    assert_eq!(thread.join().unwrap(), [2, 3]);
}

#[test]
fn a_file_inside_the_binary_is_not_copied() {
    let bytes: &'static [u8] = Writer::new()
        .metadata("list", &["a", "い"][..])
        .tensor("t", &[2], TensorType::I8, vec![5, 6])
        .to_bytes()
        .unwrap()
        .leak();
    let file = GgufFile::from_static(bytes).unwrap();
    assert!(
        bytes
            .as_ptr_range()
            .contains(&file.tensor("t").unwrap().bytes().as_ptr())
    );
    let Some(Value::Array(list)) = file.metadata().value("list") else {
        panic!()
    };
    let second = list.strings().unwrap().get(1).unwrap();
    assert!(second == "い" && bytes.as_ptr_range().contains(&second.as_ptr()));
}

#[test]
fn a_header_and_padded_data_are_the_file() {
    let mut writer = Writer::new();
    let data = [vec![7_u8; 3], vec![9_u8; 40]];
    let mut later = Writer::new();
    for (name, bytes) in ["a", "b"].into_iter().zip(&data) {
        let dims = [bytes.len() as u64];
        writer.tensor(name, &dims, TensorType::I8, bytes.clone());
        later.tensor(name, &dims, TensorType::I8, Vec::new());
    }
    let mut file = later.header_bytes().unwrap();
    for bytes in data {
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(32), 0);
    }
    assert_eq!(file, writer.to_bytes().unwrap());
    assert!(later.to_bytes().is_err(), "data that is missing");
}
