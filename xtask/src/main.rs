//! Developer commands: `cargo xtask <command>`. One file per command.
//!
//! Exit codes: 0 done, 1 the command failed, 2 wrong usage.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "the output is what these commands are for"
)]

mod bench;
mod build_ptx;
mod ci;
mod fixtures;
mod fuzz;
mod man;
mod miri;
mod mutants;
mod pack_model;
mod synth_model;
mod tidy;
mod workspace;

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// How a command ends.
type Outcome = Result<(), Box<dyn Error>>;

/// One row of the usage text.
struct Command {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        help: "everything that must pass before a merge",
        run: ci::run,
    },
    Command {
        name: "tidy",
        help: "the rules no compiler checks",
        run: tidy::run,
    },
    Command {
        name: "synth-model",
        help: "write a random-weight GGUF model of any architecture",
        run: synth_model::run,
    },
    Command {
        name: "fixtures",
        help: "regenerate the committed test vectors (--python PATH, --check)",
        run: fixtures::run,
    },
    Command {
        name: "build-ptx",
        help: "compile the CUDA kernels (--check, --nvcc PATH, --ptxas PATH)",
        run: build_ptx::run,
    },
    Command {
        name: "bench",
        help: "the worker beside llama.cpp: speeds in turns, and a record (--peer PATH, ...)",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        help: "hostile input for every parser (--target NAME, --runs N, --asan)",
        run: fuzz::run,
    },
    Command {
        name: "miri",
        help: "the tests of unsafe code in an interpreter that knows its rules",
        run: miri::run,
    },
    Command {
        name: "mutants",
        help: "whether tests notice changes of the code (--part NAME, --shard K/N)",
        run: mutants::run,
    },
    Command {
        name: "pack-model",
        help: "rewrite a GGUF with its matrices in a block type",
        run: pack_model::run,
    },
    Command {
        name: "man",
        help: "write the manual pages of the binary (FOLDER)",
        run: man::run,
    },
];

/// The command line was wrong: exit code 2 instead of 1.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Error for Usage {}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn dispatch(args: &[String]) -> Outcome {
    let Some((name, rest)) = args.split_first() else {
        return Err(Usage(format!("no command\n\n{}", usage())).into());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        println!("{}", usage());
        return Ok(());
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(Usage(format!("no command `{name}`\n\n{}", usage())).into()),
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <command> [arguments]\n");
    for command in COMMANDS {
        text += &format!("\n  {:<12} {}", command.name, command.help);
    }
    text
}

/// For commands that take no arguments: says so when one is given.
fn no_arguments(command: &str, args: &[String]) -> Result<(), Usage> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(Usage(format!(
            "`{command}` takes no arguments, found `{arg}`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails_with_usage(args: &[&str]) -> bool {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        dispatch(&args).is_err_and(|error| error.is::<Usage>())
    }

    #[test]
    fn wrong_command_lines_are_usage_errors() {
        assert!(fails_with_usage(&[]));
        assert!(fails_with_usage(&["tidyy"]));
        assert!(fails_with_usage(&["tidy", "--fix"]));
        assert!(fails_with_usage(&["ci", "now"]));
        assert!(fails_with_usage(&["fixtures", "--python"]));
        assert!(fails_with_usage(&["fuzz", "--runs"]));
        assert!(fails_with_usage(&["fuzz", "--target", "nothing"]));
        assert!(fails_with_usage(&["synth-model", "--preset"]));
        assert!(fails_with_usage(&["build-ptx", "--nvcc"]));
        assert!(fails_with_usage(&["man", "--here"]));
        assert!(fails_with_usage(&["miri", "now"]));
        assert!(fails_with_usage(&["mutants", "--part", "nothing"]));
        assert!(dispatch(&["--help".to_string()]).is_ok());
    }

    #[test]
    fn usage_names_every_command_once() {
        for command in COMMANDS {
            let line_start = format!("\n  {} ", command.name);
            assert_eq!(usage().matches(&line_start).count(), 1, "{}", command.name);
        }
    }
}
