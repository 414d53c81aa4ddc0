//! What ends a command, and the exit code it ends with.

use std::fmt::Display;
use std::io;

use gguf::LOST_PAGE_EXIT_CODE;

use crate::logging::one_line;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// What was asked for cannot be done.
    Failed(String),
    /// The model file changed while it was in use: nothing that was read from it counts.
    FileChanged(String),
    /// The device failed while it computed.
    DeviceFailed(String),
    /// The user stopped it.
    Interrupted,
    /// Whoever read stdout went away: they have seen enough.
    OutputClosed,
}

/// Result of this crate.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with everything it is caused by.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// An error of writing to stdout.
    #[expect(clippy::needless_pass_by_value, reason = "what `map_err` passes")]
    pub(crate) fn stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(format!("cannot write to stdout: {error}")),
        }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Says which file or model a failure is about.
    pub(crate) fn about(self, subject: impl Display) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{subject}: {message}")),
            other => other,
        }
    }

    /// The exit code; 130 is what shells give for Ctrl-C.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::DeviceFailed(_) => 70,
            Self::FileChanged(_) => LOST_PAGE_EXIT_CODE,
            Self::Interrupted => 130,
        }
    }

    /// What to tell the user, in one line; `None` where there is nothing to say.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Usage(message) | Self::Failed(message) | Self::FileChanged(message) => {
                Some(one_line(message))
            }
            Self::DeviceFailed(message) => {
                Some(one_line(&format!("{message}; start the program again")))
            }
            Self::Interrupted | Self::OutputClosed => None,
        }
    }
}

impl From<gguf::Error> for Failure {
    fn from(error: gguf::Error) -> Self {
        match error {
            gguf::Error::FileChanged { .. } => Self::FileChanged(error.to_string()),
            other => Self::failed(other),
        }
    }
}

impl From<tokenizer_bpe::Error> for Failure {
    fn from(error: tokenizer_bpe::Error) -> Self {
        Self::failed(error)
    }
}

impl From<llama_arch::Error> for Failure {
    fn from(error: llama_arch::Error) -> Self {
        use llama_arch::Error;
        match error {
            Error::InvalidSampling { name, value, range } => {
                let flag = name.replace('_', "-");
                let (start, end) = (range.start(), range.end());
                let low = if *start == f32::MIN_POSITIVE {
                    "above 0 and".to_owned()
                } else {
                    format!("at least {start} and")
                };
                Self::Usage(format!(
                    "--{flag} is {value}; it must be {low} at most {end}"
                ))
            }
            Error::Cancelled => Self::Interrupted,
            Error::DeviceFailed { .. } => Self::DeviceFailed(error.to_string()),
            Error::Gguf(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_one_line_with_its_code() {
        let device = llama_arch::Error::DeviceFailed {
            op: "matmul",
            reason: "gone\nfor good".into(),
        };
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        let changed = Failure::FileChanged("m changed".into());
        let rows: [(Failure, u8, Option<&str>); 6] = [
            (
                Failure::failed("a\r\nb\u{1b}[2J").about("m"),
                1,
                Some("m: a b [2J"),
            ),
            (Failure::usage("x"), 2, Some("x")),
            (
                device.into(),
                70,
                Some("the device failed in matmul: gone for good; start the program again"),
            ),
            (changed.about("n"), 74, Some("m changed")),
            (llama_arch::Error::Cancelled.into(), 130, None),
            (Failure::stdout(closed), 0, None),
        ];
        for (failure, code, message) in rows {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
            assert_eq!(failure.message().as_deref(), message);
        }
    }

    #[test]
    fn sampling_values_are_usage_errors_that_name_the_flag() {
        let params = llama_arch::SamplingParams {
            top_p: 0.0,
            ..Default::default()
        };
        let failure = Failure::from(params.check(1).unwrap_err());
        assert_eq!(failure.exit_code(), 2);
        let message = failure.message().unwrap();
        assert_eq!(message, "--top-p is 0; it must be above 0 and at most 1");
    }
}
