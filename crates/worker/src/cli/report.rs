//! JSON documents that several commands print, and their pieces.

use std::time::Duration;

use llama_arch::Sampled;
use serde::Serialize;
use tokenizer_bpe::Tokenizer;

use crate::error::Result;
use crate::generation::{Outcome, Request, millis};

/// A document as one line of text.
pub(crate) fn json(document: &impl Serialize) -> String {
    // Documents are plain structures with string keys, which always serialise.
    serde_json::to_string(document).unwrap_or_default()
}

/// Where an output comes from.
pub(crate) struct Origin<'a> {
    /// What the model is called.
    pub(crate) model: &'a str,
    /// What it runs on.
    pub(crate) device: String,
    /// From opening the file until all was ready.
    pub(crate) load: Duration,
}

/// What `generate --format json` prints.
#[derive(Serialize)]
pub(crate) struct GenerationDocument<'a> {
    model: &'a str,
    device: &'a str,
    seed: u64,
    prompt_tokens: &'a [u32],
    tokens: Vec<TokenDocument>,
    text: &'a str,
    finish_reason: &'static str,
    stop_sequence: Option<&'a str>,
    timings: TimingsDocument,
}

#[derive(Serialize)]
struct TimingsDocument {
    load_ms: f64,
    prefill_ms: f64,
    prefill_tokens_per_s: f64,
    decode_ms: f64,
    decode_tokens_per_s: f64,
}

#[derive(Serialize)]
struct TokenDocument {
    id: u32,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob: Option<f32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_logprobs: Vec<LogprobDocument>,
}

#[derive(Serialize)]
struct LogprobDocument {
    id: u32,
    text: String,
    logprob: f32,
}

impl<'a> GenerationDocument<'a> {
    /// Everything about one request.
    pub(crate) fn new(
        origin: &'a Origin<'_>,
        tokenizer: &Tokenizer,
        request: &'a Request,
        outcome: &'a Outcome,
    ) -> Result<Self> {
        let timings = &outcome.timings;
        let tokens = outcome
            .tokens
            .iter()
            .map(|token| document(tokenizer, token));
        Ok(Self {
            model: origin.model,
            device: &origin.device,
            seed: request.params.seed,
            prompt_tokens: &request.prompt,
            tokens: tokens.collect::<Result<_>>()?,
            text: &outcome.text,
            finish_reason: outcome.finish.name(),
            stop_sequence: outcome.stop_sequence.as_deref(),
            timings: TimingsDocument {
                load_ms: millis(origin.load),
                prefill_ms: millis(timings.prefill),
                prefill_tokens_per_s: timings.prefill_rate(),
                decode_ms: millis(timings.decode),
                decode_tokens_per_s: timings.decode_rate(),
            },
        })
    }
}

fn document(tokenizer: &Tokenizer, token: &Sampled) -> Result<TokenDocument> {
    let top = token.logprobs.iter().flat_map(|logprobs| &logprobs.top);
    let top = top.map(|&(id, logprob)| {
        let text = token_text(tokenizer, id)?;
        Ok(LogprobDocument { id, text, logprob })
    });
    Ok(TokenDocument {
        id: token.id,
        text: token_text(tokenizer, token.id)?,
        logprob: token.logprobs.as_ref().map(|logprobs| logprobs.chosen),
        top_logprobs: top.collect::<Result<_>>()?,
    })
}

/// The text of one token; bytes that are no whole character become U+FFFD.
pub(crate) fn token_text(tokenizer: &Tokenizer, id: u32) -> Result<String> {
    Ok(String::from_utf8_lossy(tokenizer.token_bytes(id)?).into_owned())
}
