//! Encoding, decoding and building tokenizers: the demo model's, and Qwen2's where its vocabulary
//! lies beside the workspace. MB/s of text.
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::path::Path;

use criterion::{Criterion, Throughput};
use gguf::GgufFile;
use tokenizer_bpe::{Special, Tokenizer};

/// English, code, and other scripts.
const TEXT: &str = concat!(
    include_str!("../../README.md"),
    include_str!("../../crates/tokenizer-bpe/src/tokenizer.rs"),
    include_str!("../../crates/tokenizer-bpe/tests/oracle/texts.py"),
);

const VOCABULARIES: [(&str, &str); 2] = [
    ("haiku", "../models/haiku/haiku.gguf"),
    ("qwen2", "../../shared/vocab/ggml-vocab-qwen2.gguf"),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, path) in VOCABULARIES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if !path.exists() {
            eprintln!("skipped: no file {}", path.display());
            continue;
        }
        let file = GgufFile::open(&path).unwrap();
        let tokenizer = Tokenizer::from_gguf(&file).unwrap();
        let ids = tokenizer.encode_fragment(TEXT, Special::Plain).unwrap();
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        group.bench_function("build", |b| {
            b.iter(|| Tokenizer::from_gguf(&file).unwrap());
        });
        group.throughput(Throughput::BytesDecimal(TEXT.len() as u64));
        group.bench_function("encode", |b| {
            b.iter(|| tokenizer.encode_fragment(TEXT, Special::Plain).unwrap());
        });
        group.bench_function("decode", |b| b.iter(|| tokenizer.decode(&ids).unwrap()));
        group.finish();
    }
    criterion.final_summary();
}
