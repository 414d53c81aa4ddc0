//! `cargo xtask man`: the manual of the binary, as files that `man` finds.
//!
//! The pages are made by the binary itself, from the same declarations that `--help` prints.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::Usage;
use crate::workspace;

const USAGE: &str = "usage: cargo xtask man [FOLDER]";
const DEFAULT_FOLDER: &str = "target/man/man1";
const PROGRAM: &str = "worker-orcd";

/// Writes `worker-orcd.1` and a page for each command into the folder.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let folder = match args {
        [] => DEFAULT_FOLDER,
        [folder] if !folder.starts_with('-') => folder,
        _ => return Err(Usage(USAGE.to_owned()).into()),
    };
    // As seen by whoever typed it: the commands below run at the root.
    let folder = std::env::current_dir()?.join(folder);
    fs::create_dir_all(&folder)?;
    write(&folder, &format!("{PROGRAM}.1"), &worker(&[])?)?;
    let commands = worker(&["--list"])?;
    for command in commands.lines() {
        let page = worker(&[command])?;
        write(&folder, &format!("{PROGRAM}-{command}.1"), &page)?;
    }
    let pages = commands.lines().count() + 1;
    println!("{}: {pages} pages", folder.display());
    Ok(())
}

fn write(folder: &Path, name: &str, page: &str) -> Result<(), Box<dyn Error>> {
    if !page.contains(".SH NAME") {
        return Err(format!("{name} would be no manual page").into());
    }
    Ok(fs::write(folder.join(name), page)?)
}

/// What `worker-orcd man ARGS` prints. Cargo builds it first where that is needed.
fn worker(args: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut command = workspace::cargo();
    command
        .args(["run", "--quiet", "--package", "worker", "--", "man"])
        .args(args);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("`{PROGRAM} man` failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
