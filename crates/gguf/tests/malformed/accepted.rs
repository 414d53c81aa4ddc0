//! Files that real tools write, or that are odd without being wrong: all must open.

use gguf::{GgufFile, Warnings};

use crate::raw::{ARRAY, BOOL, F32, I32, Raw, STR, U8, U32, one_pair, one_tensor};

const Q8_0: u32 = 8;
const I8: u32 = 24;

fn open(file: Raw) -> GgufFile {
    GgufFile::from_bytes(file.0).unwrap()
}

fn warnings(n_holes: u64, hole_bytes: u64, trailing_bytes: u64) -> (u64, u64, u64) {
    (n_holes, hole_bytes, trailing_bytes)
}

fn found(found: Warnings) -> (u64, u64, u64) {
    (found.n_holes, found.hole_bytes, found.trailing_bytes)
}

#[test]
fn nothing_at_all() {
    for version in [2, 3] {
        let file = open(Raw::new(version, 0, 0));
        assert_eq!(
            (file.version(), file.n_tensors(), file.metadata().len()),
            (version, 0, 0)
        );
        assert!(file.warnings().is_empty() && file.metadata().is_empty());
    }
}

#[test]
fn a_last_tensor_without_padding_behind_it() {
    let file = open(one_tensor(&[32, 3], Q8_0, 0, 102));
    assert_eq!(file.tensor("t").unwrap().bytes().len(), 102);
    assert!(file.warnings().is_empty());
    let file = open(one_tensor(&[32, 3], Q8_0, 0, 128));
    assert!(file.warnings().is_empty(), "padding is no trailing garbage");
}

#[test]
fn alignments_both_sides_of_32() {
    for alignment in [8, 16, 32, 64, 4096, 65536] {
        let file = Raw::new(3, 2, 1)
            .pair("general.alignment", alignment)
            .info("a", &[3], I8, 0)
            .info("b", &[5], I8, alignment.into())
            .align(alignment as usize)
            .bytes(b"abc")
            .align(alignment as usize)
            .bytes(b"defgh");
        let file = open(file);
        assert_eq!(file.tensor("a").unwrap().bytes(), b"abc", "{alignment}");
        assert_eq!(file.tensor("b").unwrap().bytes(), b"defgh", "{alignment}");
        assert_eq!(format!("{:?}", file.tensor("b").unwrap()), "b I8 [5]");
        assert!(file.warnings().is_empty());
        assert_eq!(
            (file.data_bytes(), file.tensor("b").unwrap().n_rows()),
            (8, 1)
        );
    }
}

#[test]
fn a_vocabulary_without_tensors_with_duplicate_empty_and_odd_tokens() {
    let tokens = [
        "<s>", "dup", "", "dup", "\0", "い", "dup", "a b", "\u{fffd}",
    ];
    let file = tokens.iter().fold(
        one_pair("tokenizer.ggml.tokens", ARRAY).array(STR, tokens.len() as u64),
        |file, token| file.string(token),
    );
    let file = open(file);
    let found = file.metadata().str_array("tokenizer.ggml.tokens").unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), tokens);
    assert_eq!(
        (found.len(), found.get(5), found.get(9)),
        (9, Some("い"), None)
    );
}

#[test]
fn empty_arrays_of_every_type() {
    for element_type in (0..13).filter(|&id| id != ARRAY) {
        let file = open(one_pair("k", ARRAY).array(element_type, 0));
        let Some(gguf::Value::Array(array)) = file.metadata().value("k") else {
            panic!()
        };
        assert!(array.is_empty() && array.element_type().id() == element_type);
    }
}

