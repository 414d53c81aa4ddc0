//! Opening a file as large in its header as one of Qwen2.5-0.5B: all of it is read and checked.
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::path::Path;

use criterion::{Criterion, Throughput};
use gguf::{GgufFile, TensorType, Writer};

const TOKENS: usize = 151_936;
const MERGES: usize = 151_387;
const TENSORS: usize = 300;

/// The file's bytes. What the tokens say does not matter here, how many there are does.
fn header() -> Vec<u8> {
    let texts = |n: usize| -> Vec<String> { (0..n).map(|i| format!("Ġtok{i}")).collect() };
    let merges = |n: usize| -> Vec<String> { (0..n).map(|i| format!("Ġt ok{i}")).collect() };
    let mut writer = Writer::new();
    writer
        .metadata("general.architecture", "qwen2")
        .metadata("tokenizer.ggml.tokens", texts(TOKENS))
        .metadata("tokenizer.ggml.token_type", vec![1_i32; TOKENS])
        .metadata("tokenizer.ggml.merges", merges(MERGES));
    for i in 0..TENSORS {
        let name = format!("blk.{}.part_{}.weight", i / 12, i % 12);
        writer.tensor(name, &[32, 4], TensorType::Q8_0, vec![0; 4 * 34]);
    }
    writer.to_bytes().unwrap()
}

fn main() {
    let bytes = header();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-open.gguf");
    std::fs::write(&path, &bytes).unwrap();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("gguf");
    group.throughput(Throughput::BytesDecimal(bytes.len() as u64));
    group.bench_function("open", |b| b.iter(|| GgufFile::open(&path).unwrap()));
    group.finish();
    criterion.final_summary();
    std::fs::remove_file(path).unwrap();
}
