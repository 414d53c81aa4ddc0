//! `bench`: how fast a model runs, and how near that is to what memory allows.

mod bandwidth;
mod runner;

use llama_arch::{ExecutorOptions, LlamaModel};
use serde::Serialize;

use super::args::{FormatArgs, ModelPath, RunArgs};
use super::report;
use super::table::{Table, bytes};
use crate::error::{Failure, Result};
use crate::load::ModelFile;
use crate::output::Output;
use runner::Runner;

/// Tokens of a prefill test, unless asked otherwise or the context is smaller.
const DEFAULT_PREFILL: u32 = 512;

/// Tokens of a decode test, unless asked otherwise or the context is smaller.
const DEFAULT_DECODE: u32 = 128;

/// Measure prefill and decode speed, as medians.
///
/// A decode step reads every weight and the cache once: `GB/s` is what that comes to, and `of
/// read` its share of the speed at which this run saw all threads read memory.
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

    /// Tokens in the cache before each test
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 0,
        env = "WORKER_ORCD_DEPTH"
    )]
    depth: u32,

    /// Sequences side by side
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=4096),
        env = "WORKER_ORCD_BATCH"
    )]
    batch: u16,

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

/// A whole benchmark.
#[derive(Serialize)]
struct BenchDocument<'a> {
    model: &'a str,
    device: String,
    weight_bytes: u64,
    load_ms: f64,
    reps: u16,
    /// What all threads together read from memory in a second, measured in this run; of a device
    /// with its own memory not known.
    read_gb_per_s: Option<f64>,
    results: Vec<ResultDocument>,
}

/// One test.
#[derive(Serialize)]
struct ResultDocument {
    test: String,
    tokens: usize,
    depth: usize,
    batch: usize,
    tokens_per_s: f64,
    tokens_per_s_min: f64,
    tokens_per_s_max: f64,
    ms_per_token: f64,
    /// Of decode tests: bytes of weights and cache read for one token.
    bytes_per_token: Option<u64>,
    gb_per_s: Option<f64>,
    share_of_read: Option<f64>,
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
    let tests = args.tests(model.config().context_length);
    if tests.is_empty() {
        return Err(Failure::usage("nothing to measure: -p and -n are both 0"));
    }
    let threads = args
        .run
        .threads()
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let on_host = model.free_bytes()?.is_none();
    let read_gb_per_s = on_host.then(|| bandwidth::read_gb_per_s(threads));
    let document = BenchDocument {
        model: &file.name,
        device: model.device_description(),
        weight_bytes: file.file.data_bytes(),
        load_ms,
        reps: args.reps,
        read_gb_per_s,
        results: args.measure(&file, &model, &tests, read_gb_per_s)?,
    };
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&document))?;
    } else {
        let read = read_gb_per_s
            .map(|speed| format!(", memory read at {speed:.1} GB/s"))
            .unwrap_or_default();
        output.line(format_args!(
            "{}, {} of weights, {}{read}, medians of {}",
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
    fn tests(&self, context: usize) -> Vec<Test> {
        let room = u32::try_from(context)
            .unwrap_or(u32::MAX)
            .saturating_sub(self.depth)
            .max(1);
        let sizes = |asked: &Option<Vec<u32>>, default: u32| {
            let sizes = asked.clone().unwrap_or_else(|| vec![default.min(room)]);
            sizes.into_iter().filter(|&n| n > 0).map(|n| n as usize)
        };
        let prefill = sizes(&self.prefill, DEFAULT_PREFILL).map(Test::Prefill);
        prefill
            .chain(sizes(&self.decode, DEFAULT_DECODE).map(Test::Decode))
            .collect()
    }

    fn measure(
        &self,
        file: &ModelFile,
        model: &LlamaModel,
        tests: &[Test],
        read_gb_per_s: Option<f64>,
    ) -> Result<Vec<ResultDocument>> {
        let (depth, batch) = (self.depth as usize, usize::from(self.batch));
        let longest = tests.iter().map(|test| test.tokens()).max().unwrap_or(0);
        let context = depth + longest.max(1);
        let options = match batch {
            1 => ExecutorOptions::single(context),
            _ => ExecutorOptions::batch(context, batch),
        };
        let options = options.with_chunk(model.chunk_rows());
        let mut runner = Runner::new(file, model, options)?;
        runner.fill(depth)?;
        let mut results = Vec::new();
        for &test in tests {
            let mut times = Vec::new();
            for rep in 0..=self.reps {
                let time = match test {
                    Test::Prefill(n) => runner.prefill(depth, n)?,
                    Test::Decode(n) => runner.decode(depth, n)?,
                };
                // The first one warms up.
                if rep > 0 {
                    times.push(time.as_secs_f64());
                }
            }
            times.sort_by(f64::total_cmp);
            let n = (test.tokens() * batch) as f64;
            let seconds = median(&times);
            let read = match test {
                Test::Prefill(_) => None,
                Test::Decode(n) => Some(runner.bytes_per_step(depth, n)),
            };
            let gb_per_s = read.map(|step| step * test.tokens() as f64 / seconds / 1e9);
            results.push(ResultDocument {
                test: test.name(depth, batch),
                tokens: test.tokens(),
                depth,
                batch,
                tokens_per_s: n / seconds,
                tokens_per_s_min: n / times[times.len() - 1],
                tokens_per_s_max: n / times[0],
                ms_per_token: seconds * 1e3 / n,
                bytes_per_token: read.map(|step| (step / batch as f64) as u64),
                gb_per_s,
                share_of_read: gb_per_s
                    .zip(read_gb_per_s)
                    .map(|(speed, read)| speed / read),
            });
        }
        Ok(results)
    }
}

/// The median of sorted values, of which there is one at least.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

fn table(results: &[ResultDocument]) -> Table {
    let header = [
        "test",
        "tokens/s",
        "min",
        "max",
        "ms/token",
        "read/token",
        "GB/s",
        "of read",
    ];
    let mut table = Table::new(&header, 1);
    let dash = || "-".to_owned();
    for result in results {
        table.row([
            result.test.clone(),
            format!("{:.2}", result.tokens_per_s),
            format!("{:.2}", result.tokens_per_s_min),
            format!("{:.2}", result.tokens_per_s_max),
            format!("{:.3}", result.ms_per_token),
            result.bytes_per_token.map_or_else(dash, bytes),
            result
                .gb_per_s
                .map_or_else(dash, |speed| format!("{speed:.2}")),
            result
                .share_of_read
                .map_or_else(dash, |share| format!("{:.1} %", share * 100.0)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 3.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
    }

    #[test]
    fn names() {
        assert_eq!(Test::Prefill(512).name(0, 1), "prefill 512");
        assert_eq!(Test::Decode(128).name(1024, 4), "decode 128 x 4 @ 1024");
    }
}
