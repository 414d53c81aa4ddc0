//! What is measured: models and tests.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::Result;

/// Tokens of every decode test.
pub(super) const DECODE: usize = 128;

/// Tokens of each sequence in the cache before a batched test.
pub(super) const BATCH_DEPTH: usize = 128;

/// One test. The order is that of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// [`DECODE`] tokens of one sequence, after so many.
    Decode { depth: usize },
    /// So many tokens of one sequence.
    Prefill { n: usize },
    /// [`DECODE`] tokens of so many sequences, each after [`BATCH_DEPTH`].
    Batched { n_sequences: usize },
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Decode { depth: 0 } => write!(f, "decode {DECODE}"),
            Self::Decode { depth } => write!(f, "decode {DECODE} @ {depth}"),
            Self::Prefill { n } => write!(f, "prefill {n}"),
            Self::Batched { n_sequences } => write!(f, "decode {DECODE} x {n_sequences}"),
        }
    }
}

/// Tests that one call of a program makes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    /// An empty cache: prefills of these lengths, and decoding.
    Fresh { prefill: Vec<usize> },
    /// Decoding at these depths.
    Deep { depths: Vec<usize> },
    /// Decoding so many sequences together.
    Batched { n_sequences: Vec<usize> },
}

/// A model and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) prefill: Vec<usize>,
    /// Beside 0.
    pub(super) depths: Vec<usize>,
    pub(super) n_sequences: Vec<usize>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// Random weights of a shape and a type.
    Synthetic {
        preset: &'static str,
        types: &'static str,
    },
    /// A file.
    File(PathBuf),
}

impl Subject {
    /// The models that figures are published for.
    pub(super) fn all() -> Vec<Self> {
        let qwen = |types| ("qwen2.5-0.5b", types, 4096, vec![4096, 16_384]);
        // A context of 4096 has no room for depths beyond.
        let phi = |types| ("phi3-mini-4k", types, 2048, vec![]);
        let rows = [
            qwen("f16"),
            qwen("q8_0"),
            qwen("q4_k_m"),
            phi("f16"),
            phi("q4_k_m"),
        ];
        rows.into_iter()
            .map(|(preset, types, longest, depths)| Self {
                name: format!("{preset}-{types}"),
                source: Source::Synthetic { preset, types },
                prefill: vec![512, longest],
                depths,
                n_sequences: vec![16, 64, 256],
            })
            .collect()
    }

    /// A file of any shape, with tests that small models have room for.
    pub(super) fn of_file(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            source: Source::File(path.to_owned()),
            prefill: vec![256],
            depths: vec![],
            n_sequences: vec![4],
        }
    }

    /// Groups of tests that are measured in turns.
    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups = vec![Group::Fresh {
            prefill: self.prefill.clone(),
        }];
        if !self.depths.is_empty() {
            let depths = self.depths.clone();
            groups.push(Group::Deep { depths });
        }
        if !self.n_sequences.is_empty() {
            let n_sequences = self.n_sequences.clone();
            groups.push(Group::Batched { n_sequences });
        }
        groups
    }

    /// The model file, which is made if it is not there.
    pub(super) fn file(&self, folder: &Path) -> Result<PathBuf> {
        let (preset, types) = match &self.source {
            Source::File(path) => return Ok(path.clone()),
            Source::Synthetic { preset, types } => (*preset, *types),
        };
        let path = folder.join(format!("{}.gguf", self.name));
        if !path.is_file() {
            fs::create_dir_all(folder)?;
            // Under another name until it is whole.
            let partial = folder.join(format!("{}.partial", self.name));
            let out = partial.to_string_lossy();
            let args = ["--preset", preset, "--type", types, "-o", &*out];
            ::synth_model::run_cli(args.map(str::to_owned))?;
            fs::rename(&partial, &path)?;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_have_the_names_of_tables() {
        let names = [
            Test::Decode { depth: 0 },
            Test::Decode { depth: 4096 },
            Test::Prefill { n: 512 },
            Test::Batched { n_sequences: 16 },
        ];
        let names = names.map(|test| test.to_string());
        let expected = [
            "decode 128",
            "decode 128 @ 4096",
            "prefill 512",
            "decode 128 x 16",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn no_test_is_asked_of_a_model_without_room() {
        for subject in Subject::all() {
            let phi = subject.name.starts_with("phi3");
            assert_eq!(subject.depths.is_empty(), phi, "{}", subject.name);
            assert_eq!(subject.groups().len(), if phi { 2 } else { 3 });
        }
    }
}
