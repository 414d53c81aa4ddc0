//! Lies in the descriptions of tensors.

use crate::raw::{Raw, one_tensor};
use crate::{Case, refused, wanting};

const F32: u32 = 0;
const Q4_0: u32 = 2;
const Q8_0: u32 = 8;
const Q4_K: u32 = 12;
const Q6_K: u32 = 14;
const IQ4_XS: u32 = 23;
const I8: u32 = 24;

pub fn cases() -> Vec<Case> {
    let all = [
        dimensions(),
        overflows(),
        types(),
        blocks(),
        offsets(),
        overlaps(),
        names(),
    ];
    all.into_iter().flatten().collect()
}

/// G05, G12: the number of dimensions, and dimensions of 0.
fn dimensions() -> Vec<Case> {
    let mut cases = Vec::new();
    for n_dims in [0, 5, 6, 255, 1 << 31, u32::MAX] {
        let file = Raw::new(3, 1, 0).string("t").u32(n_dims).zeros(256);
        let says = format!("tensor `t` has {n_dims} dimensions");
        cases.push(refused(format!("G05-{n_dims}"), file, "BadNDims", says));
    }
    for dims in [
        &[0_u64] as &[u64],
        &[32, 0],
        &[0, 32],
        &[1, 1, 0],
        &[1, 1, 1, 0],
        &[1 << 40, 0],
    ] {
        let file = one_tensor(dims, F32, 0, 256);
        cases.push(refused(
            format!("G12-{dims:?}"),
            file,
            "ZeroDim",
            format!("shape {dims:?}"),
        ));
    }
    cases
}

/// G07, G09, G10, G11: sizes that wrap somewhere on their way.
fn overflows() -> Vec<Case> {
    let max = i64::MAX as u64;
    let lies: [(&str, &[u64], u32); 14] = [
        ("G09-elements", &[4, (1 << 62) + 1], F32),
        ("G09-elements-wrap-to-0", &[1 << 32, 1 << 32], F32),
        ("G09-elements-wrap-to-4", &[4, (1 << 62) + 1], I8),
        ("G09-four", &[1 << 16, 1 << 16, 1 << 16, 1 << 16], I8),
        ("G09-dim1", &[1 << 22, (1 << 42) + 1], F32),
        ("G09-q4_0-wraps", &[32, u64::MAX / 18 + 2], Q4_0),
        ("G09-q8_0-wraps", &[32, u64::MAX / 34 + 2], Q8_0),
        ("G09-q6_k-wraps", &[256, u64::MAX / 210 + 2], Q6_K),
        ("G10-pad-wraps", &[4, 1_073_741_823, 1_073_741_825, 1], F32),
        ("G10-one-dim", &[1 << 61], F32),
        ("G11-2^63-1-twice", &[max, 2], I8),
        ("G11-minus-one", &[u64::MAX], I8),
        ("G11-minus-one-squared", &[u64::MAX, u64::MAX], I8),
        ("G11-2^63", &[1 << 63], I8),
    ];
    let case = |(id, dims, tensor_type): (&str, &[u64], u32)| {
        let file = one_tensor(dims, tensor_type, 0, 256);
        refused(id, file, "ShapeOverflow", format!("shape {dims:?} exceeds"))
    };
    let mut cases: Vec<_> = lies.into_iter().map(case).collect();
    let huge = 0x7fff_ffff_ffff_ffc0;
    // Each has a size, but no file holds it, nor the sum of both.
    let two = Raw::new(3, 2, 0)
        .info("a", &[huge], I8, 0)
        .info("b", &[huge], I8, huge)
        .zeros(256);
    cases.push(refused("G07-two", two, "TensorOutOfFile", "tensor `a`"));
    let sum = Raw::new(3, 2, 0)
        .info("a", &[32], I8, 0)
        .info("b", &[huge], I8, 1 << 63)
        .zeros(256);
    cases.push(refused("G07-sum", sum, "TensorOutOfFile", "tensor `b`"));
    cases
}

/// G17: types that were removed, never existed, or cannot be decoded.
fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [4, 5, 31, 32, 33, 36, 37, 38, 43, 44, 255, 1 << 31, u32::MAX] {
        let says = format!("tensor `t` has the unknown type {id}");
        let file = one_tensor(&[256], id, 0, 2048);
        cases.push(refused(
            format!("G17-tensor-{id}"),
            file,
            "UnknownTensorType",
            says,
        ));
    }
    cases.push(wanting(
        "own-iq4",
        one_tensor(&[256], IQ4_XS, 0, 136),
        |file| file.tensor("t")?.to_f32().map(drop),
        "CannotDequantize",
        "IQ4_XS",
    ));
    cases
}

