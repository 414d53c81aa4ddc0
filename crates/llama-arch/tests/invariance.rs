//! How the same tokens are fed must not show: one by one, in chunks, beside other sequences, in
//! scattered cache blocks or in a used session, the logits agree bit for bit.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests fail by panicking")]

#[path = "support/cuda.rs"]
mod support;

use std::sync::Arc;

use gguf::GgufFile;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::{Activations, CpuBackend};
use llama_arch::kv_cache::blocks_for;
use llama_arch::model::{Executor, Model};
use llama_arch::{
    Batch, Device, ExecutorOptions, LlamaModel, LoadOptions, Outputs, SamplingParams,
};
use synth_model::{Case, cases};

/// Longer than one cache block and than the sliding window of the case that has one.
const PROMPT_LEN: usize = 75;

fn file(case: &Case) -> GgufFile {
    GgufFile::from_bytes(synth_model::to_bytes(&case.spec, case.seed).unwrap()).unwrap()
}

/// Every architecture and RoPE variant; one case per weight type adds nothing here.
fn some_cases() -> Vec<Case> {
    let names = [
        "qwen2-large-bias",
        "qwen2-gqa-7",
        "llama-untied",
        "llama-rope-freqs",
        "llama-head-dim",
        "qwen3-tied",
        "phi3-fused",
        "phi3-head-96",
        "phi3-window",
        "llama-q4_k_m",
        "qwen2-q8_0",
    ];
    let cases: Vec<Case> = cases()
        .into_iter()
        .filter(|c| names.contains(&c.name))
        .collect();
    assert_eq!(cases.len(), names.len());
    cases
}

fn tokens(case: &Case, stream: u32, len: usize) -> Vec<u32> {
    let vocab = case.spec.vocab as u32;
    (0..len as u32)
        .map(|i| (i * i * 31 + i * 7 + stream * 101 + 3) % vocab)
        .collect()
}

/// Calls a generic check with every case and every backend of this machine.
macro_rules! for_each_model {
    ($check:ident) => {
        for case in some_cases() {
            let file = file(&case);
            let exact = CpuBackend::detect(2).with_activations(Activations::Exact);
            for backend in CpuBackend::every_isa(2).into_iter().chain([exact]) {
                $check(&case, &model(&file, backend));
            }
            if let Some(gpu) = support::cuda() {
                $check(&case, &model(&file, gpu));
            }
        }
    };
}

fn model<B: Backend>(file: &GgufFile, backend: B) -> Arc<Model<B>> {
    Arc::new(Model::load(file, backend, &mut |_| {}).unwrap())
}

fn what<B: Backend>(case: &Case, model: &Model<B>) -> String {
    format!("{} on {}", case.name, model.backend().description())
}

fn executor<B: Backend>(model: &Arc<Model<B>>, rows: usize, sequences: usize) -> Executor<B> {
    let options = ExecutorOptions {
        context_length: 96,
        max_sequences: sequences,
        max_rows: rows,
        max_outputs: rows,
    };
    Executor::new(Arc::clone(model), &options).unwrap()
}

/// Logits at every position of one sequence, fed in chunks of `chunk` rows.
fn all_logits<B: Backend>(model: &Arc<Model<B>>, tokens: &[u32], chunk: usize) -> Vec<Vec<f32>> {
    let mut executor = executor(model, chunk, 1);
    let blocks: Vec<u32> = (0..blocks_for(tokens.len()) as u32).collect();
    let mut all = Vec::new();
    for (index, chunk_tokens) in tokens.chunks(chunk).enumerate() {
        let mut batch = Batch::new();
        batch.push(chunk_tokens, index * chunk, &blocks, Outputs::All);
        let logits = executor.forward(&batch, None).unwrap();
        all.extend((0..logits.n_rows()).map(|row| logits.row(row).unwrap().to_vec()));
    }
    all
}

#[test]
fn decode_and_chunks_agree_with_the_whole_prefill_at_every_position() {
    fn check<B: Backend>(case: &Case, model: &Arc<Model<B>>) {
        let what = what(case, model);
        let tokens = tokens(case, 0, PROMPT_LEN);
        let whole = all_logits(model, &tokens, PROMPT_LEN);
        assert_eq!(whole.len(), PROMPT_LEN);
        assert_ne!(
            whole[3], whole[4],
            "{what}: logits must depend on the position"
        );
        for chunk in [1, 7, 32] {
            let chunked = all_logits(model, &tokens, chunk);
            for (position, (whole, chunked)) in whole.iter().zip(&chunked).enumerate() {
                assert_eq!(
                    whole, chunked,
                    "{what}: chunks of {chunk}, position {position}"
                );
            }
        }
    }
    for_each_model!(check);
}

