//! Makes one model file: `cargo run --release -p synth-model --example synth -- --help`.
#![allow(clippy::print_stdout, reason = "a command-line program")]

fn main() -> synth_model::Result<()> {
    let done = synth_model::run_cli(std::env::args().skip(1))?;
    println!("{done}");
    Ok(())
}
