//! `perplexity`: how well a model predicts a text.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::models::{Change, Models, arg};
use integration_tests::worker;
use serde_json::Value;

use crate::keys;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The demo model in F32, in which all implementations compute alike, and a text that stays.
fn demo(models: &Models) -> (PathBuf, PathBuf) {
    let packed = Path::new(ROOT).join("models/haiku/haiku.gguf");
    let plain = models.path("haiku-f32.gguf");
    let args = [
        "quantize",
        arg(&packed),
        arg(&plain),
        "F32",
        "--allow-requantize",
    ];
    let ran = worker(args).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    (plain, Path::new(ROOT).join("LICENSE-APACHE"))
}

fn measure(args: &[&str]) -> Value {
    let flags = ["--device", "cpu", "--format", "json"];
    worker(["perplexity"].iter().chain(args).chain(&flags)).json()
}

fn number(document: &Value, key: &str) -> f64 {
    document[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no {key} in {document}"))
}

#[test]
fn figures_are_those_of_llama_perplexity() {
    let models = Models::new();
    let (model, text) = demo(&models);
    // `llama-perplexity -m haiku-f32.gguf -f LICENSE-APACHE --chunks 8 -c C -b C`
    let rows = [
        ("128", 35205.0378, 6874.9293, 504),
        ("101", 35466.1475, 8366.1922, 400),
    ];
    for (context, expected, error, n_scored) in rows {
        let args = [arg(&model), arg(&text), "-c", context, "--chunks", "8"];
        let found = measure(&args);
        assert!(
            (number(&found, "perplexity") / expected - 1.0).abs() < 1e-3,
            "{found}"
        );
        assert!(
            (number(&found, "perplexity_error") / error - 1.0).abs() < 1e-2,
            "{found}"
        );
        assert_eq!(found["chunks"], 8);
        assert_eq!(found["scored_tokens"], n_scored);
        assert_eq!(
            keys(&found),
            [
                "chunks",
                "context_length",
                "device",
                "model",
                "perplexity",
                "perplexity_error",
                "scored_tokens",
                "tokens_per_s"
            ]
        );
    }
}

#[test]
fn divergence_is_nothing_from_itself_and_grows_with_what_is_lost() {
    let models = Models::new();
    let (model, text) = demo(&models);
    let logits = models.path("base.logits");
    let common = ["-c", "64", "--chunks", "6"];
    let save = [arg(&model), arg(&text), "--save-logits", arg(&logits)];
    let base = measure(&[&save[..], &common].concat());
    let divergence = |model: &Path, more: &[&str]| {
        let found = measure(&[&[arg(model), "--kl-against", arg(&logits)], more].concat());
        let kept = number(&found, "base_perplexity") / number(&base, "perplexity");
        // The file tells log probabilities apart only so far below the best one.
        assert!(kept > 0.5 && kept < 1.001, "{found}");
        (
            number(&found, "kl_divergence"),
            number(&found, "same_top_token"),
        )
    };
    let (kl, same) = divergence(&model, &[]);
    assert!(kl.abs() < 1e-5 && same > 0.995, "{kl} {same}");

    let mut before = kl;
    for name in ["Q8_0", "Q4_K_M", "Q2_K"] {
        let out = models.path(name);
        let ran = worker(["quantize", arg(&model), arg(&out), name]).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        let (kl, _) = divergence(&out, &[arg(&text)]);
        assert!(kl > 3.0 * before, "{name}: {kl} after {before}");
        before = kl;
    }

    // The same text, but not as it was read.
    for more in [["-c", "128"], ["--context", "32"]] {
        let args = [arg(&model), arg(&text), "--kl-against", arg(&logits)];
        let ran = worker(["perplexity"].iter().chain(&args).chain(&more)).output();
        assert_eq!(ran.code, 1);
        assert!(ran.error().contains("6 chunks of 64 tokens"), "{ran:?}");
    }
    let ran = worker(["perplexity"].iter().chain(&save)).output();
    assert_eq!(
        (ran.code, ran.error().contains("--force")),
        (2, true),
        "{ran:?}"
    );
}

#[test]
fn every_chunk_begins_with_bos_where_the_model_asks_for_it() {
    let models = Models::new();
    let set = |value: bool| [("tokenizer.ggml.add_bos_token", value.into())];
    let [without, with] = [("without", false), ("with", true)].map(|(name, value)| {
        let bos = ("tokenizer.ggml.bos_token_id", 7_u32.into());
        let set = [set(value)[0].clone(), bos];
        let model = models.changed(
            name,
            Change {
                set: &set,
                ..Change::default()
            },
        );
        let text = models.file("text", "one two three four five six ".repeat(20).as_bytes());
        number(
            &measure(&[arg(&model), arg(&text), "-c", "32"]),
            "perplexity",
        )
    });
    assert!((with / without - 1.0).abs() > 1e-6, "{with} {without}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let models = Models::new();
    let model = models.tiny();
    let short = models.file("short.txt", b"too short");
    let binary = models.file("binary.txt", b"\xff\xfe");
    let damaged = models.file("damaged.logits", b"_logits_ and then nothing");
    let rows: [(&[&str], i32, &str); 6] = [
        (
            &[arg(&model), arg(&short)],
            1,
            "two chunks of 512 are needed",
        ),
        (&[arg(&model), arg(&binary)], 1, "not UTF-8"),
        (&[arg(&model)], 2, "name a FILE"),
        (&[arg(&model), "nowhere.txt"], 1, "nowhere.txt"),
        (
            &[arg(&model), "--kl-against", arg(&damaged)],
            1,
            "damaged.logits: this is no file",
        ),
        (&[arg(&short), arg(&short)], 1, "not a GGUF file"),
    ];
    for (args, code, expected) in rows {
        let ran = worker(["perplexity"].iter().chain(args)).output();
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.error().contains(expected), "{ran:?}");
    }
    let args = ["perplexity", arg(&model), arg(&short), "-c", "3"];
    assert_eq!(worker(args).output().code, 2);
    // Nothing of a failed run stays.
    let out = models.path("out.logits");
    let args = [arg(&model), arg(&short), "--save-logits", arg(&out)];
    assert_eq!(worker(["perplexity"].iter().chain(&args)).output().code, 1);
    let left = fs::read_dir(models.path("")).expect("a folder");
    assert!(!left.into_iter().any(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().contains("out.logits")
    }));
}
