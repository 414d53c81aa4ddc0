//! Whether a device computes what the host's processor does: small random models of every weight
//! type through everything that runs there. Needs no file.
//!
//! Every model is fed a prompt in one piece, some tokens one by one, and a trace, in which each
//! operation runs by itself. Errors of rounding stay far below the bars; a kernel that does not do
//! its work, or does that of another, is far above them.

mod tiny;

use std::sync::Arc;

use gguf::{GgufFile, TensorType};

use crate::backend::Backend;
use crate::backend::cpu::CpuBackend;
use crate::batch::{Batch, Outputs};
use crate::error::Result;
use crate::kv_cache::blocks_for;
use crate::model::{Executor, Model};
use crate::plan::ExecutorOptions;
use crate::sampling::{Sampler, SamplingParams};
use crate::trace::{Trace, TraceEntry};

/// Mean squared error over mean square of logits that rounding may cause in two layers.
const LOGITS_BAR: f64 = 1e-4;

/// [`TraceEntry::distance`] that it may cause.
const OPERATION_BAR: f64 = 0.02;

/// Tokens of the prompt: more than a block of the cache holds, and than one tile of rows.
const PROMPT_LEN: usize = 40;

/// Tokens after it.
const N_STEPS: usize = 4;

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What: a weight type and how it was used, or an operation.
    pub what: String,
    /// How far apart the two are; NaN if there is nothing to measure.
    pub error: f64,
    /// How far they may be.
    pub bar: f64,
}

impl Finding {
    /// Whether the device does it right.
    pub fn holds(&self) -> bool {
        self.error <= self.bar
    }
}

/// Compares a device with a backend of the processor, and tells each finding as it is made.
///
/// # Errors
/// The device failed, or has no memory for a model of some megabytes.
pub fn run<B: Backend>(
    reference: &CpuBackend,
    device: &B,
    report: &mut dyn FnMut(Finding),
) -> Result<()> {
    let mut operations: Vec<(String, f64)> = Vec::new();
    for (index, &tensor_type) in TYPES.iter().enumerate() {
        let architecture = tiny::ARCHITECTURES[index % tiny::ARCHITECTURES.len()];
        let file = GgufFile::from_bytes(tiny::model(architecture, tensor_type)?)?;
        let expected = Answers::of(&file, reference.clone())?;
        let found = Answers::of(&file, device.clone())?;
        let name = tensor_type.name();
        for (how, expected, found) in [
            ("prefill", &expected.prefill, &found.prefill),
            ("decode", &expected.decode, &found.decode),
        ] {
            report(Finding {
                what: format!("{name} {how}"),
                error: nmse(expected, found),
                bar: LOGITS_BAR,
            });
        }
        report(Finding {
            what: format!("{name} greedy choice"),
            error: if found.chose_best { 0.0 } else { f64::INFINITY },
            bar: 0.0,
        });
        collect(&mut operations, &expected.trace, &found.trace);
    }
    for (what, error) in operations {
        report(Finding {
            what,
            error,
            bar: OPERATION_BAR,
        });
    }
    Ok(())
}

/// The types that weights are stored in.
const TYPES: &[TensorType] = &[
    TensorType::F32,
    TensorType::F16,
    TensorType::Bf16,
    TensorType::Q8_0,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q2K,
    TensorType::Q3K,
    TensorType::Q4K,
    TensorType::Q5K,
    TensorType::Q6K,
];

/// What one backend makes of one model.
struct Answers {
    /// Logits of every position of the prompt.
    prefill: Vec<f32>,
    /// Logits of the tokens after it, one by one.
    decode: Vec<f32>,
    /// Whether the token that it chose has its own largest logit.
    chose_best: bool,
    trace: Trace,
}

impl Answers {
    fn of<B: Backend>(file: &GgufFile, backend: B) -> Result<Self> {
        let model = Arc::new(Model::load(file, backend, &mut |_| {})?);
        let vocab = model.config().vocab;
        let len = PROMPT_LEN + N_STEPS;
        let tokens: Vec<u32> = (0..len).map(|i| (i * i * 31 % vocab) as u32).collect();
        let options = ExecutorOptions {
            context_length: len,
            max_sequences: 1,
            max_rows: PROMPT_LEN,
            max_outputs: PROMPT_LEN,
        };
        let mut executor = Executor::new(model, &options)?;
        let blocks: Vec<u32> = (0..blocks_for(len) as u32).rev().collect();
        let mut batch = Batch::new();
        batch.push(&tokens[..PROMPT_LEN], 0, &blocks, Outputs::All);
        let prefill = logits(&mut executor, &batch, None)?;
        let mut decode = Vec::new();
        for position in PROMPT_LEN..len {
            batch.clear();
            batch.push(
                &tokens[position..=position],
                position,
                &blocks,
                Outputs::Last,
            );
            decode.extend(logits(&mut executor, &batch, None)?);
        }
        // The same step once more: the same logits, but what is most likely is chosen over there.
        let last = &decode[decode.len() - vocab..];
        let mut sampler = Sampler::new(SamplingParams::default(), &tokens, vocab)?;
        let mut chosen = executor.sample(&batch, &mut [(&mut sampler, len)])?;
        let chosen = chosen.pop().transpose().ok().flatten();
        let chose_best = chosen.map(|sampled| sampled.id as usize) == best(last);
        let mut trace = Trace::new();
        logits(&mut executor, &batch, Some(&mut trace))?;
        Ok(Self {
            prefill,
            decode,
            chose_best,
            trace,
        })
    }
}

/// The logits of all outputs of a step, finite or not.
fn logits<B: Backend>(
    executor: &mut Executor<B>,
    batch: &Batch,
    trace: Option<&mut Trace>,
) -> Result<Vec<f32>> {
    let logits = executor.forward(batch, trace)?;
    let rows = (0..logits.n_rows()).map(|row| logits.row(row).map(<[f32]>::to_vec));
    // A row that is not finite makes the comparison fail, not the run.
    let rows: Vec<Vec<f32>> = rows.map(std::result::Result::unwrap_or_default).collect();
    Ok(rows.concat())
}

/// Adds to each operation's largest distance.
fn collect(operations: &mut Vec<(String, f64)>, expected: &Trace, found: &Trace) {
    let found = found
        .entries()
        .iter()
        .map(Some)
        .chain(std::iter::repeat(None));
    for (expected, found) in expected.entries().iter().zip(found) {
        let distance = |found: &TraceEntry| expected.distance(found);
        let distance = found.map_or(f64::INFINITY, distance);
        match operations.iter_mut().find(|(op, _)| *op == expected.op) {
            Some((_, worst)) => *worst = worst.max(distance),
            None => operations.push((expected.op.clone(), distance)),
        }
    }
}

/// The first of the largest.
fn best(row: &[f32]) -> Option<usize> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter().position(|&value| value == max)
}

/// Infinite where values are missing.
fn nmse(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() || expected.is_empty() {
        return f64::INFINITY;
    }
    let square = |value: f64| value * value;
    let pairs = expected.iter().zip(found);
    let error: f64 = pairs
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    error / expected.iter().map(|&a| square(f64::from(a))).sum::<f64>()
}
