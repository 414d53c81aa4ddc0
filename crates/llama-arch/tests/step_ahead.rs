//! On a GPU the next step begins before the host has the token: nobody may notice, whatever comes
//! between the two. The device is one that interprets the kernels on the host.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use cuda_kernels::driver::ResultCode;
use gguf::GgufFile;
use llama_arch::backend::cuda::CudaBackend;
use llama_arch::{
    Batch, ExecutorOptions, LlamaModel, LoadOptions, Outputs, Result, Sampled, Sampler,
    SamplingParams, Session, Trace,
};
use ptx_emulator::EmulatedDriver;
use synth_model::{Arch, ModelSpec};

const PROMPT: [u32; 2] = [1, 2];
const N_TOKENS: usize = 3;

fn model(driver: &Arc<EmulatedDriver>) -> LlamaModel {
    let spec = ModelSpec::tiny(Arch::Qwen2);
    let file = GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap();
    let backend = CudaBackend::open_with(driver.clone(), 0).unwrap();
    backend.device().set_patience(Duration::from_secs(3600));
    LlamaModel::load_with(&file, backend, LoadOptions::default()).unwrap()
}

/// What needs all that the device keeps of a request: counts and the place in random numbers.
fn params() -> SamplingParams {
    SamplingParams {
        temperature: 1.0,
        seed: 7,
        repetition_penalty: 1.3,
        frequency_penalty: 0.5,
        ..Default::default()
    }
}

fn generate(session: &mut Session) -> Result<Vec<u32>> {
    let generation = session.generate(&PROMPT, &params())?;
    generation
        .take(N_TOKENS)
        .map(|token| token.map(|token| token.id))
        .collect()
}

#[test]
fn a_failed_call_leaves_nothing_behind() {
    let driver = Arc::new(EmulatedDriver::with_multiprocessors(1));
    let mut session = model(&driver).session(32).unwrap();
    let expected = generate(&mut session).unwrap();
    let mut n_failed = 0;
    for n_before in 0.. {
        driver.fail_after(n_before, ResultCode::INVALID_VALUE);
        let outcome = generate(&mut session);
        if driver.is_failure_ahead() {
            break;
        }
        n_failed += usize::from(outcome.is_err());
        let found = generate(&mut session).unwrap();
        assert_eq!(found, expected, "after call {n_before} has failed");
    }
    assert!(n_failed > 3 * N_TOKENS, "{n_failed} calls");
}

#[test]
fn a_traced_step_between_two_others_changes_neither() {
    let driver = Arc::new(EmulatedDriver::with_multiprocessors(1));
    let model = model(&driver);
    let run = |is_disturbed: bool| -> Vec<Sampled> {
        let options = ExecutorOptions {
            context_length: 32,
            max_sequences: 1,
            max_rows: 8,
            max_outputs: 1,
        };
        let mut executor = model.executor(&options).unwrap();
        let params = SamplingParams {
            logprobs: Some(3),
            ..params()
        };
        let mut sampler = Sampler::new(params, &PROMPT, model.config().vocab).unwrap();
        let mut tokens = PROMPT.to_vec();
        let mut all = Vec::new();
        let mut fed = 0;
        for _ in 0..2 * N_TOKENS {
            let mut batch = Batch::new();
            batch.push(&tokens[fed..], fed, &[0], Outputs::Last);
            fed = tokens.len();
            let mut samplers = [(&mut sampler, fed)];
            let sampled = executor.sample(&batch, &mut samplers).unwrap();
            let sampled = sampled.into_iter().next().unwrap().unwrap();
            tokens.push(sampled.id);
            all.push(sampled);
            if is_disturbed {
                // Another token where the next one will be.
                let mut batch = Batch::new();
                batch.push(&[tokens[fed] ^ 1], fed, &[0], Outputs::Last);
                let mut trace = Trace::default();
                executor.forward(&batch, Some(&mut trace)).unwrap();
            }
        }
        all
    };
    assert_eq!(run(true), run(false));
}
