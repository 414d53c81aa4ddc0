//! `quantize`: another file of the same model, with its matrices in other types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::BoolishValueParser;
use gguf::TensorType;
use llama_arch::CancelFlag;

use super::table::{Table, bytes};
use crate::error::{Failure, Result};
use crate::interrupt;
use crate::load::ModelFile;
use crate::logging::notice;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::quantize::Plan;
use crate::quantize::recipe::{Choice, FileType};
use crate::store::{self, NewFile};

/// Make a model file smaller: its matrices in fewer bits.
///
/// Which tensor gets which type follows the rules of llama-quantize: some tensors of a mix such as
/// Q4_K_M get more bits than its name says, norms and biases stay as they are, and rows that are no
/// multiple of 256 take an older type. A split model becomes one file. Memory holds a few rows at a
/// time. A table of the types in the new file goes to stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  worker-orcd quantize model-f16.gguf model-q4_k_m.gguf Q4_K_M
  worker-orcd perplexity model-f16.gguf text.txt --save-logits base.logits
  worker-orcd perplexity model-q4_k_m.gguf text.txt --kl-against base.logits   (what was lost?)")]
pub(crate) struct Args {
    /// The F16, BF16 or F32 GGUF file to read (of a split model its first part), or hf:REPO:FILE
    #[arg(value_name = "IN", value_hint = clap::ValueHint::FilePath)]
    input: PathBuf,

    /// The GGUF file to write
    #[arg(value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,

    /// What to make of it; bits are those of an average weight
    #[arg(value_name = "TYPE", value_enum, ignore_case = true)]
    to: FileType,

    /// Every matrix in the type that gives the file its name, without the rules
    #[arg(long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_PURE")]
    pure: bool,

    /// Take matrices that are quantised already, too: what they lost stays lost, and more goes
    #[arg(long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_ALLOW_REQUANTIZE")]
    allow_requantize: bool,

    /// Replace OUT if it exists
    #[arg(short, long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_FORCE")]
    force: bool,

    /// Threads that compute [default: all]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "WORKER_ORCD_THREADS"
    )]
    threads: Option<u16>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cancel = CancelFlag::new();
    interrupt::cancel(cancel.clone())?;
    let started = Instant::now();
    let file = ModelFile::open(Some(&args.input))?;
    args.check_output(&file)?;
    let plan = Plan::new(&file.file, args.to, args.pure).map_err(|failure| file.about(failure))?;
    args.check_types(&file, &plan)?;
    say_fallbacks(&plan);
    let out = NewFile::create(&args.output, args.force)?;
    let n_threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let n_elements = plan.n_elements();
    let mut bar = Progress::new("quantizing", Unit::Count("weights"), n_elements);
    let written = plan.write(out, n_threads, &cancel, |elements| bar.add(elements));
    bar.finish();
    written?;
    let mut output = Output::stdout();
    output.line(table(&plan)?)?;
    output.finish()?;
    let (before, after) = (file.file.data_bytes(), plan.data_bytes()?);
    notice!(
        bytes = after,
        "{}: {} of weights instead of {}, {:.2} bits each, in {:.1} s",
        args.output.display(),
        bytes(after),
        bytes(before),
        after as f64 * 8.0 / n_elements as f64,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

impl Args {
    /// The new file must not be one that is being read.
    fn check_output(&self, file: &ModelFile) -> Result<()> {
        let is_part = file.file.n_parts() > 1 && is_part_of(&self.output, &self.input);
        if is_part || store::same_file(&self.input, &self.output) {
            return Err(Failure::usage(format_args!(
                "{} is the file to read; write to another one",
                self.output.display()
            )));
        }
        Ok(())
    }

    /// What is quantised already only goes on if the user says so.
    fn check_types(&self, file: &ModelFile, plan: &Plan<'_>) -> Result<()> {
        let again = plan.choices.iter().find(|Choice { tensor, to, .. }| {
            tensor.tensor_type() != *to && tensor.tensor_type().block_len() > 1
        });
        match again {
            Some(Choice { tensor, .. }) if !self.allow_requantize => {
                Err(file.about(Failure::failed(format_args!(
                    "tensor `{}` is {} already, and quantising it again loses more than \
                     quantising the original; take the F16 file, or give --allow-requantize",
                    tensor.name(),
                    tensor.tensor_type()
                ))))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `path` is named as a part of the split set that `first` begins.
fn is_part_of(path: &Path, first: &Path) -> bool {
    let stem = |path: &Path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (stem, _) = name.rsplit_once("-of-")?;
        let (stem, _) = stem.rsplit_once('-')?;
        Some(path.with_file_name(stem))
    };
    stem(path).is_some() && stem(path) == stem(first)
}

/// Says how many tensors get another type than the rules give them.
fn say_fallbacks(plan: &Plan<'_>) {
    let mut counts: BTreeMap<(u32, u32), (&Choice<'_>, usize)> = BTreeMap::new();
    for choice in plan
        .choices
        .iter()
        .filter(|choice| choice.to != choice.wanted)
    {
        let key = (choice.wanted.id(), choice.to.id());
        counts.entry(key).or_insert((choice, 0)).1 += 1;
    }
    for (Choice { wanted, to, .. }, count) in counts.into_values() {
        notice!(
            tensors = count,
            "{count} tensors become {to} instead of {wanted}: their rows are no multiple of {}",
            wanted.block_len()
        );
    }
}

/// The types of the new file.
fn table(plan: &Plan<'_>) -> Result<Table> {
    let mut types: BTreeMap<u32, (TensorType, usize, u64)> = BTreeMap::new();
    for choice in &plan.choices {
        let (_, count, size) = types.entry(choice.to.id()).or_insert((choice.to, 0, 0));
        *count += 1;
        *size += choice.n_bytes()?;
    }
    let mut table = Table::new(&["type", "tensors", "size"], 1);
    for (tensor_type, count, size) in types.into_values() {
        table.row([tensor_type.to_string(), count.to_string(), bytes(size)]);
    }
    Ok(table)
}
