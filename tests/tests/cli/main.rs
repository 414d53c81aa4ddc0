//! The command line, as its users see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod bench;
mod chat;
mod completions;
mod demo;
mod determinism;
mod doctor;
mod errors;
mod file_changes;
mod generate;
mod inspect;
mod perplexity;
mod pull;
mod quantize;
mod streams;
mod tokenize;
mod trace;

use std::path::Path;

use integration_tests::models::arg;
use integration_tests::{Run, worker};

/// `command --model model args..`
fn with_model<'a>(command: &'a str, model: &'a Path, args: &[&'a str]) -> Run {
    let head = [command, "--model", arg(model)];
    worker(head.into_iter().chain(args.iter().copied()))
}

/// Every key of an object, in order of the alphabet.
fn keys(value: &serde_json::Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
