//! Writes every case into a directory, and `manifest.tsv` with name, seed and hash of each:
//! `cargo run --release -p synth-model --example write_cases -- DIR [NAME=SEED ...]`. The
//! arguments after the directory choose cases, and try seeds other than their own.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(
        args.next()
            .ok_or("usage: write_cases DIR [NAME=SEED ...]")?,
    );
    let mut chosen: HashMap<String, u64> = HashMap::new();
    for arg in args {
        let (name, seed) = arg.split_once('=').ok_or("a case is chosen as NAME=SEED")?;
        chosen.insert(name.to_owned(), seed.parse()?);
    }
    std::fs::create_dir_all(&dir)?;
    let mut manifest = String::new();
    for case in synth_model::cases() {
        let seed = match chosen.get(case.name) {
            Some(&seed) => seed,
            None if chosen.is_empty() => case.seed,
            None => continue,
        };
        let bytes = synth_model::to_bytes(&case.spec, seed)?;
        let hash = synth_model::fnv1a(&bytes);
        std::fs::write(dir.join(format!("{}.gguf", case.name)), &bytes)?;
        writeln!(manifest, "{}\t{seed}\t{hash:016x}", case.name)?;
    }
    std::fs::write(dir.join("manifest.tsv"), &manifest)?;
    print!("{manifest}");
    Ok(())
}
