//! `worker-orcd`: runs Llama-family GGUF models from the command line.
//!
//! [`cli`] holds one file per command; what commands share lies beside it: [`load`] reads files
//! and [`store`] writes them, [`hub`] fetches them, [`quantize`] makes other files of a model,
//! [`prompt`] turns text into ids, [`generation`] runs the model, [`perplexity`] measures it,
//! [`text_stream`] turns ids into text.

#![forbid(unsafe_code)]

mod cli;
mod device;
mod error;
mod generation;
mod hub;
mod interrupt;
mod load;
mod logging;
mod output;
mod perplexity;
mod progress;
mod prompt;
mod quantize;
mod store;
mod text_stream;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    logging::init(cli.verbose, cli.log_format);
    if let Err(error) = gguf::exit_on_lost_page() {
        tracing::warn!("a model file that is cut short will end the program abruptly: {error}");
    }
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                logging::error(&message, cli.log_format);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
