//! `chat`, with lines instead of a terminal.

use integration_tests::models::{Change, Models, arg};

use crate::with_model;

#[test]
fn a_conversation_is_kept_saved_and_forgotten() {
    let models = Models::new();
    let tiny = models.tiny();
    let (first, second) = (models.path("first.json"), models.path("second.json"));
    let (first, second) = (arg(&first), arg(&second));
    let lines =
        format!("hello\n/save {first}\nthe sea\n/reset\nhello\n/save {second}\n/exit\nno\n");
    let args = ["--temperature", "0", "-n", "4", "--system", "be"];
    let ran = with_model("chat", &tiny, &args).stdin(lines).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    let load = |path: &str| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let turns = load(first);
    let said: Vec<_> = turns
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["role"])
        .collect();
    assert_eq!(said, ["system", "user", "assistant"]);
    assert_eq!(turns[1]["content"], "hello");
    assert_eq!(load(second), turns, "the same beginning, the same answer");
    let answer = turns[2]["content"].as_str().unwrap();
    assert!(ran.stdout.starts_with(answer), "{ran:?}");

    // The answer is what `generate` gives for the same beginning.
    let args = [&args[..], &["--prompt", "hello", "--format", "json"]].concat();
    assert_eq!(with_model("generate", &tiny, &args).json()["text"], answer);
}

#[test]
fn what_was_computed_is_not_computed_again() {
    let models = Models::new();
    let tiny = models.tiny();
    let args = [
        "-v",
        "--log-format",
        "json",
        "--temperature",
        "0",
        "-n",
        "3",
    ];
    let ran = with_model("chat", &tiny, &args)
        .stdin("hello\nthe sea\n")
        .output();
    let lines = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let prefills: Vec<serde_json::Value> = lines
        .filter(|line: &serde_json::Value| line["message"] == "prefill")
        .collect();
    let figure = |turn: usize, key: &str| prefills[turn][key].as_u64().unwrap();
    assert_eq!((prefills.len(), figure(0, "reused")), (2, 0));
    // All of the first prompt, at least.
    assert!(figure(1, "reused") >= figure(0, "tokens"), "{prefills:?}");
}

#[test]
fn what_goes_wrong_does_not_end_the_conversation() {
    let models = Models::new();
    let tiny = models.tiny();
    let lines = format!(
        "/nonsense\n/save\n/save /no/such/folder/f\n{}\n/help\nhello\n",
        "ab ".repeat(300)
    );
    let ran = with_model("chat", &tiny, &["-n", "2"])
        .stdin(lines)
        .output();
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "no such command",
        "/save needs a file name",
        "cannot write /no/such/folder/f",
        "no answer:",
        "do not fit in the context of 512",
        "/reset ",
    ] {
        assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
    }
    assert!(!ran.stdout.is_empty(), "the last message is answered");
}

#[test]
fn a_model_without_template_cannot_chat() {
    let models = Models::new();
    let change = Change {
        drop_keys: &["tokenizer.chat_template"],
        ..Change::default()
    };
    let model = models.changed("plain.gguf", change);
    let ran = with_model("chat", &model, &[]).stdin("hello\n").output();
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("no chat template"), "{ran:?}");
}
