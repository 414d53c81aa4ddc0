//! `trace`: what every operation of a forward pass produced.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use llama_arch::{Error, Trace, TraceEntry};
use serde::{Deserialize, Serialize};

use super::args::{ContextArg, FormatArgs, ModelArg, RunArgs, token_ids};
use super::report;
use super::table::Table;
use crate::error::{Failure, Result};
use crate::load::{self, ModelFile};
use crate::output::Output;
use crate::prompt::Prompter;

/// Show what every operation of one forward pass produced: where do numbers go wrong?
///
/// The prompt is taken as it stands, without a chat template. With --against FILE, a trace that
/// was written with --format json, the first operation that differs is named, and the exit code is
/// 1 if there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: does another machine compute the same?
  worker-orcd trace --model M.gguf --prompt Hello --format json > here.json
  worker-orcd trace --model M.gguf --prompt Hello --against here.json     (over there)")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArg,

    /// The prompt
    #[arg(short, long, value_name = "TEXT", env = "WORKER_ORCD_PROMPT")]
    prompt: Option<String>,

    /// The prompt as token ids, such as 1,2,3
    #[arg(
        long,
        value_name = "IDS",
        conflicts_with = "prompt",
        env = "WORKER_ORCD_PROMPT_IDS"
    )]
    prompt_ids: Option<String>,

    /// Compare with this earlier trace
    #[arg(long, value_name = "FILE", env = "WORKER_ORCD_AGAINST")]
    against: Option<PathBuf>,

    /// How far values may differ, relative to the rms of an operation's output
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.01,
        value_parser = tolerance,
        env = "WORKER_ORCD_TOLERANCE"
    )]
    tolerance: f64,

    /// Show only operations that are not within the tolerance or hold non-finite values
    #[arg(long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_BAD_ONLY")]
    bad_only: bool,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    context: ContextArg,

    #[command(flatten)]
    format: FormatArgs,
}

/// A whole trace.
#[derive(Serialize, Deserialize)]
struct TraceDocument {
    model: String,
    device: String,
    prompt_tokens: Vec<u32>,
    ops: Vec<OpDocument>,
}

/// One operation. Values that are not finite are null.
#[derive(Serialize, Deserialize)]
struct OpDocument {
    layer: Option<usize>,
    op: String,
    shape: [usize; 2],
    min: Option<f32>,
    max: Option<f32>,
    mean: f64,
    rms: f64,
    non_finite: usize,
    first: Vec<Option<f32>>,
}

impl OpDocument {
    fn new(entry: &TraceEntry) -> Self {
        let finite = |value: f32| value.is_finite().then_some(value);
        Self {
            layer: entry.layer,
            op: entry.op.clone(),
            shape: entry.shape,
            min: finite(entry.min),
            max: finite(entry.max),
            mean: entry.mean,
            rms: entry.rms,
            non_finite: entry.non_finite,
            first: entry.first.iter().copied().map(finite).collect(),
        }
    }

    fn entry(&self) -> TraceEntry {
        TraceEntry {
            layer: self.layer,
            op: self.op.clone(),
            shape: self.shape,
            min: self.min.unwrap_or(f32::INFINITY),
            max: self.max.unwrap_or(f32::NEG_INFINITY),
            mean: self.mean,
            rms: self.rms,
            non_finite: self.non_finite,
            first: self
                .first
                .iter()
                .map(|value| value.unwrap_or(f32::NAN))
                .collect(),
        }
    }

