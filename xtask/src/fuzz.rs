//! `cargo xtask fuzz`: hostile input for every parser, guided by coverage.
//!
//! The targets are the files of `fuzz/fuzz_targets`, a package of its own. Anything but a return
//! is a finding: a panic, an abort, an overflow, more than 512 MiB, more than a second, a leak.
//! What finds one stays in `target/fuzz/crashes`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Usage, workspace};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: cargo xtask fuzz [--target NAME] [--runs N] [--asan]";
const PACKAGE: &str = "fuzz/Cargo.toml";
/// The instrumented build goes by the host's triple, so that build scripts stay as they are.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Edges are counted. Comparisons are not looked into: it takes half the speed, and the targets
/// that need particular numbers bring them.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table";
/// Longest input in bytes; most bugs need few, and short ones are fast.
const MAX_LEN: u32 = 96;
const MAX_LEN_OF: &[(&str, u32)] = &[("gguf_bytes", 512), ("chat_template", 128)];

#[derive(Debug, PartialEq, Eq)]
struct Options {
    target: Option<String>,
    runs: u64,
    asan: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            target: None,
            runs: 1_000_000,
            asan: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--asan" => options.asan = true,
                "--target" => options.target = Some(args.next().ok_or_else(usage)?.clone()),
                "--runs" => {
                    let runs = args.next().and_then(|runs| runs.parse().ok());
                    options.runs = runs.ok_or_else(usage)?;
                }
                _ => return Err(usage().into()),
            }
        }
        Ok(options)
    }
}

fn usage() -> Usage {
    Usage(USAGE.to_owned())
}

/// Builds the targets, runs one after the other and says how many inputs each took.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let mut targets = targets()?;
    if let Some(name) = &options.target {
        if !targets.contains(name) {
            let known = targets.join(", ");
            return Err(Usage(format!("no target `{name}`; there are {known}")).into());
        }
        targets.retain(|target| target == name);
    }
    check_tools(options.asan)?;
    build(&targets, options.asan)?;
    let mut failed = Vec::new();
    for target in targets {
        let (executions, is_clean) = fuzz(&target, &options)?;
        let verdict = if is_clean { "clean" } else { "FOUND SOMETHING" };
        println!("{target}: {executions} executions, {verdict}");
        failed.extend((!is_clean).then_some(target));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed = failed.join(", ");
    Err(format!(
        "findings of {failed} lie in {}",
        folder("crashes", "").display()
    )
    .into())
}

/// Every target is a file.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

/// Says what to install before a long build fails for the want of it.
fn check_tools(asan: bool) -> Result<()> {
    let there = |program: &str, args: &[&str]| {
        let mut command = workspace::command(program);
        let command = command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !there("c++", &["--version"]) {
        return Err("the fuzzing engine is C++ and there is no `c++`: install g++ or clang".into());
    }
    if asan && !there("rustup", &["run", "nightly", "rustc", "--version"]) {
        let advice = "`rustup toolchain install nightly`";
        return Err(format!("the address sanitizer needs a nightly compiler: {advice}").into());
    }
    Ok(())
}

fn target_folder(asan: bool) -> PathBuf {
    let kind = if asan { "build-asan" } else { "build" };
    workspace::root().join("target/fuzz").join(kind)
}

fn build(targets: &[String], asan: bool) -> Result<()> {
    let mut command = if asan {
        let mut command = workspace::command("rustup");
        command.args(["run", "nightly", "cargo"]);
        command
    } else {
        workspace::cargo()
    };
    let sanitizer = if asan { " -Zsanitizer=address" } else { "" };
    command
        .args(["build", "--locked", "--release", "--manifest-path", PACKAGE])
        .args(["--target", HOST, "--target-dir"])
        .arg(target_folder(asan))
        .env("RUSTFLAGS", format!("{COVERAGE}{sanitizer}"));
    for target in targets {
        command.args(["--bin", target]);
    }
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("the targets do not build: {status}").into()),
    }
}

/// A folder for a target's files, made if it is not there.
fn folder(kind: &str, target: &str) -> PathBuf {
    workspace::root()
        .join("target/fuzz")
        .join(kind)
        .join(target)
}

/// Runs a target; how many inputs it took, and whether all was well.
fn fuzz(target: &str, options: &Options) -> Result<(u64, bool)> {
    let (corpus, crashes) = (folder("corpus", target), folder("crashes", target));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&crashes)?;
    let log = crashes.join("log");
    let binary = target_folder(options.asan)
        .join(HOST)
        .join("release")
        .join(target);
    let mut command = Command::new(binary);
    command
        .args(arguments(target, options, &crashes))
        .arg(&corpus)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        // Freed memory is kept to notice its use; the limit below counts that too.
        .env("ASAN_OPTIONS", "quarantine_size_mb=64");
    let seeds = workspace::root().join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let status = command.status()?;
    let log = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    if !status.success() {
        print!("{}", end_of(&log));
    }
    Ok((executions(&log), status.success()))
}

fn arguments(target: &str, options: &Options, crashes: &Path) -> Vec<String> {
    let special = MAX_LEN_OF.iter().find(|(name, _)| *name == target);
    let max_len = special.map_or(MAX_LEN, |(_, len)| *len);
    vec![
        format!("-runs={}", options.runs),
        format!("-max_len={max_len}"),
        "-rss_limit_mb=512".to_owned(),
        "-timeout=1".to_owned(),
        "-print_final_stats=1".to_owned(),
        // Ends in a separator: names are appended as they are.
        format!("-artifact_prefix={}/", crashes.display()),
    ]
}

/// What the engine counted.
fn executions(log: &str) -> u64 {
    let mut counts = log.lines().filter_map(|line| {
        let count = line.strip_prefix("stat::number_of_executed_units:")?;
        count.trim().parse().ok()
    });
    counts.next_back().unwrap_or(0)
}

/// The last lines, where a finding is described.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(40);
    lines[from..]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
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
        let options = parse(&["--runs", "5", "--target", "stop", "--asan"]).unwrap();
        let expected = Options {
            target: Some("stop".to_owned()),
            runs: 5,
            asan: true,
        };
        assert_eq!(options, expected);
        for bad in [&["--runs"][..], &["--runs", "x"], &["--target"], &["stop"]] {
            assert!(parse(bad).unwrap_err().is::<Usage>(), "{bad:?}");
        }
    }

    #[test]
    fn every_target_is_declared_and_every_length_is_of_one() {
        let manifest = fs::read_to_string(workspace::root().join(PACKAGE)).unwrap();
        let targets = targets().unwrap();
        for target in &targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
        }
        assert!(
            MAX_LEN_OF
                .iter()
                .all(|(name, _)| targets.iter().any(|target| target == name))
        );
    }

    #[test]
    fn the_count_is_the_engines_last() {
        let log = "stat::number_of_executed_units: 7\nx\nstat::number_of_executed_units: 12\n";
        assert_eq!(executions(log), 12);
        assert_eq!(executions("killed"), 0);
    }
}
