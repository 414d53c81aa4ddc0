//! Every specification gives a file that opens, of the right shapes and deviations, and the same
//! one each time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use gguf::{GgufFile, TensorType};
use synth_model::{Arch, ModelSpec, RopeScaling, WeightTypes, cases, fnv1a, to_bytes};

const TYPES: [TensorType; 13] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::Bf16,
    TensorType::Q8_0,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q2K,
    TensorType::Q3K,
    TensorType::Q4K,
    TensorType::Q5K,
    TensorType::Q6K,
];

fn open(spec: &ModelSpec, seed: u64) -> GgufFile {
    GgufFile::from_bytes(to_bytes(spec, seed).unwrap()).unwrap()
}

/// Mean and deviation.
fn moments(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let square = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean, square.sqrt())
}

/// The bytes are fixed for ever: the logits kept for the cases belong to them.
#[test]
fn bytes_are_those_of_every_other_platform() {
    let hash = |arch, seed| fnv1a(&to_bytes(&ModelSpec::tiny(arch), seed).unwrap());
    assert_eq!(hash(Arch::Qwen2, 1), 0x6826_b1d1_7142_f350);
    assert_eq!(hash(Arch::Phi3, 2), 0x1f48_c891_d05e_dccd);
    assert_ne!(hash(Arch::Qwen2, 1), hash(Arch::Qwen2, 2));
}

#[test]
fn weights_of_every_type_have_mean_0_and_the_deviation_of_their_row() {
    for tensor_type in TYPES {
        let types = WeightTypes::uniform(tensor_type);
        let file = open(&ModelSpec::tiny(Arch::Llama).with_types(types), 5);
        for name in [
            "token_embd.weight",
            "blk.1.attn_q.weight",
            "blk.0.ffn_down.weight",
        ] {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(tensor.tensor_type(), tensor_type, "{name}");
            let (mean, deviation) = moments(&tensor.to_f32().unwrap());
            let relative = deviation * (tensor.row_len() as f64).sqrt();
            assert!(
                (relative - 1.0).abs() < 0.06,
                "{name} {tensor_type}: {relative}"
            );
            assert!(
                mean.abs() < 0.05 * deviation,
                "{name} {tensor_type}: mean {mean}"
            );
        }
        let (mean, deviation) = moments(
            &file
                .tensor("blk.0.ffn_norm.weight")
                .unwrap()
                .to_f32()
                .unwrap(),
        );
        assert!((mean - 1.0).abs() < 0.05 && (deviation - 0.1).abs() < 0.03);
    }
}

#[test]
fn every_case_opens_with_its_own_name_and_finite_weights() {
    let cases = cases();
    for (index, case) in cases.iter().enumerate() {
        assert!(
            cases[..index].iter().all(|other| other.name != case.name),
            "{}",
            case.name
        );
        let file = open(&case.spec, case.seed);
        assert_eq!(file.warnings(), gguf::Warnings::default(), "{}", case.name);
        assert_eq!(
            file.find_tensor("output.weight").is_none(),
            case.spec.tied,
            "{}",
            case.name
        );
        for tensor in file.tensors() {
            let values = tensor.to_f32().unwrap();
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{}",
                tensor.name()
            );
        }
    }
    for tensor_type in TYPES {
        let used = |case: &synth_model::Case| case.spec.types.type_of("x") == tensor_type;
        assert!(cases.iter().any(used), "no case of {tensor_type}");
    }
}

#[test]
fn one_tensor_does_not_depend_on_the_others() {
    let few = ModelSpec::tiny(Arch::Qwen3);
    let more = ModelSpec {
        n_layers: 3,
        vocab: 400,
        ..few.clone()
    };
    let (few, more) = (open(&few, 9), open(&more, 9));
    for tensor in few.tensors() {
        let bytes = more.tensor(tensor.name()).unwrap().bytes();
        assert_eq!(
            &bytes[..tensor.bytes().len()],
            tensor.bytes(),
            "{}",
            tensor.name()
        );
    }
}

#[test]
fn biases_are_large_where_asked_and_never_in_v() {
    let spec = cases()
        .into_iter()
        .find(|case| case.name == "qwen2-large-bias")
        .unwrap()
        .spec;
    let file = open(&spec, 1);
    let largest = |name: &str| {
        let values = file.tensor(name).unwrap().to_f32().unwrap();
        values
            .iter()
            .fold(0.0_f32, |max, value| max.max(value.abs()))
    };
    assert_eq!(largest("blk.0.attn_q.bias"), 30.0);
    assert!(largest("blk.0.attn_v.bias") < 1.0);
}

#[test]
fn contradictions_are_refused() {
    let tiny = ModelSpec::tiny(Arch::Llama);
    let mut odd_rope = tiny.clone();
    odd_rope.rope.dims = 66;
    let mut short_factors = tiny.clone();
    short_factors.rope.scaling = RopeScaling::LongRope {
        short: vec![1.0; 32],
        long: vec![1.0; 31],
        attn_factor: 1.0,
        original_context: 64,
    };
    let unaligned = ModelSpec {
        hidden: 224,
        ..tiny.clone()
    };
    for spec in [
        ModelSpec {
            n_kv_heads: 3,
            ..tiny.clone()
        },
        ModelSpec {
            vocab: 0,
            ..tiny.clone()
        },
        ModelSpec {
            vocab: 100,
            ..tiny.clone()
        },
        unaligned.with_types(WeightTypes::uniform(TensorType::Q4K)),
        tiny.with_types(WeightTypes::uniform(TensorType::Iq4Nl)),
        odd_rope,
        short_factors,
    ] {
        assert!(to_bytes(&spec, 1).is_err(), "{spec:?}");
    }
}

#[test]
fn the_command_line_writes_what_it_says() {
    let dir = std::env::temp_dir().join(format!("synth-model-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let run = |line: String| synth_model::run_cli(line.split(' ').map(str::to_owned));
    let (first, second) = (dir.join("first.gguf"), dir.join("second.gguf"));
    let (first, second) = (first.display(), second.display());
    run(format!(
        "--preset tiny-llama --type q4_k_m --seed 3 -o {first}"
    ))
    .unwrap();
    run(format!(
        "--preset tiny-phi3 --type q6_k --vocab {first} -o {second}"
    ))
    .unwrap();
    let spec = ModelSpec::tiny(Arch::Llama);
    let types = WeightTypes::q4_k_m(&spec);
    let expected = to_bytes(&spec.with_types(types), 3).unwrap();
    assert!(std::fs::read(dir.join("first.gguf")).unwrap() == expected);
    let copy = GgufFile::open(dir.join("second.gguf")).unwrap();
    let tokens = copy.metadata().str_array("tokenizer.ggml.tokens").unwrap();
    assert_eq!((tokens.len(), tokens.get(274)), (288, Some("<|im_end|>")));
    assert!(run("--help".to_owned()).unwrap().starts_with("usage"));
    assert!(run("--preset tiny-phi3".to_owned()).is_err());
    assert!(run(format!("--preset tiny-gpt2 -o {first}")).is_err());
    std::fs::remove_dir_all(dir).unwrap();
}
