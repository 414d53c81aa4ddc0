//! Documents that stay true: links and paths that exist, a map without white spots.

use super::{Problem, source::Source};

/// Every Markdown link to a file of the repository resolves.
pub(super) fn links(file: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let folder = folder_of(file);
    let mut problems = Vec::new();
    for (number, line) in prose(file) {
        for (_, rest) in line
            .match_indices("](")
            .map(|(at, _)| line.split_at(at + 2))
        {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains(':');
            if !elsewhere && !resolve(folder, target).is_some_and(|path| exists(&path)) {
                let what = format!("link to `{target}`, which does not exist: correct it");
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

/// Every path in backquotes that begins with one of our folders exists, seen from the root or from
/// the document.
pub(super) fn named_paths(file: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let is_ours = |span: &str| {
        let folder = span.split_once('/').map(|(folder, _)| folder);
        matches!(
            folder,
            Some("crates" | "xtask" | "tests" | "models" | "bench" | ".ci" | ".github")
        ) && span
            .chars()
            .all(|c| c.is_alphanumeric() || "_-./".contains(c))
    };
    let mut problems = Vec::new();
    for (number, line) in prose(file) {
        for path in line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| is_ours(span))
        {
            let seen_from_here = resolve(folder_of(file), path);
            if !exists(path) && !seen_from_here.is_some_and(|path| exists(&path)) {
                let what = format!("`{path}` does not exist: correct the name");
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

/// The change log has a place for what comes next.
pub(super) fn changelog(file: &Source) -> Vec<Problem> {
    let has_place = file.text.lines().any(|line| line == "## [Unreleased]");
    if file.path != "CHANGELOG.md" || has_place {
        return Vec::new();
    }
    vec![Problem::new(
        &file.path,
        1,
        "no `## [Unreleased]` section: add one",
    )]
}

/// ARCHITECTURE.md names every crate, and every file at the top of a crate's sources.
pub(super) fn architecture_is_complete(files: &[Source]) -> Vec<Problem> {
    const MAP: &str = "ARCHITECTURE.md";
    let map = files
        .iter()
        .find(|file| file.path == MAP)
        .map_or("", |file| &file.text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let words: Vec<&str> = map.split(|c| !is_word(c)).collect();
    let mut problems = Vec::new();
    for file in files {
        let Some(name) = file.crate_name() else {
            continue;
        };
        let inside = &file.path["crates//src/".len() + name.len()..];
        let subject = match inside.strip_suffix(".rs") {
            Some("lib" | "main") => name,
            Some(stem) if !stem.contains('/') => stem,
            _ => continue,
        };
        if !words.contains(&subject) {
            let what = format!("{MAP} does not mention `{subject}`: add it to the code map");
            problems.push(Problem::new(&file.path, 1, what));
        }
    }
    problems
}

/// The lines of a Markdown file outside fenced blocks, with 1-based numbers.
fn prose(file: &Source) -> Vec<(usize, &str)> {
    if !file.has_extension(&["md"]) {
        return Vec::new();
    }
    let mut fenced = false;
    let mut lines = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if !fenced && !fence {
            lines.push((i + 1, line));
        }
    }
    lines
}

fn folder_of(file: &Source) -> &str {
    file.path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The path that `target` means in a file of `folder`; `None` if it leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(path: &str) -> bool {
        ["README.md", "bench/record/a.md", "crates/gguf/src/file.rs"].contains(&path)
    }

    fn lines(problems: &[Problem]) -> Vec<usize> {
        problems.iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn links_resolve_from_where_they_stand() {
        let text = "[a](../../README.md#top) [b](a.md) [c](https://x.org) [d](#here)\n\
                    [e](README.md)\n```\n[f](nothing)\n```\n[g](../../../a)\n";
        let file = Source::new("bench/record/b.md", text);
        assert_eq!(lines(&links(&file, &exists)), [2, 6]);
    }

    #[test]
    fn paths_in_backquotes_exist() {
        let text = "`crates/gguf/src/file.rs` and `crates/*/src`\n`crates/gguf/src/gone.rs`\n\
                    `cargo test` in crates/gguf/src/none.rs\n";
        assert_eq!(
            lines(&named_paths(&Source::new("a.md", text), &exists)),
            [2]
        );
    }

    #[test]
    fn the_change_log_is_open() {
        assert!(changelog(&Source::new("CHANGELOG.md", "# C\n\n## [Unreleased]\n")).is_empty());
        assert_eq!(
            changelog(&Source::new("CHANGELOG.md", "# C\n\n## [0.1.0]\n")).len(),
            1
        );
        assert!(changelog(&Source::new("README.md", "")).is_empty());
    }

    #[test]
    fn the_map_names_every_crate_and_file() {
        let files = [
            Source::new("ARCHITECTURE.md", "`gguf`: `file.rs` opens, kv_cache\n"),
            Source::new("crates/gguf/src/lib.rs", ""),
            Source::new("crates/gguf/src/file.rs", ""),
            Source::new("crates/gguf/src/file/split.rs", ""),
            Source::new("crates/gguf/src/cache.rs", ""),
            Source::new("crates/worker/src/main.rs", ""),
            Source::new("crates/gguf/tests/roundtrip.rs", ""),
        ];
        let found = architecture_is_complete(&files);
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            ["crates/gguf/src/cache.rs", "crates/worker/src/main.rs"]
        );
    }
}
