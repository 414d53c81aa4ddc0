//! The models whose logits are compared with another implementation's, each with what it is for.

use gguf::TensorType;

use crate::spec::{Arch, ModelSpec, QkvBias, RopeScaling};
use crate::types::WeightTypes;

/// One model: a specification and a seed.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique; names the files of the case.
    pub name: &'static str,
    /// What the model is.
    pub spec: ModelSpec,
    /// Which one it is: the first seed whose 64 greedy tokens vary and are all at least 0.02
    /// ahead of the second best (0.01 with large biases), where logits have a deviation of 1.
    pub seed: u64,
}

/// Every case: each architecture, layout, RoPE variant and weight type.
pub fn cases() -> Vec<Case> {
    let mut cases = layouts();
    cases.extend(ropes());
    cases.extend(weight_types());
    cases
}

fn case(name: &'static str, seed: u64, spec: ModelSpec) -> Case {
    Case { name, spec, seed }
}

/// The tiny model of an architecture, changed.
fn tiny(arch: Arch, change: impl FnOnce(&mut ModelSpec)) -> ModelSpec {
    let mut spec = ModelSpec::tiny(arch);
    change(&mut spec);
    spec
}

fn set_head_dim(spec: &mut ModelSpec, head_dim: usize) {
    spec.head_dim = head_dim;
    spec.rope.dims = head_dim;
}

fn layouts() -> Vec<Case> {
    use Arch::{Llama, Phi3, Qwen2, Qwen3};
    let loud = QkvBias {
        deviation: 0.5,
        outlier: 30.0,
    };
    let f16 = WeightTypes::uniform(TensorType::F16);
    vec![
        case("qwen2-untied", 68, tiny(Qwen2, |m| m.tied = false)),
        case(
            "qwen2-large-bias",
            21,
            tiny(Qwen2, |m| m.qkv_bias = Some(loud)),
        ),
        case("qwen2-gqa-1", 16, tiny(Qwen2, |m| m.n_kv_heads = 4)),
        case("qwen2-gqa-7", 5, tiny(Qwen2, gqa_7)),
        case("llama-untied", 10, tiny(Llama, |_| {})),
        case("llama-tied", 18, tiny(Llama, |m| m.tied = true)),
        case("llama-mqa", 69, tiny(Llama, |m| m.n_kv_heads = 1)),
        case("llama-mistral", 17, tiny(Llama, mistral)),
        case("llama-head-dim", 75, tiny(Llama, head_96)),
        case("qwen3-tied", 3, tiny(Qwen3, |_| {})),
        case(
            "qwen3-untied",
            57,
            tiny(Qwen3, |m| (m.tied, m.n_layers) = (false, 3)),
        ),
        case("phi3-fused", 44, tiny(Phi3, |m| m.types = f16)),
        case("phi3-split", 12, tiny(Phi3, |m| m.fused = false)),
        case("phi3-head-96", 14, tiny(Phi3, phi3_head_96)),
        case(
            "phi3-window",
            25,
            tiny(Phi3, |m| m.sliding_window = Some(20)),
        ),
    ]
}

/// The proportions of Qwen2.5-0.5B, whose rows are no multiple of 256, in its usual mix of types.
fn gqa_7(spec: &mut ModelSpec) {
    (spec.n_heads, spec.n_kv_heads, spec.hidden, spec.n_layers) = (14, 2, 448, 3);
    set_head_dim(spec, 32);
    spec.types = WeightTypes::q4_k_m(spec);
}

fn mistral(spec: &mut ModelSpec) {
    (spec.n_heads, spec.n_kv_heads, spec.n_layers) = (8, 2, 3);
    spec.rope.theta = 1e6;
    set_head_dim(spec, 32);
}

/// 4 heads of 96 channels: more than the 256 of the residual stream.
fn head_96(spec: &mut ModelSpec) {
    spec.ffn = 768;
    set_head_dim(spec, 96);
}

/// Heads as wide as Phi-3-mini's, as many key heads as query heads, in its usual mix of types.
fn phi3_head_96(spec: &mut ModelSpec) {
    (spec.n_kv_heads, spec.hidden) = (4, 384);
    set_head_dim(spec, 96);
    spec.types = WeightTypes::q4_k_m(spec);
}

fn ropes() -> Vec<Case> {
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 64,
    };
    let linear = RopeScaling::Linear { factor: 4.0 };
    let long_rope = |original_context| RopeScaling::LongRope {
        short: (0..32_u8).map(|i| 1.0 + f32::from(i) / 64.0).collect(),
        long: (0..32_u8).map(|i| 1.0 + f32::from(i) / 4.0).collect(),
        attn_factor: 1.1875,
        original_context,
    };
    let scaled = |arch, scaling| tiny(arch, |m| m.rope.scaling = scaling);
    // Readers choose between the sets of factors by the length of the context or by that of the
    // text: here all 256 positions are short, or the prompt alone is long.
    let mut short = scaled(Arch::Phi3, long_rope(256));
    short.context_length = 256;
    vec![
        case("llama-rope-freqs", 66, scaled(Arch::Llama, llama3)),
        case("llama-rope-linear", 87, scaled(Arch::Llama, linear)),
        case("phi3-longrope-short", 13, short),
        case("phi3-longrope-long", 128, scaled(Arch::Phi3, long_rope(16))),
        case(
            "phi3-rope-partial",
            6,
            tiny(Arch::Phi3, |m| m.rope.dims = 48),
        ),
    ]
}

fn weight_types() -> Vec<Case> {
    use Arch::{Llama, Qwen2};
    let uniform = |name, seed, arch, tensor_type| {
        case(
            name,
            seed,
            tiny(arch, |m| m.types = WeightTypes::uniform(tensor_type)),
        )
    };
    vec![
        uniform("qwen2-f32", 12, Qwen2, TensorType::F32),
        uniform("qwen2-f16", 61, Qwen2, TensorType::F16),
        uniform("qwen2-bf16", 39, Qwen2, TensorType::Bf16),
        uniform("qwen2-q8_0", 49, Qwen2, TensorType::Q8_0),
        uniform("qwen2-q4_0", 167, Qwen2, TensorType::Q4_0),
        uniform("qwen2-q4_1", 5, Qwen2, TensorType::Q4_1),
        uniform("qwen2-q5_0", 33, Qwen2, TensorType::Q5_0),
        uniform("qwen2-q5_1", 49, Qwen2, TensorType::Q5_1),
        uniform("llama-q2_k", 1, Llama, TensorType::Q2K),
        uniform("llama-q3_k", 11, Llama, TensorType::Q3K),
        uniform("llama-q4_k", 49, Llama, TensorType::Q4K),
        uniform("llama-q5_k", 42, Llama, TensorType::Q5K),
        uniform("llama-q6_k", 8, Llama, TensorType::Q6K),
        case("llama-q4_k_m", 12, tiny(Llama, mixed)),
    ]
}

fn mixed(spec: &mut ModelSpec) {
    spec.n_layers = 3;
    spec.types = WeightTypes::q4_k_m(spec);
}
