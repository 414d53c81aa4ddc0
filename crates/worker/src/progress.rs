//! How far something is, on a terminal, once it takes long enough to ask.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is done sooner shows no bar.
const QUIET: Duration = Duration::from_millis(300);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Anything else, named.
    Count(&'static str),
}

/// A bar that goes away when it is finished. On anything but a terminal there is none.
pub(crate) struct Progress {
    what: String,
    unit: Unit,
    total: u64,
    done: u64,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins `what`, such as `loading`, of so much.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, total: u64) -> Self {
        Self {
            what: what.into(),
            unit,
            total,
            done: 0,
            started: Instant::now(),
            bar: None,
        }
    }

    /// That much more is done.
    pub(crate) fn add(&mut self, more: u64) {
        self.set(self.done + more);
    }

    /// That much is done.
    pub(crate) fn set(&mut self, done: u64) {
        self.done = done;
        if self.bar.is_none() && self.started.elapsed() > QUIET {
            self.bar = Some(self.new_bar());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// All is done, or nothing more will be.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let bar = ProgressBar::new(self.total).with_elapsed(self.started.elapsed());
        let counts = match self.unit {
            Unit::Bytes => "{bytes}/{total_bytes} {bytes_per_sec}".to_owned(),
            Unit::Count(name) => format!("{{pos}}/{{len}} {name}"),
        };
        let template = format!("{{msg}} {{bar:40}} {counts} {{eta}}");
        // The template is constant, and the bar's own style is good enough if it were wrong.
        let style = ProgressStyle::with_template(&template);
        bar.set_message(self.what.clone());
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}
