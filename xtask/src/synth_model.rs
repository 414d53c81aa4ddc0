//! `cargo xtask synth-model`: the command line of the `synth-model` crate.

use std::error::Error;

use ::synth_model::Error as SynthError;

use crate::Usage;

/// Writes the model that the arguments describe.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let written = ::synth_model::run_cli(args.iter().cloned()).map_err(usage_stays_usage)?;
    println!("{written}");
    Ok(())
}

fn usage_stays_usage(error: SynthError) -> Box<dyn Error> {
    match error {
        SynthError::Usage { .. } => Usage(error.to_string()).into(),
        other => other.into(),
    }
}
