//! Sessions and executors over a backend that computes nothing: every token is known beforehand,
//! and every operation can fail.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod batches;
mod failures;
mod generation;
mod non_finite;
mod refusals;
mod watched;

use std::sync::{Arc, OnceLock};

use gguf::GgufFile;
use llama_arch::backend::Backend;
use llama_arch::backend::scripted::{ScriptedBackend, ScriptedRow};
use llama_arch::{Error, LlamaModel, LoadOptions, Sampled, SamplingParams, Session};
use synth_model::{Arch, ModelSpec, RopeScaling, RopeSpec};

use crate::watched::Watched;

const VOCAB: usize = 288;
const MODEL_CONTEXT: usize = 512;
/// Positions of the sessions here: three chunks, the last one short.
const CONTEXT: usize = 300;
/// Rows of a session's prefill chunk.
const CHUNK: usize = 128;

fn file() -> &'static GgufFile {
    static FILE: OnceLock<GgufFile> = OnceLock::new();
    FILE.get_or_init(|| {
        let spec = ModelSpec {
            hidden: 32,
            ffn: 32,
            head_dim: 8,
            vocab: VOCAB,
            context_length: MODEL_CONTEXT,
            rope: RopeSpec {
                theta: 1e4,
                dims: 8,
                scaling: RopeScaling::None,
            },
            ..ModelSpec::tiny(Arch::Qwen3)
        };
        GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap()
    })
}

/// The token that follows `token` at `position`.
fn next(token: u32, position: usize) -> u32 {
    (token * 31 + position as u32 * 17 + 5) % VOCAB as u32
}

/// Fills logits so that the largest is that of [`next`], all others finite and distinct.
fn script(row: ScriptedRow, logits: &mut [f32]) {
    for (id, logit) in logits.iter_mut().enumerate() {
        *logit = -(id as f32) / 64.0;
    }
    // Buffers other than the logits are read by traces.
    if logits.len() == VOCAB {
        logits[next(row.token, row.position as usize) as usize] = 4.0;
    }
}

fn scripted() -> ScriptedBackend {
    ScriptedBackend::new(script)
}

fn load(backend: impl Backend) -> Result<LlamaModel, Error> {
    LlamaModel::load_with(file(), backend, LoadOptions::default())
}

fn session() -> Session {
    load(scripted()).unwrap().session(CONTEXT).unwrap()
}

/// A session that calls `on_step` with the tokens of every step.
fn watched_session(on_step: impl Fn(&[u32]) + Send + Sync + 'static) -> Session {
    let backend = Watched {
        scripted: scripted(),
        on_step: Arc::new(on_step),
    };
    load(backend).unwrap().session(CONTEXT).unwrap()
}

fn prompt(len: usize) -> Vec<u32> {
    (0..len)
        .map(|i| ((i * i * 13 + i * 7 + 3) % VOCAB) as u32)
        .collect()
}

/// The `n` tokens after a prompt.
fn continuation(prompt: &[u32], n: usize) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..n {
        tokens.push(next(tokens[tokens.len() - 1], tokens.len() - 1));
    }
    tokens.split_off(prompt.len())
}

fn ids(tokens: impl Iterator<Item = Result<Sampled, Error>>) -> Vec<u32> {
    tokens.map(|token| token.unwrap().id).collect()
}

fn greedy(session: &mut Session, prompt: &[u32], n: usize) -> Vec<u32> {
    ids(session
        .generate(prompt, &SamplingParams::default())
        .unwrap()
        .take(n))
}

/// The session is as good as new: a fresh prompt continues as the script says.
fn assert_usable(session: &mut Session) {
    let other: Vec<u32> = prompt(140).into_iter().rev().collect();
    assert_eq!(greedy(session, &other, 3), continuation(&other, 3));
}
