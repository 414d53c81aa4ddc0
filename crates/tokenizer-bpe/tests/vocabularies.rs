//! Real vocabularies: the published vectors, special tokens, round trips and time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "common/vocabulary.rs"]
mod common;

use std::fs;

use gguf::GgufFile;
use proptest::prelude::*;
use tokenizer_bpe::{Special, SpecialText, Tokenizer, TokenizerKind};

/// A text and its ids.
type Case = (String, Vec<u32>);

/// Each vocabulary with its published vectors.
fn vectors() -> Vec<(String, Tokenizer, Vec<Case>)> {
    let load = |path: std::path::PathBuf| {
        let name = path.display().to_string();
        let tokenizer = Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap();
        let inputs = fs::read_to_string(format!("{name}.inp")).unwrap();
        let outputs = fs::read_to_string(format!("{name}.out")).unwrap();
        let mut inputs: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
        // The file ends with a separator.
        assert_eq!(inputs.pop(), Some(""));
        assert_eq!((inputs.len(), outputs.lines().count()), (46, 46), "{name}");
        let ids = |line: &str| {
            line.split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect()
        };
        let cases = inputs
            .into_iter()
            .map(String::from)
            .zip(outputs.lines().map(ids))
            .collect();
        (name, tokenizer, cases)
    };
    common::shared_files("vocab", "gguf")
        .into_iter()
        .map(load)
        .collect()
}

#[test]
fn published_vectors() {
    for (name, tokenizer, cases) in vectors() {
        for (text, want) in cases {
            for special in [Special::Plain, Special::Parse] {
                let ids = tokenizer.encode_fragment(&text, special).unwrap();
                assert_eq!(ids, want, "{name}: {text:?}");
                assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name}");
            }
        }
    }
}

#[test]
fn control_tokens_are_found_only_when_asked() {
    for (name, text, want) in [
        (
            "ggml-vocab-qwen2",
            "<|im_start|>hello<|im_end|>",
            vec![151_644, 14_990, 151_645],
        ),
        (
            "ggml-vocab-llama-bpe",
            "<|begin_of_text|>hello<|eot_id|>",
            vec![128_000, 15_339, 128_009],
        ),
        ("ggml-vocab-llama-spm", "<s>hello</s>", vec![1, 22_172, 2]),
        // Phi-3's tokens swallow the white space after them.
        (
            "ggml-vocab-phi-3",
            "<|user|>\n hello<|end|>\n<|assistant|>\n",
            vec![32_010, 22_172, 32_007, 32_001],
        ),
    ] {
        let tokenizers = common::real_tokenizers();
        for (_, tokenizer) in tokenizers.iter().filter(|(found, _)| found == name) {
            assert_eq!(
                tokenizer.encode_fragment(text, Special::Parse).unwrap(),
                want,
                "{name}"
            );
            let plain = tokenizer.encode_fragment(text, Special::Plain).unwrap();
            assert!(
                !plain.iter().any(|id| tokenizer.is_control(*id)),
                "{name}: {plain:?}"
            );
            assert_eq!(tokenizer.decode(&plain).unwrap(), text, "{name}");
        }
    }
}

