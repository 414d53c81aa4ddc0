//! Results, on stdout.

use std::io::{self, BufWriter, StdoutLock, Write};

use crate::error::{Failure, Result};

/// Stdout, held for the whole command. A reader that went away is [`Failure::OutputClosed`].
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Takes stdout.
    pub(crate) fn stdout() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// Writes text and shows it at once.
    pub(crate) fn show(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())?;
        self.0.flush().map_err(Failure::stdout)
    }

    /// Writes bytes; [`Output::finish`] shows them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(Failure::stdout)
    }

    /// Writes a line; [`Output::finish`] shows it.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> Result<()> {
        writeln!(self.0, "{line}").map_err(Failure::stdout)
    }

    /// Shows what was written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(Failure::stdout)
    }
}