#[test]
fn integers_of_any_width_that_holds_the_value() {
    let widths: [(u32, &[u8]); 8] = [
        (0, &[200]),
        (1, &[100]),
        (2, &[200, 0]),
        (3, &[200, 0]),
        (4, &[200, 0, 0, 0]),
        (5, &[200, 0, 0, 0]),
        (10, &[200, 0, 0, 0, 0, 0, 0, 0]),
        (11, &[200, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (id, bytes) in widths {
        let expected = u32::from(bytes[0]);
        let file = open(one_pair("k", id).bytes(bytes));
        assert_eq!(file.metadata().u32("k").unwrap(), expected);
        assert_eq!(
            file.metadata().find_u64("k").unwrap(),
            Some(expected.into())
        );
        let file = open(one_pair("k", ARRAY).array(id, 2).bytes(bytes).bytes(bytes));
        assert_eq!(file.metadata().u32_array("k").unwrap(), [expected; 2]);
        assert_eq!(
            file.metadata().i32_array("k").unwrap(),
            [expected as i32; 2]
        );
    }
    let file = open(one_pair("k", I32).u32(u32::MAX));
    assert_eq!(file.metadata().i32("k").unwrap(), -1);
    assert_eq!(file.metadata().i64("k").unwrap(), -1);
}

#[test]
fn floats_and_booleans_are_read_as_they_are() {
    let file = open(
        Raw::new(3, 0, 3)
            .key("eps", F32)
            .u32(1e-6_f32.to_bits())
            .key("flags", ARRAY)
            .array(BOOL, 3)
            .bytes(&[1, 0, 1])
            .key("scores", ARRAY)
            .array(F32, 2)
            .u32((-0.5_f32).to_bits())
            .u32(f32::NAN.to_bits()),
    );
    let metadata = file.metadata();
    assert_eq!(
        metadata.keys().collect::<Vec<_>>(),
        ["eps", "flags", "scores"]
    );
    assert_eq!(metadata.f32("eps").unwrap(), 1e-6);
    let Some(gguf::Value::Array(flags)) = metadata.value("flags") else {
        panic!()
    };
    assert!(!flags.is_empty() && flags.len() == 3);
    assert_eq!(metadata.bool_array("flags").unwrap(), [true, false, true]);
    let scores = metadata.f32_array("scores").unwrap();
    assert!(scores[0] == -0.5 && scores[1].is_nan() && scores.len() == 2);
    assert_eq!(metadata.find_str("absent").unwrap(), None);
}

#[test]
fn text_at_its_limits() {
    for len in [63, 64] {
        let name = "n".repeat(len);
        let file = open(
            Raw::new(3, 1, 0)
                .info(&name, &[1], I8, 0)
                .align(32)
                .zeros(1),
        );
        assert_eq!(file.tensor(&name).unwrap().name(), name);
    }
    let key = "k".repeat(65535);
    assert!(
        open(one_pair(&key, U8).bytes(&[1]))
            .metadata()
            .contains(&key)
    );
    for len in [1 << 20, 16 << 20] {
        let file = open(one_pair("t", STR).string(vec![b'x'; len]));
        assert_eq!(file.metadata().str("t").unwrap().len(), len);
    }
}

#[test]
fn holes_and_trailing_bytes_are_counted() {
    let trailing = open(
        one_tensor(&[32], I8, 0, 32)
            .bytes(b"PK\x03\x04")
            .zeros(1000),
    );
    assert_eq!(found(trailing.warnings()), warnings(0, 0, 1004));
    let hole = open(one_tensor(&[32], I8, 1 << 20, (1 << 20) + 32));
    assert_eq!(found(hole.warnings()), warnings(1, 1 << 20, 0));
    let between = Raw::new(3, 3, 0)
        .info("c", &[32], I8, 128)
        .info("a", &[33], I8, 0)
        .info("b", &[1], I8, 64)
        .align(32)
        .zeros(192);
    assert_eq!(found(open(between).warnings()), warnings(1, 32, 32));
    let no_tensors = open(one_pair("k", U32).u32(1).align(32).zeros(500));
    assert_eq!(found(no_tensors.warnings()), warnings(0, 0, 500));
}

#[test]
fn real_vocabularies_open_quickly_and_hold_what_they_should() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vocab");
    let known = [
        ("llama-bpe", 128_256),
        ("llama-spm", 32_000),
        ("phi-3", 32_064),
        ("qwen2", 151_936),
    ];
    for (name, n_tokens) in known {
        let path = format!("{folder}/ggml-vocab-{name}.gguf");
        if !std::path::Path::new(&path).exists() {
            println!("skipped: no real vocabularies at {folder}");
            return;
        }
        let start = std::time::Instant::now();
        let file = GgufFile::open(&path).unwrap();
        let took = start.elapsed();
        println!("{name}: opened {} bytes in {took:?}", file.file_bytes());
        let tokens = file.metadata().str_array("tokenizer.ggml.tokens").unwrap();
        assert_eq!((tokens.len(), tokens.iter().count()), (n_tokens, n_tokens));
        assert!(file.warnings().is_empty() && file.n_tensors() == 0);
        assert!(took.as_millis() < 200, "{name} took {took:?}");
    }
}
