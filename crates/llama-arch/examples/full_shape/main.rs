//! Holds a model of full size against what `tests/oracle/full_shape_logits.py` computed for it, and
//! the same tokens fed in different ways against each other:
//!
//! ```text
//! cargo run --release -p llama-arch --example full_shape -- \
//!     MODEL.gguf MODEL.logits [DEVICE [LENGTH]]
//! ```
//!
//! DEVICE is cuda, cuda:N or cpu. LENGTH is the longest prompt beside others; 512 unless given.
//! Exit code 0: every NMSE is below 1e-5, and every comparison of bits holds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a command-line program"
)]

mod measures;
#[path = "../../tests/oracle/reader.rs"]
mod reader;

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use gguf::GgufFile;
use llama_arch::kv_cache::blocks_for;
use llama_arch::{
    Batch, Device, Execute, ExecutorOptions, LlamaModel, LoadOptions, Outputs, SamplingParams,
    Trace,
};
use measures::{best, divergence, nmse};
use reader::Oracle;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Mean squared error over mean square of the logits after one position.
const NMSE_BAR: f64 = 1e-5;

/// Bytes at the end of the model file that are hashed, with its length.
const HASHED: u64 = 65536;

/// Steps of decoding beside other sequences.
const N_STEPS: usize = 8;

/// Prompts, seeds and temperatures of sampled runs, how often each is repeated, and tokens of one.
const N_PROMPTS: usize = 5;
const SEEDS: [u64; 3] = [1, 2, 3];
const TEMPERATURES: [f32; 3] = [0.0, 0.7, 1.5];
const N_RUNS: usize = 10;
const N_SAMPLED: usize = 32;

const USAGE: &str = "usage: full_shape MODEL.gguf MODEL.logits [cuda|cuda:N|cpu] [LENGTH]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("error: {failures} comparisons failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes every comparison, and counts those that fail.
fn run(args: &[String]) -> Result<usize> {
    let [model_path, oracle_path, options @ ..] = args else {
        return Err(USAGE.into());
    };
    let device = match options.first().map_or("cuda", String::as_str) {
        "cpu" => Device::cpu(),
        name => {
            let ordinal = name.strip_prefix("cuda").ok_or(USAGE)?;
            Device::cuda(ordinal.strip_prefix(':').unwrap_or("0").parse()?)?
        }
    };
    let length = options.get(1).map_or(Ok(512), |text| text.parse())?;
    let oracle = Oracle::read(Path::new(oracle_path))?;
    if file_hash(model_path)? != oracle.model_hash {
        return Err(format!("{oracle_path} is not of {model_path}: make it again").into());
    }
    let started = Instant::now();
    let file = GgufFile::open(model_path)?;
    let mut check = FullShape {
        model: LlamaModel::load(&file, &device, LoadOptions::default())?,
        tokens: [&oracle.prompt[..], &oracle.greedy].concat(),
        oracle,
        failures: 0,
    };
    println!("{model_path} on {}", check.model.device_description());
    let decoded = check.against_the_oracle()?;
    check.decode_is_prefill(&decoded)?;
    check.chunks(&decoded)?;
    check.single_operations(&decoded)?;
    for n_sequences in [2, 8, 64] {
        check.beside_others(n_sequences, length)?;
    }
    check.sampled_again()?;
    println!("{:.1} s", started.elapsed().as_secs_f64());
    Ok(check.failures)
}

/// FNV-1a of the last bytes of a file and its length, as the script that made the oracle takes it.
fn file_hash(path: &str) -> Result<u64> {
    let mut file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(HASHED)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    bytes.extend(length.to_le_bytes());
    Ok(synth_model::fnv1a(&bytes))
}

struct FullShape {
    model: LlamaModel,
    oracle: Oracle,
    /// The prompt and what follows it.
    tokens: Vec<u32>,
    failures: usize,
}

/// One sequence in a cache of its own.
struct Alone {
    executor: Box<dyn Execute>,
    blocks: Vec<u32>,
}

impl Alone {
    /// Feeds tokens from position `start` on; the logits of the rows asked for.
    fn feed(&mut self, tokens: &[u32], start: usize, outputs: Outputs) -> Result<Vec<Vec<f32>>> {
        let mut batch = Batch::new();
        batch.push(tokens, start, &self.blocks, outputs);
        forward(&mut *self.executor, &batch)
    }
}

fn forward(executor: &mut dyn Execute, batch: &Batch) -> Result<Vec<Vec<f32>>> {
    let logits = executor.forward(batch, None)?;
    let rows = 0..logits.n_rows();
    Ok(rows
        .map(|row| logits.row(row).map(<[f32]>::to_vec))
        .collect::<std::result::Result<_, _>>()?)
}

