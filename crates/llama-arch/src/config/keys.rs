//! Reads and checks the hyperparameters of one architecture, key by key.

use gguf::GgufFile;

use super::{Architecture, RopeConfig, RopeScaling};
use crate::error::{Error, Result};

/// Upper bound on sizes that no real model exceeds; keeps products of them inside `u64`.
pub(super) const MAX_DIMENSION: u64 = 1 << 24;

/// The metadata of one architecture, read with its prefix.
pub(super) struct Keys<'a> {
    pub(super) file: &'a GgufFile,
    pub(super) prefix: &'static str,
}

impl Keys<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(super) fn find_u64(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.file.metadata().find_u64(&self.key(name))?)
    }

    fn find_f32(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.file.metadata().find_f32(&self.key(name))?)
    }

    pub(super) fn out_of_range(
        &self,
        name: &str,
        value: impl std::fmt::Display,
        constraint: &str,
    ) -> Error {
        Error::HparamOutOfRange {
            key: self.key(name),
            value: value.to_string(),
            constraint: constraint.to_owned(),
        }
    }

    /// A required size, at least 1 and small enough that products cannot overflow.
    pub(super) fn dimension(&self, name: &str) -> Result<usize> {
        let value = self.file.metadata().u64(&self.key(name))?;
        if value == 0 || value > MAX_DIMENSION {
            return Err(self.out_of_range(name, value, "it must be in 1..=16777216"));
        }
        Ok(value as usize)
    }

    pub(super) fn head_dim(&self, hidden: usize, n_heads: usize) -> Result<usize> {
        let head_dim = match self.find_u64("attention.key_length")? {
            Some(_) => self.dimension("attention.key_length")?,
            None if hidden.is_multiple_of(n_heads) => hidden / n_heads,
            None => {
                let constraint = format!("it must divide the width {hidden}");
                return Err(self.out_of_range("attention.head_count", n_heads, &constraint));
            }
        };
        let values = self
            .find_u64("attention.value_length")?
            .unwrap_or(head_dim as u64);
        if values != head_dim as u64 {
            let constraint = format!("it must equal the key length {head_dim}");
            return Err(self.out_of_range("attention.value_length", values, &constraint));
        }
        Ok(head_dim)
    }

    pub(super) fn rms_eps(&self) -> Result<f32> {
        let name = "attention.layer_norm_rms_epsilon";
        let eps = self.file.metadata().f32(&self.key(name))?;
        if !(eps.is_finite() && eps >= 0.0) {
            return Err(self.out_of_range(name, eps, "it must be finite and not negative"));
        }
        Ok(eps)
    }

    pub(super) fn sliding_window(&self) -> Result<Option<usize>> {
        let window = self.find_u64("attention.sliding_window")?.unwrap_or(0);
        Ok((window > 0).then_some(window as usize))
    }

    pub(super) fn rope(&self, architecture: Architecture, head_dim: usize) -> Result<RopeConfig> {
        let theta = self.find_f32("rope.freq_base")?.unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 0.0) {
            return Err(self.out_of_range("rope.freq_base", theta, "it must be finite, above 0"));
        }
        let dims = self
            .find_u64("rope.dimension_count")?
            .unwrap_or(head_dim as u64);
        if dims == 0 || dims % 2 != 0 || dims > head_dim as u64 {
            let constraint = format!("it must be even and in 2..={head_dim}");
            return Err(self.out_of_range("rope.dimension_count", dims, &constraint));
        }
        Ok(RopeConfig {
            theta,
            dims: dims as usize,
            pairing: architecture.rope_pairing(),
            scaling: self.rope_scaling()?,
        })
    }

    fn rope_scaling(&self) -> Result<RopeScaling> {
        if self.file.find_tensor("rope_factors_long.weight").is_some() {
            let original = "rope.scaling.original_context_length";
            return Ok(RopeScaling::LongRope {
                original_context: self.dimension(original)?,
                attention_factor: self.positive("rope.scaling.attn_factor", 1.0)?,
            });
        }
        let kind = self
            .file
            .metadata()
            .find_str(&self.key("rope.scaling.type"))?;
        match kind.unwrap_or("none") {
            "none" => match self.positive("rope.scale_linear", 1.0)? {
                1.0 => Ok(RopeScaling::None),
                factor => Ok(RopeScaling::Linear { factor }),
            },
            "linear" => Ok(RopeScaling::Linear {
                factor: self.positive("rope.scaling.factor", 1.0)?,
            }),
            other => Err(Error::UnsupportedFeature {
                feature: format!("RoPE scaling of type `{other}`"),
                source_key: self.key("rope.scaling.type"),
            }),
        }
    }

    fn positive(&self, name: &str, default: f32) -> Result<f32> {
        let value = self.find_f32(name)?.unwrap_or(default);
        if !(value.is_finite() && value > 0.0) {
            return Err(self.out_of_range(name, value, "it must be finite and above 0"));
        }
        Ok(value)
    }
}
