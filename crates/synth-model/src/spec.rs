//! What a model is: plain data.

use crate::error::{Error, Result};
use crate::types::WeightTypes;

/// The architectures, by their GGUF names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// `llama`: Q and K rows in the file are permuted for RoPE on adjacent pairs.
    Llama,
    /// `qwen2`.
    Qwen2,
    /// `qwen3`.
    Qwen3,
    /// `phi3`.
    Phi3,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 4] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Phi3];

    /// The name in `general.architecture`, which also prefixes the metadata keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
        }
    }
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f32,
    /// Channels of a head that turn.
    pub dims: usize,
    /// How the frequencies depart from `theta^(-2i/dims)`.
    pub scaling: RopeScaling,
}

/// Departure from the plain RoPE frequencies. Factors divide frequencies.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    None,
    /// Positions divided by a factor, which is a metadata key.
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Llama 3.1: long wavelengths divided, short ones kept, those between interpolated. The
    /// file carries the outcome as `rope_freqs.weight`.
    Llama3 {
        /// Divisor of the long wavelengths.
        factor: f32,
        /// `original_context / low_freq_factor` is where long wavelengths begin.
        low_freq_factor: f32,
        /// `original_context / high_freq_factor` is where short wavelengths end.
        high_freq_factor: f32,
        /// Context length of the original training.
        original_context: usize,
    },
    /// Phi-3 128k: one set of `dims / 2` factors for contexts up to the original one, another
    /// beyond.
    LongRope {
        /// `rope_factors_short.weight`.
        short: Vec<f32>,
        /// `rope_factors_long.weight`.
        long: Vec<f32>,
        /// Multiplier of sine and cosine.
        attn_factor: f32,
        /// Context length of the original training.
        original_context: usize,
    },
}

/// Biases of the Q, K and V projections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QkvBias {
    /// Deviation of those of Q and K; those of V have a fifth of it.
    pub deviation: f32,
    /// About every 64th bias of Q and K is of this magnitude instead, as in real Qwen2 models.
    pub outlier: f32,
}

/// A model, but for its weights' values.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// The architecture.
    pub arch: Arch,
    /// Transformer layers.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub ffn: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Rows of the embedding table.
    pub vocab: usize,
    /// Positions the model claims to be trained for.
    pub context_length: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_eps: f32,
    /// Rotary position embedding.
    pub rope: RopeSpec,
    /// No `output.weight`: the head is the embedding table.
    pub tied: bool,
    /// Phi-3's layout: `attn_qkv` in the order Q, K, V, and `ffn_up` with the gate first.
    pub fused: bool,
    /// Q, K and V biases (of the fused tensor, if `fused`).
    pub qkv_bias: Option<QkvBias>,
    /// RMSNorm on every head of Q and K, before RoPE.
    pub qk_norm: bool,
    /// A query sees this many newest positions, itself included.
    pub sliding_window: Option<u32>,
    /// How the weight matrices are stored. Norms, biases and RoPE factors are always F32.
    pub types: WeightTypes,
}

impl ModelSpec {
    /// The same model with other weight types.
    #[must_use]
    pub fn with_types(self, types: WeightTypes) -> Self {
        Self { types, ..self }
    }

    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key heads (or value heads) together.
    pub fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Whether the sizes fit each other. Row lengths are checked against the weight types where
    /// the tensors are planned.
    pub(crate) fn check(&self) -> Result<()> {
        let sizes = [
            self.n_layers,
            self.hidden,
            self.ffn,
            self.vocab,
            self.context_length,
        ];
        if sizes.contains(&0) || [self.n_heads, self.n_kv_heads, self.head_dim].contains(&0) {
            return Err(Error::spec("no size may be 0"));
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            let (heads, kv_heads) = (self.n_heads, self.n_kv_heads);
            return Err(Error::spec(format!(
                "{heads} query heads, {kv_heads} key heads"
            )));
        }
        let dims = self.rope.dims;
        if dims == 0 || !dims.is_multiple_of(2) || dims > self.head_dim {
            return Err(Error::spec(format!(
                "{dims} rope dims in heads of {}",
                self.head_dim
            )));
        }
        if let RopeScaling::LongRope { short, long, .. } = &self.rope.scaling
            && [short.len(), long.len()] != [dims / 2; 2]
        {
            return Err(Error::spec(format!("longrope needs {} factors", dims / 2)));
        }
        Ok(())
    }
}
