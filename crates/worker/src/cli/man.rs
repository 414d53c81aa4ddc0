//! `man`: the manual, one page a command. `cargo xtask man` writes all of them.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;
use crate::error::{Failure, Result};
use crate::output::Output;

/// Print a page of the manual, as man reads it.
///
/// `cargo xtask man` writes all pages into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: worker-orcd man generate | man -l -")]
pub(crate) struct Args {
    /// The command to print the page of [default: the program's own page]
    command: Option<String>,

    /// Name the commands that have a page, one a line
    #[arg(
        long,
        conflicts_with = "command",
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "WORKER_ORCD_LIST"
    )]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut program = Cli::command();
    program.build();
    let mut output = Output::stdout();
    if args.list {
        for command in pages(&program) {
            output.line(command.get_name())?;
        }
        return output.finish();
    }
    let page = match &args.command {
        None => program,
        Some(name) => pages(&program)
            .find(|command| command.get_name() == name)
            .cloned()
            .ok_or_else(|| {
                Failure::usage(format_args!(
                    "no command `{name}`; `worker-orcd man --list` names all"
                ))
            })?,
    };
    output.line(render(page)?.trim_end())?;
    output.finish()
}

/// The commands that users are told of.
fn pages(program: &Command) -> impl Iterator<Item = &Command> {
    let commands = program.get_subcommands();
    commands.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn render(command: Command) -> Result<String> {
    // What the environment of whoever makes the pages says is nobody else's default.
    let mut page = Vec::new();
    let command = command.mut_args(|argument| argument.hide_env_values(true));
    Man::new(command)
        .source(concat!("worker-orcd ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(Failure::stdout)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
