//! The two programs: how they are called and what they answer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::options::Options;
use super::suite::{BATCH_DEPTH, DECODE, Group, Test};
use super::{Result, base};
use crate::workspace;

/// Speeds of one test, and what follows from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Tokens a second, of every repetition.
    pub(super) samples: Vec<f64>,
    /// Share of the memory's speed, of every call.
    pub(super) shares: Vec<f64>,
    /// Tokens a second with the program's own settings, where `samples` are of better ones.
    pub(super) by_default: Vec<f64>,
}

impl Measured {
    fn of(samples: Vec<f64>) -> Self {
        Self {
            samples,
            ..Self::default()
        }
    }

    /// Takes over what another call found.
    pub(super) fn join(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.shares.extend(other.shares);
        self.by_default.extend(other.by_default);
    }

    /// The median speed, if there is any.
    pub(super) fn speed(&self) -> Option<f64> {
        median(&self.samples)
    }

    /// The median speed with the program's own settings, if others were tried.
    pub(super) fn speed_by_default(&self) -> Option<f64> {
        median(&self.by_default)
    }

    /// The median share, if there is any.
    pub(super) fn share(&self) -> Option<f64> {
        median(&self.shares)
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some(f64::midpoint(sorted[low], sorted[high]))
}

/// Numbers as one argument.
fn list(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(",")
}

/// What a call prints on standard output.
fn output_of(program: &Path, args: &[String]) -> Result<String> {
    let mut command = Command::new(program);
    let output = command.args(args).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        let (program, args) = (program.display(), args.join(" "));
        return Err(format!("{program} {args}: {}\n{}", output.status, last.join("\n")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn size(value: &Value) -> usize {
    value
        .as_u64()
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0)
}

fn floats(value: &Value) -> Vec<f64> {
    let values = value.as_array().map_or(&[][..], Vec::as_slice);
    values.iter().filter_map(Value::as_f64).collect()
}

/// The worker.
pub(super) struct Ours {
    program: PathBuf,
    device: String,
    reps: usize,
}

impl Ours {
    /// The binary named, or a new one.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let program = match &options.worker {
            Some(path) => path.clone(),
            None => {
                let build = ["build", "--locked", "--release", "--package", "worker"];
                if !workspace::cargo().args(build).status()?.success() {
                    return Err(
                        "the worker does not build; or name its binary with --worker".into(),
                    );
                }
                base().join("target/release/worker-orcd")
            }
        };
        Ok(Self {
            program,
            device: options.device.clone(),
            reps: options.reps,
        })
    }

    fn args(&self, model: &str, group: &Group) -> Vec<String> {
        let (depth, decode) = (BATCH_DEPTH.to_string(), DECODE.to_string());
        let (p, d, b) = match group {
            Group::Fresh { prefill } if prefill.is_empty() => ("0".into(), "0".into(), "1".into()),
            Group::Fresh { prefill } => (list(prefill), "0".into(), "1".into()),
            Group::Deep { depths } => ("0".into(), list(depths), "1".into()),
            Group::Batched { n_sequences } => ("0".into(), depth, list(n_sequences)),
        };
        let (device, reps) = (self.device.clone(), self.reps.to_string());
        let flags = [
            "bench", model, "--device", &device, "-p", &p, "-n", &decode, "-d", &d, "-b", &b, "-r",
            &reps, "--format", "json",
        ];
        flags.map(str::to_owned).to_vec()
    }

    /// The tests of a group, and the device in words.
    pub(super) fn run(
        &self,
        model: &Path,
        group: &Group,
    ) -> Result<(Vec<(Test, Measured)>, String)> {
        let args = self.args(&model.to_string_lossy(), group);
        let document: Value = serde_json::from_str(&output_of(&self.program, &args)?)?;
        let read = document["read_gb_per_s"].as_f64().unwrap_or_default();
        let device = document["device"].as_str().unwrap_or_default();
        let device = format!("{device}; memory read at {read:.0} GB/s");
        Ok((ours(&document), device))
    }

    /// The calls, for others to repeat.
    pub(super) fn commands(&self) -> Vec<String> {
        let group = Group::Fresh {
            prefill: vec![512, 4096],
        };
        vec![format!(
            "worker-orcd {}",
            self.args("MODEL", &group).join(" ")
        )]
    }
}

/// What the worker's document says.
fn ours(document: &Value) -> Vec<(Test, Measured)> {
    let results = document["results"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let measured = results.iter().map(|result| {
        let (n_sequences, depth) = (size(&result["batch"]), size(&result["depth"]));
        let test = match result["kind"].as_str() {
            Some("prefill") => Test::Prefill {
                n: size(&result["tokens"]),
            },
            _ if n_sequences > 1 => Test::Batched { n_sequences },
            _ => Test::Decode { depth },
        };
        let measured = Measured {
            samples: floats(&result["tokens_per_s_samples"]),
            shares: result["share_of_read"].as_f64().into_iter().collect(),
            ..Measured::default()
        };
        (test, measured)
    });
    measured.collect()
}

/// llama.cpp, as far as it is there.
pub(super) struct Peer {
    single: Option<PathBuf>,
    batched: Option<PathBuf>,
    layers_on_device: &'static str,
    reps: usize,
}

/// Rows of a step that it may take in a prefill: it is given the better.
const MICRO_BATCHES: &str = "512,2048";

/// Those that it takes unless told otherwise.
const DEFAULT_MICRO_BATCH: usize = 512;

impl Peer {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            single: options.peer.clone(),
            batched: options.peer_batched.clone(),
            layers_on_device: if options.device == "cpu" { "0" } else { "99" },
            reps: options.reps,
        }
    }

