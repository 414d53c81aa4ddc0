//! What would run a file, and what about it would not.

use std::collections::BTreeMap;

use gguf::GgufFile;
use llama_arch::{Device, LlamaConfig, LlamaModel, LoadOptions};
use serde::Serialize;
use tokenizer_bpe::{ChatTemplate, Tokenizer, TokenizerKind};

/// Whether a device would run the model.
#[derive(Serialize)]
pub(super) struct DeviceVerdict {
    device: &'static str,
    runs: bool,
    reason: Option<String>,
}

/// The verdicts as lines: one for all devices where they agree on why not.
pub(super) fn lines(devices: &[DeviceVerdict]) -> Vec<String> {
    match devices {
        [first, rest @ ..] if !first.runs && rest.iter().all(|d| d.reason == first.reason) => {
            let reason = first.reason.as_deref().unwrap_or_default();
            vec![format!("runs nowhere: {reason}")]
        }
        _ => devices.iter().map(DeviceVerdict::line).collect(),
    }
}

impl DeviceVerdict {
    fn line(&self) -> String {
        match &self.reason {
            None => format!("runs on {}", self.device),
            Some(reason) => format!("does not run on {}: {reason}", self.device),
        }
    }

    /// Whether that is why it does not run.
    pub(super) fn says(&self, problem: &str) -> bool {
        self.reason.as_deref() == Some(problem)
    }
}

/// Tries every device. Problems of the file itself go to `problems`.
pub(super) fn devices(file: &GgufFile, problems: &mut Vec<String>) -> Vec<DeviceVerdict> {
    let mut undecodable: BTreeMap<&'static str, usize> = BTreeMap::new();
    for tensor in file
        .tensors()
        .filter(|tensor| !tensor.tensor_type().can_dequantize())
    {
        *undecodable.entry(tensor.tensor_type().name()).or_default() += 1;
    }
    problems.extend(
        undecodable
            .iter()
            .map(|(name, n)| format!("{n} tensors are stored as {name}, which is not supported")),
    );
    // On the CPU weights stay in the file's map: loading takes next to nothing and checks all.
    let bound = LlamaConfig::from_gguf(file)
        .and_then(|_| LlamaModel::load(file, &Device::cpu_threads(1), LoadOptions::default()));
    let fault = bound.err().map(|error| error.to_string());
    if undecodable.is_empty() {
        problems.extend(fault.clone());
    }
    let verdict = |device, reason: Option<String>| DeviceVerdict {
        device,
        runs: reason.is_none(),
        reason,
    };
    let cuda = Device::cuda(0).err().map(|error| error.to_string());
    vec![
        verdict("cpu", fault.clone()),
        verdict("cuda:0", fault.or(cuda)),
    ]
}

/// What the file knows about text.
#[derive(Serialize)]
pub(super) struct TokenizerDocument {
    kind: &'static str,
    pre: Option<String>,
    vocab_size: usize,
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    add_bos: bool,
    chat_template: bool,
}

impl TokenizerDocument {
    /// The tokenizer in one line.
    pub(super) fn line(&self) -> String {
        let id = |id: Option<u32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        format!(
            "tokenizer {}{}, {} tokens, bos {}{}, eos {}, end of turn {}, {} chat template",
            self.kind,
            self.pre
                .as_ref()
                .map(|pre| format!(" ({pre})"))
                .unwrap_or_default(),
            self.vocab_size,
            id(self.bos),
            if self.add_bos { " (added)" } else { "" },
            id(self.eos),
            id(self.eot),
            if self.chat_template { "with a" } else { "no" }
        )
    }
}

/// Reads the tokenizer; what is wrong with it goes to `problems`.
pub(super) fn tokenizer(file: &GgufFile, problems: &mut Vec<String>) -> Option<TokenizerDocument> {
    let template = ChatTemplate::from_gguf(file);
    if let Err(error) = &template {
        problems.push(format!("chat template: {error}"));
    }
    match Tokenizer::from_gguf(file) {
        Err(error) => {
            problems.push(format!("tokenizer: {error}"));
            None
        }
        Ok(tokenizer) => Some(TokenizerDocument {
            kind: kind(tokenizer.kind()),
            pre: tokenizer.pre().map(str::to_owned),
            vocab_size: tokenizer.vocab_size(),
            bos: tokenizer.bos(),
            eos: tokenizer.eos(),
            eot: tokenizer.eot(),
            add_bos: tokenizer.add_bos(),
            chat_template: template.is_ok_and(|template| template.is_some()),
        }),
    }
}

fn kind(kind: TokenizerKind) -> &'static str {
    match kind {
        TokenizerKind::ByteLevelBpe => "byte-level BPE",
        TokenizerKind::SentencePieceBpe => "SentencePiece BPE",
        _ => "unknown",
    }
}
