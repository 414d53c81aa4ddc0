//! The committed PTX and cubins are what the committed sources make.

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

/// A module's PTX for one target.
pub(crate) struct Text {
    pub(crate) stem: String,
    /// As "compute_80".
    pub(crate) target: String,
    pub(crate) text: &'static str,
}

/// Every module's PTX, for every target.
pub(crate) fn texts() -> impl Iterator<Item = Text> {
    files("ptx", "ptx").into_iter().map(|path| {
        let text: &str = fs::read_to_string(&path).unwrap().leak();
        let name = name(&path);
        let [stem, target, "ptx"] = name.split('.').collect::<Vec<_>>()[..] else {
            panic!("{name} is not stem.target.ptx");
        };
        let (stem, target) = (stem.to_owned(), target.to_owned());
        Text { stem, target, text }
    })
}

/// The entry points of a module, each with what follows its name.
pub(crate) fn bodies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(".entry ")
        .skip(1)
        .filter_map(|rest| rest.split_once('('))
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
        ("cubin", "cubin"),
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

/// The loader gives cubins to drivers for CUDA 13.0 and later.
#[test]
fn the_cubins_are_of_the_version_that_the_loader_knows() {
    let manifest = fs::read_to_string(folder().join("ptx/manifest.txt")).unwrap();
    assert!(
        manifest.contains("\nnvcc 13.0."),
        "change CUBIN_CUDA as well"
    );
}

#[test]
fn every_kernel_has_its_launcher_and_its_test() {
    for Text { stem, text, .. } in texts() {
        let operation = stem.trim_end_matches("_sm90a");
        for path in [
            format!("kernels/{stem}.cu"),
            format!("src/launch/{operation}.rs"),
            format!("tests/gpu/{operation}.rs"),
        ] {
            assert!(folder().join(&path).is_file(), "{path}");
        }
        let mut entries = bodies(text);
        assert!(
            entries.any(|(entry, _)| entry.starts_with(operation)),
            "{stem}"
        );
    }
}

#[test]
fn every_target_keeps_its_baseline() {
    for Text { stem, target, text } in texts() {
        let architecture = target.replace("compute_", "sm_");
        let header = format!(".version 8.0\n.target {architecture}\n");
        assert!(text.starts_with(&header), "{stem}.{target}");
        assert_eq!(stem.ends_with("_sm90a"), target == "compute_90a", "{stem}");
        for forbidden in ["sin.approx", "cos.approx", ".f64", "used_bytes_mask", "//"] {
            assert!(!text.contains(forbidden), "{forbidden} in {stem}");
        }
        // Those of integers know no order.
        for atomic in ["\tatom.", "\tred."] {
            let mut lines = text.lines().filter(|line| line.contains(atomic));
            assert!(!lines.any(|line| line.contains(".f")), "{atomic} in {stem}");
        }
    }
}

/// What a chained launch reads before it waits may not be there yet.
#[test]
fn kernels_that_release_the_next_also_wait() {
    for Text { stem, text, .. } in texts() {
        for (entry, body) in bodies(text) {
            let releases = body.contains("griddepcontrol.launch_dependents");
            let waits = body.contains("griddepcontrol.wait");
            assert!(waits || !releases, "{entry} in {stem}");
        }
    }
}
