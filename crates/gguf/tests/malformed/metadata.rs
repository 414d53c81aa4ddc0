//! Lies in keys and values.

use crate::raw::{ARRAY, BOOL, F32, I32, Raw, STR, U8, U32, U64, one_pair};
use crate::{Case, refused};

pub fn cases() -> Vec<Case> {
    let all = [lengths(), arrays(), alignments(), keys(), types(), text()];
    all.into_iter().flatten().collect()
}

/// G03, G26: lengths of strings, wherever one can stand.
fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    let limit: u64 = 16 << 20;
    let value = one_pair("a.key", STR);
    let element = one_pair("a.key", ARRAY).array(STR, 2).string("first");
    let key = Raw::new(3, 0, 1);
    let name = Raw::new(3, 1, 0);
    for len in [u64::MAX, 1 << 63, 1 << 32, limit + 1] {
        let places = [
            ("value", &value, "a string value"),
            ("element", &element, "a string in an array"),
            ("key", &key, "a metadata key"),
            ("name", &name, "a tensor name"),
        ];
        for (place, file, says) in places {
            let file = file.clone().u64(len).zeros(64);
            let says = format!("{says} at offset");
            cases.push(refused(
                format!("G03-{place}-{len}"),
                file,
                "StringTooLong",
                says,
            ));
        }
    }
    // Within the limit, but one byte more than there is.
    for (place, file, left) in [
        ("value", value, 64),
        ("element", element, 40),
        ("key", key, 64),
    ] {
        let file = file.u64(left as u64 + 1).zeros(left);
        let says = format!("{left} remain");
        cases.push(refused(
            format!("G03-{place}-short"),
            file,
            "Truncated",
            says,
        ));
    }
    let name = name.u64(40).zeros(39);
    cases.push(refused(
        "G03-name-short",
        name,
        "Truncated",
        "inside a tensor name",
    ));
    cases.push(refused(
        "G26-token",
        one_pair("tokenizer.ggml.tokens", ARRAY)
            .array(STR, 1)
            .u64(limit + 1)
            .zeros(1 << 20),
        "StringTooLong",
        "limit is 16777216",
    ));
    cases
}

/// G04, G16: arrays.
fn arrays() -> Vec<Case> {
    let mut cases = Vec::new();
    let lies = [
        ("u64", U64, 1 << 61),
        ("f32", F32, 1 << 62),
        ("u8", U8, u64::MAX),
        ("str", STR, 1 << 61),
        ("bool", BOOL, 1 << 63),
        ("u64-plus", U64, (1 << 61) + 1),
        ("f32-short", F32, 26),
        ("u8-short", U8, 101),
        ("str-short", STR, 13),
    ];
    for (name, element_type, len) in lies {
        let file = one_pair("list", ARRAY).array(element_type, len).zeros(100);
        let says = format!("the length of an array at offset 44 is {len}");
        cases.push(refused(
            format!("G04-{name}"),
            file,
            "CountExceedsFile",
            says,
        ));
    }
    for depth in [1, 2, 1_000_000] {
        let mut file = one_pair("list", ARRAY);
        for _ in 0..depth {
            file = file.array(ARRAY, 1);
        }
        let file = file.array(U8, 1).bytes(&[7]);
        cases.push(refused(
            format!("G16-depth-{depth}"),
            file,
            "NestedArray",
            "`list`",
        ));
    }
    let file = one_pair("list", ARRAY).array(ARRAY, 0);
    cases.push(refused("G16-empty", file, "NestedArray", "`list`"));
    cases
}

/// G13: the alignment.
fn alignments() -> Vec<Case> {
    let mut cases = Vec::new();
    let key = "general.alignment";
    for alignment in [
        0,
        1,
        2,
        3,
        4,
        7,
        12,
        13,
        24,
        33,
        48,
        1 << 17,
        1 << 31,
        u32::MAX,
    ] {
        let file = Raw::new(3, 0, 1).pair(key, alignment);
        let says = format!("is {alignment}; it must be a power of two from 8");
        cases.push(refused(
            format!("G13-{alignment}"),
            file,
            "BadAlignment",
            says,
        ));
    }
    let others = [
        ("i32", one_pair(key, I32).u32(32)),
        ("u64", one_pair(key, U64).u64(32)),
        ("f32", one_pair(key, F32).bytes(&32_f32.to_le_bytes())),
        ("str", one_pair(key, STR).string("32")),
        ("array", one_pair(key, ARRAY).array(U32, 1).u32(32)),
        ("bool", one_pair(key, BOOL).bytes(&[1])),
    ];
    for (name, file) in others {
        cases.push(refused(
            format!("G13-{name}"),
            file,
            "WrongType",
            format!("`{key}` must be u32"),
        ));
    }
    let twice = Raw::new(3, 0, 2).pair(key, 32);
    let same = twice.clone().pair(key, 32);
    cases.push(refused("G13-twice-same", same, "DuplicateKey", key));
    cases.push(refused(
        "G13-twice",
        twice.pair(key, 64),
        "DuplicateKey",
        key,
    ));
    cases
}

