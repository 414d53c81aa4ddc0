//! Everything that goes to stderr: notices, warnings, logs and the final error.
//!
//! A notice is what the user of a command wants to see by default (the summary, which device was
//! chosen); it is an event of target [`NOTICE`]. As text, notices are bare lines, and as JSON they
//! carry their fields.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Target of events that are shown unless `RUST_LOG` says otherwise.
pub(crate) const NOTICE: &str = "notice";

/// How lines on stderr look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Plain lines.
    Text,
    /// One JSON object a line.
    Json,
}

/// Says something to the user, with fields for those who read JSON.
macro_rules! notice {
    ($($arguments:tt)*) => {
        tracing::info!(target: $crate::logging::NOTICE, $($arguments)*)
    };
}
pub(crate) use notice;

/// Starts logging. `verbose` wins over `RUST_LOG`.
pub(crate) fn init(verbose: u8, format: LogFormat) {
    let (filter, complaint) = filter(verbose, std::env::var("RUST_LOG").ok().as_deref());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.event_format(PlainLines).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
}

/// The final error. As text it is shown whatever the filter says.
pub(crate) fn error(message: &str, format: LogFormat) {
    match format {
        // Nobody is left to tell if stderr is closed.
        LogFormat::Text => _ = writeln!(std::io::stderr(), "error: {message}"),
        LogFormat::Json => tracing::error!("{message}"),
    }
}

fn filter(verbose: u8, rust_log: Option<&str>) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(format!("warn,{NOTICE}=info"));
    match (verbose, rust_log) {
        (0, None | Some("")) => (default(), None),
        (0, Some(directives)) => match EnvFilter::try_new(directives) {
            Ok(filter) => (filter, None),
            Err(error) => (
                default(),
                Some(format!("RUST_LOG is not understood and ignored: {error}")),
            ),
        },
        (1, _) => (EnvFilter::new("info"), None),
        (2, _) => (EnvFilter::new("debug"), None),
        (3.., _) => (EnvFilter::new("trace"), None),
    }
}

/// Control characters, which a file's strings may hold, must not reach the terminal.
pub(crate) fn one_line(message: &str) -> String {
    message
        .split(char::is_control)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// One line an event: what it is, the message, and its fields unless it is a notice.
struct PlainLines;

impl<S, N> FormatEvent<S, N> for PlainLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        if event.metadata().target() == NOTICE {
            return writeln!(writer, "{}", line.message);
        }
        let kind = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let text = one_line(&line.message);
        writeln!(writer, "{kind}: {text}{}", line.fields)
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let rows = [
            (0, None, "notice=info,warn", false),
            (0, Some(""), "notice=info,warn", false),
            (0, Some("llama_arch=debug"), "llama_arch=debug", false),
            (0, Some("a=b=c"), "notice=info,warn", true),
            (1, Some("off"), "info", false),
        ];
        for (verbose, rust_log, expected, complains) in rows {
            let (filter, complaint) = filter(verbose, rust_log);
            assert_eq!(filter.to_string(), expected, "{rust_log:?}");
            assert_eq!(complaint.is_some(), complains);
        }
    }
}
