//! `estimate`: what memory a model would take.

use llama_arch::{ExecutorOptions, LlamaConfig, MemoryPlan};
use serde::Serialize;

use super::args::{ContextArg, FormatArgs, ModelPath};
use super::report;
use super::table::{Table, bytes};
use crate::error::Result;
use crate::load::{self, ModelFile};
use crate::output::Output;

/// Show what memory a model takes, from the file's header alone.
///
/// The numbers are those that loading uses. Nothing is loaded and no device is needed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelPath,

    #[command(flatten)]
    context: ContextArg,

    /// Sequences side by side, each with the whole context
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=4096),
        env = "WORKER_ORCD_BATCH"
    )]
    batch: u16,

    #[command(flatten)]
    format: FormatArgs,
}

/// A memory plan.
#[derive(Serialize)]
pub(crate) struct MemoryDocument {
    context_length: usize,
    batch: usize,
    weight_bytes: u64,
    kv_bytes: u64,
    kv_bytes_per_token: u64,
    scratch_bytes: u64,
    total_bytes: u64,
    host_available_bytes: Option<u64>,
}

impl MemoryDocument {
    /// The plan for `batch` sequences of `context_length`.
    pub(crate) fn new(
        file: &ModelFile,
        config: &LlamaConfig,
        context_length: usize,
        batch: usize,
    ) -> Result<Self> {
        let options = match batch {
            1 => ExecutorOptions::single(context_length),
            _ => ExecutorOptions::batch(context_length, batch),
        };
        let plan =
            MemoryPlan::new(&file.file, config, &options).map_err(|error| file.about(error))?;
        Ok(Self {
            context_length,
            batch,
            weight_bytes: plan.weight_bytes,
            kv_bytes: plan.kv_bytes,
            kv_bytes_per_token: plan.kv_bytes_per_token,
            scratch_bytes: plan.scratch_bytes,
            total_bytes: plan.total_bytes(),
            host_available_bytes: load::available_host_bytes(),
        })
    }

    /// The plan as a table.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["memory", "size", "bytes"], 1);
        let kv = format!(
            "kv cache ({} x {} tokens of {} bytes)",
            self.batch, self.context_length, self.kv_bytes_per_token
        );
        let rows = [
            ("weights".to_owned(), Some(self.weight_bytes)),
            (kv, Some(self.kv_bytes)),
            ("scratch".to_owned(), Some(self.scratch_bytes)),
            ("total".to_owned(), Some(self.total_bytes)),
            ("free on this machine".to_owned(), self.host_available_bytes),
        ];
        for (what, size) in rows {
            if let Some(size) = size {
                table.row([what, bytes(size), size.to_string()]);
            }
        }
        table
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        model: &'a str,
        memory: MemoryDocument,
    }
    let file = ModelFile::open(args.model.model.as_deref())?;
    let config = LlamaConfig::from_gguf(&file.file).map_err(|error| file.about(error))?;
    let context = args.context.or_default(config.context_length);
    let memory = MemoryDocument::new(&file, &config, context, args.batch.into())?;
    let mut output = Output::stdout();
    if args.format.json() {
        let model = &file.name;
        output.line(report::json(&Document { model, memory }))?;
    } else {
        output.line(memory.table())?;
    }
    output.finish()
}