    fn args(&self, model: &str, group: &Group) -> Vec<String> {
        let reps = self.reps.to_string();
        let decode = DECODE.to_string();
        let mut args = vec!["-m", model, "-ngl", self.layers_on_device, "-fa", "1"];
        let (numbers, context);
        match group {
            Group::Fresh { prefill } => {
                numbers = if prefill.is_empty() {
                    "0".to_owned()
                } else {
                    list(prefill)
                };
                args.extend(["-p", &numbers, "-n", &decode, "-ub", MICRO_BATCHES]);
                args.extend(["-r", &reps, "-o", "jsonl"]);
            }
            Group::Deep { depths } => {
                numbers = list(depths);
                args.extend(["-p", "0", "-n", &decode, "-d", &numbers]);
                args.extend(["-r", &reps, "-o", "jsonl"]);
            }
            Group::Batched { n_sequences } => {
                let most = n_sequences.iter().copied().max().unwrap_or(1);
                numbers = list(n_sequences);
                context = (most * (BATCH_DEPTH + DECODE)).to_string();
                args.extend([
                    "-c", &context, "-npp", "128", "-ntg", &decode, "-npl", &numbers,
                ]);
                args.extend(["-b", "2048", "-ub", "512", "--output-format", "jsonl"]);
            }
        }
        args.into_iter().map(str::to_owned).collect()
    }

    /// The tests of a group; none where the program is not there.
    pub(super) fn run(&self, model: &Path, group: &Group) -> Result<Vec<(Test, Measured)>> {
        let program = match group {
            Group::Batched { .. } => &self.batched,
            _ => &self.single,
        };
        let Some(program) = program else {
            return Ok(Vec::new());
        };
        let text = output_of(program, &self.args(&model.to_string_lossy(), group))?;
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let lines = lines
            .map(serde_json::from_str)
            .collect::<std::result::Result<Vec<Value>, _>>()?;
        Ok(theirs(&lines))
    }