impl FullShape {
    fn alone(&self, max_rows: usize) -> Result<Alone> {
        let options = ExecutorOptions {
            context_length: self.tokens.len(),
            max_sequences: 1,
            max_rows,
            max_outputs: max_rows.min(self.oracle.greedy.len()),
        };
        let blocks = 0..blocks_for(self.tokens.len()) as u32;
        Ok(Alone {
            executor: self.model.executor(&options)?,
            blocks: blocks.collect(),
        })
    }

    /// The logits after `tokens[..len]`, fed in one piece to a new cache.
    fn prefill(&self, len: usize) -> Result<Vec<f32>> {
        let rows = self
            .alone(len)?
            .feed(&self.tokens[..len], 0, Outputs::Last)?;
        Ok(rows.into_iter().next().unwrap())
    }

    /// Each prompt in one piece, then one token after another. Returns the logits of these.
    fn against_the_oracle(&mut self) -> Result<Vec<Vec<f32>>> {
        let n_prompt = self.oracle.prompt.len();
        println!(
            "{:>9}  {:7}  {:>8}  {:>8}  top 1",
            "position", "by", "NMSE", "KLD"
        );
        for index in 0..self.oracle.positions.len() {
            let position = self.oracle.positions[index];
            if position < n_prompt {
                let found = self.prefill(position + 1)?;
                self.judge(index, "prefill", &found);
            }
        }
        let mut alone = self.alone(n_prompt)?;
        alone.feed(&self.tokens[..n_prompt], 0, Outputs::None)?;
        let mut decoded = Vec::new();
        for position in n_prompt..self.tokens.len() {
            let token = [self.tokens[position]];
            decoded.append(&mut alone.feed(&token, position, Outputs::Last)?);
            let kept = self.oracle.positions.iter().position(|&at| at == position);
            if let Some(index) = kept {
                self.judge(index, "decode", &decoded[position - n_prompt]);
            }
        }
        Ok(decoded)
    }

    fn judge(&mut self, index: usize, by: &str, found: &[f32]) {
        let expected = self.oracle.row(index);
        let error = nmse(expected, found);
        let same = if best(expected) == best(found) {
            "same"
        } else {
            "other"
        };
        let position = self.oracle.positions[index];
        let divergence = divergence(expected, found);
        let verdict = self.count(error <= NMSE_BAR, "", "  TOO LARGE");
        println!("{position:>9}  {by:7}  {error:8.1e}  {divergence:8.1e}  {same}{verdict}");
    }

