//! Wrong input: one `error:` line that says what, where and what to do, and the right exit code.

use std::path::PathBuf;

use gguf::MetadataValue;
use integration_tests::models::{Change, Models, arg, tiny};
use integration_tests::worker;

use crate::with_model;

/// Runs `generate` on a file; checks the exit code and that the error holds all of `needles`.
fn check_model(model: &std::path::Path, needles: &[&str]) {
    let ran = with_model("generate", model, &["--prompt", "a", "--device", "cpu"]).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.stdout, "");
    let error = ran.error();
    for needle in needles.iter().chain(&[arg(model)]) {
        assert!(error.contains(needle), "no `{needle}` in `{error}`");
    }
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[test]
fn files_that_are_no_models() {
    let models = Models::new();
    let whole = tiny();
    let html = b"<!DOCTYPE html><html><body>Sign in</body></html>";
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    check_model(&models.path("none.gguf"), &["cannot open", "No such file"]);
    check_model(models.path("").as_path(), &["not a regular file", ".gguf"]);
    check_model(&models.file("empty.gguf", b""), &["empty"]);
    check_model(
        &models.file("page.gguf", html),
        &["not a GGUF file", "web page"],
    );
    check_model(
        &models.file("lfs.gguf", pointer),
        &["not a GGUF file", "LFS"],
    );
    check_model(
        &models.file("notes.gguf", b"hello there"),
        &["not a GGUF file"],
    );
    check_model(
        &models.file("cut.gguf", &whole[..200]),
        &["the file is damaged"],
    );
    check_model(
        &models.file("stub.gguf", &whole[..12]),
        &["ends inside", "download it again"],
    );
    check_model(
        &models.file("half.gguf", &whole[..whole.len() / 2]),
        &["cut short", "download it again"],
    );
}

