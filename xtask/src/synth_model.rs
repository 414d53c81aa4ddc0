//! `cargo xtask synth-model`: the command line of the `synth-model` crate.

use std::error::Error;

/// Writes the model that the arguments describe.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    println!("{}", ::synth_model::run_cli(args.iter().cloned())?);
    Ok(())
}
