//! Sound files that lack what is asked of them, or have it as another type.

use gguf::{Error, GgufFile};

use crate::raw::{ARRAY, BOOL, F32, F64, I8, Raw, STR, U8, U32, U64, one_pair};
use crate::{Case, wanting};

pub fn cases() -> Vec<Case> {
    [missing(), out_of_range(), wrong_types()]
        .into_iter()
        .flatten()
        .collect()
}

type Ask = fn(&GgufFile) -> Result<(), Error>;

/// G22, as far as this crate goes: what is not there.
fn missing() -> Vec<Case> {
    let asks: [(&str, Ask); 6] = [
        ("u32", |file| file.metadata().u32("a.b").map(drop)),
        ("u64", |file| file.metadata().u64("a.b").map(drop)),
        ("f32", |file| file.metadata().f32("a.b").map(drop)),
        ("str", |file| file.metadata().str("a.b").map(drop)),
        ("strs", |file| file.metadata().str_array("a.b").map(drop)),
        ("f32s", |file| file.metadata().f32_array("a.b").map(drop)),
    ];
    let file = Raw::new(3, 0, 1).pair("a.bc", 1);
    let case = |(name, ask)| {
        wanting(
            format!("G22-{name}"),
            file.clone(),
            ask,
            "MissingKey",
            "no `a.b`;",
        )
    };
    let mut cases: Vec<_> = asks.into_iter().map(case).collect();
    let ask: Ask = |file| file.tensor("x.w").map(drop);
    cases.push(wanting(
        "G22-tensor",
        Raw::new(3, 0, 0),
        ask,
        "MissingTensor",
        "`x.w`",
    ));
    cases
}

/// G23: integers that do not fit.
fn out_of_range() -> Vec<Case> {
    let big = one_pair("k", U64).u64(1 << 32);
    let negative = one_pair("k", I8).bytes(&[0xff]);
    let list = one_pair("k", ARRAY).array(I8, 2).bytes(&[1, 0x80]);
    let asks: [(&str, Raw, Ask, &str); 5] = [
        (
            "u32-of-2^32",
            big.clone(),
            |file| file.metadata().u32("k").map(drop),
            "4294967296",
        ),
        (
            "i32-of-2^32",
            big,
            |file| file.metadata().i32("k").map(drop),
            "4294967296",
        ),
        (
            "u32-of--1",
            negative.clone(),
            |file| file.metadata().u32("k").map(drop),
            "-1",
        ),
        (
            "u64-of--1",
            negative,
            |file| file.metadata().u64("k").map(drop),
            "-1",
        ),
        (
            "u32s-of--128",
            list,
            |file| file.metadata().u32_array("k").map(drop),
            "-128",
        ),
    ];
    let case = |(name, file, ask, says)| {
        wanting(format!("G23-{name}"), file, ask, "ValueOutOfRange", says)
    };
    asks.into_iter().map(case).collect()
}

/// G23: every getter asked of every type it does not take.
fn wrong_types() -> Vec<Case> {
    let values: [(&str, Raw); 9] = [
        ("u8", one_pair("k", U8).bytes(&[1])),
        ("u32", one_pair("k", U32).u32(1)),
        ("f32", one_pair("k", F32).u32(0)),
        ("f64", one_pair("k", F64).u64(0)),
        ("bool", one_pair("k", BOOL).bytes(&[1])),
        ("string", one_pair("k", STR).string("1")),
        (
            "array of string",
            one_pair("k", ARRAY).array(STR, 1).string("1"),
        ),
        ("array of i8", one_pair("k", ARRAY).array(I8, 1).bytes(&[1])),
        ("array of f32", one_pair("k", ARRAY).array(F32, 1).u32(0)),
    ];
    let getters: [(&str, Ask, &[&str]); 8] = [
        ("u32", |f| f.metadata().u32("k").map(drop), &["u8", "u32"]),
        (
            "u64",
            |f| f.metadata().find_u64("k").map(drop),
            &["u8", "u32"],
        ),
        ("f32", |f| f.metadata().f32("k").map(drop), &["f32"]),
        ("bool", |f| f.metadata().find_bool("k").map(drop), &["bool"]),
        ("str", |f| f.metadata().str("k").map(drop), &["string"]),
        (
            "strs",
            |f| f.metadata().str_array("k").map(drop),
            &["array of string"],
        ),
        (
            "i32s",
            |f| f.metadata().find_i32_array("k").map(drop),
            &["array of i8"],
        ),
        (
            "f32s",
            |f| f.metadata().f32_array("k").map(drop),
            &["array of f32"],
        ),
    ];
    let mut cases = Vec::new();
    for (getter, ask, takes) in getters {
        for (name, file) in &values {
            if !takes.contains(name) {
                let id = format!("G23-{getter}-of-{name}");
                cases.push(wanting(id, file.clone(), ask, "WrongType", name));
            }
        }
    }
    cases
}
