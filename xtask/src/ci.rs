//! `cargo xtask ci`: everything that must pass before a merge, in the order in which a failure is
//! cheapest to learn.
//!
//! The tests come last, and nothing is printed after them: the log ends with the test runner's
//! own closing line. For that, `cargo test` is cut in two, its documentation tests first: their
//! last line would be a note on compile times.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use crate::workspace;

/// One command and what its output must show.
struct Step {
    name: &'static str,
    /// Arguments of cargo, as one would type them.
    command: &'static str,
    env: &'static [(&'static str, &'static str)],
    /// Skipped, and said so, where this folder does not exist.
    needs: Option<&'static str>,
    verdict: Verdict,
}

enum Verdict {
    /// The exit code says it all.
    ExitCode,
    /// And standard output must pass.
    Output(fn(&str) -> Result<(), String>),
}

/// The dev profile is built once and serves lints, documents and tests.
const STEPS: &[Step] = &[
    step("format", "fmt --all --check"),
    step(
        "lints",
        "clippy --locked --workspace --all-targets -- -D warnings",
    ),
    Step {
        env: &[("RUSTDOCFLAGS", "-D warnings")],
        ..step("documents", "doc --locked --workspace --no-deps")
    },
    step("tidy", "xtask tidy"),
    Step {
        needs: Some("crates/cuda-kernels"),
        ..step("ptx", "xtask build-ptx --check")
    },
    step("release build", "build --locked --release -p worker"),
    Step {
        verdict: Verdict::Output(is_haiku),
        ..step("the README's example", README_EXAMPLE)
    },
    step("documentation tests", "test --locked --doc"),
    Step {
        verdict: Verdict::Output(tests_ran),
        ..step("tests", "test --locked --tests")
    },
];

const README_EXAMPLE: &str =
    "run --locked --release -p worker -- generate --prompt \"Write a haiku about autumn leaves\"";

const fn step(name: &'static str, command: &'static str) -> Step {
    Step {
        name,
        command,
        env: &[],
        needs: None,
        verdict: Verdict::ExitCode,
    }
}

/// Runs every step, and stops at the first that fails.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    crate::no_arguments("ci", args)?;
    let start = Instant::now();
    for step in STEPS {
        println!("\n== {} (after {} s)", step.name, start.elapsed().as_secs());
        match step.needs {
            Some(folder) if !workspace::root().join(folder).exists() => {
                println!("skipped: there is no {folder}");
            }
            _ => run_step(step)?,
        }
    }
    Ok(())
}

fn run_step(step: &Step) -> Result<(), Box<dyn Error>> {
    println!("$ {}", command_line(step));
    let start = Instant::now();
    let mut command = workspace::cargo();
    command
        .args(words(step.command))
        .envs(step.env.iter().copied());
    let failed = |why: &str| format!("step \"{}\" failed: {why}", step.name);
    match step.verdict {
        Verdict::ExitCode => {
            let status = command.status()?;
            if !status.success() {
                return Err(failed(&status.to_string()).into());
            }
        }
        Verdict::Output(check) => {
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            let output = child
                .stdout
                .take()
                .map(|stream| show_and_keep(stream, io::stdout()));
            let output = output.transpose()?;
            let status = child.wait()?;
            if !status.success() {
                return Err(failed(&status.to_string()).into());
            }
            check(&output.unwrap_or_default()).map_err(|why| failed(&why))?;
        }
    }
    // After the tests their own closing line is the last word.
    if step.name != "tests" {
        println!("-- {}: {:.1} s", step.name, start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Passes a stream on line by line, and returns it.
fn show_and_keep(stream: impl io::Read, mut show: impl Write) -> io::Result<String> {
    let mut kept = String::new();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line)? > 0 {
        show.write_all(&line)?;
        show.flush()?;
        kept += &String::from_utf8_lossy(&line);
        line.clear();
    }
    Ok(kept)
}

fn is_haiku(output: &str) -> Result<(), String> {
    let lines: Vec<&str> = output.trim().lines().map(str::trim).collect();
    if lines.len() == 3 && lines.iter().all(|line| !line.is_empty()) {
        return Ok(());
    }
    Err(format!(
        "a haiku has three lines, none empty; this has {}",
        lines.len()
    ))
}

/// The last group of tests ran at least one: a log that ends with "0 passed" proves nothing.
fn tests_ran(output: &str) -> Result<(), String> {
    let last = output
        .lines()
        .rfind(|line| line.starts_with("test result: "));
    let last = last.ok_or("no test result")?;
    let passed = last
        .strip_prefix("test result: ok. ")
        .and_then(|rest| rest.split(' ').next());
    match passed.and_then(|count| count.parse::<u32>().ok()) {
        Some(1..) => Ok(()),
        _ => Err(format!("the last group ran no test: {last}")),
    }
}

/// The step as one would type it.
fn command_line(step: &Step) -> String {
    let env = step
        .env
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\" "));
    format!("{}cargo {}", env.collect::<String>(), step.command)
}

/// Splits at spaces outside double quotes, as a shell does.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (i, part) in command.split('"').enumerate() {
        let is_quoted = i % 2 == 1;
        for (j, word) in part.split(|c| c == ' ' && !is_quoted).enumerate() {
            if j > 0 {
                words.push(String::new());
            }
            if let Some(last) = words.last_mut() {
                *last += word;
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_what_the_readme_tells_users_to_run() {
        let readme = include_str!("../../README.md");
        let example = format!("cargo {}", README_EXAMPLE.replace("--locked ", ""));
        for line in [&*example, "cargo test"] {
            assert!(
                readme.lines().any(|shown| shown == line),
                "not in README.md: {line}"
            );
        }
    }

    #[test]
    fn commands_split_as_a_shell_does() {
        assert_eq!(words("test --locked"), ["test", "--locked"]);
        assert_eq!(words("a --b=\"c d\" \"e\""), ["a", "--b=c d", "e"]);
    }

    #[test]
    fn the_tests_end_the_log() {
        assert_eq!(STEPS.last().map(|step| step.name), Some("tests"));
    }

    #[test]
    fn a_haiku_is_three_lines() {
        assert!(is_haiku("Red leaves fall,\nthe wind\nlets go.\n").is_ok());
        for bad in ["", "one line\n", "a\nb\n", "a\n\nc\n", "a\nb\nc\nd\n"] {
            assert!(is_haiku(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_last_group_of_tests_counts() {
        let group = |passed: u32| format!("running\ntest result: ok. {passed} passed; 0 failed\n");
        assert!(tests_ran(&(group(0) + &group(3))).is_ok());
        assert!(tests_ran(&(group(3) + &group(0))).is_err());
        assert!(tests_ran("test result: FAILED. 3 passed; 1 failed\n").is_err());
        assert!(tests_ran("").is_err());
    }

    #[test]
    fn output_is_kept_as_it_was() {
        let bytes: &[u8] = b"a\n\nlast line without end";
        let mut shown = Vec::new();
        let kept = show_and_keep(bytes, &mut shown).unwrap();
        assert_eq!((kept.as_bytes(), &*shown), (bytes, bytes));
    }
}
