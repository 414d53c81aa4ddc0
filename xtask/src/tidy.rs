//! `cargo xtask tidy`: the rules of this repository that no compiler checks.
//!
//! Each rule is a small function from files to problems, with tests on made-up input. The rules
//! and their reasons stand in ARCHITECTURE.md; a problem says what to do about it.

mod docs;
mod forbidden;
mod invariants;
mod layers;
mod mask;
mod shape;
mod source;

use std::error::Error;
use std::fmt;

use crate::workspace;
use source::Source;

/// A broken rule: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    /// 1-based.
    line: usize,
    what: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Rules that look at one file at a time.
const FILE_RULES: &[fn(&Source) -> Vec<Problem>] = &[
    shape::length,
    shape::columns,
    shape::header,
    invariants::unsafe_code,
    invariants::forbids_unsafe,
    invariants::unwraps,
    invariants::file_io,
    invariants::global_state,
    forbidden::words,
    forbidden::package_sources,
    docs::changelog,
];

/// Checks the whole tree and prints every problem.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    crate::no_arguments("tidy", args)?;
    let root = workspace::root();
    let files = source::collect(root)?;
    let mut problems: Vec<Problem> = files
        .iter()
        .flat_map(|file| FILE_RULES.iter().flat_map(|rule| rule(file)))
        .collect();
    problems.extend(docs::architecture_is_complete(&files));
    let exists = |path: &str| root.join(path).exists();
    for file in &files {
        problems.extend(docs::links(file, &exists));
        problems.extend(docs::named_paths(file, &exists));
    }
    problems.extend(layers::check(&layers::read()?));
    problems.sort();

    for problem in &problems {
        println!("{problem}");
    }
    let summary = format!("tidy: {} files, {} problems", files.len(), problems.len());
    if problems.is_empty() {
        println!("{summary}");
        return Ok(());
    }
    Err(summary.into())
}
