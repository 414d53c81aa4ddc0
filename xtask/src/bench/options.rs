//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use super::suite::Subject;
use super::{Result, base};
use crate::Usage;

const USAGE: &str = "\
usage: bench [options]
  --worker PATH        worker-orcd [default: built here]
  --peer PATH          llama-bench; without it, only ours is measured
  --peer-batched PATH  llama-batched-bench, for several sequences
  --models DIR         where models are, or are made [default: target/bench-models]
  --model FILE         this file alone, with small tests
  --only NAME,..       of the models only those whose names contain one of these
  --device DEVICE      as the worker's --device [default: auto]
  --prefill N,..  --depths N,..  --batches N,..   instead of a model's own tests; 0: none
  --reps N             repetitions of a test in a call [default: 3]
  --rounds N           calls of each program, in turns [default: 3]
  --commit HASH        what is measured [default: asked of git]
  --out DIR            where the record goes [default: bench/record/DATE-MACHINE]";

/// What to measure, and with what.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) worker: Option<PathBuf>,
    pub(super) peer: Option<PathBuf>,
    pub(super) peer_batched: Option<PathBuf>,
    pub(super) models: PathBuf,
    pub(super) model: Option<PathBuf>,
    pub(super) only: Vec<String>,
    pub(super) device: String,
    pub(super) prefill: Option<Vec<usize>>,
    pub(super) depths: Option<Vec<usize>>,
    pub(super) batches: Option<Vec<usize>>,
    pub(super) reps: usize,
    pub(super) rounds: usize,
    pub(super) commit: Option<String>,
    pub(super) out: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            worker: None,
            peer: None,
            peer_batched: None,
            models: base().join("target/bench-models"),
            model: None,
            only: Vec::new(),
            device: "auto".to_owned(),
            prefill: None,
            depths: None,
            batches: None,
            reps: 3,
            rounds: 3,
            commit: None,
            out: None,
        }
    }
}

impl Options {
    pub(super) fn parse(args: &[String]) -> std::result::Result<Self, Usage> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| usage(&format!("{flag} needs a value")));
            options.set(flag, value?)?;
        }
        Ok(options)
    }

    fn set(&mut self, flag: &str, value: &str) -> std::result::Result<(), Usage> {
        let path = || Some(PathBuf::from(value));
        match flag {
            "--worker" => self.worker = path(),
            "--peer" => self.peer = path(),
            "--peer-batched" => self.peer_batched = path(),
            "--models" => self.models = value.into(),
            "--model" => self.model = path(),
            "--only" => self.only = value.split(',').map(str::to_owned).collect(),
            "--device" => value.clone_into(&mut self.device),
            "--prefill" => self.prefill = Some(numbers(flag, value)?),
            "--depths" => self.depths = Some(numbers(flag, value)?),
            "--batches" => self.batches = Some(numbers(flag, value)?),
            "--reps" => self.reps = number(flag, value)?.max(1),
            "--rounds" => self.rounds = number(flag, value)?.max(1),
            "--commit" => self.commit = Some(value.to_owned()),
            "--out" => self.out = path(),
            _ => return Err(usage(&format!("unknown argument {flag}"))),
        }
        Ok(())
    }

    /// The models to measure, with their tests.
    pub(super) fn subjects(&self) -> Result<Vec<Subject>> {
        let all = match &self.model {
            Some(path) => vec![Subject::of_file(path)],
            None => Subject::all(),
        };
        let chosen = |name: &str| {
            self.only.is_empty() || self.only.iter().any(|o| name.contains(o.as_str()))
        };
        let mut subjects: Vec<Subject> = all.into_iter().filter(|s| chosen(&s.name)).collect();
        if subjects.is_empty() {
            return Err(usage(&format!(
                "no model is named like {}",
                self.only.join(" or ")
            ))
            .into());
        }
        for subject in &mut subjects {
            let replace = |list: &mut Vec<usize>, asked: &Option<Vec<usize>>| {
                if let Some(asked) = asked {
                    list.clone_from(asked);
                }
            };
            replace(&mut subject.prefill, &self.prefill);
            replace(&mut subject.depths, &self.depths);
            replace(&mut subject.n_sequences, &self.batches);
        }
        Ok(subjects)
    }
}

fn usage(what: &str) -> Usage {
    Usage(format!("{what}\n{USAGE}"))
}

fn number(flag: &str, text: &str) -> std::result::Result<usize, Usage> {
    text.parse()
        .map_err(|_| usage(&format!("{flag} takes numbers, not {text}")))
}

/// The numbers of a list, but for zeros.
fn numbers(flag: &str, text: &str) -> std::result::Result<Vec<usize>, Usage> {
    let numbers = text.split(',').map(|part| number(flag, part));
    numbers.filter(|number| !matches!(number, Ok(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> std::result::Result<Options, Usage> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Options::parse(&args)
    }

    #[test]
    fn tests_can_be_replaced_and_left_out() {
        let options =
            parsed(&["--only", "q8_0,phi3", "--depths", "0", "--prefill", "64,0"]).unwrap();
        let subjects = options.subjects().unwrap();
        assert_eq!(subjects.len(), 3);
        for subject in subjects {
            assert_eq!(subject.prefill, [64]);
            assert!(subject.depths.is_empty());
            assert_eq!(subject.n_sequences, [16, 64, 256]);
        }
    }

    #[test]
    fn wrong_arguments_are_usage_errors() {
        for wrong in [
            &["--reps"][..],
            &["--reps", "x"],
            &["--fast", "1"],
            &["--depths", "1,x"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
        let none = parsed(&["--only", "gpt"]).unwrap();
        assert!(none.subjects().is_err_and(|error| error.is::<Usage>()));
    }
}
