//! `bench`: its tests, its document, and that its figures agree with each other.

use gguf::GgufFile;
use integration_tests::models::{Models, arg};
use integration_tests::worker;

#[test]
fn figures_agree() {
    let models = Models::new();
    let tiny = models.tiny();
    let weights = GgufFile::open(&tiny).unwrap().data_bytes();
    let args = [
        "bench",
        arg(&tiny),
        "-p",
        "32,0",
        "-n",
        "8,16",
        "-d",
        "4",
        "-b",
        "2",
        "-r",
        "3",
        "--step-tokens",
        "7",
    ];
    let document = worker([&args[..], &["--format", "json"]].concat()).json();
    assert_eq!(document["weight_bytes"], weights);
    let read = document["read_gb_per_s"].as_f64().unwrap();
    assert!(read > 0.1, "{read}");
    let results = document["results"].as_array().unwrap();
    let names: Vec<&str> = results
        .iter()
        .map(|r| r["test"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "prefill 32 x 2 @ 4",
            "decode 8 x 2 @ 4",
            "decode 16 x 2 @ 4"
        ]
    );
    for result in results {
        let figure = |key: &str| result[key].as_f64().unwrap();
        let (rate, slowest, fastest) = (
            figure("tokens_per_s"),
            figure("tokens_per_s_min"),
            figure("tokens_per_s_max"),
        );
        assert!(slowest <= rate && rate <= fastest, "{result}");
        let samples = result["tokens_per_s_samples"].as_array().unwrap();
        assert_eq!(samples.len(), 3);
        assert!(
            samples
                .iter()
                .all(|sample| (slowest..=fastest).contains(&sample.as_f64().unwrap()))
        );
        assert!((figure("ms_per_token") * rate - 1e3).abs() < 1e-6);
    }
    assert_eq!(results[0]["gb_per_s"], serde_json::Value::Null);
    // 2 sequences share each reading of the weights; 4.5 positions more are cached on average.
    let decode = &results[1];
    let per_token = weights as f64 / 2.0 + 8.5 * 1024.0;
    assert_eq!(decode["bytes_per_token"].as_f64().unwrap(), per_token);
    let speed = per_token * decode["tokens_per_s"].as_f64().unwrap() / 1e9;
    assert!((decode["gb_per_s"].as_f64().unwrap() / speed - 1.0).abs() < 1e-3);
    assert!((decode["share_of_read"].as_f64().unwrap() / (speed / read) - 1.0).abs() < 1e-3);
}

#[test]
fn every_depth_with_every_number_of_sequences() {
    let models = Models::new();
    let tiny = models.tiny();
    let args = [
        "bench",
        arg(&tiny),
        "-p",
        "0",
        "-n",
        "2",
        "-d",
        "0,40",
        "-b",
        "1,3",
        "-r",
        "1",
    ];
    for more in [&[][..], &["--logits"]] {
        let document = worker([&args[..], &["--format", "json"], more].concat()).json();
        let results = document["results"].as_array().unwrap();
        let found: Vec<_> = results
            .iter()
            .map(|r| (&r["kind"], &r["batch"], &r["depth"]))
            .collect();
        let expected =
            [(1, 0), (1, 40), (3, 0), (3, 40)].map(|(b, d)| ("decode".into(), b.into(), d.into()));
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, b, d): &(serde_json::Value, _, _)| (k, b, d))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn tests_that_do_not_fit_are_refused_and_defaults_do_fit() {
    let models = Models::new();
    let tiny = models.tiny();
    let ran = worker(["bench", arg(&tiny), "-p", "513", "-r", "1"]).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.error().contains("513") && ran.error().contains("512"),
        "{ran:?}"
    );
    let ran = worker(["bench", arg(&tiny), "-d", "480", "-r", "1"]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("prefill 32 @ 480"), "{ran:?}");
}
