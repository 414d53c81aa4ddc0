//! The bundled demo model on the CPU: prefill and decode, in tokens (elements) per second.
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::time::Duration;

use criterion::{Criterion, Throughput};
use gguf::GgufFile;
use llama_arch::{Device, LlamaModel, LoadOptions};

/// Tokens of the prompt, and positions before the token that is decoded.
const PROMPT: usize = 128;

fn main() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/haiku/haiku.gguf");
    let file = GgufFile::open(path).unwrap();
    let load = || LlamaModel::load(&file, &Device::cpu(), LoadOptions::default()).unwrap();
    let mut session = load().session(512).unwrap();
    let prompt: Vec<u32> = (1000..).take(PROMPT).collect();

    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let mut group = criterion.benchmark_group("haiku");
    group.bench_function("load", |b| b.iter(load));
    group.throughput(Throughput::Elements(PROMPT as u64));
    group.bench_function(format!("prefill {PROMPT}"), |b| {
        b.iter(|| {
            session.truncate(0);
            session.prefill(&prompt).unwrap().len()
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("decode at {PROMPT}"), |b| {
        session.truncate(0);
        session.prefill(&prompt).unwrap();
        b.iter(|| {
            session.truncate(PROMPT);
            session.decode(1000).unwrap().len()
        });
    });
    group.finish();
    criterion.final_summary();
}
