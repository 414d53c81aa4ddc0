//! `tokenize` and `detokenize`.

use integration_tests::models::{Change, Models, arg};
use integration_tests::worker;
use serde_json::json;

use crate::with_model;

#[test]
fn tokens_are_shown_and_turned_back() {
    let models = Models::new();
    // Vocabulary-only files tokenize too.
    let vocab = models.changed(
        "vocab.gguf",
        Change {
            drop_tensors: &[""],
            ..Change::default()
        },
    );
    let ran = with_model("tokenize", &vocab, &["hello the\n"]).output();
    assert_eq!(
        ran.stdout, "268\t\"hello\"\n263\t\" the\"\n10\t\"\\n\"\n",
        "{ran:?}"
    );
    let document = with_model("tokenize", &vocab, &["--format", "json", "-"])
        .stdin("hello")
        .json();
    assert_eq!(document, json!({"tokens": [{"id": 268, "text": "hello"}]}));
    for ids in [vec!["268,263"], vec!["268", "263"], vec!["268, 263"]] {
        let ran = with_model("detokenize", &vocab, &ids).output();
        assert_eq!(ran.stdout, "hello the\n", "{ran:?}");
    }
    let ran = with_model("detokenize", &vocab, &["-"])
        .stdin("268\n263\n")
        .output();
    assert_eq!(ran.stdout, "hello the\n");
    let ran = with_model("detokenize", &vocab, &["288"]).output();
    assert_eq!(
        (ran.code, ran.error().contains("288")),
        (1, true),
        "{ran:?}"
    );
}

#[test]
fn control_tokens_are_text_where_nothing_is_special() {
    let models = Models::new();
    let tiny = models.tiny();
    let text = "a<|im_end|>";
    let ids = |args: &[&str]| -> Vec<u64> {
        let document =
            with_model("tokenize", &tiny, &[&["--format", "json"], args].concat()).json();
        let tokens = document["tokens"].as_array().unwrap().iter();
        tokens.map(|token| token["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&[text]), [97, 274]);
    let plain = ids(&["--no-special", text]);
    assert!(plain.len() > 2 && !plain.contains(&274), "{plain:?}");
    // A bos that the file asks for is added, but not to plain text.
    let bos = [(
        "tokenizer.ggml.add_bos_token",
        gguf::MetadataValue::from(true),
    )];
    let model = models.changed(
        "bos.gguf",
        Change {
            set: &bos,
            ..Change::default()
        },
    );
    let document = |args: &[&str]| {
        let args = [&["--format", "json"], args].concat();
        with_model("tokenize", &model, &args).json()["tokens"][0]["id"].clone()
    };
    assert_eq!(document(&["a"]), 272);
    assert_eq!(document(&["--no-special", "a"]), 97);
}

#[test]
fn texts_between_nuls_are_documents_on_lines() {
    let models = Models::new();
    let tiny = models.tiny();
    let hello = r#"{"tokens":[{"id":268,"text":"hello"}]}"#;
    let the = r#"{"tokens":[{"id":263,"text":" the"}]}"#;
    let none = r#"{"tokens":[]}"#;
    for input in ["hello\0 the\0\0", "hello\0 the\0\0"] {
        let ran = with_model("tokenize", &tiny, &["--stdin0"])
            .stdin(input)
            .output();
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines, [hello, the, none], "{ran:?}");
    }
    let ran = with_model("tokenize", &tiny, &["--stdin0"])
        .stdin("hello\0 the")
        .output();
    assert_eq!(ran.stdout, format!("{hello}\n{the}\n"));
}

#[test]
fn every_byte_comes_back() {
    let models = Models::new();
    let tiny = models.tiny();
    let text = "い Ġ é \u{1f600} \t\u{7f}\r\n end";
    let document = with_model("tokenize", &tiny, &["--format", "json", "-"])
        .stdin(text)
        .json();
    let tokens = document["tokens"].as_array().unwrap().iter();
    let ids: Vec<String> = tokens.map(|token| token["id"].to_string()).collect();
    let args = ["--format", "json", &ids.join(",")];
    assert_eq!(
        with_model("detokenize", &tiny, &args).json(),
        json!({"text": text})
    );
}

/// Real vocabularies, where they lie beside the project.
#[test]
fn real_vocabularies_give_their_ids() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vocab");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no {}", folder.display());
        return;
    };
    let mut n_files = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        n_files += 1;
        let beside = |extension: &str| {
            std::fs::read_to_string(format!("{}.{extension}", arg(&path))).unwrap()
        };
        let texts = beside("inp").replace("\n__ggml_vocab_test__\n", "\0");
        let ran = worker([
            "tokenize",
            "--model",
            arg(&path),
            "--no-special",
            "--stdin0",
        ])
        .stdin(texts)
        .output();
        let found = ran.stdout.lines().map(|line| {
            let document: serde_json::Value = serde_json::from_str(line).unwrap();
            let tokens = document["tokens"].as_array().unwrap().iter();
            tokens
                .map(|token| token["id"].to_string())
                .collect::<Vec<_>>()
        });
        let expected = beside("out");
        let expected = expected.lines().map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        assert!(found.eq(expected), "{}", path.display());
    }
    assert!(n_files > 0);
}