#[test]
fn models_that_cannot_run() {
    let models = Models::new();
    let arch = [("general.architecture", MetadataValue::from("mamba"))];
    let pre = [("tokenizer.ggml.pre", MetadataValue::from("klingon"))];
    let rows: [(&str, Change<'_>, &[&str]); 6] = [
        (
            "mamba.gguf",
            Change {
                set: &arch,
                ..Change::default()
            },
            &["architecture `mamba` is not supported", "qwen2"],
        ),
        (
            "gap.gguf",
            Change {
                drop_tensors: &["blk.1.ffn_up"],
                ..Change::default()
            },
            &["blk.1.ffn_up.weight"],
        ),
        (
            "vocab.gguf",
            Change {
                drop_tensors: &[""],
                ..Change::default()
            },
            &["vocabulary but no weights"],
        ),
        (
            "key.gguf",
            Change {
                drop_keys: &["qwen2.block_count"],
                ..Change::default()
            },
            &["qwen2.block_count"],
        ),
        (
            "mute.gguf",
            Change {
                drop_keys: &["tokenizer."],
                ..Change::default()
            },
            &["tokenizer.ggml"],
        ),
        (
            "klingon.gguf",
            Change {
                set: &pre,
                ..Change::default()
            },
            &["klingon", "pre-tokenizer"],
        ),
    ];
    for (name, change, needles) in rows {
        check_model(&models.changed(name, change), needles);
    }
}

#[test]
fn requests_that_cannot_be_met() {
    let models = Models::new();
    let tiny = models.tiny();
    let long = "word ".repeat(600);
    let rows: [(&[&str], &[&str]); 12] = [
        (
            &["--prompt", "a", "--context-length", "513"],
            &["513", "512"],
        ),
        (
            &["--raw", "--prompt", &long],
            &["do not fit", "512", "shorten"],
        ),
        (&["--prompt", ""], &["prompt is empty"]),
        (&["-"], &["prompt is empty"]),
        (&["--prompt-ids", ""], &["prompt is empty"]),
        (&["--prompt-ids", "1,288"], &["288"]),
        (
            &["--prompt-file", "/no/such/prompt"],
            &["cannot read /no/such/prompt"],
        ),
        (&["--prompt", "a", "--logit-bias", "288=1"], &["288"]),
        (
            &["--prompt", "a", "--device", "cuda"],
            &["cuda:0 cannot be used"],
        ),
        (
            &["--prompt", "a", "--device", "cuda:7"],
            &["cuda:7 cannot be used"],
        ),
        (
            &["--raw", "--context-length", "2", "--prompt", "abc"],
            &["3 tokens", "context of 2"],
        ),
        (
            &["--raw", "--prompt", "a", "--context-length", "4294967295"],
            &["4294967295", "512"],
        ),
    ];
    for (args, needles) in rows {
        let ran = with_model("generate", &tiny, args).output();
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        let error = ran.error();
        for needle in needles {
            assert!(
                error.contains(needle),
                "{args:?}: no `{needle}` in `{error}`"
            );
        }
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn text_that_is_no_utf8() {
    let models = Models::new();
    let tiny = models.tiny();
    let bytes = b"fine\xff\xfe";
    let file = models.file("prompt.txt", bytes);
    let piped = with_model("generate", &tiny, &["-"]).stdin(*bytes).output();
    let from_file = with_model("generate", &tiny, &["--prompt-file", arg(&file)]).output();
    let tokenized = with_model("tokenize", &tiny, &["-"]).stdin(*bytes).output();
    for (ran, source) in [
        (piped, "stdin"),
        (from_file, arg(&file)),
        (tokenized, "stdin"),
    ] {
        assert_eq!(ran.code, 1, "{ran:?}");
        let expected = format!("{source} is not UTF-8: the first bad byte is at offset 4");
        assert!(ran.error().starts_with(&expected), "{ran:?}");
    }
}

#[test]
fn command_lines_that_make_no_sense() {
    let generate = |args: &[&'static str]| [&["generate"], args].concat();
    let prompted = |args: &[&'static str]| [&["generate", "--prompt", "a"], args].concat();
    let rows = [
        (vec!["nonsense"], "nonsense"),
        (vec!["generate", "--nonsense"], "--nonsense"),
        (generate(&[]), "no prompt"),
        (generate(&["model.gguf"]), "--model FILE"),
        (generate(&["--prompt-ids", "1,x"]), "`x` is no token id"),
        (generate(&["--prompt-ids", "4294967296"]), "4294967296"),
        (prompted(&["-"]), "cannot be used with"),
        (prompted(&["--prompt-file", "f"]), "cannot be used with"),
        (prompted(&["--raw", "--system", "s"]), "cannot be used with"),
        (prompted(&["--logprobs", "2"]), "--format json"),
        (prompted(&["--temperature", "2.1"]), "--temperature is 2.1"),
        (prompted(&["--temperature", "nan"]), "--temperature is NaN"),
        (prompted(&["--temperature", "warm"]), "warm"),
        (prompted(&["--temperature=-1"]), "--temperature is -1"),
        (prompted(&["--top-p", "0"]), "--top-p is 0"),
        (prompted(&["--top-k=-1"]), "-1"),
        (prompted(&["--min-p", "1.5"]), "--min-p is 1.5"),
        (
            prompted(&["--repetition-penalty", "0"]),
            "--repetition-penalty is 0",
        ),
        (
            prompted(&["--presence-penalty", "-3"]),
            "--presence-penalty is -3",
        ),
        (
            prompted(&["--frequency-penalty", "inf"]),
            "--frequency-penalty is inf",
        ),
        (prompted(&["--max-tokens", "0"]), "0"),
        (prompted(&["--threads", "0"]), "0"),
        (prompted(&["--context-length", "0"]), "0"),
        (prompted(&["--seed", "-1"]), "-1"),
        (
            prompted(&["--seed", "18446744073709551616"]),
            "18446744073709551616",
        ),
        (prompted(&["--stop", ""]), "--stop"),
        (prompted(&["--logit-bias", "5"]), "ID=BIAS"),
        (
            prompted(&["--device", "gpu"]),
            "expected auto, cpu, cpu:exact, cuda",
        ),
        (prompted(&["--log-format", "xml"]), "xml"),
        (vec!["tokenize", "--stdin0", "text"], "cannot be used with"),
        (vec!["detokenize", "one"], "`one` is no token id"),
        (vec!["trace"], "no prompt"),
        (vec!["bench", "--reps", "0"], "0"),
        (vec!["bench", "-p", "a"], "a"),
        (vec!["bench", "-p", "0", "-n", "0"], "nothing to measure"),
        (vec!["trace", "--prompt", "a", "--tolerance", "nan"], "nan"),
        (vec!["estimate", "--batch", "0"], "0"),
    ];
    for (args, needle) in rows {
        let ran = worker(&args).output();
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.error().contains(needle), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn every_command_names_the_missing_file() {
    let path = "/no/such/model.gguf";
    let rows: [&[&str]; 8] = [
        &["generate", "--prompt", "a", "--model", path],
        &["chat", "--model", path],
        &["inspect", path],
        &["estimate", path],
        &["tokenize", "--model", path, "a"],
        &["detokenize", "--model", path, "1"],
        &["bench", path],
        &["trace", "--model", path, "--prompt", "a"],
    ];
    for args in rows {
        let ran = worker(args).output();
        assert_eq!(ran.code, 1, "{args:?}: {ran:?}");
        assert!(ran.error().contains(path), "{args:?}: {ran:?}");
    }
}

#[test]
fn numbers_that_are_none_fail_the_request() {
    let models = Models::new();
    let poison = Change {
        poison: &["blk.1.attn_norm.weight"],
        ..Change::default()
    };
    let model = models.changed("nan.gguf", poison);
    let ran = with_model("generate", &model, &["--prompt", "a"]).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.error().contains("non-finite") && ran.error().contains("trace"),
        "{ran:?}"
    );

    let ran = with_model("trace", &model, &["--prompt", "a"]).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.error().starts_with("attn_norm of layer 1 produced"),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("logits"),
        "the table is shown all the same"
    );
}

#[test]
fn as_json_errors_are_one_document_a_line() {
    let args = [
        "generate",
        "--log-format",
        "json",
        "--prompt",
        "a",
        "--model",
        "/none",
    ];
    let ran = worker(args).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<serde_json::Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let errors: Vec<_> = lines
        .iter()
        .filter(|line| line["level"] == "ERROR")
        .collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0]["message"].as_str().unwrap().contains("/none"));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = PathBuf::from("/dev/full");
    let Ok(sink) = std::fs::OpenOptions::new().write(true).open(&full) else {
        eprintln!("skipped: no {}", full.display());
        return;
    };
    let ran = worker(["devices"]).stdout(sink).run();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.error().starts_with("cannot write to stdout"), "{ran:?}");
}
