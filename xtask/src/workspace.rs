//! Where the workspace is, and how to call its cargo.

use std::path::Path;
use std::process::Command;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The cargo that runs this command, so that `cargo +toolchain xtask` stays with its toolchain.
pub(crate) fn cargo() -> Command {
    command("cargo")
}

/// A command that runs at the root.
pub(crate) fn command(program: &str) -> Command {
    let own_cargo = std::env::var_os("CARGO").filter(|_| program == "cargo");
    let mut command = Command::new(own_cargo.unwrap_or_else(|| program.into()));
    command.current_dir(root());
    command
}
