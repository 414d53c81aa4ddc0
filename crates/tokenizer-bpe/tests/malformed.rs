//! Files that lie: each is a typed error that names the key and the place.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "common/vocabulary.rs"]
mod common;

use common::{Entry, byte_level, file, sentence_piece};
use gguf::MetadataValue;
use tokenizer_bpe::{Error, Special, Tokenizer};

fn strings(entries: &[Entry], key: &str) -> Vec<String> {
    match &entries.iter().find(|(found, _)| *found == key).unwrap().1 {
        MetadataValue::StrArray(strings) => strings.clone(),
        other => panic!("{other:?}"),
    }
}

/// The vocabulary with one more entry, which replaces the one of the same key.
fn with(mut entries: Vec<Entry>, key: &'static str, value: impl Into<MetadataValue>) -> Vec<Entry> {
    entries.push((key, value.into()));
    entries
}

fn without(entries: Vec<Entry>, key: &str) -> Vec<Entry> {
    entries
        .into_iter()
        .filter(|(found, _)| *found != key)
        .collect()
}

/// The error, whose message must hold all of `words`.
fn refused(entries: Vec<Entry>, words: &[&str]) -> Error {
    let error = Tokenizer::from_gguf(&file(entries)).expect_err(&words.join(" "));
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} without {word:?}");
    }
    error
}

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const EOS: &str = "tokenizer.ggml.eos_token_id";

#[test]
fn the_small_vocabularies_are_sound() {
    assert_eq!(encode(byte_level(), "hello"), [259]);
    assert_eq!(encode(sentence_piece(), "hello"), [268]);
}

fn encode(entries: Vec<Entry>, text: &str) -> Vec<u32> {
    common::tokenizer(entries)
        .encode_fragment(text, Special::Plain)
        .unwrap()
}

#[test]
fn required_keys() {
    for key in ["tokenizer.ggml.model", TOKENS, MERGES] {
        let error = refused(without(byte_level(), key), &[key]);
        assert!(
            matches!(error, Error::Metadata(gguf::Error::MissingKey { .. })),
            "{error:?}"
        );
    }
    let error = refused(without(sentence_piece(), SCORES), &[SCORES]);
    assert!(
        matches!(error, Error::Metadata(gguf::Error::MissingKey { .. })),
        "{error:?}"
    );
    let error = refused(
        without(byte_level(), "tokenizer.ggml.pre"),
        &["tokenizer.ggml.pre"],
    );
    assert!(matches!(error, Error::MissingPreTokenizer), "{error:?}");
    let error = refused(
        with(byte_level(), "tokenizer.ggml.pre", "gpt-99"),
        &["gpt-99"],
    );
    assert!(
        matches!(error, Error::UnknownPreTokenizer { .. }),
        "{error:?}"
    );
    let error = refused(
        with(byte_level(), "tokenizer.ggml.model", "bert"),
        &["bert"],
    );
    assert!(matches!(error, Error::UnknownModel { .. }), "{error:?}");
}

