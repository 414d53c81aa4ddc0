//! `bench`: how fast a model runs, and how near that is to what memory allows.

mod bandwidth;
mod document;
mod runner;

use llama_arch::backend::cuda;
use llama_arch::{ExecutorOptions, LlamaModel};

use super::args::{FormatArgs, ModelPath, RunArgs};
use super::report;
use super::table::bytes;
use crate::error::{Failure, Result};
use crate::load::ModelFile;
use crate::output::Output;
use document::{BenchDocument, ResultDocument, table};
use runner::Runner;

/// Tokens of a prefill test, unless asked otherwise or the context is smaller.
const DEFAULT_PREFILL: usize = 512;

/// Tokens of a decode test, unless asked otherwise or the context is smaller.
const DEFAULT_DECODE: usize = 128;

/// Measure prefill and greedy decoding, as medians.
///
/// A decode step reads every weight and the cache once: `GB/s` is what that comes to, and `of
/// read` its share of the speed at which this run saw the device, or all threads, read memory.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelPath,

    /// Tokens to prefill, a test each; 0: no such test [default: 512, or what the context holds]
    #[arg(
        short = 'p',
        long,
        value_name = "N,..",
        value_delimiter = ',',
        env = "WORKER_ORCD_PREFILL"
    )]
    prefill: Option<Vec<u32>>,

    /// Tokens to generate, a test each; 0: no such test [default: 128, or what the context holds]
    #[arg(
        short = 'n',
        long,
        value_name = "N,..",
        value_delimiter = ',',
        env = "WORKER_ORCD_DECODE"
    )]
    decode: Option<Vec<u32>>,

    /// Tokens of each sequence in the cache before a test; every test at every depth
    #[arg(
        short,
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "0",
        env = "WORKER_ORCD_DEPTH"
    )]
    depth: Vec<u32>,

    /// Sequences side by side; every test with every number of them
    #[arg(
        short,
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..=4096),
        env = "WORKER_ORCD_BATCH"
    )]
    batch: Vec<u16>,

    /// Most tokens that one step of a prefill takes, over all sequences [default: what `generate`
    /// takes]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1 << 20),
        env = "WORKER_ORCD_STEP_TOKENS"
    )]
    step_tokens: Option<u32>,

    /// Decode without choosing tokens: the logits are brought to the host, and any token follows
    #[arg(
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "WORKER_ORCD_LOGITS"
    )]
    logits: bool,

    /// Repetitions of each test, after one to warm up
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u16).range(1..=1000),
        env = "WORKER_ORCD_REPS"
    )]
    reps: u16,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    format: FormatArgs,
}

/// What a test does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Prefill(usize),
    Decode(usize),
}

impl Test {
    fn tokens(self) -> usize {
        match self {
            Self::Prefill(n) | Self::Decode(n) => n,
        }
    }

    fn name(self, depth: usize, batch: usize) -> String {
        let mut name = match self {
            Self::Prefill(n) => format!("prefill {n}"),
            Self::Decode(n) => format!("decode {n}"),
        };
        if batch > 1 {
            name += &format!(" x {batch}");
        }
        if depth > 0 {
            name += &format!(" @ {depth}");
        }
        name
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let file = ModelFile::open(args.model.model.as_deref())?;
    let model = args.run.load(&file)?;
    let load_ms = crate::generation::millis(file.since_opened());
    let read_gb_per_s = match model.free_bytes()? {
        None => bandwidth::read_gb_per_s(args.threads()),
        Some(_) => cuda::read_gb_per_s(args.run.ordinal())?,
    };
    let mut results = Vec::new();
    for &batch in &args.batch {
        for &depth in &args.depth {
            let at = (depth as usize, usize::from(batch));
            results.append(&mut args.measure(&file, &model, at, read_gb_per_s)?);
        }
    }
    if results.is_empty() {
        return Err(Failure::usage("nothing to measure: -p and -n are both 0"));
    }
    let document = BenchDocument {
        model: &file.name,
        device: model.device_description(),
        weight_bytes: file.file.data_bytes(),
        load_ms,
        reps: args.reps,
        read_gb_per_s,
        results,
    };
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&document))?;
    } else {
        output.line(format_args!(
            "{}, {} of weights, {}, memory read at {read_gb_per_s:.1} GB/s, medians of {}",
            document.model,
            bytes(document.weight_bytes),
            document.device,
            document.reps
        ))?;
        output.line(table(&document.results))?;
    }
    output.finish()
}

impl Args {
    fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.run.threads().unwrap_or_else(all)
    }

    fn tests(&self, context: usize, depth: usize) -> Vec<Test> {
        let room = context.saturating_sub(depth).max(1);
        let sizes = |asked: &Option<Vec<u32>>, default: usize| {
            let asked = asked
                .as_ref()
                .map(|sizes| sizes.iter().map(|&n| n as usize));
            let sizes: Vec<usize> =
                asked.map_or_else(|| vec![default.min(room)], Iterator::collect);
            sizes.into_iter().filter(|&n| n > 0)
        };
        let prefill = sizes(&self.prefill, DEFAULT_PREFILL).map(Test::Prefill);
        prefill
            .chain(sizes(&self.decode, DEFAULT_DECODE).map(Test::Decode))
            .collect()
    }

    /// What an executor for so many sequences of that context is planned for.
    fn options(&self, model: &LlamaModel, context: usize, batch: usize) -> ExecutorOptions {
        let options = match batch {
            1 => ExecutorOptions::single(context),
            _ => ExecutorOptions::batch(context, batch),
        };
        let asked = self.step_tokens.map(|n| n as usize);
        options.with_chunk(asked.unwrap_or_else(|| model.chunk_rows()))
    }

    /// Every test at one depth with one number of sequences.
    fn measure(
        &self,
        file: &ModelFile,
        model: &LlamaModel,
        (depth, batch): (usize, usize),
        read_gb_per_s: f64,
    ) -> Result<Vec<ResultDocument>> {
        let tests = self.tests(model.config().context_length, depth);
        let Some(longest) = tests.iter().map(|test| test.tokens()).max() else {
            return Ok(Vec::new());
        };
        let mut runner = Runner::new(file, model, self.options(model, depth + longest, batch))?;
        runner.fill(depth)?;
        let mut results = Vec::new();
        for test in tests {
            let mut seconds = Vec::new();
            for rep in 0..=self.reps {
                let time = match test {
                    Test::Prefill(n) => runner.prefill(depth, n)?,
                    Test::Decode(n) => runner.decode(depth, n, self.logits)?,
                };
                // The first one warms up.
                if rep > 0 {
                    seconds.push(time.as_secs_f64());
                }
            }
            let step_bytes = match test {
                Test::Prefill(_) => None,
                Test::Decode(n) => Some(runner.bytes_per_step(depth, n)),
            };
            let result = ResultDocument::new(test, (depth, batch), &seconds, step_bytes);
            results.push(result.against(read_gb_per_s));
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Test::Prefill(512).name(0, 1), "prefill 512");
        assert_eq!(Test::Decode(128).name(1024, 4), "decode 128 x 4 @ 1024");
    }
}
