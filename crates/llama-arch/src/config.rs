//! What one model of the family is: its hyperparameters, read from GGUF metadata.
//!
//! To add an architecture: give it a name and its differences in [`Architecture`], and a row in
//! the tests. Per-model differences are data here and in [`crate::weights`]; there is one forward
//! pass, in [`crate::model`].

mod keys;

use gguf::GgufFile;

use self::keys::Keys;
use crate::error::{Error, Result};

/// The architectures of the family, by their GGUF names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama 1 to 3, Mistral, TinyLlama, SmolLM2 and everything converted as `llama`.
    Llama,
    /// Qwen2 and Qwen2.5: biases on Q, K and V.
    Qwen2,
    /// Qwen3: RMSNorm on every head of Q and K before RoPE.
    Qwen3,
    /// Phi-3: fused QKV and gate/up tensors.
    Phi3,
}

/// Which channels of a head RoPE turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// Channels `2i` and `2i + 1`: what files of arch `llama` are permuted for.
    Adjacent,
    /// Channels `i` and `i + dims / 2`: GPT-NeoX, Qwen, Phi-3.
    Halves,
}

/// Whether a group of tensors belongs to an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The model is wrong without it.
    Required,
    /// Some models have it.
    Optional,
    /// Its presence is an error.
    Absent,
}

impl Architecture {
    /// The names accepted in `general.architecture`.
    pub const NAMES: [&'static str; 4] = ["llama", "qwen2", "qwen3", "phi3"];

    /// The architecture of that name.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`] for any other name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            "phi3" => Ok(Self::Phi3),
            _ => Err(Error::UnsupportedArchitecture {
                name: name.to_owned(),
            }),
        }
    }

    /// The GGUF name, which also prefixes the metadata keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
        }
    }

    /// How RoPE pairs channels in files of this architecture.
    pub fn rope_pairing(self) -> RopePairing {
        match self {
            Self::Llama => RopePairing::Adjacent,
            Self::Qwen2 | Self::Qwen3 | Self::Phi3 => RopePairing::Halves,
        }
    }

    /// Whether files hold Q, K and V, and gate and up, as one tensor each. Other layouts are
    /// read too; this says which tensor is missing when none is there.
    pub fn fused(self) -> bool {
        self == Self::Phi3
    }

    /// Biases of the Q, K and V projections.
    pub fn qkv_bias(self) -> Presence {
        match self {
            Self::Qwen2 => Presence::Required,
            Self::Llama | Self::Qwen3 => Presence::Optional,
            Self::Phi3 => Presence::Absent,
        }
    }

    /// RMSNorm over each head of Q and K.
    pub fn qk_norm(self) -> Presence {
        match self {
            Self::Qwen3 => Presence::Required,
            Self::Llama | Self::Qwen2 | Self::Phi3 => Presence::Absent,
        }
    }
}

/// How the RoPE frequencies differ from `theta^(-2i/dims)`.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all (a `rope_freqs.weight` tensor may still divide them: Llama 3.1 and later).
    None,
    /// Positions are divided by `factor`.
    Linear {
        /// Divisor of positions.
        factor: f32,
    },
    /// Phi-3 128k: one divisor per frequency, another set once the context outgrows the original.
    LongRope {
        /// Context length of the original training; longer contexts take the long factors.
        original_context: usize,
        /// Multiplier of both sine and cosine.
        attention_factor: f32,
    },
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f32,
    /// Channels of a head that turn; the rest pass through.
    pub dims: usize,
    /// Which channels turn together.
    pub pairing: RopePairing,
    /// Departure from the plain frequencies.
    pub scaling: RopeScaling,
}

/// Hyperparameters of one model: plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// The architecture.
    pub architecture: Architecture,
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
    /// Positions that the model was trained for.
    pub context_length: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_eps: f32,
    /// Rotary position embedding.
    pub rope: RopeConfig,
    /// A query sees this many newest positions, itself included; `None`: all.
    pub sliding_window: Option<usize>,
}

impl LlamaConfig {
    /// Qwen2.5-0.5B, for tests and planning; a file always wins.
    pub const QWEN2_5_0_5B: Self = Self {
        architecture: Architecture::Qwen2,
        n_layers: 24,
        hidden: 896,
        ffn: 4864,
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
        vocab: 151_936,
        context_length: 32_768,
        rms_eps: 1e-6,
        rope: RopeConfig {
            theta: 1_000_000.0,
            dims: 64,
            pairing: RopePairing::Halves,
            scaling: RopeScaling::None,
        },
        sliding_window: None,
    };

    /// Phi-3-mini-4k, for tests and planning; a file always wins.
    pub const PHI_3_MINI_4K: Self = Self {
        architecture: Architecture::Phi3,
        n_layers: 32,
        hidden: 3072,
        ffn: 8192,
        n_heads: 32,
        n_kv_heads: 32,
        head_dim: 96,
        vocab: 32_064,
        context_length: 4096,
        rms_eps: 1e-5,
        rope: RopeConfig {
            theta: 10_000.0,
            dims: 96,
            pairing: RopePairing::Halves,
            scaling: RopeScaling::None,
        },
        sliding_window: Some(2047),
    };

    /// Reads and checks the hyperparameters of a file.
    ///
    /// # Errors
    /// A missing or mistyped key, an unsupported architecture or feature, or a value that no
    /// model can have.
    pub fn from_gguf(file: &GgufFile) -> Result<Self> {
        let architecture = Architecture::from_name(file.metadata().str("general.architecture")?)?;
        if file.tensors().next().is_none() {
            return Err(Error::VocabularyOnly);
        }
        let keys = Keys {
            file,
            prefix: architecture.name(),
        };
        if keys.find_u64("expert_count")?.unwrap_or(0) > 0 {
            return Err(Error::UnsupportedFeature {
                feature: "a mixture of experts".to_owned(),
                source_key: keys.key("expert_count"),
            });
        }
        let hidden = keys.dimension("embedding_length")?;
        let n_heads = keys.dimension("attention.head_count")?;
        let n_kv_heads = match keys.find_u64("attention.head_count_kv")? {
            None => n_heads,
            Some(_) => keys.dimension("attention.head_count_kv")?,
        };
        if n_heads % n_kv_heads != 0 {
            return Err(keys.out_of_range(
                "attention.head_count_kv",
                n_kv_heads,
                &format!("it must divide the {n_heads} query heads"),
            ));
        }
        let head_dim = keys.head_dim(hidden, n_heads)?;
        let embedding = file.tensor("token_embd.weight")?;
        let vocab = embedding.dims().get(1).copied().unwrap_or(0);
        if vocab == 0 || vocab > keys::MAX_DIMENSION {
            return Err(Error::ShapeMismatch {
                name: "token_embd.weight".to_owned(),
                expected: vec![hidden as u64, keys.find_u64("vocab_size")?.unwrap_or(1)],
                found: embedding.dims().to_vec(),
            });
        }
        Ok(Self {
            architecture,
            n_layers: keys.dimension("block_count")?,
            hidden,
            ffn: keys.dimension("feed_forward_length")?,
            n_heads,
            n_kv_heads,
            head_dim,
            vocab: vocab as usize,
            context_length: keys.dimension("context_length")?,
            rms_eps: keys.rms_eps()?,
            rope: keys.rope(architecture, head_dim)?,
            sliding_window: keys.sliding_window()?,
        })
    }

    /// Width of all query heads together.
    pub fn q_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of all key heads (or value heads) together.
    pub fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }
}