    /// The calls, for others to repeat.
    pub(super) fn commands(&self) -> Vec<String> {
        let fresh = Group::Fresh {
            prefill: vec![512, 4096],
        };
        let batched = Group::Batched {
            n_sequences: vec![16, 64, 256],
        };
        let single = self.single.as_ref().map(|_| ("llama-bench", fresh));
        let several = self
            .batched
            .as_ref()
            .map(|_| ("llama-batched-bench", batched));
        let calls = single.into_iter().chain(several);
        calls
            .map(|(name, group)| format!("{name} {}", self.args("MODEL", &group).join(" ")))
            .collect()
    }
}

/// What its lines say; of settings that were all tried, the faster.
fn theirs(lines: &[Value]) -> Vec<(Test, Measured)> {
    let mut found: Vec<(Test, Measured)> = Vec::new();
    for line in lines {
        let (test, measured) = match line["speed_tg"].as_f64() {
            Some(speed) => {
                let n_sequences = size(&line["pl"]);
                (Test::Batched { n_sequences }, Measured::of(vec![speed]))
            }
            None => {
                let (n, depth) = (size(&line["n_prompt"]), size(&line["n_depth"]));
                let test = if n > 0 {
                    Test::Prefill { n }
                } else {
                    Test::Decode { depth }
                };
                let mut measured = Measured::of(floats(&line["samples_ts"]));
                if n > 0 && size(&line["n_ubatch"]) == DEFAULT_MICRO_BATCH {
                    measured.by_default.clone_from(&measured.samples);
                }
                (test, measured)
            }
        };
        match found.iter_mut().find(|(other, _)| *other == test) {
            Some((_, best)) => {
                if best.speed() < measured.speed() {
                    best.samples = measured.samples;
                }
                best.by_default.extend(measured.by_default);
            }
            None => found.push((test, measured)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn the_workers_document_is_read() {
        let document = json!({ "results": [
            { "kind": "prefill", "tokens": 512, "depth": 0, "batch": 1,
              "tokens_per_s_samples": [1.0] },
            { "kind": "decode", "tokens": 128, "depth": 64, "batch": 1,
              "tokens_per_s_samples": [2.0, 4.0], "share_of_read": 0.5 },
            { "kind": "decode", "tokens": 128, "depth": 128, "batch": 16,
              "tokens_per_s_samples": [3.0] },
        ]});
        let found = ours(&document);
        let speeds: Vec<_> = found.iter().map(|(test, m)| (*test, m.speed())).collect();
        let expected = [
            (Test::Prefill { n: 512 }, Some(1.0)),
            (Test::Decode { depth: 64 }, Some(3.0)),
            (Test::Batched { n_sequences: 16 }, Some(3.0)),
        ];
        assert_eq!(speeds, expected);
        assert_eq!(found[1].1.share(), Some(0.5));
    }

    #[test]
    fn the_peer_is_given_the_better_of_its_settings() {
        let line = |n_prompt: u32, n_ubatch: u32, speeds: &[f64]| {
            let n_gen = if n_prompt == 0 { 128 } else { 0 };
            json!({ "n_prompt": n_prompt, "n_gen": n_gen, "n_depth": 0, "n_ubatch": n_ubatch,
                    "samples_ts": speeds })
        };
        let lines = [
            line(512, 512, &[5.0, 6.0, 7.0]),
            line(512, 2048, &[9.0, 8.0]),
            line(0, 512, &[3.0]),
            json!({ "pl": 16, "speed_tg": 77.0 }),
        ];
        let found = theirs(&lines);
        let speeds: Vec<_> = found.iter().map(|(test, m)| (*test, m.speed())).collect();
        let expected = [
            (Test::Prefill { n: 512 }, Some(8.5)),
            (Test::Decode { depth: 0 }, Some(3.0)),
            (Test::Batched { n_sequences: 16 }, Some(77.0)),
        ];
        assert_eq!(speeds, expected);
        let by_default: Vec<_> = found.iter().map(|(_, m)| m.speed_by_default()).collect();
        assert_eq!(by_default, [Some(6.0), None, None]);
    }
}
