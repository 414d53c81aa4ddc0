//! Lies before the metadata begins, and files that are none.

use crate::raw::{Raw, one_pair, one_tensor};
use crate::{Case, refused};

pub fn cases() -> Vec<Case> {
    [magic(), versions(), counts(), cut()]
        .into_iter()
        .flatten()
        .collect()
}

/// G32: files of other formats, each with its hint.
fn magic() -> Vec<Case> {
    let others: [(&str, &[u8], &str); 17] = [
        ("empty", b"", "empty"),
        ("one-byte", b"G", "name a .gguf file"),
        ("three-bytes", b"GGU", "name a .gguf file"),
        ("lower-case", b"gguf\x03\0\0\0", "name a .gguf file"),
        ("swapped", b"FUGG\0\0\0\x03", "little-endian"),
        ("ggml", b"lmgg\x01\0\0\0", "before GGUF"),
        ("ggmf", b"fmgg\x01\0\0\0", "before GGUF"),
        ("ggjt", b"tjgg\x03\0\0\0", "before GGUF"),
        ("ggla", b"algg\x01\0\0\0", "before GGUF"),
        ("html", b"<!DOCTYPE html><html>", "web page"),
        (
            "lfs",
            b"version https://git-lfs.github.com/spec/v1\n",
            "git lfs pull",
        ),
        ("json", b"{\"error\":\"not found\"}", "JSON"),
        (
            "safetensors",
            b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}",
            "safetensors",
        ),
        ("zip", b"PK\x03\x04archive", "PyTorch"),
        ("pickle", b"\x80\x02}q\0", "pickle"),
        ("gzip", b"\x1f\x8b\x08\0", "gzip"),
        ("zeros", &[0; 64], "did not finish"),
    ];
    let case = |(name, bytes, says): (&str, &[u8], &str)| {
        refused(format!("G32-{name}"), Raw(bytes.to_vec()), "BadMagic", says)
    };
    others.into_iter().map(case).collect()
}

/// G32: versions.
fn versions() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in [0, 1, 4, 5, 255, 0xffff_ffff, 0x0004_0000] {
        let says = format!("version {version} is not supported");
        let file = Raw::new(version, 0, 0);
        cases.push(refused(
            format!("G32-version-{version}"),
            file,
            "UnsupportedVersion",
            says,
        ));
    }
    for version in [0x0100_0000, 0x0200_0000, 0x0300_0000] {
        let file = Raw::new(version, 0, 0);
        cases.push(refused(
            format!("G32-big-{version:x}"),
            file,
            "BigEndian",
            "little-endian",
        ));
    }
    cases
}

/// G01, G02, G08: counts of pairs and tensors that the file cannot hold, among them those whose
/// product with the size of an item wraps.
fn counts() -> Vec<Case> {
    let mut cases = Vec::new();
    let tail = 1000;
    let wrapping = [13, 14, 16, 24, 32, 33, 48, 64, 368].map(|size| u64::MAX / size + 1);
    let lies = [u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 32, tail / 13 + 1];
    for count in lies.into_iter().chain(wrapping) {
        cases.extend(too_many(count, tail));
    }
    // One more than there is room for, at 14 bytes for the least pair and 33 for the least tensor.
    let [_, tensors] = too_many(tail / 33 + 1, tail);
    let [pairs, _] = too_many(tail / 14 + 1, tail);
    cases.extend([tensors, pairs]);
    // The count of tensors fits the file, but not what remains of it after the metadata.
    let late = Raw::new(3, 20, 1)
        .key("k", crate::raw::STR)
        .string([b'x'; 900]);
    cases.push(refused(
        "G02-late",
        late,
        "CountExceedsFile",
        "at offset 945 is 20",
    ));
    cases
}

/// So many pairs, and so many tensors, before `tail` bytes.
fn too_many(count: u64, tail: u64) -> [Case; 2] {
    let pairs = Raw::new(3, 0, count).zeros(tail as usize);
    let says = format!("the number of metadata pairs at offset 16 is {count}");
    let pairs = refused(format!("G01-{count}"), pairs, "CountExceedsFile", says);
    // The pairs, of which there are none, are counted in eight bytes more.
    let tensors = Raw::new(3, count, 0).zeros(tail as usize - 8);
    let says = format!("the number of tensors at offset 8 is {count}");
    [
        pairs,
        refused(format!("G02-{count}"), tensors, "CountExceedsFile", says),
    ]
}

/// G06: files that end inside something, named. `flips.rs` cuts a file at every offset.
fn cut() -> Vec<Case> {
    let header = Raw::new(3, 0, 0);
    let cut = |file: &Raw, len: usize| Raw(file.0[..len].to_vec());
    let short_of = |by: usize, file: Raw| Raw(file.0[..file.0.len() - by].to_vec());
    vec![
        refused(
            "G06-version",
            cut(&header, 7),
            "Truncated",
            "inside the version",
        ),
        refused(
            "G06-tensors",
            cut(&header, 15),
            "Truncated",
            "inside the number of tensors",
        ),
        refused(
            "G06-pairs",
            cut(&header, 23),
            "Truncated",
            "inside the number of metadata pairs",
        ),
        refused(
            "G06-value",
            short_of(1, one_pair("long.enough.a.key", crate::raw::U32).u32(1)),
            "Truncated",
            "inside a value: 4 bytes are needed at offset 53, 3 remain",
        ),
        refused(
            "G06-info",
            short_of(3, one_tensor(&[1, 1, 1, 1], 0, 0, 0)),
            "TensorOutOfFile",
            "download it again",
        ),
        refused(
            "G06-dims",
            Raw::new(3, 1, 0).string("name").u32(4).u64(1).u64(1).u32(0),
            "Truncated",
            "inside a tensor description",
        ),
    ]
}
