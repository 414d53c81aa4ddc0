//! Which tensor is stored as what.

use gguf::TensorType;

use crate::spec::ModelSpec;

/// A default type for weight matrices, and exceptions by name.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTypes {
    /// What no rule names.
    pub default: TensorType,
    /// Names and types; the first that matches wins. A name is a whole tensor name
    /// (`blk.0.ffn_down.weight`) or its end from a dot on (`ffn_down.weight`).
    pub rules: Vec<(String, TensorType)>,
}

impl WeightTypes {
    /// One type for everything.
    pub fn uniform(default: TensorType) -> Self {
        Self {
            default,
            rules: Vec::new(),
        }
    }

    /// Adds a rule.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, tensor_type: TensorType) -> Self {
        self.rules.push((name.into(), tensor_type));
        self
    }

    /// The type of the tensor of that name.
    pub fn type_of(&self, tensor: &str) -> TensorType {
        let matches = |rule: &str| {
            tensor
                .strip_suffix(rule)
                .is_some_and(|head| head.is_empty() || head.ends_with('.'))
        };
        let rule = self.rules.iter().find(|(rule, _)| matches(rule));
        rule.map_or(self.default, |&(_, tensor_type)| tensor_type)
    }

    /// The mix that quantisers call `Q4_K_M`: Q4_K with more bits for the head, half of
    /// `ffn_down` and `attn_v`; rows that are no multiple of 256 take 32-element types instead.
    pub fn q4_k_m(spec: &ModelSpec) -> Self {
        let fit = |tensor_type: TensorType, row: usize| match tensor_type {
            _ if row.is_multiple_of(256) => tensor_type,
            TensorType::Q6K => TensorType::Q8_0,
            TensorType::Q5K => TensorType::Q5_1,
            _ => TensorType::Q5_0,
        };
        let (four, six) = (TensorType::Q4K, TensorType::Q6K);
        let embedding = if spec.tied { six } else { four };
        let mut types = Self::uniform(fit(four, spec.hidden))
            .with("attn_qkv.weight", fit(TensorType::Q5K, spec.hidden))
            .with("attn_output.weight", fit(four, spec.q_width()))
            .with("output.weight", fit(six, spec.hidden))
            .with("token_embd.weight", fit(embedding, spec.hidden));
        for layer in 0..spec.n_layers {
            let (eighth, n) = (spec.n_layers / 8, spec.n_layers);
            let ends = layer < eighth || layer >= 7 * n / 8;
            let more = ends || (layer - eighth) % 3 == 2;
            let kind = if more { six } else { four };
            types = types
                .with(format!("blk.{layer}.attn_v.weight"), fit(kind, spec.hidden))
                .with(format!("blk.{layer}.ffn_down.weight"), fit(kind, spec.ffn));
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::plan;

    fn count(spec: &ModelSpec, tensor_type: TensorType) -> usize {
        let types = WeightTypes::q4_k_m(spec);
        let spec = spec.clone().with_types(types);
        plan(&spec)
            .unwrap()
            .iter()
            .filter(|t| t.tensor_type == tensor_type)
            .count()
    }

    #[test]
    fn rules_match_whole_names_and_ends_from_a_dot() {
        let types = WeightTypes::uniform(TensorType::F16)
            .with("blk.1.ffn_down.weight", TensorType::Q6K)
            .with("output.weight", TensorType::Q8_0)
            .with("ffn_down.weight", TensorType::Q4K);
        assert_eq!(types.type_of("blk.1.ffn_down.weight"), TensorType::Q6K);
        assert_eq!(types.type_of("blk.11.ffn_down.weight"), TensorType::Q4K);
        assert_eq!(types.type_of("output.weight"), TensorType::Q8_0);
        assert_eq!(types.type_of("blk.0.attn_output.weight"), TensorType::F16);
    }

    /// The counts of the published quantisations of the two models.
    #[test]
    fn q4_k_m_has_the_real_counts() {
        let qwen = ModelSpec::qwen2_5_0_5b();
        for (tensor_type, n) in [
            (TensorType::Q5_0, 132),
            (TensorType::Q8_0, 13),
            (TensorType::Q4K, 12),
            (TensorType::Q6K, 12),
        ] {
            assert_eq!(count(&qwen, tensor_type), n, "{tensor_type}");
        }
        let phi = ModelSpec::phi3_mini_4k();
        for (tensor_type, n) in [
            (TensorType::Q4K, 81),
            (TensorType::Q5K, 32),
            (TensorType::Q6K, 17),
            (TensorType::F32, 65),
        ] {
            assert_eq!(count(&phi, tensor_type), n, "{tensor_type}");
        }
    }
}
