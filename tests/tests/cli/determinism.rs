//! The same model, prompt and seed give the same tokens, in every process and with any number of
//! threads.

use std::collections::HashSet;

use integration_tests::models::Models;

use crate::with_model;

const RUNS: usize = 10;

#[test]
fn ten_runs_of_every_request_are_identical() {
    let models = Models::new();
    let tiny = models.tiny();
    let prompts = ["hello", "the sea", "an answer", "2 + 2 =", "い"];
    let mut outputs = HashSet::new();
    for prompt in prompts {
        for seed in ["42", "123", "999"] {
            for temperature in ["0.5", "0.7", "0.9"] {
                let texts: HashSet<String> = (0..RUNS)
                    .map(|run| {
                        let threads = if run % 2 == 0 { "1" } else { "2" };
                        let args = [
                            ["--prompt", prompt],
                            ["--seed", seed],
                            ["--temperature", temperature],
                            ["--threads", threads],
                            ["--max-tokens", "6"],
                        ];
                        let ran = with_model("generate", &tiny, args.as_flattened()).output();
                        assert_eq!(ran.code, 0, "{ran:?}");
                        ran.stdout
                    })
                    .collect();
                assert_eq!(texts.len(), 1, "{prompt} {seed} {temperature}: {texts:?}");
                outputs.extend(texts);
            }
        }
    }
    // Prompts and seeds do matter: hardly two of the 45 requests may agree.
    assert!(
        outputs.len() > 30,
        "only {} different outputs",
        outputs.len()
    );
}

#[test]
fn without_a_seed_outputs_differ_and_the_seed_is_told() {
    let models = Models::new();
    let tiny = models.tiny();
    let args = [
        "--prompt",
        "hello",
        "--temperature",
        "2",
        "-n",
        "12",
        "--format",
        "json",
    ];
    let documents = [(); 3].map(|()| with_model("generate", &tiny, &args).json());
    let seeds: HashSet<u64> = documents
        .iter()
        .map(|d| d["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds.len(), 3);
    let seed = documents[0]["seed"].to_string();
    let again = with_model("generate", &tiny, &[&args[..], &["--seed", &seed]].concat()).json();
    assert_eq!(again["tokens"], documents[0]["tokens"]);
    assert_ne!(again["tokens"], documents[1]["tokens"]);
}
