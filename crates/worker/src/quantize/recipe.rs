//! Which tensor becomes what. The rules are those of `llama-quantize`, so that a file of a name is
//! what users know by that name.

use clap::ValueEnum;
use gguf::{GgufFile, TensorType, TensorView};
use llama_arch::LlamaConfig;

use crate::error::{Failure, Result};

/// A kind of file, by the names that files are called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FileType {
    /// 32 bits a weight: exact
    F32,
    /// 16 bits, half precision
    F16,
    /// 16 bits with the range of F32
    #[value(name = "BF16")]
    Bf16,
    /// 8.5 bits: as good as F16 for most uses
    #[value(name = "Q8_0")]
    Q8_0,
    /// 6.6 bits
    #[value(name = "Q6_K")]
    Q6K,
    /// 5.7 bits
    #[value(name = "Q5_K_M", alias = "Q5_K")]
    Q5KM,
    /// 5.5 bits
    #[value(name = "Q5_K_S")]
    Q5KS,
    /// 6 bits, of the older kind
    #[value(name = "Q5_1")]
    Q5_1,
    /// 5.5 bits, of the older kind
    #[value(name = "Q5_0")]
    Q5_0,
    /// 4.9 bits: where most users stop
    #[value(name = "Q4_K_M", alias = "Q4_K")]
    Q4KM,
    /// 4.6 bits
    #[value(name = "Q4_K_S")]
    Q4KS,
    /// 5 bits, of the older kind
    #[value(name = "Q4_1")]
    Q4_1,
    /// 4.5 bits, of the older kind
    #[value(name = "Q4_0")]
    Q4_0,
    /// 4.3 bits: worse than it looks
    #[value(name = "Q3_K_L")]
    Q3KL,
    /// 3.9 bits
    #[value(name = "Q3_K_M", alias = "Q3_K")]
    Q3KM,
    /// 3.5 bits
    #[value(name = "Q3_K_S")]
    Q3KS,
    /// 3.2 bits: much is lost
    #[value(name = "Q2_K")]
    Q2K,
}

impl FileType {
    /// The number that stands for it in a file.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 7,
            Self::Q5_0 => 8,
            Self::Q5_1 => 9,
            Self::Q2K => 10,
            Self::Q3KS => 11,
            Self::Q3KM => 12,
            Self::Q3KL => 13,
            Self::Q4KS => 14,
            Self::Q4KM => 15,
            Self::Q5KS => 16,
            Self::Q5KM => 17,
            Self::Q6K => 18,
            Self::Bf16 => 32,
        }
    }

    /// The type of most tensors.
    fn base(self) -> TensorType {
        match self {
            Self::F32 => TensorType::F32,
            Self::F16 => TensorType::F16,
            Self::Bf16 => TensorType::Bf16,
            Self::Q8_0 => TensorType::Q8_0,
            Self::Q4_0 => TensorType::Q4_0,
            Self::Q4_1 => TensorType::Q4_1,
            Self::Q5_0 => TensorType::Q5_0,
            Self::Q5_1 => TensorType::Q5_1,
            Self::Q2K => TensorType::Q2K,
            Self::Q3KS | Self::Q3KM | Self::Q3KL => TensorType::Q3K,
            Self::Q4KS | Self::Q4KM => TensorType::Q4K,
            Self::Q5KS | Self::Q5KM => TensorType::Q5K,
            Self::Q6K => TensorType::Q6K,
        }
    }
}

/// What a tensor is for, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Output,
    Embedding,
    /// The values of attention, alone or together with queries and keys.
    Values,
    AttentionOutput,
    Down,
    Other,
}

impl Role {
    fn of(name: &str) -> Self {
        let ends = |end: &str| name.ends_with(end);
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" => Self::Embedding,
            _ if ends("attn_v.weight") || ends("attn_qkv.weight") => Self::Values,
            _ if ends("attn_output.weight") => Self::AttentionOutput,
            _ if ends("ffn_down.weight") => Self::Down,
            _ => Self::Other,
        }
    }
}

/// What of the model the rules depend on.
#[derive(Clone, Copy, Debug)]
struct Shape {
    n_layers: usize,
    /// Query heads that share one of keys and values.
    group: usize,
    has_output: bool,
}

/// A tensor and what it becomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    /// The tensor as it is.
    pub(crate) tensor: TensorView<'a>,
    /// The type that the rules give it.
    pub(crate) wanted: TensorType,
    /// The type it gets: another one, if its rows are no whole number of blocks.
    pub(crate) to: TensorType,
}

