//! Runs a case on every backend and judges the result.

use std::fmt::Display;
use std::io::Write;
use std::ops::Range;
use std::time::Instant;

use llama_arch::backend::Backend;

use crate::cases::Rng;

/// NMSE of operations that only round a few times: norms, RoPE, activations.
pub(crate) const ELEMENTWISE_BAR: f64 = 1e-10;

/// What unwritten memory holds: a NaN that no computation produces.
const POISON: u32 = 0x7fc0_dead;

/// Rows of every buffer beyond those in use: poisoned, and to stay so.
const SPARE_ROWS: usize = 3;

/// Fewest values of which an NMSE is taken, if the case has as many.
const MIN_JUDGED: usize = 8;

/// The same where inputs are rounded, to f16 on a GPU: a sum that cancels to a hundredth of its
/// terms, as some of thousands do, has a large error there whatever the kernel.
const MIN_JUDGED_OF_ROUNDED: usize = 32;

/// Failures that are told in full.
const FAILURES_SHOWN: usize = 20;

/// Input: rows of values, with poison behind them.
pub(crate) fn input<B: Backend>(backend: &B, values: &[f32], width: usize) -> B::Buffer {
    let rows = values.len() / width;
    let mut buffer = poisoned(backend, rows, width);
    backend.write(&mut buffer, values).unwrap();
    buffer
}

/// Runs `op` on a poisoned buffer of `rows` and some more rows and returns what it holds then.
/// The rows beyond must still be poisoned.
pub(crate) fn output<B: Backend>(
    backend: &B,
    (rows, width): (usize, usize),
    op: impl FnOnce(&mut B::Buffer),
) -> Vec<f32> {
    let mut buffer = poisoned(backend, rows, width);
    op(&mut buffer);
    let values = read(backend, &buffer, rows);
    assert_eq!(values.len(), rows * width, "values of {rows} rows");
    // Reading stops at the rows in use; gathering takes any row of the capacity.
    let mut spare = backend.buffer(SPARE_ROWS, width).unwrap();
    let beyond: Vec<usize> = (rows..rows + SPARE_ROWS).collect();
    backend.gather(&buffer, &beyond, &mut spare).unwrap();
    let spare = read(backend, &spare, SPARE_ROWS);
    assert!(
        spare.iter().all(|value| value.to_bits() == POISON),
        "an operation on {rows} rows of {width} wrote beyond them"
    );
    values
}

/// [`output`] of an operation in place or onto what is there: `values` are the rows before it.
pub(crate) fn updated<B: Backend>(
    backend: &B,
    values: &[f32],
    width: usize,
    op: impl FnOnce(&mut B::Buffer),
) -> Vec<f32> {
    output(backend, (values.len() / width, width), |buffer| {
        backend.write(buffer, values).unwrap();
        op(buffer);
    })
}

fn poisoned<B: Backend>(backend: &B, rows: usize, width: usize) -> B::Buffer {
    let capacity = rows + SPARE_ROWS;
    let mut buffer = backend.buffer(capacity, width).unwrap();
    let poison = vec![f32::from_bits(POISON); capacity * width];
    backend.write(&mut buffer, &poison).unwrap();
    buffer
}

fn read<B: Backend>(backend: &B, buffer: &B::Buffer, rows: usize) -> Vec<f32> {
    let mut values = Vec::new();
    let found = backend.read(buffer, &mut values).unwrap();
    assert_eq!(found, rows, "rows after the operation");
    values
}

/// What an operation must give.
pub(crate) struct Case<L> {
    /// Enough to find the case again.
    pub(crate) label: L,
    pub(crate) width: usize,
    /// `[rows][width]`, by the oracle.
    pub(crate) expected: Vec<f64>,
    /// Largest NMSE of any row; 0: every value is exact.
    pub(crate) bar: f64,
}

/// Where cases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Cpu,
    /// The processor where it rounds activations.
    CpuRounded,
    Cuda,
}

/// The outcome of one operation's cases.
pub(crate) struct Report {
    op: &'static str,
    device: Device,
    round: u64,
    cases: usize,
    worst: f64,
    failures: Vec<String>,
    started: Instant,
}

impl Report {
    pub(crate) fn new(op: &'static str, device: Device) -> Self {
        let started = Instant::now();
        Self {
            op,
            device,
            round: 0,
            cases: 0,
            worst: 0.0,
            failures: Vec::new(),
            started,
        }
    }

    /// The next data for the same cases.
    pub(crate) fn next_round(&mut self) {
        self.round += 1;
    }

    /// Random numbers of this round.
    pub(crate) fn rng(&self, seed: u64) -> Rng {
        Rng::new(seed + 1000 * self.round)
    }

    /// The bar of an operation whose inputs are f32 or rounded: on a GPU's tensor cores to f16.
    pub(crate) fn bar(&self, f32_bar: f64, rounded_bar: f64) -> f64 {
        match self.device {
            Device::Cpu => f32_bar,
            Device::CpuRounded | Device::Cuda => rounded_bar,
        }
    }

    /// Values that are judged together at least.
    pub(crate) fn min_judged(&self) -> usize {
        match self.device {
            Device::Cpu => MIN_JUDGED,
            Device::CpuRounded | Device::Cuda => MIN_JUDGED_OF_ROUNDED,
        }
    }

