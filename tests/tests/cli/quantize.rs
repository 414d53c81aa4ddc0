//! `quantize`: another file of the same model.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gguf::{GgufFile, TensorType};
use integration_tests::models::{self, Change, Models, arg};
use integration_tests::{binary, wait, worker};
use synth_model::{Arch, ModelSpec, WeightTypes};

use crate::with_model;

/// The tiny model in F16.
fn original(models: &Models) -> std::path::PathBuf {
    let types = WeightTypes::uniform(TensorType::F16);
    let spec = ModelSpec::tiny(Arch::Llama).with_types(types);
    models.file("original.gguf", &models::synth(&spec))
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_type_runs_and_says_what_it_is() {
    let models = Models::new();
    let original = original(&models);
    let before = with_model(
        "generate",
        &original,
        &["--raw", "-p", "hi", "--max-tokens", "4"],
    )
    .output();
    assert_eq!(before.code, 0, "{before:?}");
    let rows = [
        ("F32", 0, TensorType::F32),
        ("bf16", 32, TensorType::Bf16),
        ("Q8_0", 7, TensorType::Q8_0),
        ("q4_k_m", 15, TensorType::Q4K),
        ("Q4_K", 15, TensorType::Q4K),
        ("Q5_K_S", 16, TensorType::Q5K),
        ("Q6_K", 18, TensorType::Q6K),
        ("Q3_K_M", 12, TensorType::Q3K),
        ("Q2_K", 10, TensorType::Q2K),
        ("Q4_0", 2, TensorType::Q4_0),
    ];
    for (name, file_type, tensor_type) in rows {
        let out = models.path(&format!("{name}.gguf"));
        let ran = worker(["quantize", arg(&original), arg(&out), name]).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains(tensor_type.name()), "{ran:?}");
        assert!(ran.stderr.contains("bits each"), "{ran:?}");

        let (old, new) = (
            GgufFile::open(&original).expect("a model"),
            GgufFile::open(&out).expect("a model"),
        );
        assert_eq!(
            new.metadata().u32("general.file_type").expect("a type"),
            file_type
        );
        assert!(new.warnings().is_empty());
        assert_eq!(new.n_tensors(), old.n_tensors());
        let gate = new.tensor("blk.0.ffn_gate.weight").expect("a tensor");
        assert_eq!(gate.tensor_type(), tensor_type, "{name}");
        let norm = "blk.1.attn_norm.weight";
        assert_eq!(
            new.tensor(norm).expect("a norm").bytes(),
            old.tensor(norm).expect("a norm").bytes()
        );
        let ran = with_model(
            "generate",
            &out,
            &["--raw", "-p", "hi", "--max-tokens", "4"],
        )
        .output();
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
    }
}

#[test]
fn threads_change_nothing_and_pure_means_pure() {
    let models = Models::new();
    let original = original(&models);
    let make = |name: &str, flags: &[&str]| {
        let out = models.path(name);
        let args = ["quantize", arg(&original), arg(&out), "Q3_K_M"];
        let ran = worker(args.iter().chain(flags)).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        (fs::read(&out).expect("a file"), ran.stdout)
    };
    let (one, types) = make("one.gguf", &["--threads", "1"]);
    let (three, _) = make("three.gguf", &["--threads", "3"]);
    assert!(one == three);
    assert!(types.contains("Q6_K"), "{types}");
    let (_, types) = make("pure.gguf", &["--pure"]);
    assert!(types.contains("Q3_K") && !types.contains("Q6_K"), "{types}");
}

#[test]
fn nonsense_is_refused_and_leaves_nothing() {
    let models = Models::new();
    let original = original(&models);
    let quantized = models.tiny();
    let poisoned = models.file(
        "poisoned.gguf",
        &models::changed(
            &models::synth(
                &ModelSpec::tiny(Arch::Llama).with_types(WeightTypes::uniform(TensorType::F32)),
            ),
            Change {
                poison: &["blk.1.ffn_up.weight"],
                ..Change::default()
            },
        ),
    );
    let vocabulary = models.changed(
        "vocabulary.gguf",
        Change {
            drop_tensors: &[""],
            drop_keys: &["qwen2.block_count"],
            ..Change::default()
        },
    );
    let existing = models.file("existing.gguf", b"precious");
    let nowhere = models.path("no/such/folder/out.gguf");
    let (out, folder) = (models.path("out.gguf"), models.path(""));
    let before = names(&models.path(""));
    let rows: [(&[&str], i32, &str); 9] = [
        (
            &[arg(&original), arg(&original), "Q8_0"],
            2,
            "is the file to read",
        ),
        (&[arg(&original), arg(&existing), "Q8_0"], 2, "--force"),
        (&[arg(&original), arg(&folder), "Q8_0"], 2, "is a folder"),
        (
            &[arg(&original), arg(&nowhere), "Q8_0"],
            1,
            "make the folder first",
        ),
        (
            &[arg(&quantized), arg(&out), "Q4_K_M"],
            1,
            "--allow-requantize",
        ),
        (
            &[arg(&poisoned), arg(&out), "Q4_K_M"],
            1,
            "row 0 of tensor `blk.1.ffn_up.weight` holds NaN",
        ),
        (&[arg(&vocabulary), arg(&out), "Q4_K_M"], 1, "no weights"),
        (&[arg(&existing), arg(&out), "Q4_K_M"], 1, "not a GGUF file"),
        (&["missing.gguf", arg(&out), "Q4_K_M"], 1, "missing.gguf"),
    ];
    for (args, code, expected) in rows {
        let ran = worker(["quantize"].iter().chain(args)).output();
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.error().contains(expected), "{ran:?}");
    }
    assert_eq!(names(&models.path("")), before);
    assert_eq!(fs::read(&existing).expect("a file"), b"precious");
}

#[test]
fn flags_say_yes_to_what_is_refused() {
    let models = Models::new();
    let (original, quantized) = (original(&models), models.tiny());
    let existing = models.file("existing.gguf", b"not so precious");
    let out = models.path("out.gguf");
    let ran = worker(["quantize", arg(&original), arg(&out), "Q9_K"]).output();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("Q4_K_M"), "{ran:?}");

    for (flag, from, to) in [
        ("--force", &original, &existing),
        ("--allow-requantize", &quantized, &out),
    ] {
        let ran = worker(["quantize", arg(from), arg(to), "Q4_K_M", flag]).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        GgufFile::open(to).expect("a model");
    }
}

/// A disk that holds no more is played by a limit on the size of files.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing() {
    let models = Models::new();
    let original = original(&models);
    let out = models.path("out.gguf");
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" quantize \"$1\" \"$2\" Q8_0";
    let output = Command::new("sh")
        .args(["-c", script])
        .args([binary(), &original, &out])
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: cannot write"), "{stderr}");
    assert_eq!(names(&models.path("")), ["original.gguf"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing() {
    let models = Models::new();
    let types = WeightTypes::uniform(TensorType::F16);
    let spec = ModelSpec {
        n_layers: 60,
        ..ModelSpec::tiny(Arch::Llama).with_types(types)
    };
    let original = models.file("original.gguf", &models::synth(&spec));
    let out = models.path("out.gguf");
    let args = [
        "quantize",
        arg(&original),
        arg(&out),
        "Q2_K",
        "--threads",
        "1",
    ];
    let mut child = Command::new(binary())
        .args(args)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    while names(&models.path("")).len() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("a kill").success());
    assert_eq!(wait(&mut child), 130);
    assert_eq!(names(&models.path("")), ["original.gguf"]);
}