impl Choice<'_> {
    /// Bytes of the tensor as it will be stored.
    pub(crate) fn n_bytes(&self) -> Result<u64> {
        let row_bytes = self.to.row_bytes(self.tensor.row_len())?;
        Ok((row_bytes * self.tensor.n_rows()) as u64)
    }
}

/// What every tensor of a file becomes. With `pure`, every matrix gets the type that gives the file
/// its name.
pub(crate) fn choices(file: &GgufFile, to: FileType, pure: bool) -> Result<Vec<Choice<'_>>> {
    // What is not quantised needs no rules, and no model that they are made for.
    let shape = match pure || to.base().block_len() == 1 {
        true => None,
        false => Some(Shape::of(file)?),
    };
    let choice = |tensor| {
        let wanted = match shape {
            _ if !is_matrix(tensor) => tensor.tensor_type(),
            Some(shape) => mixed(to, shape, tensor),
            None => to.base(),
        };
        Choice {
            tensor,
            wanted,
            to: fitting(wanted, tensor.row_len()),
        }
    };
    Ok(file.tensors().map(choice).collect())
}

impl Shape {
    fn of(file: &GgufFile) -> Result<Self> {
        let config = LlamaConfig::from_gguf(file).map_err(|error| match error {
            llama_arch::Error::UnsupportedArchitecture { .. } => Failure::failed(format_args!(
                "{error}; --pure makes every matrix the same type, whatever the model"
            )),
            other => other.into(),
        })?;
        Ok(Self {
            n_layers: config.n_layers,
            group: config.n_heads / config.n_kv_heads,
            has_output: file.find_tensor("output.weight").is_some(),
        })
    }

    /// Layers where errors do most harm: the first and last eighth, and every third between.
    fn deserves_more(self, layer: usize) -> bool {
        let eighth = self.n_layers / 8;
        layer < eighth || layer >= 7 * self.n_layers / 8 || (layer - eighth) % 3 == 2
    }
}

/// Norms, biases and whatever has one axis stay as they are.
fn is_matrix(tensor: TensorView<'_>) -> bool {
    let axes = tensor.dims().iter().skip(1).any(|&dim| dim > 1);
    let name = tensor.name();
    axes && name.ends_with("weight")
        && !name.ends_with("_norm.weight")
        && !name.ends_with("ffn_gate_inp.weight")
}

/// The type by the rules of the mixes, before it is known to fit.
fn mixed(to: FileType, shape: Shape, tensor: TensorView<'_>) -> TensorType {
    use FileType::{Q2K, Q3KL, Q3KM, Q4KM, Q4KS, Q5KM};
    use TensorType as T;
    let base = to.base();
    let layer = layer(tensor.name());
    let more = shape.deserves_more(layer);
    match Role::of(tensor.name()) {
        Role::Embedding if shape.has_output => base,
        // Tied embeddings are the output matrix, too.
        Role::Output | Role::Embedding => {
            if to == FileType::Q8_0 || !tensor.row_len().is_multiple_of(base.block_len()) {
                T::Q8_0
            } else {
                T::Q6K
            }
        }
        Role::Values => {
            let values = match to {
                Q2K if shape.group >= 4 => T::Q4K,
                Q2K => T::Q3K,
                Q3KM if layer < 2 => T::Q5K,
                Q3KM => T::Q4K,
                Q3KL => T::Q5K,
                Q4KS if layer < 4 => T::Q5K,
                Q4KM | Q5KM if more => T::Q6K,
                _ => base,
            };
            // Where eight heads share them, better values cost next to nothing.
            let is_70b = shape.n_layers == 80 && shape.group > 1;
            match values {
                T::Q3K | T::Q4K if is_70b => T::Q5K,
                other => other,
            }
        }
        Role::Down => match to {
            Q2K => T::Q3K,
            Q3KM if layer < shape.n_layers / 16 => T::Q5K,
            Q3KM => T::Q4K,
            Q3KL => T::Q5K,
            Q4KM | Q5KM if more => T::Q6K,
            Q4KS if layer < shape.n_layers / 8 => T::Q5K,
            _ => base,
        },
        Role::AttentionOutput => match to {
            Q2K => T::Q3K,
            Q3KM => T::Q4K,
            Q3KL => T::Q5K,
            _ => base,
        },
        Role::Other => base,
    }
}

/// The number of the layer in a tensor's name.
fn layer(name: &str) -> usize {
    let number = name
        .strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'));
    number
        .and_then(|(layer, _)| layer.parse().ok())
        .unwrap_or(0)
}