    fn count(&mut self, holds: bool, yes: &'static str, no: &'static str) -> &'static str {
        self.failures += usize::from(!holds);
        if holds { yes } else { no }
    }

    fn same_bits(&mut self, what: &str, pairs: &[(&[f32], &[f32])]) {
        let same =
            |(a, b): &(&[f32], &[f32])| a.iter().zip(*b).all(|(a, b)| a.to_bits() == b.to_bits());
        let n_same = pairs.iter().filter(|pair| same(pair)).count();
        let verdict = self.count(n_same == pairs.len(), "same bits", "DIFFERENT BITS");
        println!("{what}: {n_same} of {} rows, {verdict}", pairs.len());
    }

    /// Every step of decoding against a chunk of the same tokens, and the last against one prefill
    /// of everything.
    fn decode_is_prefill(&mut self, decoded: &[Vec<f32>]) -> Result<()> {
        let n_prompt = self.oracle.prompt.len();
        let mut alone = self.alone(n_prompt)?;
        alone.feed(&self.tokens[..n_prompt], 0, Outputs::None)?;
        let chunk = alone.feed(&self.tokens[n_prompt..], n_prompt, Outputs::All)?;
        let pairs: Vec<_> = decoded
            .iter()
            .zip(&chunk)
            .map(|(a, b)| (&**a, &**b))
            .collect();
        self.same_bits("decoded one by one = as one chunk", &pairs);
        let whole = self.prefill(self.tokens.len())?;
        let last = decoded.last().map_or(&[][..], |row| row);
        self.same_bits("decode(n) = prefill(n + 1)", &[(&whole, last)]);
        Ok(())
    }

    /// The prompt in chunks of several sizes.
    fn chunks(&mut self, decoded: &[Vec<f32>]) -> Result<()> {
        for size in [77, 128, 512, 1024] {
            let mut alone = self.alone(size)?;
            let mut last = Vec::new();
            for (index, chunk) in self.tokens.chunks(size).enumerate() {
                last = alone.feed(chunk, index * size, Outputs::Last)?;
            }
            let expected = decoded.last().map_or(&[][..], |row| row);
            self.same_bits(&format!("in chunks of {size}"), &[(&last[0], expected)]);
        }
        Ok(())
    }

    /// One operation after the other, as a trace takes them, against steps in one piece.
    fn single_operations(&mut self, decoded: &[Vec<f32>]) -> Result<()> {
        let n_prompt = self.oracle.prompt.len();
        let mut alone = self.alone(n_prompt)?;
        alone.feed(&self.tokens[..n_prompt], 0, Outputs::None)?;
        let mut found = Vec::new();
        for index in 0..N_STEPS.min(decoded.len()) {
            let mut batch = Batch::new();
            let position = n_prompt + index;
            batch.push(
                &[self.tokens[position]],
                position,
                &alone.blocks,
                Outputs::Last,
            );
            let mut trace = Trace::new();
            let logits = alone.executor.forward(&batch, Some(&mut trace))?;
            found.push(logits.row(0)?.to_vec());
        }
        let pairs: Vec<_> = found
            .iter()
            .zip(decoded)
            .map(|(a, b)| (&**a, &**b))
            .collect();
        self.same_bits("one operation after the other", &pairs);
        Ok(())
    }

    /// Tokens drawn again and again, and a hash of them all that other processes must print too.
    fn sampled_again(&mut self) -> Result<()> {
        let mut session = self.model.session(self.tokens.len())?;
        let (mut first, mut n_same, mut n_all) = (Vec::new(), 0, 0);
        for run in 0..N_RUNS {
            for case in 0..N_PROMPTS * SEEDS.len() * TEMPERATURES.len() {
                let (prompt, rest) = (case % N_PROMPTS, case / N_PROMPTS);
                let prompt = &self.tokens[prompt * 31..prompt * 170 + 40];
                let params = SamplingParams {
                    seed: SEEDS[rest % SEEDS.len()],
                    temperature: TEMPERATURES[rest / SEEDS.len()],
                    ..Default::default()
                };
                // Each time from nothing.
                session.truncate(0);
                let generation = session.generate(prompt, &params)?.take(N_SAMPLED);
                let ids: Vec<u32> = generation
                    .map(|token| token.map(|token| token.id))
                    .collect::<std::result::Result<_, _>>()?;
                if run == 0 {
                    first.push(ids);
                } else {
                    n_same += usize::from(first[case] == ids);
                    n_all += 1;
                }
            }
        }
        let bytes: Vec<u8> = first
            .concat()
            .iter()
            .flat_map(|id| id.to_le_bytes())
            .collect();
        let verdict = self.count(n_same == n_all, "same tokens", "DIFFERENT TOKENS");
        let hash = synth_model::fnv1a(&bytes);
        println!("drawn again: {n_same} of {n_all} runs, {verdict}; all: {hash:016x}");
        Ok(())
    }

    /// Sequences of different lengths prefilled in one step and decoded together, their blocks
    /// dealt out backwards, against each of the first two and the last by itself.
    fn beside_others(&mut self, n_sequences: usize, length: usize) -> Result<()> {
        let context = length + N_STEPS;
        let prompts: Vec<Vec<u32>> = (0..n_sequences)
            .map(|index| {
                let len = length - (index * 37) % length;
                let tokens = self.tokens.iter().cycle().skip(index * 29);
                tokens.copied().take(len + N_STEPS).collect()
            })
            .collect();
        let n_rows = prompts.iter().map(|tokens| tokens.len() - N_STEPS).sum();
        let options = ExecutorOptions {
            context_length: context,
            max_sequences: n_sequences,
            max_rows: n_rows,
            max_outputs: n_sequences,
        };
        let mut executor = self.model.executor(&options)?;
        let per_sequence = blocks_for(context) as u32;
        let blocks = |index: usize| -> Vec<u32> {
            let first = index as u32 * per_sequence;
            (first..first + per_sequence).rev().collect()
        };
        let mut together = Vec::new();
        for step in 0..=N_STEPS {
            let mut batch = Batch::new();
            for (index, tokens) in prompts.iter().enumerate() {
                let len = tokens.len() - N_STEPS;
                let (from, to) = if step == 0 {
                    (0, len)
                } else {
                    (len + step - 1, len + step)
                };
                batch.push(&tokens[from..to], from, &blocks(index), Outputs::Last);
            }
            together.push(forward(&mut *executor, &batch)?);
        }
        drop(executor);
        let mut chosen = vec![0, 1, n_sequences - 1];
        chosen.dedup();
        let mut alone_rows = Vec::new();
        for &index in &chosen {
            let tokens = &prompts[index];
            let len = tokens.len() - N_STEPS;
            let mut alone = self.alone(len)?;
            alone_rows.append(&mut alone.feed(&tokens[..len], 0, Outputs::Last)?);
            for (position, &token) in tokens.iter().enumerate().skip(len) {
                alone_rows.append(&mut alone.feed(&[token], position, Outputs::Last)?);
            }
        }
        let beside = chosen
            .iter()
            .flat_map(|&index| together.iter().map(move |rows| &*rows[index]));
        let pairs: Vec<_> = beside.zip(alone_rows.iter().map(|row| &**row)).collect();
        self.same_bits(&format!("{n_sequences} side by side"), &pairs);
        Ok(())
    }
}
