//! What of the Hub is asked for: `REPO`, `REPO:FILE` or `REPO:QUANT`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Failure, Result};

/// The quantisation that is taken where none is asked for.
const DEFAULT_QUANT: &str = "Q4_K_M";

/// A model on the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `owner/name`.
    pub(crate) repo: String,
    /// A file of the repository, or a quantisation.
    selector: Option<String>,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let text = text.strip_prefix("hf:").unwrap_or(text);
        let (repo, selector) = match text.split_once(':') {
            Some((repo, selector)) => (repo, Some(selector.to_owned())),
            None => (text, None),
        };
        let expected = "expected OWNER/NAME, OWNER/NAME:FILE.gguf or OWNER/NAME:QUANT, such as \
                        Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";
        let is_name = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !name.is_empty() && !name.starts_with('.') && name.chars().all(known)
        };
        let names: Vec<&str> = repo.split('/').collect();
        let selects = selector.as_deref().is_none_or(is_safe_path);
        if names.len() != 2 || !names.into_iter().all(is_name) || !selects {
            return Err(expected.to_owned());
        }
        Ok(Self {
            repo: repo.to_owned(),
            selector,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo)?;
        match &self.selector {
            Some(selector) => write!(f, ":{selector}"),
            None => Ok(()),
        }
    }
}

/// Whether a name that somebody else chose stays below the folder that it is put into.
pub(super) fn is_safe_path(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    let plain = |c: char| !c.is_control() && !matches!(c, '\\' | ':');
    path.split('/').all(is_part) && path.chars().all(plain)
}

impl Reference {
    /// Whether the file is named, and not chosen by a rule.
    pub(super) fn names(&self, file: &str) -> bool {
        self.selector.as_deref() == Some(file)
    }

    /// The files that are asked for, of those that there are: one, or the parts of a split model in
    /// order.
    pub(super) fn choose<'a>(&self, files: &[&'a str]) -> Result<Vec<&'a str>> {
        let is_model = |file: &&str| file.ends_with(".gguf") && !base(file).starts_with("mmproj");
        let mut models: Vec<&str> = files.iter().copied().filter(is_model).collect();
        models.sort_unstable();
        if let Some(file) = models.iter().find(|file| self.names(file)) {
            return self.whole(file, &models);
        }
        let firsts = models
            .iter()
            .copied()
            .filter(|file| part(file).is_none_or(|(_, n, _)| n == 1));
        let firsts: Vec<&str> = firsts.collect();
        let of_quant = |quant: &str| -> Vec<&str> {
            let matching = firsts.iter().copied().filter(|file| is_quant(file, quant));
            matching.collect()
        };
        let found = match &self.selector {
            Some(selector) => of_quant(selector),
            None => match of_quant(DEFAULT_QUANT) {
                none if none.is_empty() => firsts.clone(),
                some => some,
            },
        };
        match (&found[..], firsts.is_empty()) {
            ([file], _) => {
                super::say_choice(self, file);
                self.whole(file, &models)
            }
            (_, true) => Err(Failure::failed(format_args!(
                "{self}: the repository has no GGUF file; look for one whose name ends in -GGUF"
            ))),
            _ => Err(Failure::failed(format_args!(
                "{self}: {}; name one of them after `{}:`: {}",
                if found.is_empty() {
                    "no such file"
                } else {
                    "more than one file fits"
                },
                self.repo,
                if found.is_empty() {
                    firsts.join(", ")
                } else {
                    found.join(", ")
                }
            ))),
        }
    }

    /// A file with the parts that belong to it.
    fn whole<'a>(&self, file: &'a str, models: &[&'a str]) -> Result<Vec<&'a str>> {
        let Some((stem, _, count)) = part(file) else {
            return Ok(vec![file]);
        };
        let parts = models.iter().copied();
        let parts =
            parts.filter(|other| part(other).is_some_and(|(s, _, n)| (s, n) == (stem, count)));
        let parts: Vec<&str> = parts.collect();
        if parts.len() != count {
            return Err(Failure::failed(format_args!(
                "{self}: {file} is one of {count} parts, of which {} are there",
                parts.len()
            )));
        }
        Ok(parts)
    }
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Of `a-00002-of-00003.gguf`: `a`, 2 and 3.
fn part(file: &str) -> Option<(&str, usize, usize)> {
    let (rest, count) = file.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let number_of = |digits: &str| match digits.len() {
        5 => digits.parse().ok(),
        _ => None,
    };
    Some((stem, number_of(number)?, number_of(count)?))
}

/// Whether a file's name ends with that quantisation, as a word of its own.
fn is_quant(file: &str, quant: &str) -> bool {
    let stem = match part(file) {
        Some((stem, ..)) => stem,
        None => file.strip_suffix(".gguf").unwrap_or(file),
    };
    let (stem, quant) = (base(stem).to_ascii_lowercase(), quant.to_ascii_lowercase());
    let before = stem.strip_suffix(&quant);
    before.is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '.', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Reference> {
        text.parse().ok()
    }

    #[test]
    fn references() {
        for good in [
            "a/b",
            "hf:a/b",
            "a/b:Q4_K_M",
            "a-1/b.c_d:x/y-00001-of-00002.gguf",
        ] {
            let text = good.strip_prefix("hf:").unwrap_or(good);
            assert_eq!(parse(good).unwrap().to_string(), format!("hf:{text}"));
        }
        for bad in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a b/c",
            "a/b:",
            "a/b:../../x",
            "a/b:/etc/x",
            "a/b:x:y",
            "a/b:x\\y",
            "https://huggingface.co/a/b",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn files_are_chosen_by_name_by_quant_or_by_rule() {
        let files = [
            "README.md",
            "m-q4_k_m.gguf",
            "m-q8_0-00001-of-00002.gguf",
            "m-q8_0-00002-of-00002.gguf",
            "m-iq4_k_m.gguf",
            "m-f16-00001-of-00003.gguf",
            "mmproj-m-q5_0.gguf",
            "sub/m.Q6_K.gguf",
            "sub2/m.Q6_K.gguf",
        ];
        let split = ["m-q8_0-00001-of-00002.gguf", "m-q8_0-00002-of-00002.gguf"];
        let rows: [(&str, &[&str]); 6] = [
            ("a/b", &["m-q4_k_m.gguf"]),
            ("a/b:Q4_K_M", &["m-q4_k_m.gguf"]),
            ("a/b:iq4_k_m", &["m-iq4_k_m.gguf"]),
            ("a/b:q8_0", &split),
            ("a/b:m-q8_0-00001-of-00002.gguf", &split),
            ("a/b:sub/m.Q6_K.gguf", &["sub/m.Q6_K.gguf"]),
        ];
        for (reference, expected) in rows {
            assert_eq!(
                parse(reference).unwrap().choose(&files).unwrap(),
                expected,
                "{reference}"
            );
        }
        let rows = [
            ("a/b:Q5_0", "no such file"),
            ("a/b:K_M", "more than one file fits"),
            ("a/b:Q6_K", "sub/m.Q6_K.gguf, sub2/m.Q6_K.gguf"),
            ("a/b:f16", "one of 3 parts, of which 1 are there"),
        ];
        for (reference, expected) in rows {
            let failure = parse(reference).unwrap().choose(&files).unwrap_err();
            assert!(failure.message().unwrap().contains(expected), "{failure:?}");
        }
        let only = ["only.gguf"];
        assert_eq!(parse("a/b").unwrap().choose(&only).unwrap(), only);
        assert!(parse("a/b").unwrap().choose(&["README.md"]).is_err());
    }
}
