//! Files that are no model we can run: each is refused by name, none runs on zeros.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use gguf::{GgufFile, MetadataValue, TensorType, TensorView, Writer};
use llama_arch::{Device, Error, LlamaModel, LoadOptions, MemoryPlan};
use synth_model::{Arch, ModelSpec};

fn model(arch: Arch) -> GgufFile {
    let spec = ModelSpec::tiny(arch);
    GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap()
}

fn load(file: &GgufFile) -> Result<LlamaModel, Error> {
    LlamaModel::load(file, &Device::cpu_threads(1), LoadOptions::default())
}

type KeyEdit<'a> = dyn Fn(&str, MetadataValue) -> Option<MetadataValue> + 'a;
type TensorEdit<'a> = dyn Fn(TensorView<'_>) -> Option<(String, Vec<u64>)> + 'a;

/// A copy of a file with keys and tensors changed on the way; `None` drops one.
struct Edit<'a> {
    key: &'a KeyEdit<'a>,
    tensor: &'a TensorEdit<'a>,
}

const KEEP_KEY: &KeyEdit<'static> = &|_, value| Some(value);
const KEEP_TENSOR: &TensorEdit<'static> =
    &|tensor| Some((tensor.name().to_owned(), tensor.dims().to_vec()));

impl Edit<'_> {
    fn apply(&self, file: &GgufFile) -> GgufFile {
        let mut writer = Writer::new();
        for (key, value) in file.metadata().iter() {
            if let Some(value) = (self.key)(key, MetadataValue::from(value)) {
                writer.metadata(key, value);
            }
        }
        for tensor in file.tensors() {
            if let Some((name, dims)) = (self.tensor)(tensor) {
                let n: u64 = dims.iter().product();
                let bytes = tensor.tensor_type().row_bytes(n as usize).unwrap();
                // A tensor made larger gets zeros: it must be refused for its shape.
                let mut data = tensor.bytes().to_vec();
                data.resize(bytes, 0);
                writer.tensor(name, &dims, tensor.tensor_type(), data);
            }
        }
        GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap()
    }
}

fn with_key(file: &GgufFile, name: &str, value: impl Into<MetadataValue>) -> GgufFile {
    let value: MetadataValue = value.into();
    let absent = !file.metadata().contains(name);
    let replace = |key: &str, old| Some(if key == name { value.clone() } else { old });
    if absent {
        let mut writer = Writer::from_file(file);
        writer.metadata(name, value.clone());
        return GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap();
    }
    Edit {
        key: &replace,
        tensor: KEEP_TENSOR,
    }
    .apply(file)
}

#[test]
fn the_unchanged_copy_loads() {
    for arch in Arch::ALL {
        let file = model(arch);
        load(
            &Edit {
                key: KEEP_KEY,
                tensor: KEEP_TENSOR,
            }
            .apply(&file),
        )
        .unwrap();
    }
}

#[test]
fn every_missing_tensor_is_named() {
    for arch in Arch::ALL {
        let file = model(arch);
        let names: Vec<String> = file.tensors().map(|t| t.name().to_owned()).collect();
        for missing in &names {
            // Without `output.weight` the head is tied: a model, if another one.
            if missing == "output.weight" {
                continue;
            }
            let drop = |t: TensorView<'_>| {
                (t.name() != missing).then(|| (t.name().to_owned(), t.dims().to_vec()))
            };
            let error = load(
                &Edit {
                    key: KEEP_KEY,
                    tensor: &drop,
                }
                .apply(&file),
            )
            .err();
            let Some(error) = error else {
                panic!("{arch:?} runs without {missing}")
            };
            assert!(
                error.to_string().contains(missing.as_str()),
                "{missing}: {error}"
            );
        }
    }
}

