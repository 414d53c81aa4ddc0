//! `cargo xtask miri`: the tests of what holds `unsafe` code, and of what stands on it, in an
//! interpreter that notices undefined behaviour. Slow, so it is no step of CI; tests with many
//! cases take a few of them there.
//!
//! Driver calls, memory maps and instructions it does not know are beyond it.

use std::error::Error;
use std::process::Stdio;

use crate::workspace;

/// Tree borrows is the newer model of aliasing.
const FLAGS: &str = "-Zmiri-tree-borrows";
/// Seeds of the scheduler for tests with threads: other seeds, other interleavings.
const SEEDS: &str = "-Zmiri-tree-borrows -Zmiri-many-seeds=0..4";

/// Arguments of `cargo miri test`, and the interpreter's flags.
const GROUPS: &[(&str, &str)] = &[
    ("-p gguf --lib", FLAGS),
    ("-p llama-arch --lib backend::cpu::exp", FLAGS),
    ("-p llama-arch --lib backend::cpu::rows", FLAGS),
    ("-p llama-arch --lib backend::cpu::pool", SEEDS),
];

/// Runs every group, and stops at the first that fails.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    crate::no_arguments("miri", args)?;
    let version = ["run", "nightly", "cargo", "miri", "--version"];
    let mut probe = workspace::command("rustup");
    let probe = probe
        .args(version)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        let advice = "`rustup toolchain install nightly --component miri,rust-src`";
        return Err(format!("there is no Miri: {advice}").into());
    }
    for (group, flags) in GROUPS {
        println!("$ MIRIFLAGS=\"{flags}\" cargo +nightly miri test {group}");
        let mut command = workspace::command("rustup");
        command
            .args(["run", "nightly", "cargo", "miri", "test"])
            .args(group.split(' '))
            .args(["--target-dir", "target/miri"])
            .env("MIRIFLAGS", flags);
        let status = command.status()?;
        if !status.success() {
            return Err(format!("`miri test {group}` failed: {status}").into());
        }
    }
    Ok(())
}
