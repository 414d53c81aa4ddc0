//! The text files of the repository, with what the rules need to know about each.

use std::fs;
use std::io;
use std::path::Path;

use super::mask::mask;

/// Directories whose names begin with a dot and that are ours.
const DOT_DIRECTORIES: &[&str] = &[".cargo", ".ci", ".github"];
/// Build output, by whatever tool.
const SKIPPED_DIRECTORIES: &[&str] = &["target", "__pycache__"];

/// One text file.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// For Rust: the text with comments and literals blanked, line for line. Else empty.
    masked: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let masked = if path.ends_with(".rs") {
            mask(text)
        } else {
            String::new()
        };
        Self {
            path: path.to_string(),
            text: text.to_string(),
            masked,
        }
    }

    pub(super) fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// A test, a benchmark, an example or a fuzz target: it may panic and has no length limit.
    pub(super) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| matches!(part, "tests" | "benches" | "examples" | "fuzz" | "tests.rs"))
    }

    /// Written by a program and never by hand.
    pub(super) fn is_generated(&self) -> bool {
        self.text
            .lines()
            .take(3)
            .any(|line| line.contains("@generated"))
    }

    /// The workspace crate under `crates/` that this is part of the sources of.
    pub(super) fn crate_name(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/").then_some(name)
    }

    /// The lines of Rust that users run, comments and literals blanked, with 1-based numbers.
    pub(super) fn code(&self) -> Vec<(usize, &str)> {
        if self.is_test() {
            return Vec::new();
        }
        let lines: Vec<&str> = self.masked.lines().collect();
        let in_tests = test_lines(&lines);
        let numbered = lines.iter().enumerate().filter(|&(i, _)| !in_tests[i]);
        numbered.map(|(i, line)| (i + 1, *line)).collect()
    }
}

/// Which lines belong to a `#[cfg(test)] mod ... { }` at the left margin.
fn test_lines(lines: &[&str]) -> Vec<bool> {
    let mut in_tests = vec![false; lines.len()];
    let mut i = 0;
    while i < lines.len() {
        let is_block = lines[i] == "#[cfg(test)]"
            && lines[i + 1..]
                .iter()
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'));
        if is_block {
            let length = lines[i..].iter().position(|line| *line == "}").unwrap_or(0);
            in_tests[i..=i + length].fill(true);
            i += length;
        }
        i += 1;
    }
    in_tests
}

/// Every text file under `root`, sorted by path.
pub(super) fn collect(root: &Path) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    visit(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn visit(directory: &Path, prefix: &str, files: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let hidden = name.starts_with('.') && !DOT_DIRECTORIES.contains(&name.as_str());
            if !hidden && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
                visit(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if name == ".git" {
            // In a second working tree of git, a file that says where the first one is.
        } else if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
            // What is not UTF-8 is no text: models and other binary vectors.
            files.push(Source::new(&path, &text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_TESTS: &str = "fn a() {}\n\n#[cfg(test)]\n#[allow(unused)]\nmod tests {\n    \
                              fn b() {}\n}\nfn c() {}\n";

    #[test]
    fn a_test_block_ends_where_it_ends() {
        let source = Source::new("crates/x/src/a.rs", WITH_TESTS);
        let numbers: Vec<usize> = source.code().into_iter().map(|(line, _)| line).collect();
        assert_eq!(numbers, [1, 2, 8]);
    }

    #[test]
    fn a_brace_in_a_literal_ends_no_block() {
        let text = "#[cfg(test)]\nmod tests {\n    const A: &str = \"\n}\n\";\n}\nfn c() {}\n";
        let source = Source::new("crates/x/src/a.rs", text);
        assert_eq!(source.code(), [(7, "fn c() {}")]);
    }

    #[test]
    fn other_test_items_are_code() {
        let source = Source::new(
            "crates/x/src/a.rs",
            "#[cfg(test)]\nuse a::b;\nfn c() {\n}\n",
        );
        assert_eq!(source.code().len(), 4);
    }

    #[test]
    fn paths_say_what_a_file_is() {
        let source = |path| Source::new(path, "");
        assert!(source("crates/x/tests/ops/naive.rs").is_test());
        assert!(source("crates/x/src/file/tests.rs").is_test());
        assert!(source("crates/x/examples/a.rs").is_test());
        assert!(!source("crates/x/src/contests.rs").is_test());
        assert_eq!(source("crates/x/src/a/b.rs").crate_name(), Some("x"));
        assert_eq!(source("crates/x/tests/a.rs").crate_name(), None);
        assert_eq!(source("xtask/src/a.rs").crate_name(), None);
    }

    #[test]
    fn generated_files_say_so_at_the_top() {
        assert!(Source::new("a.rs", "//! Table.\n//\n// @generated by x\n").is_generated());
        assert!(!Source::new("a.rs", "\n\n\n// @generated\n").is_generated());
    }
}
