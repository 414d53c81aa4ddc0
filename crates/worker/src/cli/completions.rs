//! `completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::error::Result;
use crate::output::Output;

/// Print what a shell needs to complete commands, flags and their values.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples, for new shells to know it:
  bash        worker-orcd completions bash > ~/.local/share/bash-completion/completions/worker-orcd
  zsh         worker-orcd completions zsh > ~/.zfunc/_worker-orcd     (~/.zfunc must be in fpath)
  fish        worker-orcd completions fish > ~/.config/fish/completions/worker-orcd.fish
  elvish      worker-orcd completions elvish >> ~/.config/elvish/rc.elv
  powershell  worker-orcd completions powershell >> $PROFILE
For this shell only: source <(worker-orcd completions bash)")]
pub(crate) struct Args {
    /// The shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "worker-orcd", &mut script);
    let script = String::from_utf8_lossy(&script);
    // The generator for bash looks commands up under another name than it stores them, where the
    // program's name has a dash: without this, nothing after a command is completed.
    let script = script.replace("worker__subcmd__orcd", "worker__orcd");
    let mut output = Output::stdout();
    output.line(script.trim_end())?;
    output.finish()
}