#[test]
fn every_wrong_shape_is_named() {
    for arch in Arch::ALL {
        let file = model(arch);
        let names: Vec<String> = file.tensors().map(|t| t.name().to_owned()).collect();
        for wrong in &names {
            let rows = |t: TensorView<'_>| {
                let mut dims = t.dims().to_vec();
                if t.name() == wrong {
                    // One row more; for vectors, one block more.
                    let last = dims.len() - 1;
                    dims[last] += if last == 0 {
                        t.tensor_type().block_len() as u64
                    } else {
                        1
                    };
                }
                Some((t.name().to_owned(), dims))
            };
            let file = Edit {
                key: KEEP_KEY,
                tensor: &rows,
            }
            .apply(&file);
            match load(&file).err() {
                Some(Error::ShapeMismatch { name, .. }) => {
                    // One more row of embeddings is another vocabulary: the head disagrees.
                    let head = wrong == "token_embd.weight" && name == "output.weight";
                    assert!(head || &name == wrong, "{wrong}: {name}");
                }
                None if wrong == "token_embd.weight" => {}
                other => panic!("{arch:?} {wrong}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_tensor_of_no_use_is_named() {
    let mut writer = Writer::from_file(&model(Arch::Llama));
    writer.tensor("blk.0.attn_output.bias", &[4], TensorType::F32, vec![0; 16]);
    let file = GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap();
    let error = load(&file).err();
    let Some(Error::UnknownTensor {
        name,
        architecture: "llama",
    }) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(name, "blk.0.attn_output.bias");
}

#[test]
fn required_keys_are_named_when_missing_or_mistyped() {
    let required = [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.layer_norm_rms_epsilon",
    ];
    for arch in Arch::ALL {
        let file = model(arch);
        let keys = required.map(|name| format!("{}.{name}", arch.name()));
        for key in keys
            .iter()
            .map(String::as_str)
            .chain(["general.architecture"])
        {
            let drop = |k: &str, value| (k != key).then_some(value);
            let missing = load(
                &Edit {
                    key: &drop,
                    tensor: KEEP_TENSOR,
                }
                .apply(&file),
            )
            .err();
            assert!(missing.unwrap().to_string().contains(key), "{key} missing");
            for wrong in [
                MetadataValue::from(true),
                MetadataValue::from(vec![1_u32, 2]),
                MetadataValue::from(if key == "general.architecture" {
                    "gpt9"
                } else {
                    "seven"
                }),
            ] {
                let error = load(&with_key(&file, key, wrong))
                    .err()
                    .unwrap()
                    .to_string();
                assert!(
                    error.contains(key) || error.contains("gpt9"),
                    "{key} mistyped: {error}"
                );
            }
        }
    }
}

#[test]
fn hyperparameters_out_of_range_are_named() {
    let cases: Vec<(&str, MetadataValue)> = vec![
        ("attention.head_count", 0_u32.into()),
        ("attention.head_count", 3_u32.into()),
        ("attention.head_count_kv", 0_u32.into()),
        ("attention.head_count_kv", 3_u32.into()),
        ("attention.head_count_kv", 64_u32.into()),
        ("embedding_length", 0_u32.into()),
        ("embedding_length", u32::MAX.into()),
        ("feed_forward_length", 0_u32.into()),
        ("block_count", 0_u32.into()),
        ("block_count", u32::MAX.into()),
        ("context_length", 0_u32.into()),
        ("context_length", u64::MAX.into()),
        ("rope.dimension_count", 0_u32.into()),
        ("rope.dimension_count", 7_u32.into()),
        ("rope.dimension_count", 4096_u32.into()),
        ("rope.freq_base", 0.0_f32.into()),
        ("rope.freq_base", (-1.0_f32).into()),
        ("rope.freq_base", f32::NAN.into()),
        ("rope.freq_base", f32::INFINITY.into()),
        ("attention.layer_norm_rms_epsilon", (-1.0_f32).into()),
        ("attention.layer_norm_rms_epsilon", f32::NAN.into()),
        ("attention.value_length", 1_u32.into()),
        ("rope.scaling.type", "yarn".into()),
        ("expert_count", 8_u32.into()),
    ];
    let file = model(Arch::Llama);
    for (name, value) in cases {
        let key = format!("llama.{name}");
        let text = format!("{key} = {value:?}");
        let error = load(&with_key(&file, &key, value)).err();
        let Some(error) = error else {
            panic!("{text} is accepted")
        };
        assert!(
            matches!(
                error,
                Error::HparamOutOfRange { .. }
                    | Error::UnsupportedFeature { .. }
                    | Error::ShapeMismatch { .. }
            ),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn a_vocabulary_is_not_a_model() {
    let nothing = |_: TensorView<'_>| None;
    let file = Edit {
        key: KEEP_KEY,
        tensor: &nothing,
    }
    .apply(&model(Arch::Qwen2));
    assert!(matches!(load(&file), Err(Error::VocabularyOnly)));
    assert!(matches!(
        MemoryPlan::for_model(&file, 16),
        Err(Error::VocabularyOnly)
    ));
}

#[test]
fn a_context_beyond_the_model_is_refused() {
    let file = model(Arch::Qwen2);
    let model = load(&file).unwrap();
    let context = model.config().context_length;
    assert!(matches!(
        model.session(context + 1),
        Err(Error::ContextTooLong { .. })
    ));
    assert!(matches!(
        MemoryPlan::for_model(&file, context + 1),
        Err(Error::ContextTooLong { .. })
    ));
    model.session(context).unwrap();
}

#[test]
fn the_plan_counts_every_byte() {
    for arch in Arch::ALL {
        let file = model(arch);
        let config = load(&file).unwrap().config().clone();
        let plan = MemoryPlan::for_model(&file, 64).unwrap();
        let tensors: u64 = file.tensors().map(|t| t.bytes().len() as u64).sum();
        assert_eq!(plan.weight_bytes, tensors);
        let kv = 2 * 2 * config.n_layers * config.n_kv_heads * config.head_dim * 64;
        assert_eq!(plan.kv_bytes, kv as u64);
        assert_eq!(plan.kv_bytes_per_token, kv as u64 / 64);
        let total = plan.total_bytes();
        plan.check(total).unwrap();
        let Err(Error::OutOfMemory {
            needed,
            available,
            advice,
        }) = plan.check(total - 1)
        else {
            panic!("one byte short must not do")
        };
        assert_eq!((needed, available), (total, total - 1));
        assert!(advice.contains("63 positions"), "{advice}");
    }
}

#[test]
fn presets_hold_the_known_constants() {
    use llama_arch::LlamaConfig;
    for (preset, spec) in [
        (LlamaConfig::QWEN2_5_0_5B, ModelSpec::qwen2_5_0_5b()),
        (LlamaConfig::PHI_3_MINI_4K, ModelSpec::phi3_mini_4k()),
    ] {
        assert_eq!(preset.n_heads % preset.n_kv_heads, 0);
        assert_eq!(preset.n_heads * preset.head_dim, preset.hidden);
        let constants = [
            (preset.n_layers, spec.n_layers),
            (preset.hidden, spec.hidden),
            (preset.ffn, spec.ffn),
            (preset.n_heads, spec.n_heads),
            (preset.n_kv_heads, spec.n_kv_heads),
            (preset.vocab, spec.vocab),
            (preset.context_length, spec.context_length),
        ];
        for (ours, theirs) in constants {
            assert_eq!(ours, theirs);
        }
    }
}