    fn name(&self) -> String {
        match self.layer {
            Some(layer) => format!("{} of layer {layer}", self.op),
            None => self.op.clone(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let earlier = args.earlier()?;
    let file = ModelFile::open(args.model.model.as_deref())?;
    let prompt = args.prompt_tokens(&file)?;
    let model = args.run.load(&file)?;
    let mut session = args.context.session(&file, &model)?;
    let mut trace = Trace::new();
    match session.trace(&prompt, &mut trace) {
        // The trace says where they came from.
        Ok(_) | Err(Error::NonFinite { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let document = TraceDocument {
        model: file.name,
        device: model.device_description(),
        prompt_tokens: prompt,
        ops: trace.entries().iter().map(OpDocument::new).collect(),
    };
    let n_traced = document.ops.first().map_or(0, |op| op.shape[0]);
    let n_prompt = document.prompt_tokens.len();
    if n_traced < n_prompt {
        tracing::warn!(
            "the trace covers the last {n_traced} of the {n_prompt} tokens of the prompt"
        );
    }
    let distances = earlier
        .as_ref()
        .map(|earlier| distances(&document, earlier));
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&document))?;
    } else {
        output.line(args.table(&document, distances.as_deref()))?;
    }
    output.finish()?;
    verdict(args, &document, earlier.as_ref(), distances.as_deref())
}

impl Args {
    fn prompt_tokens(&self, file: &ModelFile) -> Result<Vec<u32>> {
        match (&self.prompt, &self.prompt_ids) {
            (_, Some(ids)) => token_ids(ids),
            (Some(text), None) => {
                let prompter =
                    Prompter::from_gguf(&file.file).map_err(|failure| file.about(failure))?;
                prompter.raw(text)
            }
            (None, None) => Err(Failure::usage(
                "no prompt: give --prompt TEXT or --prompt-ids IDS",
            )),
        }
    }

    fn earlier(&self) -> Result<Option<TraceDocument>> {
        let Some(path) = &self.against else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(&load::read_text(path)?);
        parsed.map(Some).map_err(|error| {
            Failure::failed(format_args!(
                "{} is no trace written with --format json: {error}",
                path.display()
            ))
        })
    }

    fn table(&self, document: &TraceDocument, distances: Option<&[f64]>) -> Table {
        let mut header = vec![
            "layer",
            "op",
            "shape",
            "min",
            "max",
            "mean",
            "rms",
            "non-finite",
        ];
        header.push(if distances.is_some() {
            "difference"
        } else {
            "first values"
        });
        let mut table = Table::new(&header, 2);
        for (at, op) in document.ops.iter().enumerate() {
            let distance = distances.map(|all| all.get(at).copied().unwrap_or(f64::INFINITY));
            let is_bad = op.non_finite > 0 || distance.is_some_and(|far| far > self.tolerance);
            if self.bad_only && !is_bad {
                continue;
            }
            let first = op.first.iter().take(4).map(|&value| short(value));
            table.row([
                op.layer
                    .map_or_else(|| "-".to_owned(), |layer| layer.to_string()),
                op.op.clone(),
                format!("{}x{}", op.shape[0], op.shape[1]),
                short(op.min),
                short(op.max),
                format!("{:.5}", op.mean),
                format!("{:.5}", op.rms),
                op.non_finite.to_string(),
                distance.map_or_else(
                    || first.collect::<Vec<_>>().join(" "),
                    |far| format!("{far:.2e}"),
                ),
            ]);
        }
        table
    }
}

fn tolerance(text: &str) -> std::result::Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| *value >= 0.0);
    value.ok_or_else(|| "expected a number that is not negative".to_owned())
}

fn short(value: Option<f32>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.5}"))
}

/// How far each operation is from the one at its place in the other trace.
fn distances(this: &TraceDocument, other: &TraceDocument) -> Vec<f64> {
    let pairs = this.ops.iter().zip(&other.ops);
    pairs
        .map(|(a, b)| match (&a.op, a.layer) == (&b.op, b.layer) {
            true => a.entry().distance(&b.entry()),
            false => f64::INFINITY,
        })
        .collect()
}

fn verdict(
    args: &Args,
    document: &TraceDocument,
    earlier: Option<&TraceDocument>,
    distances: Option<&[f64]>,
) -> Result<()> {
    if let Some((earlier, distances)) = earlier.zip(distances) {
        if earlier.prompt_tokens != document.prompt_tokens {
            return Err(Failure::failed(
                "the traces are of different prompts (see prompt_tokens); give the same prompt",
            ));
        }
        let first = distances.iter().position(|far| *far > args.tolerance);
        if let Some(at) = first {
            return Err(Failure::failed(format_args!(
                "{} differs by {:.2e}, more than the tolerance of {}; it is the first operation \
                 that does",
                document.ops[at].name(),
                distances[at],
                args.tolerance
            )));
        }
        if earlier.ops.len() != document.ops.len() {
            return Err(Failure::failed(format_args!(
                "the traces have {} and {} operations: they are of different models",
                earlier.ops.len(),
                document.ops.len()
            )));
        }
    }
    match document.ops.iter().find(|op| op.non_finite > 0) {
        Some(op) => Err(Failure::failed(format_args!(
            "{} produced {} non-finite values; it is the first operation that did",
            op.name(),
            op.non_finite
        ))),
        None => Ok(()),
    }
}