#[test]
fn what_the_files_say() {
    for (name, tokenizer) in common::real_tokenizers() {
        let sentence_piece = tokenizer.kind() == TokenizerKind::SentencePieceBpe;
        let (size, bos, eos, eot, pad, add_bos) = match name.as_str() {
            "ggml-vocab-qwen2" => (
                151_936,
                151_643,
                151_643,
                Some(151_645),
                Some(151_643),
                false,
            ),
            "ggml-vocab-llama-bpe" => (128_256, 128_000, 128_001, Some(128_009), None, true),
            "ggml-vocab-llama-spm" => (32_000, 1, 2, None, None, true),
            "ggml-vocab-phi-3" => (32_064, 1, 32_000, Some(32_007), Some(32_000), true),
            other => panic!("no expectations of {other}"),
        };
        assert_eq!(tokenizer.vocab_size(), size, "{name}");
        assert_eq!(
            (tokenizer.bos(), tokenizer.eos()),
            (Some(bos), Some(eos)),
            "{name}"
        );
        assert_eq!((tokenizer.eot(), tokenizer.pad()), (eot, pad), "{name}");
        assert_eq!(
            (tokenizer.add_bos(), tokenizer.add_eos()),
            (add_bos, false),
            "{name}"
        );
        assert_eq!(
            sentence_piece,
            tokenizer.token_id("<0x0A>").is_some(),
            "{name}"
        );
        for id in [Some(eos), eot].into_iter().flatten() {
            assert!(tokenizer.is_end_of_generation(id), "{name}: {id}");
        }
        assert!(!tokenizer.is_end_of_generation(100), "{name}");
        let ids = tokenizer.encode("hello", Special::Parse).unwrap();
        assert_eq!(ids.len(), 1 + usize::from(add_bos), "{name}");
        let bos_text = tokenizer.token_text(bos).unwrap().to_owned();
        let again = tokenizer
            .encode(&format!("{bos_text}hello"), Special::Parse)
            .unwrap();
        assert_eq!(again, [bos, *ids.last().unwrap()], "{name}: bos comes once");
        assert_eq!(
            tokenizer.decode_with(&again, SpecialText::Hide).unwrap(),
            "hello",
            "{name}"
        );
        for id in 0..size as u32 {
            assert!(
                !tokenizer.token_text(id).unwrap().is_empty(),
                "{name}: {id}"
            );
        }
    }
}

/// Encodes, decodes at once, in a stream, and from the tokens' bytes.
fn round_trip(name: &str, tokenizer: &Tokenizer, text: &str) {
    let ids = tokenizer.encode_fragment(text, Special::Plain).unwrap();
    assert!(
        !ids.iter().any(|id| tokenizer.is_control(*id)),
        "{name}: {text:?}"
    );
    // SentencePiece writes spaces as ▁ and cannot tell the two apart.
    let sentence_piece = tokenizer.kind() == TokenizerKind::SentencePieceBpe;
    let want = if sentence_piece {
        text.replace('▁', " ")
    } else {
        text.to_owned()
    };
    assert_eq!(tokenizer.decode(&ids).unwrap(), want, "{name}");
    let mut stream = tokenizer.stream();
    let mut streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    assert_eq!(stream.finish(), "", "{name}: {text:?}");
    assert_eq!(streamed, want, "{name}");
    streamed.clear();
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|id| tokenizer.token_bytes(*id).unwrap().iter().copied())
        .collect();
    let prefix = if sentence_piece && !text.is_empty() {
        " "
    } else {
        ""
    };
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        format!("{prefix}{want}"),
        "{name}"
    );
}

#[test]
fn every_character_comes_back() {
    for (name, tokenizer) in common::real_tokenizers() {
        let chars: Vec<char> = ('\0'..=char::MAX).collect();
        for few in chars.chunks(64) {
            let text: String = few.iter().flat_map(|c| [*c, 'x', *c, *c]).collect();
            round_trip(&name, &tokenizer, &text);
        }
        for c in ('\0'..='\u{2FF}').chain(['い', 'Ġ', '▁', '\u{FEFF}', '\u{FFFD}', '🦙']) {
            round_trip(&name, &tokenizer, &c.to_string());
            round_trip(&name, &tokenizer, &format!(" {c}  {c}"));
        }
    }
}

#[test]
fn any_text_comes_back() {
    let tokenizers = common::real_tokenizers();
    let mut runner = proptest::test_runner::TestRunner::default();
    let pieces = prop_oneof![
        "\\PC{0,8}",
        "[ \\t\\r\\n]{0,5}",
        "[a-zA-Z']{0,9}",
        "[0-9]{0,5}",
        any::<String>(),
        Just("<|im_start|>".to_owned()),
        Just("</s>".to_owned()),
    ];
    let texts = proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat());
    let result = runner.run(&texts, |text| {
        tokenizers
            .iter()
            .for_each(|(name, tokenizer)| round_trip(name, tokenizer, &text));
        Ok(())
    });
    result.unwrap();
}