/// The type, or the nearest above it whose blocks fit into rows of that length.
pub(crate) fn fitting(wanted: TensorType, row_len: usize) -> TensorType {
    use TensorType as T;
    let fits = |tensor_type: &T| row_len.is_multiple_of(tensor_type.block_len());
    let smaller = match wanted {
        T::Q2K | T::Q3K => T::Q4_0,
        T::Q4K => T::Q5_0,
        T::Q5K => T::Q5_1,
        T::Q6K => T::Q8_0,
        other => other,
    };
    [wanted, smaller].into_iter().find(fits).unwrap_or(T::F16)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use synth_model::{Arch, ModelSpec, WeightTypes};

    use super::*;

    /// What `tests/quantize/make_types.py` wrote of what llama-quantize chooses for these models.
    const LLAMA_QUANTIZE: &str = include_str!("../../tests/quantize/types.txt");

    fn models() -> Vec<(&'static str, GgufFile)> {
        let model = |arch, n_layers, hidden, n_heads, n_kv_heads| {
            let mut spec = ModelSpec {
                n_layers,
                hidden,
                ffn: 256,
                n_heads,
                n_kv_heads,
                head_dim: 32,
                vocab: 288,
                tied: false,
                types: WeightTypes::uniform(TensorType::F16),
                ..ModelSpec::tiny(arch)
            };
            spec.rope.dims = 32;
            spec
        };
        let tied = |spec| ModelSpec { tied: true, ..spec };
        let specs = [
            ("gqa", model(Arch::Llama, 16, 256, 8, 2)),
            ("tied", tied(model(Arch::Llama, 11, 256, 8, 8))),
            ("narrow", tied(model(Arch::Qwen2, 24, 96, 3, 1))),
            ("fused", model(Arch::Phi3, 32, 256, 8, 8)),
            ("large", model(Arch::Llama, 80, 256, 8, 1)),
        ];
        let file = |(name, spec)| {
            let bytes = synth_model::to_bytes(&spec, 1).unwrap();
            if let Ok(folder) = std::env::var("WRITE_RULE_MODELS") {
                std::fs::write(format!("{folder}/{name}.gguf"), &bytes).unwrap();
            }
            (name, GgufFile::from_bytes(bytes).unwrap())
        };
        specs.into_iter().map(file).collect()
    }

    /// `Q6_K*2 Q4_K` for two layers of Q6_K and one of Q4_K.
    fn runs(types: &[TensorType]) -> String {
        let runs = types.chunk_by(|a, b| a == b);
        let run = |run: &[TensorType]| match run.len() {
            1 => run[0].name().to_owned(),
            n => format!("{}*{n}", run[0]),
        };
        runs.map(run).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_tensor_becomes_what_llama_quantize_makes_of_it() {
        let mut n_lines = 0;
        for (name, file) in models() {
            for &to in FileType::value_variants() {
                let mut roles: BTreeMap<String, Vec<(usize, TensorType)>> = BTreeMap::new();
                for choice in choices(&file, to, false).unwrap() {
                    let name = choice.tensor.name();
                    let Some(stem) = name.strip_suffix(".weight") else {
                        assert_eq!(choice.to, choice.tensor.tensor_type(), "{name}");
                        continue;
                    };
                    let role = stem.rsplit('.').next().unwrap().to_owned();
                    if !role.contains("norm") {
                        roles
                            .entry(role)
                            .or_default()
                            .push((layer(name), choice.to));
                    }
                }
                let to = to.to_possible_value().unwrap();
                for (role, mut layers) in roles {
                    layers.sort_by_key(|(layer, _)| *layer);
                    let types: Vec<TensorType> = layers.into_iter().map(|(_, to)| to).collect();
                    let line = format!("{name} {} {role} {}", to.get_name(), runs(&types));
                    assert!(LLAMA_QUANTIZE.lines().any(|known| known == line), "{line}");
                    n_lines += 1;
                }
            }
        }
        assert_eq!(n_lines, LLAMA_QUANTIZE.lines().count());
    }

    #[test]
    fn rows_that_do_not_fit_take_the_next_type() {
        let rows = [
            (TensorType::Q4K, 512, TensorType::Q4K),
            (TensorType::Q4K, 896, TensorType::Q5_0),
            (TensorType::Q2K, 96, TensorType::Q4_0),
            (TensorType::Q6K, 40, TensorType::F16),
            (TensorType::Q8_0, 33, TensorType::F16),
            (TensorType::Bf16, 33, TensorType::Bf16),
        ];
        for (wanted, row_len, expected) in rows {
            assert_eq!(fitting(wanted, row_len), expected, "{wanted} {row_len}");
        }
    }
}