/// G18: rows that are no whole number of blocks.
fn blocks() -> Vec<Case> {
    let lies: [(&[u64], u32); 9] = [
        (&[8, 64], Q6_K),
        (&[896, 2], Q4_K),
        (&[255], Q6_K),
        (&[257], Q6_K),
        (&[16], Q4_0),
        (&[31], Q4_0),
        (&[33], Q4_0),
        (&[1, 32], Q8_0),
        (&[16, 2], Q8_0),
    ];
    let case = |(dims, tensor_type): (&[u64], u32)| {
        let file = one_tensor(dims, tensor_type, 0, 4096);
        let says = format!("rows of {} elements", dims[0]);
        refused(
            format!("G18-{tensor_type}-{dims:?}"),
            file,
            "BlockMisaligned",
            says,
        )
    };
    lies.into_iter().map(case).collect()
}

/// G19: offsets.
fn offsets() -> Vec<Case> {
    let mut cases = Vec::new();
    for offset in [u64::MAX - 31, 1 << 63, 1 << 40, 32 * 9] {
        let says = format!("4 bytes at {offset} in the tensor data");
        let file = one_tensor(&[1], F32, offset, 256);
        cases.push(refused(
            format!("G19-offset-{offset}"),
            file,
            "TensorOutOfFile",
            says,
        ));
    }
    for offset in [1, 4, 16, 31, 33, u64::MAX] {
        let says = format!("begins at {offset} in the data, no multiple of 32");
        let file = one_tensor(&[1], F32, offset, 256);
        cases.push(refused(
            format!("G19-unaligned-{offset}"),
            file,
            "UnalignedOffset",
            says,
        ));
    }
    let short = one_tensor(&[64], F32, 0, 255);
    cases.push(refused(
        "G19-one-byte-short",
        short,
        "TensorOutOfFile",
        "has 255 bytes",
    ));
    let no_data = Raw::new(3, 1, 0).info("t", &[1], F32, 0);
    cases.push(refused(
        "G19-no-data",
        no_data,
        "TensorOutOfFile",
        "has 0 bytes",
    ));
    let aligned = Raw::new(3, 1, 1)
        .pair("general.alignment", 4096)
        .info("t", &[64], F32, 256)
        .align(4096)
        .zeros(8192);
    cases.push(refused(
        "G19-other-alignment",
        aligned,
        "UnalignedOffset",
        "no multiple of 4096",
    ));
    cases
}

/// G20: tensors that share bytes.
fn overlaps() -> Vec<Case> {
    let pair = |first: (u64, u64), second: (u64, u64)| {
        Raw::new(3, 2, 0)
            .info("one", &[first.1], I8, first.0)
            .info("two", &[second.1], I8, second.0)
            .align(32)
            .zeros(256)
    };
    vec![
        refused("G20-same", pair((0, 64), (0, 64)), "Overlap", "overlap"),
        refused(
            "G20-by-one-byte",
            pair((0, 65), (64, 64)),
            "Overlap",
            "`one` and `two`",
        ),
        refused(
            "G20-inside",
            pair((0, 256), (128, 32)),
            "Overlap",
            "`one` and `two`",
        ),
        refused(
            "G20-reversed",
            pair((128, 64), (96, 64)),
            "Overlap",
            "`two` and `one`",
        ),
    ]
}

/// G33: names.
fn names() -> Vec<Case> {
    let named = |name: &str| {
        Raw::new(3, 1, 0)
            .info(name, &[1], F32, 0)
            .align(32)
            .zeros(4)
    };
    let twice = Raw::new(3, 2, 0)
        .info("w", &[1], F32, 0)
        .info("w", &[1], F32, 32)
        .align(32);
    vec![
        refused(
            "G33-name-65",
            named(&"n".repeat(65)),
            "StringTooLong",
            "limit is 64",
        ),
        refused("G33-name-empty", named(""), "EmptyName", "offset 24"),
        refused("G33-name-nul", named("a\0b"), "NulInName", "a\\0b"),
        refused("G33-name-twice", twice.zeros(64), "DuplicateTensor", "`w`"),
    ]
}
