//! A small valid file, cut at every offset and with every single bit flipped: an error, or a file
//! that the writer gives back. Never a panic.

use crate::measure::peak_of;
use gguf::{GgufFile, MetadataValue, TensorType, Value, Writer};

/// Some 3 KiB with every type of value and several types of tensors.
fn valid() -> Vec<u8> {
    let bytes = |len: usize| (0..len).map(|i| (i * 7) as u8).collect::<Vec<_>>();
    let mut writer = Writer::new();
    writer
        .alignment(64)
        .metadata("general.architecture", "llama")
        .metadata("u8", 1_u8)
        .metadata("i8", -1_i8)
        .metadata("u16", 2_u16)
        .metadata("i16", -2_i16)
        .metadata("i32", -3_i32)
        .metadata("f32", 1e-5_f32)
        .metadata("bool", true)
        .metadata("u64", 4_u64)
        .metadata("i64", -4_i64)
        .metadata("f64", 0.1_f64)
        .metadata("tokens", &["<s>", "い", "", "hello world"][..])
        .metadata("scores", vec![0.0_f32, -1.5])
        .metadata("kinds", vec![1_i32, 3, 6])
        .metadata("flags", vec![true, false])
        .tensor("a.weight", &[32, 4], TensorType::Q8_0, bytes(136))
        .tensor("b.weight", &[256], TensorType::Q4K, bytes(144))
        .tensor("c.bias", &[7, 3, 2], TensorType::F32, bytes(168))
        .tensor("d.norm", &[401], TensorType::F16, bytes(802));
    writer.to_bytes().unwrap()
}

/// All that a file says, comparable: floats by their bits.
#[derive(Debug, PartialEq)]
struct Meaning {
    version: u32,
    pairs: Vec<(String, String)>,
    tensors: Vec<(String, Vec<u64>, TensorType, Vec<u8>)>,
}

fn meaning(file: &GgufFile) -> Meaning {
    let value = |value: Value<'_>| match value {
        Value::F32(number) => format!("f32 {:x}", number.to_bits()),
        Value::F64(number) => format!("f64 {:x}", number.to_bits()),
        Value::Array(array) if array.element_type() == gguf::ValueType::F32 => {
            let bits = array.numbers().map(|n| match n {
                Value::F32(n) => n.to_bits(),
                _ => unreachable!(),
            });
            format!("{:x?}", bits.collect::<Vec<_>>())
        }
        value => format!("{:?}", MetadataValue::from(value)),
    };
    let pairs = file
        .metadata()
        .iter()
        .map(|(key, found)| (key.to_owned(), value(found)));
    let tensors = file.tensors().map(|tensor| {
        let (name, dims) = (tensor.name().to_owned(), tensor.dims().to_vec());
        (name, dims, tensor.tensor_type(), tensor.bytes().to_vec())
    });
    Meaning {
        version: file.version(),
        pairs: pairs.collect(),
        tensors: tensors.collect(),
    }
}

/// Opens the bytes; if that works, checks that the writer gives the file back.
fn opens_and_comes_back(bytes: Vec<u8>) -> bool {
    let Ok(file) = GgufFile::from_bytes(bytes) else {
        return false;
    };
    let meant = meaning(&file);
    for tensor in file.tensors() {
        // Whatever the type is by now, it decodes or says that it cannot.
        let decoded = tensor.to_f32().map(|values| values.len());
        assert!(decoded.is_err() || decoded.ok() == Some(tensor.n_elements()));
    }
    let again = Writer::from_file(&file).to_bytes().unwrap();
    assert_eq!(meaning(&GgufFile::from_bytes(again).unwrap()), meant);
    true
}

#[test]
fn the_valid_file_comes_back_byte_for_byte() {
    let bytes = valid();
    assert!((2048..4096).contains(&bytes.len()), "{} bytes", bytes.len());
    let file = GgufFile::from_bytes(bytes.clone()).unwrap();
    assert_eq!(Writer::from_file(&file).to_bytes().unwrap(), bytes);
}

#[test]
fn every_cut_is_refused_but_those_in_the_last_padding() {
    let bytes = valid();
    let file = GgufFile::from_bytes(bytes.clone()).unwrap();
    let last = file.tensor("d.norm").unwrap().bytes();
    let end = bytes
        .windows(last.len())
        .rposition(|window| window == last)
        .unwrap()
        + last.len();
    for len in 0..bytes.len() {
        let opened = opens_and_comes_back(bytes[..len].to_vec());
        assert_eq!(opened, len >= end, "cut at {len}");
    }
}

#[test]
fn every_flipped_bit_is_refused_or_kept() {
    let bytes = valid();
    let mut opened = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            opened += u32::from(opens_and_comes_back(flipped));
        }
    }
    // Flips in text, numbers and tensor data give other valid files; those in structure do not.
    assert!(
        (6_000..22_000).contains(&opened),
        "{opened} of {} opened",
        bytes.len() * 8
    );
}

#[test]
fn every_number_replaced_by_one_that_wraps_is_refused_or_kept() {
    let bytes = valid();
    let lies = [
        0,
        1,
        31,
        32,
        1 << 31,
        u32::MAX.into(),
        1 << 61,
        i64::MAX as u64,
        1 << 63,
        u64::MAX,
    ];
    let mut refused = 0;
    for at in 0..bytes.len() - 8 {
        for lie in lies {
            for width in [4, 8] {
                let mut changed = bytes.clone();
                changed[at..at + width].copy_from_slice(&u64::to_le_bytes(lie)[..width]);
                let (opened, peak) = peak_of(|| GgufFile::from_bytes(changed.clone()).is_ok());
                assert!(
                    peak <= (64 << 10) + 4 * bytes.len(),
                    "{lie} at {at}: held {peak} bytes"
                );
                refused += u32::from(!opened);
                if opened {
                    assert!(opens_and_comes_back(changed));
                }
            }
        }
    }
    assert!(refused > 10_000, "{refused} refused");
}
