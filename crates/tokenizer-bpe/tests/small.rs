//! Rules that real vocabularies rarely show, on small ones made in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "common/vocabulary.rs"]
mod common;

use common::{byte_level, sentence_piece, tokenizer};
use proptest::prelude::*;
use tokenizer_bpe::{Special, SpecialText};

#[test]
fn unused_tokens_fall_apart() {
    // `llo` is the best whole for `llo` but unused: its parts come out.
    let ids = tokenizer(sentence_piece())
        .encode_fragment("llo", Special::Plain)
        .unwrap();
    assert_eq!(ids, [259, 265, 263]);
}

#[test]
fn unknown_characters_become_bytes() {
    let tokenizer = tokenizer(sentence_piece());
    let ids = tokenizer.encode_fragment("いx", Special::Plain).unwrap();
    let byte = |byte: u32| 3 + byte;
    assert_eq!(ids, [259, byte(0xE3), byte(0x81), byte(0x84), byte(0x78)]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), "いx");
}

#[test]
fn space_prefix() {
    let tokenizer = tokenizer(sentence_piece());
    for text in [
        "hello",
        " hello",
        "  hello",
        "",
        " ",
        "hello hello",
        "a<s>hello</s> x",
    ] {
        let ids = tokenizer.encode_fragment(text, Special::Parse).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
    assert_eq!(tokenizer.encode("hello", Special::Plain).unwrap(), [1, 268]);
    let mut entries = sentence_piece();
    entries.push(("tokenizer.ggml.add_space_prefix", false.into()));
    let bare = common::tokenizer(entries);
    let ids = bare.encode_fragment("he he", Special::Plain).unwrap();
    assert_eq!(ids, [264, 266]);
    assert_eq!(bare.decode(&ids).unwrap(), "he he");
}

#[test]
fn a_byte_token_keeps_its_space() {
    // The space that encoding puts before a text is a `▁`.
    let tokenizer = tokenizer(sentence_piece());
    let space = 3 + 0x20;
    assert_eq!(tokenizer.decode(&[space, 264]).unwrap(), " he");
    assert_eq!(tokenizer.decode(&[259, space, 264]).unwrap(), " he");
}

#[test]
fn streams_go_on_after_a_prompt() {
    let tokenizer = tokenizer(sentence_piece());
    // `▁hello` begins a text without its space, but within a text the space is one.
    assert_eq!(tokenizer.stream().push(268).unwrap(), "hello");
    assert_eq!(
        tokenizer.stream().after(&[1]).unwrap().push(268).unwrap(),
        "hello"
    );
    assert_eq!(
        tokenizer
            .stream()
            .after(&[1, 268])
            .unwrap()
            .push(268)
            .unwrap(),
        " hello"
    );
}

#[test]
fn streams_hold_back_half_characters() {
    let tokenizer = tokenizer(byte_level());
    let mut stream = tokenizer.stream();
    let pushed: Vec<String> = "aい"
        .bytes()
        .map(|byte| stream.push(byte.into()).unwrap())
        .collect();
    assert_eq!(pushed, ["a", "", "", "い"]);
    assert_eq!(stream.push(0xE3).unwrap(), "");
    assert_eq!(stream.push(b'x'.into()).unwrap(), "\u{FFFD}x");
    assert_eq!(stream.push(0xF0).unwrap(), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
}

#[test]
fn special_text_is_shown_or_hidden() {
    let tokenizer = tokenizer(byte_level());
    let text = "<|im_start|>hello<tool><|im_end|>";
    let ids = tokenizer.encode_fragment(text, Special::Parse).unwrap();
    assert_eq!(ids, [261, 259, 263, 262]);
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    assert_eq!(
        tokenizer.decode_with(&ids, SpecialText::Hide).unwrap(),
        "hello<tool>"
    );
    let mut stream = tokenizer.stream_with(SpecialText::Hide);
    let streamed: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    assert_eq!(streamed, "hello<tool>");
    // User-defined tokens are found in plain text too, control tokens are not.
    let plain = tokenizer.encode_fragment(text, Special::Plain).unwrap();
    assert!(plain.contains(&263) && !plain.iter().any(|id| tokenizer.is_control(*id)));
}

#[test]
fn end_tokens_are_control_tokens_even_if_listed_otherwise() {
    let mut entries = byte_level();
    let mut types = vec![1_i32; 260];
    types.extend([3, 3, 4, 4]);
    entries.push(("tokenizer.ggml.token_type", types.into()));
    let tokenizer = tokenizer(entries);
    assert!(tokenizer.is_control(262) && tokenizer.is_end_of_generation(262));
    assert!(
        !tokenizer
            .encode("<|im_end|>", Special::Plain)
            .unwrap()
            .contains(&262)
    );
    assert_eq!(tokenizer.eot(), Some(262));
}

#[test]
fn ends_are_added_once() {
    let mut entries = byte_level();
    entries.push(("tokenizer.ggml.add_bos_token", true.into()));
    entries.push(("tokenizer.ggml.add_eos_token", true.into()));
    let tokenizer = tokenizer(entries);
    for text in ["hello", "<|bos|>hello", "<|bos|>hello<|im_end|>"] {
        assert_eq!(
            tokenizer.encode(text, Special::Parse).unwrap(),
            [260, 259, 262],
            "{text}"
        );
    }
    assert_eq!(tokenizer.encode("", Special::Parse).unwrap(), [260, 262]);
    assert_eq!(
        tokenizer.encode_fragment("", Special::Parse).unwrap(),
        [0_u32; 0]
    );
}

proptest! {
    /// Any ids at all: a stream gives what decoding at once gives.
    #[test]
    fn streams_agree_with_decoding(ids in proptest::collection::vec(0_u32..264, 0..40)) {
        for tokenizer in [tokenizer(byte_level()), tokenizer(sentence_piece())] {
            for special in [SpecialText::Show, SpecialText::Hide] {
                let mut stream = tokenizer.stream_with(special);
                let mut text: String =
                    ids.iter().map(|id| stream.push(*id).unwrap()).collect();
                text.push_str(&stream.finish());
                prop_assert_eq!(&text, &tokenizer.decode_with(&ids, special).unwrap());
            }
        }
    }

    /// Bytes in any order, whole or not, become what the standard library makes of them.
    #[test]
    fn broken_text_is_replaced(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
        let tokenizer = tokenizer(byte_level());
        let ids: Vec<u32> = bytes.iter().map(|byte| (*byte).into()).collect();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), String::from_utf8_lossy(&bytes));
    }
}
