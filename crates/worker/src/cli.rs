//! The command line: what can be said, and which module answers.

mod args;
mod bench;
mod chat;
mod completions;
mod detokenize;
mod devices;
mod doctor;
mod estimate;
mod generate;
mod inspect;
mod man;
mod perplexity;
mod pull;
mod quantize;
mod report;
mod table;
mod tokenize;
mod trace;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::interrupt;
use crate::logging::LogFormat;

/// Runs Llama-family GGUF models (Llama, Mistral, Qwen2, Qwen3, Phi-3).
#[derive(Debug, Parser)]
#[command(name = "worker-orcd", version, arg_required_else_help = true)]
#[command(after_help = "\
Every flag can be set by an environment variable too, named in its help; the flag wins.
Results go to stdout, everything else to stderr. RUST_LOG filters the log.
Exit codes: 0 done, 1 failed, 2 wrong usage, 70 the device failed, 74 the model file
changed while it was in use, 130 stopped by Ctrl-C.")]
pub(crate) struct Cli {
    /// Log what happens and how long it takes; wins over RUST_LOG
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    pub(crate) verbose: u8,

    /// How lines on stderr look
    #[arg(
        long,
        global = true,
        display_order = 901,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        env = "WORKER_ORCD_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Args),
    Chat(chat::Args),
    Inspect(inspect::Args),
    Estimate(estimate::Args),
    Tokenize(tokenize::Args),
    Detokenize(detokenize::Args),
    Bench(bench::Args),
    Trace(trace::Args),
    Pull(pull::Args),
    Quantize(quantize::Args),
    Perplexity(perplexity::Args),
    Devices(devices::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
    Doctor(doctor::Args),
}

impl Cli {
    /// Does what the command line says.
    pub(crate) fn run(&self) -> Result<()> {
        // These end what they do in their own way.
        if !matches!(
            self.command,
            Command::Generate(_) | Command::Chat(_) | Command::Quantize(_) | Command::Perplexity(_)
        ) {
            interrupt::end_at_once()?;
        }
        match &self.command {
            Command::Generate(args) => generate::run(args),
            Command::Chat(args) => chat::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Estimate(args) => estimate::run(args),
            Command::Tokenize(args) => tokenize::run(args),
            Command::Detokenize(args) => detokenize::run(args),
            Command::Bench(args) => bench::run(args),
            Command::Trace(args) => trace::run(args),
            Command::Pull(args) => pull::run(args),
            Command::Quantize(args) => quantize::run(args),
            Command::Perplexity(args) => perplexity::run(args),
            Command::Devices(args) => devices::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
            Command::Doctor(args) => doctor::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_explained() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{subcommand}");
            for argument in subcommand.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{subcommand} {id}");
                let has_name = argument.get_long().is_some();
                let is_flag = has_name && !["help", "version", "verbose"].contains(&id.as_str());
                let env = argument.get_env().and_then(|name| name.to_str());
                let expected = format!("WORKER_ORCD_{}", id.as_str().to_uppercase());
                if is_flag && subcommand.get_name() != "help" {
                    assert_eq!(env, Some(&*expected), "{subcommand} {id}");
                }
            }
        }
    }
}
