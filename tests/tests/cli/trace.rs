//! `trace`, and how it finds where two computations part.

use gguf::GgufFile;
use integration_tests::models::{Models, arg, tiny};

use crate::{keys, with_model};

#[test]
fn every_operation_is_there_in_order() {
    let models = Models::new();
    let tiny = models.tiny();
    let args = ["--prompt", "hello the", "--format", "json"];
    let document = with_model("trace", &tiny, &args).json();
    assert_eq!(keys(&document), ["device", "model", "ops", "prompt_tokens"]);
    assert_eq!(document["prompt_tokens"], serde_json::json!([268, 263]));
    let ops = document["ops"].as_array().unwrap();
    let expected = [
        "first",
        "layer",
        "max",
        "mean",
        "min",
        "non_finite",
        "op",
        "rms",
        "shape",
    ];
    assert!(ops.iter().all(|op| keys(op) == expected));
    assert_eq!(
        (&ops[0]["op"], &ops[0]["layer"]),
        (&"embed".into(), &serde_json::Value::Null)
    );
    assert_eq!(ops[0]["shape"], serde_json::json!([2, 256]));
    let last = ops.last().unwrap();
    assert_eq!(
        (&last["op"], &last["shape"]),
        (&"logits".into(), &serde_json::json!([1, 288]))
    );
    for layer in [0, 1] {
        let of_layer = ops.iter().filter(|op| op["layer"] == layer).count();
        assert!(of_layer >= 8, "{of_layer} operations in layer {layer}");
    }
    let text = with_model("trace", &tiny, &args[..2]).output().stdout;
    assert_eq!(text.lines().count(), 1 + ops.len());
}

#[test]
fn the_first_operation_that_differs_is_named() {
    let models = Models::new();
    let sound = models.tiny();
    let trace = with_model("trace", &sound, &["--prompt", "hello", "--format", "json"]).output();
    let earlier = models.file("trace.json", trace.stdout.as_bytes());
    let against = ["--prompt", "hello", "--against", arg(&earlier)];

    // Not a bit is lost in the file, nor does it differ from run to run.
    let exact = [&against[..], &["--tolerance", "0", "--threads", "1"]].concat();
    let ran = with_model("trace", &sound, &exact).output();
    assert_eq!(ran.code, 0, "{ran:?}");

    let other = models.file("other.gguf", &doubled("blk.1.ffn_norm.weight"));
    let ran = with_model("trace", &other, &against).output();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.error().starts_with("ffn_norm of layer 1 differs by"),
        "{ran:?}"
    );
    let ran = with_model(
        "trace",
        &other,
        &[&against[..], &["--tolerance", "100"]].concat(),
    )
    .output();
    assert_eq!(ran.code, 0, "{ran:?}");

    let ran = with_model(
        "trace",
        &sound,
        &["--prompt", "hell", "--against", arg(&earlier)],
    )
    .output();
    assert!(
        ran.code == 1 && ran.error().contains("different prompts"),
        "{ran:?}"
    );
    let ran = with_model(
        "trace",
        &sound,
        &["--prompt", "hello", "--against", arg(&sound)],
    )
    .output();
    assert_eq!(ran.code, 1, "{ran:?}");
    let nonsense = models.file("nonsense.json", b"{}");
    let ran = with_model(
        "trace",
        &sound,
        &["--prompt", "a", "--against", arg(&nonsense)],
    )
    .output();
    assert!(ran.code == 1 && ran.error().contains("no trace"), "{ran:?}");
}

#[test]
fn a_long_prompt_is_traced_at_its_end_and_that_is_said() {
    let models = Models::new();
    let tiny = models.tiny();
    let prompt = "a".repeat(200);
    let ran = with_model("trace", &tiny, &["--prompt", &prompt]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr
            .contains("the trace covers the last 72 of the 200 tokens"),
        "{ran:?}"
    );
}

/// The tiny model with all values of an F32 tensor doubled.
fn doubled(name: &str) -> Vec<u8> {
    let file = GgufFile::from_bytes(tiny()).unwrap();
    let mut writer = gguf::Writer::new();
    for (key, value) in file.metadata().iter() {
        writer.metadata(key, value);
    }
    for tensor in file.tensors() {
        let mut bytes = tensor.bytes().to_vec();
        if tensor.name() == name {
            let values = tensor.to_f32().unwrap();
            bytes = values
                .iter()
                .flat_map(|value| (value * 2.0).to_le_bytes())
                .collect();
        }
        writer.tensor(tensor.name(), tensor.dims(), tensor.tensor_type(), bytes);
    }
    writer.to_bytes().unwrap()
}
