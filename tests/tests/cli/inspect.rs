//! `inspect`, `estimate` and `devices`.

use gguf::{GgufFile, MetadataValue};
use integration_tests::models::{Change, Models, arg, synth};
use integration_tests::worker;
use synth_model::{Arch, ModelSpec, WeightTypes};

use crate::keys;

#[test]
fn a_sound_model_is_described_whole() {
    let models = Models::new();
    let spec = ModelSpec::tiny(Arch::Llama);
    let types = WeightTypes::q4_k_m(&spec);
    let path = models.file("mix.gguf", &synth(&spec.with_types(types)));
    let file = GgufFile::open(&path).unwrap();
    let document = worker(["inspect", "--format", "json", arg(&path)]).json();
    assert_eq!(document["model"], "mix.gguf");
    assert_eq!(document["architecture"], "llama");
    assert_eq!(document["file_bytes"], file.file_bytes());
    assert_eq!(
        document["metadata"].as_array().unwrap().len(),
        file.metadata().len()
    );
    assert_eq!(
        document["tensors"].as_array().unwrap().len(),
        file.n_tensors()
    );
    assert_eq!(document["problems"], serde_json::json!([]));
    assert_eq!(document["config"]["n_layers"], 2);
    assert_eq!(document["config"]["n_kv_heads"], 2);
    assert_eq!(document["tokenizer"]["vocab_size"], 288);
    assert_eq!(document["tokenizer"]["chat_template"], true);
    assert_eq!(document["memory"]["weight_bytes"], file.data_bytes());
    let devices = document["devices"].as_array().unwrap();
    assert_eq!(
        (&devices[0]["device"], &devices[0]["runs"]),
        (&"cpu".into(), &true.into())
    );

    let types = document["tensor_types"].as_array().unwrap();
    let sum = |key: &str| types.iter().map(|t| t[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(sum("tensors") as usize, file.n_tensors());
    assert_eq!(sum("bytes") as u64, file.data_bytes());
    assert!((sum("share") - 1.0).abs() < 1e-9);
    let names: Vec<&str> = types.iter().map(|t| t["type"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"Q4_K") && names.contains(&"Q6_K"),
        "{names:?}"
    );

    let ran = worker(["inspect", arg(&path)]).output();
    for part in [
        "blk.*.ffn_down.weight",
        "tokenizer.ggml.merges",
        "Q6_K",
        "kv cache",
        "runs on cpu",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in {}", ran.stdout);
    }
}

#[test]
fn what_will_not_run_is_named() {
    let models = Models::new();
    let arch = [("general.architecture", MetadataValue::from("mamba"))];
    let pre = [("tokenizer.ggml.pre", MetadataValue::from("klingon"))];
    let template = [("tokenizer.chat_template", MetadataValue::from("{% if %}"))];
    let rows: [(Change<'_>, bool, &str); 5] = [
        (
            Change {
                set: &arch,
                ..Change::default()
            },
            false,
            "architecture `mamba`",
        ),
        (
            Change {
                set: &pre,
                ..Change::default()
            },
            true,
            "klingon",
        ),
        (
            Change {
                set: &template,
                ..Change::default()
            },
            true,
            "chat template",
        ),
        (
            Change {
                drop_tensors: &[""],
                ..Change::default()
            },
            false,
            "no weights",
        ),
        (
            Change {
                drop_tensors: &["blk.0.attn_k.bias"],
                ..Change::default()
            },
            false,
            "blk.0.attn_k.bias",
        ),
    ];
    for (change, runs, needle) in rows {
        let path = models.changed("odd.gguf", change);
        let document = worker(["inspect", "--format", "json", arg(&path)]).json();
        let problems = document["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].as_str().unwrap().contains(needle),
            "{problems:?}"
        );
        assert_eq!(document["devices"][0]["runs"], runs, "{needle}");
        let ran = worker(["inspect", arg(&path)]).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        let told = ran.stdout.lines().filter(|line| {
            let is_verdict = line.starts_with("problem: ") || line.starts_with("runs nowhere: ");
            is_verdict && line.contains(needle)
        });
        assert_eq!(told.count(), 1, "{needle}: {}", ran.stdout);
    }
}

#[test]
fn tensors_of_types_that_nothing_decodes_are_counted() {
    let models = Models::new();
    let mut writer = gguf::Writer::new();
    writer.metadata("general.architecture", "llama");
    for name in ["a", "b"] {
        writer.tensor(name, &[32], gguf::TensorType::Iq4Nl, vec![0; 18]);
    }
    let path = models.file("iq.gguf", &writer.to_bytes().unwrap());
    let document = worker(["inspect", "--format", "json", arg(&path)]).json();
    let problem = document["problems"][0].as_str().unwrap();
    assert_eq!(
        problem,
        "2 tensors are stored as IQ4_NL, which is not supported"
    );
}

#[test]
fn estimates_follow_context_and_batch() {
    let models = Models::new();
    let tiny = models.tiny();
    let estimate = |args: &[&str]| {
        let args = [&["estimate", "--format", "json", arg(&tiny)], args].concat();
        worker(args).json()["memory"].clone()
    };
    let whole = estimate(&[]);
    // 2 layers of keys and values, 2 heads of 64 channels, 2 bytes each.
    assert_eq!(whole["kv_bytes_per_token"], 2 * 2 * 2 * 64 * 2);
    assert_eq!(whole["context_length"], 512);
    assert_eq!(whole["kv_bytes"], 512 * 1024);
    assert_eq!(estimate(&["-c", "128"])["kv_bytes"], 128 * 1024);
    assert_eq!(
        estimate(&["-c", "128", "--batch", "3"])["kv_bytes"],
        3 * 128 * 1024
    );
    let sum = ["weight_bytes", "kv_bytes", "scratch_bytes"].map(|key| whole[key].as_u64().unwrap());
    assert_eq!(whole["total_bytes"], sum.iter().sum::<u64>());
    let ran = worker(["estimate", arg(&tiny), "-c", "513"]).output();
    assert_eq!(ran.code, 1);
    assert!(
        ran.error().contains("513") && ran.error().contains("512"),
        "{ran:?}"
    );
}

#[test]
fn what_memory_cannot_hold_is_refused_before_it_is_taken() {
    let models = Models::new();
    let tiny = ModelSpec::tiny(Arch::Qwen2);
    let spec = ModelSpec {
        context_length: 1 << 24,
        n_layers: 16,
        n_kv_heads: 4,
        ..tiny
    };
    let path = models.file("long.gguf", &synth(&spec));
    let memory =
        &worker(["estimate", "--format", "json", arg(&path), "-c", "16777216"]).json()["memory"];
    let (needed, free) = (
        memory["total_bytes"].as_u64(),
        memory["host_available_bytes"].as_u64(),
    );
    if free.is_none_or(|free| free > needed.unwrap()) {
        eprintln!("skipped: {free:?} bytes are free here, {needed:?} are needed");
        return;
    }
    for command in [
        &["generate", "--prompt", "a", "--model"][..],
        &["trace", "--prompt", "a", "--model"],
    ] {
        let ran = worker(command.iter().chain(&[arg(&path), "-c", "16777216"])).output();
        assert_eq!(ran.code, 1, "{ran:?}");
        let error = ran.error();
        assert!(
            error.contains("bytes are needed") && error.contains("would fit"),
            "{error}"
        );
    }
}

#[test]
fn devices_are_listed_with_reasons() {
    let document = worker(["devices", "--format", "json"]).json();
    assert_eq!(keys(&document), ["devices"]);
    let devices = document["devices"].as_array().unwrap();
    assert_eq!(
        (&devices[0]["name"], &devices[0]["available"]),
        (&"cpu".into(), &true.into())
    );
    for device in devices {
        let is_explained = device["reason"].is_string() != device["available"].as_bool().unwrap();
        assert!(is_explained, "{device}");
    }
    let ran = worker(["devices"]).output();
    assert!(
        ran.stdout.contains("cpu") && ran.stdout.contains("cuda:0"),
        "{ran:?}"
    );
}
