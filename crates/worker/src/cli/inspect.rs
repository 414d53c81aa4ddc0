//! `inspect`: what a model file holds, what memory it takes, and what would run it.

mod contents;
mod verdict;

use llama_arch::LlamaConfig;
use serde::Serialize;

use super::args::{ContextArg, FormatArgs, ModelPath};
use super::estimate::MemoryDocument;
use super::report;
use super::table::{Table, bytes};
use crate::error::Result;
use crate::load::ModelFile;
use crate::output::Output;
use contents::{MetadataDocument, TensorDocument, TypeDocument};
use verdict::{DeviceVerdict, TokenizerDocument};

/// Show what a model file holds, what memory it takes, and what would run it.
///
/// Files that cannot run are shown too, with the reason. Works on vocabulary-only files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelPath,

    #[command(flatten)]
    context: ContextArg,

    #[command(flatten)]
    format: FormatArgs,
}

/// Everything about a file.
#[derive(Serialize)]
struct Document<'a> {
    model: &'a str,
    gguf_version: u32,
    file_bytes: u64,
    files: usize,
    architecture: Option<&'a str>,
    name: Option<&'a str>,
    parameters: u64,
    metadata: Vec<MetadataDocument>,
    tensors: Vec<TensorDocument>,
    tensor_types: Vec<TypeDocument>,
    config: Option<ConfigDocument>,
    tokenizer: Option<TokenizerDocument>,
    memory: Option<MemoryDocument>,
    devices: Vec<DeviceVerdict>,
    problems: Vec<String>,
}

/// The hyperparameters.
#[derive(Serialize)]
struct ConfigDocument {
    n_layers: usize,
    hidden: usize,
    ffn: usize,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    vocab: usize,
    context_length: usize,
    rms_eps: f32,
    rope_theta: f32,
    rope_dims: usize,
    sliding_window: Option<usize>,
}

impl ConfigDocument {
    fn new(config: &LlamaConfig) -> Self {
        Self {
            n_layers: config.n_layers,
            hidden: config.hidden,
            ffn: config.ffn,
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            vocab: config.vocab,
            context_length: config.context_length,
            rms_eps: config.rms_eps,
            rope_theta: config.rope.theta,
            rope_dims: config.rope.dims,
            sliding_window: config.sliding_window,
        }
    }

    fn line(&self) -> String {
        let window = self.sliding_window.map(|n| format!(", sliding window {n}"));
        format!(
            "{} layers, hidden {}, ffn {}, {} heads and {} kv heads of {}, vocab {}, context {}, \
             rope theta {} over {} channels, rms eps {:e}{}",
            self.n_layers,
            self.hidden,
            self.ffn,
            self.n_heads,
            self.n_kv_heads,
            self.head_dim,
            self.vocab,
            self.context_length,
            self.rope_theta,
            self.rope_dims,
            self.rms_eps,
            window.unwrap_or_default()
        )
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let model = ModelFile::open(args.model.model.as_deref())?;
    let document = document(args, &model)?;
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&document))?;
    } else {
        show(&document, &mut output)?;
    }
    output.finish()
}

fn document<'a>(args: &Args, model: &'a ModelFile) -> Result<Document<'a>> {
    let file = &model.file;
    let mut problems = Vec::new();
    let config = LlamaConfig::from_gguf(file).ok();
    let memory = match &config {
        Some(config) => {
            let context = args.context.or_default(config.context_length);
            Some(MemoryDocument::new(model, config, context, 1)?)
        }
        None => None,
    };
    let devices = verdict::devices(file, &mut problems);
    let string = |key| file.metadata().find_str(key).ok().flatten();
    Ok(Document {
        model: &model.name,
        gguf_version: file.version(),
        file_bytes: file.file_bytes(),
        files: file.n_parts(),
        architecture: string("general.architecture"),
        name: string("general.name"),
        parameters: contents::parameters(file),
        metadata: contents::metadata(file),
        tensors: file.tensors().map(TensorDocument::new).collect(),
        tensor_types: contents::types(file),
        config: config.as_ref().map(ConfigDocument::new),
        tokenizer: verdict::tokenizer(file, &mut problems),
        memory,
        devices,
        problems,
    })
}

fn show(document: &Document<'_>, output: &mut Output) -> Result<()> {
    output.line(format_args!(
        "{}: GGUF {}, {}, {} tensors with {} parameters",
        document.model,
        document.gguf_version,
        bytes(document.file_bytes),
        document.tensors.len(),
        document.parameters
    ))?;
    output.line(format_args!(
        "architecture {}, {}",
        document.architecture.unwrap_or("unknown"),
        document.name.unwrap_or("no name")
    ))?;
    if let Some(config) = &document.config {
        output.line(config.line())?;
    }
    if let Some(tokenizer) = &document.tokenizer {
        output.line(tokenizer.line())?;
    }
    let mut metadata = Table::new(&["metadata", "type", "value"], 3);
    for entry in &document.metadata {
        metadata.row([entry.key.clone(), entry.kind(), entry.short_value()]);
    }
    output.line(format_args!("\n{metadata}"))?;
    if !document.tensors.is_empty() {
        output.line(format_args!(
            "\n{}",
            contents::tensor_table(&document.tensors)
        ))?;
        output.line(format_args!(
            "\n{}",
            contents::type_table(&document.tensor_types)
        ))?;
    }
    if let Some(memory) = &document.memory {
        output.line(format_args!("\n{}", memory.table()))?;
    }
    output.line("")?;
    for line in verdict::lines(&document.devices) {
        output.line(line)?;
    }
    let told = |problem: &str| document.devices.iter().any(|device| device.says(problem));
    for problem in document.problems.iter().filter(|problem| !told(problem)) {
        output.line(format_args!("problem: {problem}"))?;
    }
    Ok(())
}
