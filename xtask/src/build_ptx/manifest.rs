//! Which sources the committed PTX and cubins were made from, as hashes: what can be checked
//! without nvcc.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Result, list};

/// The compiler, and every file with its hash.
#[derive(Debug, PartialEq)]
pub(super) struct Manifest {
    pub(super) nvcc: String,
    /// Paths relative to the crate, by name.
    files: Vec<(String, u64)>,
}

const HEADER: &str = "# Written by `cargo xtask build-ptx`: FNV-1a of sources and results.\n";

/// Where it is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("ptx/manifest.txt")
}

impl Manifest {
    /// Of the files as they are now.
    pub(super) fn of(folder: &Path, nvcc: &str) -> Result<Self> {
        let mut files = Vec::new();
        for (subfolder, extension) in [
            ("kernels", "cu"),
            ("kernels/include", "cuh"),
            ("ptx", "ptx"),
            ("cubin", "cubin"),
        ] {
            for path in list(&folder.join(subfolder), extension)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                files.push((format!("{subfolder}/{name}"), hash(&fs::read(&path)?)));
            }
        }
        let nvcc = nvcc.to_owned();
        Ok(Self { nvcc, files })
    }

    /// The committed one.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = path(folder);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        parse(&text).ok_or_else(|| format!("{}: not a manifest", path.display()).into())
    }

    /// What another one says differently, as sentences.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut problems = Vec::new();
        for (path, hash) in &self.files {
            match now.files.iter().find(|(other, _)| other == path) {
                None => problems.push(format!("{path} is in the manifest, but not there")),
                Some((_, other)) if other != hash => {
                    problems.push(format!("{path} is not what was built, or built from"));
                }
                Some(_) => {}
            }
        }
        for (path, _) in &now.files {
            if !self.files.iter().any(|(other, _)| other == path) {
                problems.push(format!("{path} is not in the manifest"));
            }
        }
        problems
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}nvcc {}", self.nvcc)?;
        for (path, hash) in &self.files {
            writeln!(f, "{hash:016x} {path}")?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Option<Manifest> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let nvcc = lines.next()?.strip_prefix("nvcc ")?.to_owned();
    let files = lines.map(|line| {
        let (hash, path) = line.split_once(' ')?;
        Some((path.to_owned(), u64::from_str_radix(hash, 16).ok()?))
    });
    let files = files.collect::<Option<_>>()?;
    Some(Manifest { nvcc, files })
}

/// 64-bit FNV-1a: this guards against forgetting, not against malice.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: &[(&str, u64)]) -> Manifest {
        let files = files.iter().map(|&(path, hash)| (path.to_owned(), hash));
        Manifest {
            nvcc: "13.0.88".to_owned(),
            files: files.collect(),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let written = manifest(&[("kernels/a.cu", 7), ("ptx/a.compute_80.ptx", u64::MAX)]);
        assert_eq!(parse(&written.to_string()).unwrap(), written);
        assert!(parse("").is_none());
        assert!(parse("nvcc 13\nxyz kernels/a.cu\n").is_none());
    }

    #[test]
    fn names_every_difference() {
        let committed = manifest(&[("same", 1), ("changed", 2), ("gone", 3)]);
        let now = manifest(&[("same", 1), ("changed", 9), ("new", 4)]);
        let problems = committed.differences(&now).join("\n");
        for word in ["changed is not", "gone is in", "new is not in"] {
            assert!(problems.contains(word), "{problems}");
        }
        assert!(!problems.contains("same"));
        assert!(committed.differences(&committed).is_empty());
    }

    #[test]
    fn known_hashes() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
