//! Whole models against the logits that HF `transformers` computes from the same weights.
//!
//! The models are made on the spot; what `transformers` says of them is committed under
//! `tests/oracle`, with the script that made it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

#[path = "oracle/reader.rs"]
mod reader;
#[path = "support/cuda.rs"]
mod support;

use std::sync::Arc;

use gguf::GgufFile;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::{Activations, CpuBackend};
use llama_arch::kv_cache::blocks_for;
use llama_arch::model::{Executor, Model};
use llama_arch::{Batch, ExecutorOptions, LlamaModel, LoadOptions, Outputs, SamplingParams};
use reader::Oracle;
use synth_model::{Case, cases};

/// Mean squared error over mean square: what rounding keys and values to f16 leaves room for.
const NMSE: f64 = 1e-6;

/// Where activations are rounded before matrix products.
const ROUNDED_NMSE: f64 = 1e-5;

fn load(case: &Case) -> (GgufFile, Oracle) {
    let bytes = synth_model::to_bytes(&case.spec, case.seed).unwrap();
    let oracle = Oracle::load(case.name).unwrap();
    let hash = synth_model::fnv1a(&bytes);
    assert_eq!(
        hash, oracle.model_hash,
        "{}: run `cargo xtask fixtures` again",
        case.name
    );
    (GgufFile::from_bytes(bytes).unwrap(), oracle)
}

fn nmse(reference: &[f32], found: &[f32]) -> f64 {
    assert_eq!(reference.len(), found.len());
    let square = |value: f64| value * value;
    let pairs = reference.iter().zip(found);
    let error: f64 = pairs
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    error / reference.iter().map(|&a| square(f64::from(a))).sum::<f64>()
}

/// NMSE of the logits at the oracle's positions.
fn logits_error<B: Backend>(case: &Case, file: &GgufFile, oracle: &Oracle, backend: B) -> f64 {
    let tokens = [&oracle.prompt[..], &oracle.greedy].concat();
    let model = Arc::new(Model::load(file, backend, &mut |_| {}).unwrap());
    let options = ExecutorOptions {
        context_length: case.spec.context_length,
        max_sequences: 1,
        max_rows: tokens.len(),
        max_outputs: tokens.len(),
    };
    let mut executor = Executor::new(model, &options).unwrap();
    let blocks: Vec<u32> = (0..blocks_for(tokens.len()) as u32).collect();
    let mut batch = Batch::new();
    batch.push(&tokens, 0, &blocks, Outputs::All);
    let logits = executor.forward(&batch, None).unwrap();
    let rows = oracle
        .positions
        .iter()
        .map(|&position| logits.row(position).unwrap());
    nmse(&oracle.logits, &rows.collect::<Vec<_>>().concat())
}

#[test]
fn logits_agree_on_every_case_and_device() {
    let mut worst = (0.0, "");
    for case in cases() {
        let (file, oracle) = load(&case);
        let error = |backend| logits_error(&case, &file, &oracle, backend);
        let mut errors: Vec<(f64, f64)> = Vec::new();
        for cpu in CpuBackend::every_isa(2) {
            let exact = cpu.clone().with_activations(Activations::Exact);
            errors.push((error(exact), NMSE));
            errors.push((error(cpu), ROUNDED_NMSE));
        }
        let gpu = support::cuda().map(|gpu| logits_error(&case, &file, &oracle, gpu));
        errors.extend(gpu.map(|error| (error, ROUNDED_NMSE)));
        for (error, bar) in errors {
            assert!(error <= bar, "{}: {error:e}", case.name);
            if error > worst.0 {
                worst = (error, case.name);
            }
        }
    }
    println!("worst NMSE {:.2e} ({})", worst.0, worst.1);
}

fn check_greedy(case: &Case, file: &GgufFile, oracle: &Oracle, backend: impl Backend) {
    let model = LlamaModel::load_with(file, backend, LoadOptions::default()).unwrap();
    let mut session = model.session(case.spec.context_length).unwrap();
    let tokens = session
        .generate(&oracle.prompt, &SamplingParams::default())
        .unwrap();
    let tokens: Vec<u32> = tokens.take(64).map(|token| token.unwrap().id).collect();
    assert_eq!(
        tokens,
        oracle.greedy,
        "{} on {}, smallest gap {}",
        case.name,
        model.device_description(),
        oracle.min_gap
    );
}

#[test]
fn greedy_tokens_agree_on_every_case() {
    for case in cases() {
        let (file, oracle) = load(&case);
        assert_eq!(oracle.greedy.len(), 64);
        check_greedy(&case, &file, &oracle, CpuBackend::detect(2));
        if let Some(gpu) = support::cuda() {
            check_greedy(&case, &file, &oracle, gpu);
        }
    }
}
