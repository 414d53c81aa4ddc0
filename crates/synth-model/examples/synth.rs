//! Makes one model file: `cargo run --release -p synth-model --example synth -- --help`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match synth_model::run_cli(std::env::args().skip(1)) {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
