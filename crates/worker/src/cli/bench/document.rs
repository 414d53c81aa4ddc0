//! What a benchmark found: figures that follow from the times.

use serde::Serialize;

use super::Test;
use crate::cli::table::{Table, bytes};

/// A whole benchmark.
#[derive(Serialize)]
pub(super) struct BenchDocument<'a> {
    pub(super) model: &'a str,
    pub(super) device: String,
    pub(super) weight_bytes: u64,
    pub(super) load_ms: f64,
    pub(super) reps: u16,
    /// What the device, or all threads together, read from memory in a second, measured in this
    /// run.
    pub(super) read_gb_per_s: f64,
    pub(super) results: Vec<ResultDocument>,
}

/// One test.
#[derive(Serialize)]
pub(super) struct ResultDocument {
    test: String,
    /// `prefill` or `decode`.
    kind: &'static str,
    tokens: usize,
    depth: usize,
    batch: usize,
    tokens_per_s: f64,
    tokens_per_s_min: f64,
    tokens_per_s_max: f64,
    /// Of every repetition, in order.
    tokens_per_s_samples: Vec<f64>,
    ms_per_token: f64,
    /// Of decode tests: bytes of weights and cache read for one token.
    bytes_per_token: Option<u64>,
    gb_per_s: Option<f64>,
    share_of_read: Option<f64>,
}

impl ResultDocument {
    /// The figures of a test of `batch` sequences at `depth`, from the seconds of each repetition,
    /// of which there is one at least, and the bytes that a step reads, if it decodes.
    pub(super) fn new(
        test: Test,
        (depth, batch): (usize, usize),
        seconds: &[f64],
        step_bytes: Option<f64>,
    ) -> Self {
        let n = (test.tokens() * batch) as f64;
        let samples: Vec<f64> = seconds.iter().map(|seconds| n / seconds).collect();
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let seconds = median(&sorted);
        Self {
            test: test.name(depth, batch),
            kind: match test {
                Test::Prefill(_) => "prefill",
                Test::Decode(_) => "decode",
            },
            tokens: test.tokens(),
            depth,
            batch,
            tokens_per_s: n / seconds,
            tokens_per_s_min: n / sorted[sorted.len() - 1],
            tokens_per_s_max: n / sorted[0],
            tokens_per_s_samples: samples,
            ms_per_token: seconds * 1e3 / n,
            bytes_per_token: step_bytes.map(|bytes| (bytes / batch as f64) as u64),
            gb_per_s: step_bytes.map(|bytes| bytes * test.tokens() as f64 / seconds / 1e9),
            share_of_read: None,
        }
    }

    /// With the share of what memory gives.
    pub(super) fn against(self, read_gb_per_s: f64) -> Self {
        Self {
            share_of_read: self.gb_per_s.map(|speed| speed / read_gb_per_s),
            ..self
        }
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

/// The results for people.
pub(super) fn table(results: &[ResultDocument]) -> Table {
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
}
