//! `cargo xtask fixtures`: regenerates the committed test vectors from their independent sources.
//!
//! The vectors are committed so that `cargo test` needs no Python. Run this after a change to a
//! generator, look at the difference, and commit both. The Python packages each script needs
//! stand at its top.

use std::error::Error;
use std::process::Command;

use crate::{Usage, workspace};

/// One generator and what it is the source of.
struct Generator {
    what: &'static str,
    /// Its source, relative to the root.
    path: &'static str,
    args: &'static [&'static str],
    run: Runner,
}

enum Runner {
    /// An example of the package.
    Example {
        package: &'static str,
        name: &'static str,
    },
    /// A Python script.
    Python,
}

/// Where the model files go: they are made anew each time, and only their logits are committed.
const CASES: &str = "target/fixtures/cases";

/// In order: the logits are computed from the model files that the first one writes.
const GENERATORS: &[Generator] = &[
    Generator {
        what: "small models of every architecture",
        path: "crates/synth-model/examples/write_cases.rs",
        args: &[CASES],
        run: Runner::Example {
            package: "synth-model",
            name: "write_cases",
        },
    },
    Generator {
        what: "their logits by Hugging Face transformers",
        path: "crates/llama-arch/tests/oracle/transformers_logits.py",
        args: &[CASES],
        run: Runner::Python,
    },
    Generator {
        what: "dequantised blocks by the Python package gguf",
        path: "crates/gguf/tests/vectors/make_vectors.py",
        args: &[],
        run: Runner::Python,
    },
    Generator {
        what: "token ids and rendered chats by tokenizers and transformers",
        path: "crates/tokenizer-bpe/tests/goldens/make_goldens.py",
        args: &[],
        run: Runner::Python,
    },
];

#[derive(Debug, PartialEq)]
struct Options {
    python: String,
    check: bool,
}

/// Runs every generator; with `--check` only looks whether each is there.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let options = parse(args)?;
    let missing: Vec<&str> = GENERATORS
        .iter()
        .map(|generator| generator.path)
        .filter(|path| !workspace::root().join(path).is_file())
        .collect();
    if !missing.is_empty() {
        return Err(format!("generators missing: {}", missing.join(", ")).into());
    }
    if options.check {
        println!("fixtures: {} generators, all there", GENERATORS.len());
        return Ok(());
    }
    for generator in GENERATORS {
        println!("{}: {}", generator.path, generator.what);
        let status = command(generator, &options.python).status()?;
        if !status.success() {
            return Err(format!("{} failed: {status}", generator.path).into());
        }
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Options, Usage> {
    let mut options = Options {
        python: "python3".to_string(),
        check: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--check", _) => options.check = true,
            ("--python", 1..) => options.python = args.next().cloned().unwrap_or_default(),
            ("--python", 0) => return Err(Usage("`--python` needs a path".to_string())),
            _ => return Err(Usage(format!("unknown argument `{arg}`"))),
        }
    }
    Ok(options)
}

fn command(generator: &Generator, python: &str) -> Command {
    let mut command = match generator.run {
        Runner::Example { package, name } => {
            let mut command = workspace::cargo();
            command.args([
                "run",
                "--locked",
                "--package",
                package,
                "--example",
                name,
                "--",
            ]);
            command
        }
        Runner::Python => {
            let mut command = workspace::command(python);
            command.arg(generator.path);
            command
        }
    };
    command.args(generator.args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Option<Options> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        parse(&args).ok()
    }

    #[test]
    fn arguments() {
        let options = |python: &str, check| {
            Some(Options {
                python: python.to_string(),
                check,
            })
        };
        assert_eq!(parsed(&[]), options("python3", false));
        assert_eq!(parsed(&["--check"]), options("python3", true));
        assert_eq!(
            parsed(&["--python", "venv/bin/python"]),
            options("venv/bin/python", false)
        );
        assert_eq!(parsed(&["--python"]), None);
        assert_eq!(parsed(&["--chekc"]), None);
    }
}
