//! The committed PTX is what the committed sources make.

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(subfolder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join(subfolder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Every module's stem and text.
pub(crate) fn texts() -> impl Iterator<Item = (String, &'static str)> {
    files("ptx", "ptx").into_iter().map(|path| {
        let text: &str = fs::read_to_string(&path).unwrap().leak();
        (name(&path).replace(".compute_80.ptx", ""), text)
    })
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[test]
fn the_manifest_is_up_to_date() {
    let mut expected = Vec::new();
    for (subfolder, extension) in [
        ("kernels", "cu"),
        ("kernels/include", "cuh"),
        ("ptx", "ptx"),
    ] {
        for path in files(subfolder, extension) {
            let hash = fnv_1a(&fs::read(&path).unwrap());
            expected.push(format!("{hash:016x} {subfolder}/{}", name(&path)));
        }
    }
    let manifest = fs::read_to_string(folder().join("ptx/manifest.txt")).unwrap();
    let found: Vec<&str> = manifest.lines().skip(2).collect();
    assert_eq!(found, expected, "run `cargo xtask build-ptx`");
}

#[test]
fn every_kernel_has_its_launcher_and_its_test() {
    for (stem, text) in texts() {
        for path in [
            format!("kernels/{stem}.cu"),
            format!("src/launch/{stem}.rs"),
            format!("tests/gpu/{stem}.rs"),
        ] {
            assert!(folder().join(&path).is_file(), "{path}");
        }
        let first_entry = text.split(".entry ").nth(1).unwrap();
        assert!(first_entry.starts_with(&stem), "{stem}");
    }
}

#[test]
fn the_baseline_is_kept() {
    for (stem, text) in texts() {
        assert!(text.starts_with(".version 8.0\n.target sm_80\n"), "{stem}");
        for forbidden in [
            "sin.approx",
            "cos.approx",
            "\tatom.",
            "\tred.",
            ".f64",
            "//",
        ] {
            assert!(!text.contains(forbidden), "{forbidden} in {stem}");
        }
    }
}
