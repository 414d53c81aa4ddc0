//! Files that lie, each refused by the error that names the lie, within bounds of time and memory.
//!
//! The numbers `G01` to `G35` are explained in `README.md` beside this file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_wrap,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking, and build files that no code should"
)]

mod accepted;
mod flips;
mod getters;
mod header;
mod large;
mod measure;
mod metadata;
mod raw;
mod split;
mod tensors;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gguf::{Error, GgufFile, TensorType};
use measure::peak_of;
use raw::Raw;

#[global_allocator]
static ALLOCATOR: measure::Counting = measure::Counting;

/// A file, the error it must give, and what the message must say.
pub struct Case {
    id: String,
    bytes: Vec<u8>,
    /// What is asked of the file if it opens.
    ask: fn(&GgufFile) -> Result<(), Error>,
    error: &'static str,
    says: String,
}

/// A file that must be refused when it is opened.
pub fn refused(
    id: impl Into<String>,
    file: Raw,
    error: &'static str,
    says: impl Into<String>,
) -> Case {
    Case {
        id: id.into(),
        bytes: file.0,
        ask: |_| Ok(()),
        error,
        says: says.into(),
    }
}

/// A file that opens, but cannot give what is asked of it.
pub fn wanting(
    id: impl Into<String>,
    file: Raw,
    ask: fn(&GgufFile) -> Result<(), Error>,
    error: &'static str,
    says: &str,
) -> Case {
    Case {
        ask,
        ..refused(id, file, error, says)
    }
}

fn cases() -> Vec<Case> {
    let all = [
        header::cases(),
        metadata::cases(),
        getters::cases(),
        tensors::cases(),
    ];
    all.into_iter().flatten().collect()
}

/// The name of an error's variant.
pub fn variant(error: &Error) -> String {
    format!("{error:?}")
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect()
}

#[test]
fn every_lie_is_named_quickly_and_in_little_memory() {
    for Case {
        id,
        bytes,
        ask,
        error,
        says,
    } in cases()
    {
        let allowed = (64 << 10) + 4 * bytes.len();
        let start = Instant::now();
        let (result, peak) =
            peak_of(|| GgufFile::from_bytes(bytes).and_then(|file| ask(&file).map(|()| file)));
        let took = start.elapsed();

        let found = result.expect_err(&id);
        assert_eq!(variant(&found), error, "{id}: {found}");
        let message = found.to_string();
        assert!(
            message.contains(&says),
            "{id}: {message:?} does not say {says:?}"
        );
        assert!(
            !message.contains('\n') && message.len() < 400,
            "{id}: {message:?}"
        );
        assert!(
            peak <= allowed,
            "{id}: held {peak} bytes, {allowed} allowed"
        );
        assert!(took < Duration::from_millis(500), "{id}: took {took:?}");
    }
}

#[test]
fn there_are_enough_files_and_no_two_are_alike() {
    let cases = cases();
    let ids: BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
    let files: BTreeSet<_> = cases
        .iter()
        .map(|case| (&case.bytes, case.ask as usize))
        .collect();
    assert_eq!(ids.len(), cases.len(), "two files have one name");
    assert_eq!(files.len(), cases.len(), "two files are the same");
    println!("{} files that lie", cases.len());
    assert!(cases.len() >= 180);
}

#[test]
fn every_error_variant_has_a_file() {
    // Errors of calls, not of files; each is tested beside its code or below.
    let of_calls = [
        "Write",
        "CannotQuantize",
        "UnquantizableValue",
        "SizeMismatch",
    ];
    let mut hit: BTreeSet<String> = cases().iter().map(|case| case.error.to_owned()).collect();
    hit.extend(
        split::VARIANTS
            .iter()
            .chain(&of_calls)
            .map(|&name| name.to_owned()),
    );

    let source = include_str!("../../src/error.rs");
    let body = source.split_once("pub enum Error {").unwrap().1;
    let all: BTreeSet<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.chars().take_while(|c| c.is_alphanumeric()).collect())
        .collect();
    assert!(all.len() > 30, "the variants were not found in the source");
    assert_eq!(hit, all);
}

#[test]
fn what_the_writer_is_given_is_held_to_the_rules_of_the_reader() {
    let writer = |build: fn(&mut gguf::Writer) -> &mut gguf::Writer| {
        let mut writer = gguf::Writer::new();
        build(&mut writer);
        writer.to_bytes().map_err(|error| variant(&error))
    };
    let tensor = |name, dims: &[u64], bytes: &[u8]| {
        let mut writer = gguf::Writer::new();
        writer.tensor(name, dims, TensorType::F32, bytes);
        writer.to_bytes().map_err(|error| variant(&error))
    };
    let refused = [
        ("EmptyKey", writer(|w| w.metadata("", 1_u32))),
        ("NulInKey", writer(|w| w.metadata("a\0b", 1_u32))),
        (
            "StringTooLong",
            writer(|w| w.metadata("k".repeat(65536), 1_u32)),
        ),
        (
            "StringTooLong",
            writer(|w| w.metadata("k", "v".repeat((16 << 20) + 1))),
        ),
        (
            "DuplicateKey",
            writer(|w| w.metadata("k", 1_u32).metadata("k", 2_u32)),
        ),
        ("BadAlignment", writer(|w| w.alignment(24))),
        (
            "WrongType",
            writer(|w| w.metadata("general.alignment", 32_u64)),
        ),
        ("EmptyName", tensor("", &[1], &[0; 4])),
        ("NulInName", tensor("a\0", &[1], &[0; 4])),
        ("StringTooLong", tensor(&"n".repeat(65), &[1], &[0; 4])),
        ("SizeMismatch", tensor("t", &[2], &[0; 4])),
        ("BadNDims", tensor("t", &[], &[0; 4])),
        ("BadNDims", tensor("t", &[1; 5], &[0; 4])),
        ("ZeroDim", tensor("t", &[1, 0], &[])),
        ("ShapeOverflow", tensor("t", &[u64::MAX, 4], &[])),
        (
            "DuplicateTensor",
            writer(|w| {
                w.tensor("t", &[1], TensorType::I8, vec![0]);
                w.tensor("t", &[1], TensorType::I8, vec![0])
            }),
        ),
    ];
    for (expected, found) in refused {
        assert_eq!(found, Err(expected.to_owned()));
    }
}

#[test]
fn a_writer_that_cannot_write_says_so() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = gguf::Writer::new().write_to(Full).unwrap_err();
    assert_eq!(variant(&error), "Write");
}
