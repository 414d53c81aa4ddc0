//! What must hold of every file that was accepted.

use std::hint::black_box;

use gguf::{GgufFile, Value, Writer};

/// Reads all of a file, writes it anew and compares what the copy says.
///
/// # Panics
/// If an accessor disagrees with another, or the copy with the original.
pub fn check_accepted(file: &GgufFile) {
    read_all(file);
    // The writer refuses nothing that the reader takes.
    let written = Writer::from_file(file).to_bytes();
    let copy = written.and_then(GgufFile::from_bytes);
    let Ok(copy) = copy else {
        panic!("not written again: {:?}", copy.err());
    };
    assert!(copy.warnings().is_empty());
    assert_eq!(copy.version(), file.version());
    assert_eq!(copy.metadata().len(), file.metadata().len());
    for (a, b) in file.metadata().iter().zip(copy.metadata().iter()) {
        assert_eq!(a.0, b.0);
        assert_eq!(fingerprint(a.1), fingerprint(b.1), "{}", a.0);
    }
    assert_eq!(copy.n_tensors(), file.n_tensors());
    for (a, b) in file.tensors().zip(copy.tensors()) {
        assert_eq!((a.name(), a.dims()), (b.name(), b.dims()));
        assert_eq!(a.tensor_type(), b.tensor_type());
        assert!(a.bytes() == b.bytes(), "{}", a.name());
    }
}

fn read_all(file: &GgufFile) {
    let metadata = file.metadata();
    for (key, value) in metadata.iter() {
        assert!(metadata.contains(key));
        black_box((
            metadata.find_u32(key).is_ok(),
            metadata.find_i64(key).is_ok(),
            metadata.find_f32(key).is_ok(),
            metadata.find_str(key).is_ok(),
            metadata.find_u32_array(key).is_ok(),
            metadata.find_bool_array(key).is_ok(),
        ));
        if let Value::Array(array) = value {
            let n = match array.strings() {
                Some(strings) => strings.iter().count(),
                None => array.numbers().count(),
            };
            assert_eq!(n, array.len(), "{key}");
        }
    }
    let total: u64 = file
        .tensors()
        .map(|tensor| tensor.bytes().len() as u64)
        .sum();
    assert_eq!(total, file.data_bytes());
    assert!(total <= file.file_bytes());
    for tensor in file.tensors() {
        assert!(file.find_tensor(tensor.name()).is_some());
        let n = tensor.dims().iter().product::<u64>();
        assert_eq!(n, tensor.row_len() as u64 * tensor.n_rows() as u64);
        if let Ok(values) = tensor.to_f32() {
            assert_eq!(values.len() as u64, n);
        }
    }
}

/// A value as text that is equal for equal bits.
fn fingerprint(value: Value<'_>) -> String {
    match value {
        Value::F32(number) => format!("{:x}", number.to_bits()),
        Value::F64(number) => format!("{:x}", number.to_bits()),
        Value::Array(array) => {
            let strings = array
                .strings()
                .map(|strings| strings.iter().collect::<Vec<_>>());
            let numbers: Vec<String> = array.numbers().map(fingerprint).collect();
            format!("{array:?} {strings:?} {numbers:?}")
        }
        other => format!("{other:?}"),
    }
}
