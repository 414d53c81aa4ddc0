//! `cargo xtask pack-model`: rewrites a GGUF with its matrices in a block type.
//!
//! Tensors of two axes take the type; the rest, norms and biases, stay as they are.

use std::error::Error;
use std::fs;

use gguf::{GgufFile, TensorType, Writer, quantize};

use crate::Usage;

const USAGE: &str = "usage: cargo xtask pack-model IN.gguf OUT.gguf --type q8_0";
const FILE_TYPE: &str = "general.file_type";
const QUANTIZATION_VERSION: &str = "general.quantization_version";

/// Types offered, with the number that `general.file_type` gives a file of mostly that type.
const TYPES: [(&str, TensorType, u32); 3] = [
    ("f32", TensorType::F32, 0),
    ("f16", TensorType::F16, 1),
    ("q8_0", TensorType::Q8_0, 7),
];

/// Packs the file that the arguments name.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [input, output, flag, name] = args else {
        return Err(Usage(USAGE.to_owned()).into());
    };
    let chosen = TYPES.iter().find(|(known, ..)| known == name);
    let (Some(&(_, tensor_type, file_type)), "--type") = (chosen, flag.as_str()) else {
        return Err(Usage(USAGE.to_owned()).into());
    };
    let bytes = pack(&GgufFile::open(input)?, tensor_type, file_type)?;
    fs::write(output, &bytes)?;
    println!("{output}: {} bytes, matrices {name}", bytes.len());
    Ok(())
}

fn pack(
    file: &GgufFile,
    tensor_type: TensorType,
    file_type: u32,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        if key != FILE_TYPE && key != QUANTIZATION_VERSION {
            writer.metadata(key, value);
        }
    }
    writer.metadata(FILE_TYPE, file_type);
    writer.metadata(QUANTIZATION_VERSION, 2_u32);
    for tensor in file.tensors() {
        if tensor.dims().len() == 2 {
            let packed = quantize(tensor_type, &tensor.to_f32()?)?;
            writer.tensor(tensor.name(), tensor.dims(), tensor_type, packed);
        } else {
            let bytes = tensor.shared_bytes();
            writer.tensor(tensor.name(), tensor.dims(), tensor.tensor_type(), bytes);
        }
    }
    Ok(writer.to_bytes()?)
}
