//! `cargo xtask bench`: the worker's speed beside llama.cpp's, on the same files, in one run.
//!
//! Both programs take turns on every model, so that a clock that drifts or a neighbour who wakes up
//! meets both. The models are random ones of well-known shapes, made where they are missing.
//! Prints a table and writes it, with machine, commit and commands, below `bench/record`.
//!
//! It needs binaries alone: on a machine without Rust, run the binary of this program and name the
//! worker's with `--worker`.

mod options;
mod programs;
mod record;
mod suite;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use self::options::Options;
use self::programs::{Measured, Ours, Peer};
use self::record::{Record, Row};
use self::suite::{Subject, Test};
use crate::workspace;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measures everything and writes the record.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let ours = Ours::new(&options)?;
    let peer = Peer::new(&options);
    let mut record = Record::begin(&options)?;
    for subject in options.subjects()? {
        let path = subject.file(&options.models)?;
        println!("{}: {}", subject.name, path.display());
        measure(&subject, &path, (&ours, &peer), &mut record, options.rounds)?;
        println!("{}", record.table_of(&subject.name));
    }
    record.end(&[ours.commands(), peer.commands()].concat())?;
    println!("{}", record.path().display());
    Ok(())
}

/// Every test of one model, in turns.
fn measure(
    subject: &Subject,
    path: &Path,
    (ours, peer): (&Ours, &Peer),
    record: &mut Record,
    rounds: usize,
) -> Result<()> {
    let mut found: BTreeMap<Test, (Measured, Measured)> = BTreeMap::new();
    for _ in 0..rounds {
        for group in subject.groups() {
            let (mut speeds, device) = ours.run(path, &group)?;
            record.note_device(device);
            for (test, measured) in speeds.drain(..) {
                found.entry(test).or_default().0.join(measured);
            }
            for (test, measured) in peer.run(path, &group)? {
                found.entry(test).or_default().1.join(measured);
            }
        }
    }
    for (test, (ours, peer)) in found {
        record.rows.push(Row {
            model: subject.name.clone(),
            test,
            ours,
            peer,
        });
    }
    Ok(())
}

/// The workspace, or the current folder where only the binary is.
fn base() -> PathBuf {
    let root = workspace::root();
    if root.is_dir() {
        root.to_owned()
    } else {
        PathBuf::from(".")
    }
}
