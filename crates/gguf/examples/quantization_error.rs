//! How far quantised tensors are from what they were made of.
//!
//! ```text
//! quantization_error make OUT.gguf            seeded tensors of several distributions, in F32
//! quantization_error compare IN.gguf OUT.gguf..  relative root mean square error, by tensor
//! quantization_error encode IN.gguf TYPE..    the same of this crate's encoders, with their speed
//! ```
//!
//! The first file is laid out so that other quantisers take it for a model.

#![allow(clippy::print_stdout, reason = "printing is what the example is for")]

#[path = "../tests/support/distributions.rs"]
mod distributions;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use distributions::{COLUMNS, ROWS, relative_error, tensors};
use gguf::{GgufFile, TensorType, Writer, dequantize, quantize};

fn make(path: &str) -> Result<(), Box<dyn Error>> {
    let mut writer = Writer::new();
    writer
        .metadata("general.architecture", "llama")
        .metadata("llama.block_count", 1_u32)
        .metadata("llama.context_length", 512_u32)
        .metadata("llama.embedding_length", COLUMNS as u32)
        .metadata("llama.feed_forward_length", COLUMNS as u32)
        .metadata("llama.attention.head_count", 16_u32)
        .metadata("llama.attention.layer_norm_rms_epsilon", 1e-5_f32)
        .metadata("llama.vocab_size", 32_u32);
    for (name, values) in tensors() {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let dims = [COLUMNS as u64, ROWS as u64];
        writer.tensor(
            format!("blk.0.{name}.weight"),
            &dims,
            TensorType::F32,
            bytes,
        );
    }
    Ok(std::fs::write(path, writer.to_bytes()?)?)
}

/// The error of each tensor that both files have, relative to the values.
fn compare(reference: &str, others: &[String]) -> Result<(), Box<dyn Error>> {
    let reference = GgufFile::open(reference)?;
    for path in others {
        let other = GgufFile::open(path)?;
        for tensor in reference.tensors() {
            let found = other.tensor(tensor.name())?;
            if found.tensor_type() != tensor.tensor_type() {
                let error = relative_error(&tensor.to_f32()?, &found.to_f32()?);
                println!(
                    "{} {} {error:.6} {path}",
                    found.tensor_type(),
                    tensor.name()
                );
            }
        }
    }
    Ok(())
}

fn encode(reference: &str, types: &[String]) -> Result<(), Box<dyn Error>> {
    let reference = GgufFile::open(reference)?;
    for name in types {
        let named = |tensor_type: &&TensorType| tensor_type.name() == name;
        let tensor_type = *TensorType::ALL.iter().find(named).ok_or("no such type")?;
        for tensor in reference.tensors() {
            let values = tensor.to_f32()?;
            let started = Instant::now();
            let bytes = quantize(tensor_type, &values)?;
            let speed = values.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
            let mut found = vec![0.0; values.len()];
            dequantize(tensor_type, &bytes, &mut found)?;
            let error = relative_error(&values, &found);
            println!("{name} {} {error:.6} {speed:.1} M/s", tensor.name());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", path] => make(path),
        ["compare", reference, _, ..] => compare(reference, &args[2..]),
        ["encode", reference, _, ..] => encode(reference, &args[2..]),
        _ => {
            eprintln!("usage: quantization_error make OUT | compare IN OUT.. | encode IN TYPE..");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
