//! The metadata of a model file, with the keys that converters write.

use gguf::{GgufFile, MetadataValue};

use crate::error::Result;
use crate::spec::{Arch, ModelSpec, RopeScaling};
use crate::vocab::{self, Key};

/// What a model with the small vocabulary is called. Readers know special tokens of some models
/// by this name, so it says nothing of the architecture; a copied vocabulary brings its own.
const NAME: &str = "random weights";

/// Every key of the file, in order. The last value ends in a byte that is not 0, which
/// `write::header` needs.
pub(crate) fn keys(spec: &ModelSpec, vocab: Option<&GgufFile>) -> Result<Vec<Key>> {
    let arch = spec.arch.name();
    let mut keys: Vec<Key> = vec![
        ("general.architecture".to_owned(), arch.into()),
        ("general.quantization_version".to_owned(), 2_u32.into()),
    ];
    let hparams = sizes(spec).into_iter().chain(rope(spec));
    keys.extend(hparams.map(|(name, value)| (format!("{arch}.{name}"), value)));
    keys.extend(match vocab {
        Some(file) => vocab::copied(file, spec.vocab)?,
        None => vocab::small(spec.vocab)?,
    });
    let name = vocab
        .map(|file| file.metadata().find_str("general.name"))
        .transpose()?
        .flatten();
    let name = name
        .filter(|name| !name.is_empty() && !name.ends_with('\0'))
        .unwrap_or(NAME);
    keys.push(("general.name".to_owned(), name.into()));
    Ok(keys)
}

fn size(value: usize) -> MetadataValue {
    MetadataValue::U32(u32::try_from(value).unwrap_or(u32::MAX))
}

fn sizes(spec: &ModelSpec) -> Vec<(&'static str, MetadataValue)> {
    let mut keys = vec![
        ("block_count", size(spec.n_layers)),
        ("context_length", size(spec.context_length)),
        ("embedding_length", size(spec.hidden)),
        ("feed_forward_length", size(spec.ffn)),
        ("attention.head_count", size(spec.n_heads)),
        ("attention.head_count_kv", size(spec.n_kv_heads)),
        ("attention.layer_norm_rms_epsilon", spec.rms_eps.into()),
        ("vocab_size", size(spec.vocab)),
    ];
    if spec.head_dim * spec.n_heads != spec.hidden {
        keys.push(("attention.key_length", size(spec.head_dim)));
        keys.push(("attention.value_length", size(spec.head_dim)));
    }
    if let Some(window) = spec.sliding_window {
        keys.push(("attention.sliding_window", window.into()));
    }
    keys
}

fn rope(spec: &ModelSpec) -> Vec<(&'static str, MetadataValue)> {
    let mut keys = vec![("rope.freq_base", spec.rope.theta.into())];
    // Converters of the Qwen models leave it out, and readers take the head dimension.
    if matches!(spec.arch, Arch::Llama | Arch::Phi3) || spec.rope.dims != spec.head_dim {
        keys.push(("rope.dimension_count", size(spec.rope.dims)));
    }
    match spec.rope.scaling {
        RopeScaling::None | RopeScaling::Llama3 { .. } => {}
        RopeScaling::Linear { factor } => {
            keys.push(("rope.scaling.type", "linear".into()));
            keys.push(("rope.scaling.factor", factor.into()));
        }
        RopeScaling::LongRope {
            attn_factor,
            original_context,
            ..
        } => {
            keys.push((
                "rope.scaling.original_context_length",
                size(original_context),
            ));
            keys.push(("rope.scaling.attn_factor", attn_factor.into()));
        }
    }
    keys
}
