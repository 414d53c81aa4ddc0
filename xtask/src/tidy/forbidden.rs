//! What would tie the repository to one machine or one network.

use super::{Problem, source::Source};

/// Paths and hosts of somebody's machine. Written in two parts, or this file would break its own
/// rule.
const WORDS: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/ro", "ot/"),
    ("http://", "10."),
    ("http://", "192.168."),
    ("http://", "172."),
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// No machine paths, no private hosts, in any text file.
pub(super) fn words(file: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        for (head, tail) in WORDS {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                let what = format!("`{word}` exists on one machine only: name it relatively");
                problems.push(Problem::new(&file.path, i + 1, what));
            }
        }
    }
    problems
}

/// Every locked package comes from the public registry.
pub(super) fn package_sources(file: &Source) -> Vec<Problem> {
    if !file.path.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let source = |line: &str| {
        line.strip_prefix("source = ")
            .map(|s| s.trim_matches('"').to_string())
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(i, line)| {
            source(line)
                .filter(|source| source != CRATES_IO)
                .map(|s| (i, s))
        })
        .map(|(i, source)| {
            let what = format!("package from {source}: take it from crates.io");
            Problem::new(&file.path, i + 1, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_words() {
        let machine_path = format!("{}{}x", WORDS[0].0, WORDS[0].1);
        let text = format!(
            "a\ncd {machine_path}\ncurl {}{}0.0.1/\n",
            WORDS[4].0, WORDS[4].1
        );
        let lines: Vec<usize> = words(&Source::new("a.md", &text))
            .into_iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(lines, [2, 3]);
        assert!(
            words(&Source::new(
                "a.md",
                "a network/path, http://127.0.0.1:8080\n"
            ))
            .is_empty()
        );
    }

    #[test]
    fn locked_sources() {
        let text = format!("source = \"{CRATES_IO}\"\nsource = \"git+https://example.org/a\"\n");
        let found = package_sources(&Source::new("Cargo.lock", &text));
        assert_eq!(
            found.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [2]
        );
        assert!(package_sources(&Source::new("a.toml", &text)).is_empty());
    }
}
