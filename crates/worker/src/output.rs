//! Results, on stdout.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::error::{Failure, Result};

/// Stdout, held for the whole command. A reader that went away is [`Failure::OutputClosed`].
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

impl Output {
    /// Takes stdout.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout().lock();
        Self {
            is_terminal: stdout.is_terminal(),
            out: BufWriter::new(stdout),
        }
    }

    /// Writes what a model said and shows it at once.
    pub(crate) fn show(&mut self, text: &str) -> Result<()> {
        let text = if self.is_terminal {
            harmless(text)
        } else {
            text.into()
        };
        self.out
            .write_all(text.as_bytes())
            .map_err(Failure::stdout)?;
        self.out.flush().map_err(Failure::stdout)
    }

    /// Writes a line; [`Output::finish`] shows it.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> Result<()> {
        writeln!(self.out, "{line}").map_err(Failure::stdout)
    }

    /// Shows what was written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(Failure::stdout)
    }
}

/// Text without control characters, by which a model could command the user's terminal.
fn harmless(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(commands) {
        text.replace(commands, "\u{fffd}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(harmless("い\n\ta"), "い\n\ta");
        assert_eq!(
            harmless("a\u{1b}]0;b\u{7}\r\u{9b}c"),
            "a\u{fffd}]0;b\u{fffd}\u{fffd}\u{fffd}c"
        );
    }
}