    /// Runs a case on every backend. `run` computes a range of its rows by themselves: all of
    /// them are held against the oracle, and some alone must give the same bits.
    pub(crate) fn check<B: Backend, L: Display>(
        &mut self,
        backends: &[Vec<B>],
        case: &Case<L>,
        run: impl Fn(&B, Range<usize>) -> Vec<f32>,
    ) {
        let rows = case.expected.len() / case.width;
        self.check_variants(backends, case, |backend, first_of_family| {
            let whole = run(backend, 0..rows);
            if first_of_family && rows > 1 {
                let middle = rows / 2;
                for part in [0..1, middle..middle + 1, rows - 1..rows, 1..rows] {
                    let of_whole = &whole[part.start * case.width..part.end * case.width];
                    let alone = run(backend, part.clone());
                    assert!(
                        same_bits(&alone, of_whole),
                        "rows {part:?} depend on others"
                    );
                }
            }
            whole
        });
    }

    /// Runs a case on every backend; `run` is also told whether the backend is the first of those
    /// that must agree bit for bit, and does checks of its own then.
    pub(crate) fn check_variants<B: Backend, L: Display>(
        &mut self,
        backends: &[Vec<B>],
        case: &Case<L>,
        run: impl Fn(&B, bool) -> Vec<f32>,
    ) {
        for family in backends {
            let mut first: Option<Vec<f32>> = None;
            for backend in family {
                self.cases += 1;
                let name = format!("{} on {}", case.label, backend.description());
                let run = std::panic::AssertUnwindSafe(|| run(backend, first.is_none()));
                let Ok(found) = std::panic::catch_unwind(run) else {
                    self.failures.push(format!("{name}: panicked, see above"));
                    continue;
                };
                self.judge(&name, case, &found);
                match &first {
                    Some(first) if !same_bits(first, &found) => {
                        self.failures
                            .push(format!("{name}: not what its siblings compute"));
                    }
                    Some(_) => {}
                    None => first = Some(found),
                }
            }
        }
    }

    fn judge<L>(&mut self, name: &str, case: &Case<L>, found: &[f32]) {
        assert_eq!(found.len(), case.expected.len(), "{name}");
        assert!(
            case.expected.iter().all(|value| value.is_finite()),
            "{name}: the oracle"
        );
        // Results below the normal numbers are rounded to multiples of the smallest subnormal: a
        // few of these are no error.
        let slack = if case.bar == 0.0 {
            0.0
        } else {
            4.0 * f64::from(f32::from_bits(1))
        };
        let mut worst = (0.0, 0);
        // A few sums may cancel by chance: short rows are judged together.
        let len = case.width * self.min_judged().div_ceil(case.width);
        let n_judged = (found.len() / len).max(1);
        for row in 0..n_judged {
            let end = if row + 1 == n_judged {
                found.len()
            } else {
                (row + 1) * len
            };
            let (expected, found) = (&case.expected[row * len..end], &found[row * len..end]);
            if let Some(at) = found.iter().position(|value| !value.is_finite()) {
                self.failures.push(format!(
                    "{name}: values hold {} in row {}",
                    found[at],
                    (row * len + at) / case.width
                ));
                return;
            }
            let error = nmse(expected, found, slack);
            if error > worst.0 {
                worst = (error, row);
            }
        }
        let (error, row) = worst;
        self.worst = self.worst.max(error);
        if error > case.bar {
            let row = row * len / case.width;
            let what = format!("{name}: row {row} has NMSE {error:e}, bar {:e}", case.bar);
            self.failures.push(what);
        }
    }

    /// Prints the figures, past the capture of the test's output: how much was tested is news.
    pub(crate) fn finish(self) {
        let Self {
            op,
            device,
            round,
            cases,
            worst,
            failures,
            started,
        } = self;
        let seconds = started.elapsed().as_secs_f64();
        let device = match device {
            Device::Cpu => "cpu",
            Device::CpuRounded => "cpu, rounded",
            Device::Cuda => "cuda",
        };
        let line = format!(
            "{op:11} {device:12} {cases:5} cases in {round} rounds, worst NMSE {worst:.1e}, \
             {seconds:4.1} s\n"
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
        let shown = failures.len().min(FAILURES_SHOWN);
        let list = failures[..shown].join("\n");
        assert!(
            failures.is_empty(),
            "{} failures in {op} on {device}:\n{list}",
            failures.len()
        );
        assert!(cases > 100, "only {cases} cases of {op} on {device}");
    }
}

/// `sum of (found - expected)^2 / sum of expected^2`, without differences up to `slack`.
fn nmse(expected: &[f64], found: &[f32], slack: f64) -> f64 {
    let pairs = expected.iter().zip(found);
    let differences = pairs.map(|(e, &f)| (f64::from(f) - e).abs());
    let error: f64 = differences.filter(|&d| d > slack).map(|d| d * d).sum();
    let norm: f64 = expected.iter().map(|e| e * e).sum();
    if error == 0.0 { 0.0 } else { error / norm }
}

pub(crate) fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}
