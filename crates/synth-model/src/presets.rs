//! Specifications of well-known models, and small ones for tests.

use gguf::TensorType;

use crate::spec::{Arch, ModelSpec, QkvBias, RopeScaling, RopeSpec};
use crate::types::WeightTypes;

/// Biases of a deviation like trained ones, without outliers that dominate small models.
const MILD_BIAS: QkvBias = QkvBias {
    deviation: 0.5,
    outlier: 4.0,
};

impl ModelSpec {
    /// Qwen2.5-0.5B, F16 with a tied head.
    pub fn qwen2_5_0_5b() -> Self {
        Self {
            arch: Arch::Qwen2,
            n_layers: 24,
            hidden: 896,
            ffn: 4864,
            n_heads: 14,
            n_kv_heads: 2,
            head_dim: 64,
            vocab: 151_936,
            context_length: 32_768,
            rms_eps: 1e-6,
            rope: RopeSpec {
                theta: 1_000_000.0,
                dims: 64,
                scaling: RopeScaling::None,
            },
            tied: true,
            fused: false,
            qkv_bias: Some(QkvBias {
                deviation: 0.5,
                outlier: 20.0,
            }),
            qk_norm: false,
            sliding_window: None,
            types: WeightTypes::uniform(TensorType::F16),
        }
    }

    /// Phi-3-mini-4k, F16.
    pub fn phi3_mini_4k() -> Self {
        Self {
            arch: Arch::Phi3,
            n_layers: 32,
            hidden: 3072,
            ffn: 8192,
            n_heads: 32,
            n_kv_heads: 32,
            head_dim: 96,
            vocab: 32_064,
            context_length: 4096,
            rms_eps: 1e-5,
            rope: RopeSpec {
                theta: 10_000.0,
                dims: 96,
                scaling: RopeScaling::None,
            },
            tied: false,
            fused: true,
            qkv_bias: None,
            qk_norm: false,
            sliding_window: Some(2047),
            types: WeightTypes::uniform(TensorType::F16),
        }
    }

    /// Two layers of the architecture in its usual layout: about 1.1 million weights, Q8_0,
    /// grouped queries, rows that are multiples of 256 so that every weight type fits.
    pub fn tiny(arch: Arch) -> Self {
        let qwen3 = arch == Arch::Qwen3;
        let head_dim = if qwen3 { 128 } else { 64 };
        Self {
            arch,
            n_layers: 2,
            hidden: 256,
            ffn: 512,
            n_heads: 4,
            n_kv_heads: 2,
            head_dim,
            vocab: 288,
            context_length: 512,
            rms_eps: if matches!(arch, Arch::Qwen2 | Arch::Qwen3) {
                1e-6
            } else {
                1e-5
            },
            rope: RopeSpec {
                theta: if matches!(arch, Arch::Qwen2 | Arch::Qwen3) {
                    1e6
                } else {
                    1e4
                },
                dims: head_dim,
                scaling: RopeScaling::None,
            },
            tied: matches!(arch, Arch::Qwen2 | Arch::Qwen3),
            fused: arch == Arch::Phi3,
            qkv_bias: (arch == Arch::Qwen2).then_some(MILD_BIAS),
            qk_norm: qwen3,
            sliding_window: None,
            types: WeightTypes::uniform(TensorType::Q8_0),
        }
    }
}
