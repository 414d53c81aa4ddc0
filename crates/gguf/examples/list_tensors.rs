//! Prints what a GGUF file holds: `cargo run -p gguf --example list_tensors -- model.gguf`.
#![allow(clippy::print_stdout, reason = "printing is what the example is for")]

use gguf::{GgufFile, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("usage: list_tensors <file.gguf>")?;
    let file = GgufFile::open(path)?;

    println!(
        "GGUF version {}, {} bytes",
        file.version(),
        file.file_bytes()
    );
    for (key, value) in file.metadata().iter() {
        match value {
            Value::Str(text) if text.len() > 60 => {
                println!("  {key}: {} bytes of text", text.len());
            }
            value => println!("  {key}: {value:?}"),
        }
    }
    for tensor in file.tensors() {
        println!("  {tensor:?}: {} bytes", tensor.bytes().len());
    }
    if !file.warnings().is_empty() {
        println!("odd: {:?}", file.warnings());
    }
    Ok(())
}