/// G14, G33: keys.
fn keys() -> Vec<Case> {
    let alias = Raw::new(3, 0, 2);
    vec![
        refused(
            "G14-alignment",
            alias
                .clone()
                .pair("general.alignment\0evil", 32)
                .pair("general.alignment", 4096),
            "NulInKey",
            "general.alignment\\0evil",
        ),
        refused(
            "G14-template",
            alias
                .key("tokenizer.chat_template\0", STR)
                .string("evil")
                .key("tokenizer.chat_template", STR)
                .string("good"),
            "NulInKey",
            "offset 24",
        ),
        refused(
            "G14-only-nul",
            one_pair("\0", U8).zeros(20),
            "NulInKey",
            "\"\\0\"",
        ),
        refused(
            "G33-empty",
            one_pair("", U32).u32(1),
            "EmptyKey",
            "offset 24",
        ),
        refused(
            "G33-long",
            one_pair("k".repeat(65536), U8).bytes(&[1]),
            "StringTooLong",
            "65535",
        ),
        refused(
            "G15-far-duplicate",
            (0..1000)
                .fold(Raw::new(3, 0, 1001), |file, i| {
                    file.pair(&format!("key.{i}"), i)
                })
                .pair("key.500", 0),
            "DuplicateKey",
            "`key.500`",
        ),
    ]
}

/// G17: type ids and booleans.
fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for id in [13, 14, 255, 1 << 31, u32::MAX] {
        let says = format!("`a.key` at offset 37 has the unknown type {id}");
        let file = one_pair("a.key", id).zeros(64);
        cases.push(refused(
            format!("G17-value-{id}"),
            file,
            "UnknownValueType",
            says,
        ));
        let says = format!("`a.key` at offset 41 has the unknown type {id}");
        let file = one_pair("a.key", ARRAY).array(id, 1).zeros(64);
        cases.push(refused(
            format!("G17-element-{id}"),
            file,
            "UnknownValueType",
            says,
        ));
    }
    for value in [2, 255] {
        let says = format!("the boolean {value}");
        let file = one_pair("flag", BOOL).bytes(&[value]);
        cases.push(refused(
            format!("own-bool-{value}"),
            file,
            "BadBool",
            says.clone(),
        ));
        let file = one_pair("flag", ARRAY).array(BOOL, 3).bytes(&[1, 0, value]);
        cases.push(refused(
            format!("own-bools-{value}"),
            file,
            "BadBool",
            "offset 54",
        ));
    }
    cases
}

/// G33: text that is no UTF-8: a lone continuation, a cut sequence, a surrogate, an overlong
/// slash, a code point beyond the last.
fn text() -> Vec<Case> {
    let broken: [&[u8]; 5] = [
        b"\x80",
        b"ab\xe3\x81",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
    ];
    let mut cases = Vec::new();
    for (at, bytes) in broken.into_iter().enumerate() {
        let places = [
            (
                "key",
                one_pair(bytes, U32).zeros(20),
                "a metadata key at offset 24",
            ),
            (
                "value",
                one_pair("k", STR).string(bytes),
                "a string value at offset 37",
            ),
            (
                "element",
                one_pair("k", ARRAY)
                    .array(STR, 2)
                    .string("good")
                    .string(bytes),
                "a string in an array at offset 61",
            ),
            (
                "name",
                Raw::new(3, 1, 0).info(bytes, &[1], 0, 0).zeros(64),
                "a tensor name at offset 24",
            ),
        ];
        for (place, file, says) in places {
            cases.push(refused(
                format!("G33-utf8-{place}-{at}"),
                file,
                "InvalidUtf8",
                says,
            ));
        }
    }
    cases
}