#[test]
fn a_sequence_in_a_batch_agrees_with_itself_alone() {
    fn check<B: Backend>(case: &Case, model: &Arc<Model<B>>) {
        let what = what(case, model);
        let lens = [1, 2, 31, 32, 33, 40, 5, 64];
        let sequences: Vec<Vec<u32>> = lens
            .iter()
            .zip(0..)
            .map(|(&len, i)| tokens(case, i, len))
            .collect();
        let alone: Vec<Vec<f32>> = sequences
            .iter()
            .map(|tokens| all_logits(model, tokens, tokens.len()).pop().unwrap())
            .collect();
        // Half of each sequence first, so that the second step mixes prefill with decode; blocks
        // are dealt out backwards, so that no sequence lies in one piece.
        let mut executor = executor(model, 256, 8);
        let mut free: Vec<u32> = (0..3 * 8).collect();
        let tables: Vec<Vec<u32>> = lens
            .iter()
            .map(|&len| free.split_off(free.len() - blocks_for(len)))
            .collect();
        let mut first = Batch::new();
        let mut second = Batch::new();
        for ((tokens, table), index) in sequences.iter().zip(&tables).zip(0..) {
            let split = if index % 2 == 0 {
                tokens.len() / 2
            } else {
                tokens.len() - 1
            };
            let reversed: Vec<u32> = table.iter().rev().copied().collect();
            if split > 0 {
                first.push(&tokens[..split], 0, &reversed, Outputs::None);
            }
            second.push(&tokens[split..], split, &reversed, Outputs::Last);
        }
        executor.forward(&first, None).unwrap();
        let logits = executor.forward(&second, None).unwrap();
        for (row, alone) in alone.iter().enumerate() {
            assert_eq!(logits.row(row).unwrap(), alone, "{what}: sequence {row}");
        }
    }
    for_each_model!(check);
}

#[test]
fn threads_do_not_show() {
    for case in some_cases() {
        let file = file(&case);
        let tokens = tokens(&case, 0, 40);
        let run = |threads| {
            let model = Model::load(&file, CpuBackend::detect(threads), &mut |_| {}).unwrap();
            all_logits(&Arc::new(model), &tokens, 40)
        };
        let one = run(1);
        assert_eq!(one, run(2), "{}", case.name);
        assert_eq!(one, run(5), "{}", case.name);
    }
}

#[test]
fn a_used_session_gives_what_a_fresh_one_gives() {
    fn check<B: Backend>(case: &Case, file: &GgufFile, backend: B) {
        let model = LlamaModel::load_with(file, backend, LoadOptions::default()).unwrap();
        let params = SamplingParams {
            temperature: 0.8,
            seed: 7,
            ..Default::default()
        };
        let continue_prompt = |session: &mut llama_arch::Session, prompt: &[u32]| -> Vec<u32> {
            let tokens = session.generate(prompt, &params).unwrap().take(12);
            tokens.map(|token| token.unwrap().id).collect()
        };
        let prompts = [
            tokens(case, 0, 40),
            tokens(case, 1, 12),
            tokens(case, 0, 40),
        ];
        let fresh: Vec<Vec<u32>> = prompts
            .iter()
            .map(|prompt| continue_prompt(&mut model.session(96).unwrap(), prompt))
            .collect();
        let mut session = model.session(96).unwrap();
        for (prompt, fresh) in prompts.iter().zip(&fresh) {
            assert_eq!(
                &continue_prompt(&mut session, prompt),
                fresh,
                "{}",
                case.name
            );
        }
        // The next turn of a chat: a prompt that begins with all that was said.
        let mut longer = prompts[2].clone();
        longer.extend(&fresh[2]);
        longer.extend(tokens(case, 2, 9));
        let fresh = continue_prompt(&mut model.session(96).unwrap(), &longer);
        let reused = session.generate(&longer, &params).unwrap().reused_tokens();
        assert_eq!(
            reused,
            prompts[2].len() + 11,
            "{}: all but the last token",
            case.name
        );
        session.truncate(reused);
        assert_eq!(
            continue_prompt(&mut session, &longer),
            fresh,
            "{}",
            case.name
        );
    }
    for case in some_cases() {
        let file = file(&case);
        check(&case, &file, CpuBackend::detect(2));
        if let Some(gpu) = support::cuda() {
            check(&case, &file, gpu);
        }
    }
}

#[test]
fn sampling_repeats_for_equal_seeds_and_differs_for_others() {
    let case = &some_cases()[0];
    let file = file(case);
    let model = LlamaModel::load(&file, &Device::cpu_threads(1), LoadOptions::default());
    let model = model.unwrap();
    let prompt = tokens(case, 3, 10);
    let mut distinct = std::collections::HashSet::new();
    for seed in 0..20 {
        let params = SamplingParams {
            temperature: 1.0,
            seed,
            ..Default::default()
        };
        let run = || -> Vec<u32> {
            let mut session = model.session(64).unwrap();
            let tokens = session.generate(&prompt, &params).unwrap().take(16);
            tokens.map(|token| token.unwrap().id).collect()
        };
        let first = run();
        assert_eq!(first, run());
        distinct.insert(first);
    }
    assert_eq!(distinct.len(), 20);
}
