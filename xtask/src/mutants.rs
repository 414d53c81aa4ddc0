//! `cargo xtask mutants`: whether the tests notice when the code is changed.
//!
//! `cargo mutants` makes one small change after the other, in a copy of the workspace, and runs the
//! package's tests on each. A change that they let pass is a missing test, or changes nothing that
//! matters; `tests/MUTANTS.md` says which are of the second kind. It takes hours: no step of CI.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::{Usage, workspace};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: cargo xtask mutants [--part NAME] [--shard K/N]";

/// Some code, and the tests that must notice its changes.
struct Part {
    name: &'static str,
    package: &'static str,
    /// Globs; none are all files of the package.
    files: &'static [&'static str],
    /// Arguments of `cargo test`.
    tests: &'static str,
    /// Changes that must be noticed, in percent.
    bar: usize,
}

const PARTS: &[Part] = &[
    Part {
        name: "arithmetic",
        package: "gguf",
        files: &[
            "crates/gguf/src/layout.rs",
            "crates/gguf/src/cursor.rs",
            "crates/gguf/src/tensor.rs",
            "crates/gguf/src/block.rs",
            "crates/gguf/src/file/header.rs",
        ],
        tests: "--lib --tests",
        bar: 100,
    },
    Part {
        name: "sampling",
        package: "llama-arch",
        files: &["crates/llama-arch/src/sampling{.rs,/*.rs}"],
        // Those of the backends take minutes and draw nothing.
        tests: "--lib --test sampling -- --skip backend::",
        bar: 95,
    },
    Part {
        name: "tokenizer",
        package: "tokenizer-bpe",
        files: &[],
        tests: "--lib --tests",
        bar: 95,
    },
    Part {
        name: "gguf",
        package: "gguf",
        files: &[],
        tests: "--lib --tests",
        bar: 95,
    },
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    part: Option<String>,
    /// `K/N`: the K-th, from 0, of N equal shares of each part.
    shard: Option<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = || Usage(USAGE.to_owned());
            match arg.as_str() {
                "--part" => options.part = Some(args.next().ok_or_else(value)?.clone()),
                "--shard" => options.shard = Some(args.next().ok_or_else(value)?.clone()),
                _ => return Err(value().into()),
            }
        }
        Ok(options)
    }

    fn parts(&self) -> Result<Vec<&'static Part>> {
        let asked = |part: &&Part| self.part.as_deref().is_none_or(|name| name == part.name);
        let parts: Vec<&Part> = PARTS.iter().filter(asked).collect();
        if parts.is_empty() {
            let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
            let known = known.join(", ");
            return Err(Usage(format!("no such part; there are {known}")).into());
        }
        Ok(parts)
    }
}

/// Runs every part, and fails if one is below its bar.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let parts = options.parts()?;
    check_tools()?;
    let mut below = Vec::new();
    for part in parts {
        let counts = test(part, &options)?;
        println!("{}: {counts}; the bar is {} %", part.name, part.bar);
        below.extend((!counts.reach(part.bar)).then_some(part.name));
    }
    if below.is_empty() {
        return Ok(());
    }
    let below = below.join(", ");
    Err(format!("below the bar: {below}; the changes are in target/mutants").into())
}

fn check_tools() -> Result<()> {
    let mut probe = workspace::cargo();
    let probe = probe
        .args(["mutants", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err("there is no cargo-mutants: `cargo install cargo-mutants --locked`".into())
}

fn test(part: &Part, options: &Options) -> Result<Counts> {
    let output = workspace::root().join("target/mutants").join(part.name);
    fs::create_dir_all(&output)?;
    let mut command = workspace::cargo();
    command
        .args(["mutants", "--package", part.package, "--output"])
        .arg(&output)
        // The copy builds in a folder of its own, or changed code would stay behind in this one.
        .env_remove("CARGO_TARGET_DIR");
    for file in part.files {
        command.args(["--file", file]);
    }
    if let Some(shard) = &options.shard {
        command.args(["--shard", shard]);
    }
    let status = command.arg("--").args(part.tests.split(' ')).status()?;
    // 0: all caught, 2: some missed, 3: some took too long.
    if matches!(status.code(), Some(0 | 2 | 3)) {
        Counts::read(&output.join("mutants.out"))
    } else {
        Err(format!("the mutants of {} could not be tested: {status}", part.name).into())
    }
}

/// How many changes met which end; those that do not compile are none.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    caught: usize,
    missed: usize,
    timed_out: usize,
}

impl Counts {
    /// Of the lists that lie in a folder, a line for each change.
    fn read(folder: &Path) -> Result<Self> {
        let lines =
            |name| -> Result<usize> { Ok(fs::read_to_string(folder.join(name))?.lines().count()) };
        Ok(Self {
            caught: lines("caught.txt")?,
            missed: lines("missed.txt")?,
            timed_out: lines("timeout.txt")?,
        })
    }

    /// A loop without end does not pass for right either.
    fn noticed(&self) -> usize {
        self.caught + self.timed_out
    }

    fn reach(&self, percent: usize) -> bool {
        self.noticed() * 100 >= (self.noticed() + self.missed) * percent
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.noticed() + self.missed;
        let Self {
            caught,
            missed,
            timed_out,
        } = self;
        write!(
            f,
            "of {total} changes {caught} caught, {timed_out} timed out, {missed} missed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Options::parse(&args)
    }

    #[test]
    fn options_are_read_or_refused() {
        let options = parse(&["--shard", "0/8", "--part", "gguf"]).unwrap();
        assert_eq!(options.shard.as_deref(), Some("0/8"));
        let names: Vec<&str> = options.parts().unwrap().iter().map(|p| p.name).collect();
        assert_eq!(names, ["gguf"]);
        assert_eq!(parse(&[]).unwrap().parts().unwrap().len(), PARTS.len());
        for bad in [&["--part"][..], &["--shard"], &["gguf"]] {
            assert!(parse(bad).unwrap_err().is::<Usage>(), "{bad:?}");
        }
        let unknown = parse(&["--part", "gguff"]).unwrap().parts();
        assert!(unknown.is_err_and(|error| error.is::<Usage>()));
    }

    #[test]
    fn every_package_and_file_is_there() {
        for part in PARTS {
            let folder = workspace::root().join("crates").join(part.package);
            assert!(folder.is_dir(), "{}", part.name);
            for file in part.files.iter().filter(|file| !file.contains('{')) {
                assert!(workspace::root().join(file).is_file(), "{file}");
            }
        }
    }

    #[test]
    fn a_bar_is_reached_by_what_is_caught_or_never_ends() {
        let counts = |caught, missed, timed_out| Counts {
            caught,
            missed,
            timed_out,
        };
        assert!(counts(95, 5, 0).reach(95) && counts(90, 5, 5).reach(95));
        assert!(!counts(94, 6, 0).reach(95) && !counts(999, 1, 0).reach(100));
        let text = counts(7, 2, 1).to_string();
        assert_eq!(text, "of 10 changes 7 caught, 1 timed out, 2 missed");
    }
}