#[test]
fn types_of_values() {
    let wrong: [(&'static str, MetadataValue); 9] = [
        ("tokenizer.ggml.model", 1_u32.into()),
        ("tokenizer.ggml.pre", vec![1_i32].into()),
        (TOKENS, vec![1_i32].into()),
        (TYPES, vec![1.0_f32].into()),
        (MERGES, "a b".into()),
        (EOS, "2".into()),
        (EOS, 2.0_f32.into()),
        ("tokenizer.ggml.add_bos_token", 1_u32.into()),
        ("tokenizer.ggml.bos_token_id", true.into()),
    ];
    for (key, value) in wrong {
        let error = refused(with(byte_level(), key, value), &[key]);
        assert!(
            matches!(error, Error::Metadata(gguf::Error::WrongType { .. })),
            "{error:?}"
        );
    }
    for value in [
        MetadataValue::I8Array(vec![0; 270]),
        MetadataValue::StrArray(vec![]),
    ] {
        let error = refused(with(sentence_piece(), SCORES, value), &[SCORES]);
        assert!(
            matches!(error, Error::Metadata(gguf::Error::WrongType { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn lengths_of_arrays() {
    for found in [0, 263, 265] {
        let error = refused(
            with(byte_level(), TYPES, vec![1_i32; found]),
            &[TYPES, "264"],
        );
        assert!(
            matches!(error, Error::VocabMismatch { expected: 264, .. }),
            "{error:?}"
        );
    }
    for found in [0, 269, 271] {
        let error = refused(
            with(sentence_piece(), SCORES, vec![0.0_f32; found]),
            &[SCORES, "270"],
        );
        assert!(
            matches!(error, Error::VocabMismatch { expected: 270, .. }),
            "{error:?}"
        );
    }
    let error = refused(with(byte_level(), TOKENS, Vec::<String>::new()), &[TOKENS]);
    assert!(matches!(error, Error::EmptyVocabulary), "{error:?}");
}

#[test]
fn contents_of_arrays() {
    for number in [-1, 7, i32::MAX] {
        let mut types = vec![1_i32; 264];
        types[5] = number;
        let error = refused(with(byte_level(), TYPES, types), &["token_type[5]"]);
        assert!(
            matches!(error, Error::BadTokenType { index: 5, .. }),
            "{error:?}"
        );
    }
    let mut scores = vec![0.0_f32; 270];
    scores[7] = f32::NAN;
    let error = refused(with(sentence_piece(), SCORES, scores), &["scores[7]"]);
    assert!(matches!(error, Error::BadScore { index: 7 }), "{error:?}");
}

#[test]
fn special_ids() {
    let keys = ["bos", "eos", "padding", "eot", "eom"];
    let keys = keys.map(|name| format!("tokenizer.ggml.{name}_token_id"));
    for key in keys {
        let key: &'static str = key.leak();
        let wrong: [MetadataValue; 4] = [
            264_u32.into(),
            u32::MAX.into(),
            (-1_i32).into(),
            i64::MIN.into(),
        ];
        for value in wrong {
            let error = refused(with(byte_level(), key, value), &[key, "264"]);
            assert!(
                matches!(
                    error,
                    Error::BadTokenId {
                        vocab_size: 264,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
    let asked = with(
        without(byte_level(), EOS),
        "tokenizer.ggml.add_eos_token",
        true,
    );
    let error = refused(asked, &["add_eos_token", EOS]);
    assert!(matches!(error, Error::MissingTokenId { .. }), "{error:?}");
}

#[test]
fn byte_tokens() {
    for bad in [
        "<0x-1>", "<0xZZ>", "<0x100>", "<0x1>", "<0x+1>", "0x41", "", "<0x4 >",
    ] {
        let mut tokens = strings(&sentence_piece(), TOKENS);
        tokens[3 + 0x41] = bad.to_owned();
        let error = refused(with(sentence_piece(), TOKENS, tokens), &["tokens[68]", bad]);
        assert!(
            matches!(error, Error::BadByteToken { index: 68, .. }),
            "{error:?}"
        );
    }
    let mut tokens = strings(&sentence_piece(), TOKENS);
    tokens[3 + 0x41] = "<0x42>".to_owned();
    let error = refused(
        with(sentence_piece(), TOKENS, tokens),
        &["<0x42>", "same byte"],
    );
    assert!(
        matches!(error, Error::BadByteToken { index: 69, .. }),
        "{error:?}"
    );
    let mut types = vec![2_i32, 3, 3];
    types.extend([6; 255]);
    types.extend([1; 12]);
    let error = refused(with(sentence_piece(), TYPES, types), &["<0xFF>"]);
    assert!(
        matches!(error, Error::MissingByteToken { byte: 0xFF }),
        "{error:?}"
    );
}

#[test]
fn merges() {
    for (bad, reason) in [
        ("he", "no space"),
        ("h e l", "more than one"),
        ("h  e", "more than one"),
        ("", "no space"),
        ("hx e", "left"),
        ("h ex", "right"),
        (" e", "left"),
        ("e o", "makes"),
    ] {
        let merges = vec!["h e".to_owned(), bad.to_owned()];
        let error = refused(with(byte_level(), MERGES, merges), &["merges[1]", reason]);
        assert!(
            matches!(error, Error::BadMerge { index: 1, .. }),
            "{error:?}"
        );
    }
    // Of equal rules the first counts, and a rule may join a token to itself.
    let rules = |rules: &[&str]| {
        rules
            .iter()
            .map(|rule| (*rule).to_owned())
            .collect::<Vec<_>>()
    };
    let entries = with(byte_level(), MERGES, rules(&["l l", "h e", "l l"]));
    assert_eq!(encode(entries, "lllhe"), [257, u32::from(b'l'), 256]);
    let many = with(byte_level(), MERGES, vec!["h e".to_owned(); 1_000_000]);
    assert_eq!(encode(many, "he"), [256]);
}

#[test]
fn merges_never_make_control_tokens() {
    let mut tokens = strings(&byte_level(), TOKENS);
    tokens.push("ab".to_owned());
    let mut types = vec![1_i32; 264];
    types.push(3);
    let entries = with(with(byte_level(), TOKENS, tokens), TYPES, types);
    let entries = with(entries, MERGES, vec!["a b".to_owned()]);
    assert_eq!(encode(entries, "ab"), [u32::from(b'a'), u32::from(b'b')]);
}

#[test]
fn missing_bytes_are_named_when_needed() {
    let mut tokens = strings(&byte_level(), TOKENS);
    tokens[usize::from(b'z')] = "unused".to_owned();
    let tokenizer = common::tokenizer(with(byte_level(), TOKENS, tokens));
    assert_eq!(
        tokenizer.encode_fragment("hello", Special::Plain).unwrap(),
        [259]
    );
    let error = tokenizer
        .encode_fragment("zoo", Special::Plain)
        .unwrap_err();
    assert!(
        matches!(error, Error::UnencodableByte { byte: b'z' }),
        "{error:?}"
    );
}

#[test]
fn duplicate_and_empty_and_long_tokens_are_accepted() {
    let mut tokens = strings(&byte_level(), TOKENS);
    tokens.extend(["hello".to_owned(), String::new(), "x".repeat(1 << 20)]);
    let mut types = vec![1_i32; 260];
    types.extend([3, 3, 3, 4, 1, 3, 1]);
    let entries = with(with(byte_level(), TOKENS, tokens.clone()), TYPES, types);
    let tokenizer = common::tokenizer(entries);
    assert_eq!(tokenizer.token_id("hello"), Some(259));
    assert_eq!(tokenizer.token_text(264).unwrap(), "hello");
    assert_eq!(
        tokenizer.encode_fragment("hello", Special::Parse).unwrap(),
        [259]
    );
    assert_eq!(tokenizer.token_bytes(266).unwrap().len(), 1 << 20);

    let mut tokens = strings(&sentence_piece(), TOKENS);
    tokens.extend(["▁hello".to_owned(), "h".repeat(1 << 20)]);
    let entries = without(with(sentence_piece(), TOKENS, tokens), TYPES);
    let entries = with(entries, SCORES, vec![-1.0_f32; 272]);
    assert_eq!(common::tokenizer(entries).token_id("▁hello"), Some(268));
}

#[test]
fn ids_out_of_range() {
    let tokenizer = common::tokenizer(byte_level());
    for id in [264, u32::MAX] {
        let results = [
            tokenizer.decode(&[id]).map(drop),
            tokenizer.token_text(id).map(drop),
            tokenizer.token_bytes(id).map(drop),
            tokenizer.stream().push(id).map(drop),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::UnknownToken {
                        vocab_size: 264,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
        assert!(!tokenizer.is_control(id) && !tokenizer.is_end_of_generation(id));
    }
}
