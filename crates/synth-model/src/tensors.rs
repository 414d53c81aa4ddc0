//! Which tensors a specification has, in file order, and what their values look like.

use gguf::TensorType;

use crate::error::Result;
use crate::rope::llama3_factors;
use crate::spec::{ModelSpec, QkvBias, RopeScaling};

/// One tensor: everything but its bytes.
#[derive(Clone, Debug)]
pub(crate) struct TensorPlan {
    pub(crate) name: String,
    /// Contiguous axis first.
    pub(crate) dims: Vec<u64>,
    pub(crate) tensor_type: TensorType,
    pub(crate) fill: Fill,
}

/// How the values are distributed.
#[derive(Clone, Debug)]
pub(crate) enum Fill {
    /// Mean 0, of this deviation.
    Matrix { deviation: f32 },
    /// RMSNorm weights: this mean, a tenth of it as deviation.
    Norm { mean: f32 },
    /// Biases: the first `n_loud` as specified, the rest, those of V, quieter and without
    /// outliers, because a constant V would drown what the tokens say.
    Bias { bias: QkvBias, n_loud: u64 },
    /// These values.
    Values(Vec<f32>),
}

impl TensorPlan {
    pub(crate) fn n_elements(&self) -> u64 {
        self.dims.iter().product()
    }

    /// Bytes in the file, without padding.
    pub(crate) fn n_bytes(&self) -> u64 {
        let blocks = self.n_elements() / self.tensor_type.block_len() as u64;
        blocks * self.tensor_type.block_bytes() as u64
    }
}

/// With a tied head, a token's own logit grows with its embedding, and greedy decoding would
/// repeat it: such embeddings are this much smaller, and the last norm makes up for it.
const TIED_GAIN: f32 = 4.0;

/// The tensors of a model, in file order.
pub(crate) fn plan(spec: &ModelSpec) -> Result<Vec<TensorPlan>> {
    spec.check()?;
    let mut list = List {
        spec,
        tensors: Vec::new(),
    };
    let gain = if spec.tied { TIED_GAIN } else { 1.0 };
    list.scaled_matrix("token_embd.weight", [spec.hidden, spec.vocab], 1.0 / gain)?;
    for layer in 0..spec.n_layers {
        list.attention(layer)?;
        list.feed_forward(layer)?;
    }
    list.vector("output_norm.weight", spec.hidden, Fill::Norm { mean: gain });
    if !spec.tied {
        list.matrix("output.weight", spec.hidden, spec.vocab)?;
    }
    if let Some(factors) = llama3_factors(&spec.rope) {
        list.values("rope_freqs.weight", &factors);
    }
    if let RopeScaling::LongRope { short, long, .. } = &spec.rope.scaling {
        list.values("rope_factors_long.weight", long);
        list.values("rope_factors_short.weight", short);
    }
    Ok(list.tensors)
}

struct List<'a> {
    spec: &'a ModelSpec,
    tensors: Vec<TensorPlan>,
}

impl List<'_> {
    fn attention(&mut self, layer: usize) -> Result<()> {
        let spec = self.spec;
        let (hidden, q, kv) = (spec.hidden, spec.q_width(), spec.kv_width());
        let name = |role: &str| format!("blk.{layer}.{role}");
        self.norm(name("attn_norm.weight"), hidden);
        let parts: &[(&str, usize, usize)] = if spec.fused {
            &[("attn_qkv", q + 2 * kv, q + kv)]
        } else {
            &[("attn_q", q, q), ("attn_k", kv, kv), ("attn_v", kv, 0)]
        };
        for &(part, rows, n_loud) in parts {
            self.matrix(name(&format!("{part}.weight")), hidden, rows)?;
            if let Some(bias) = spec.qkv_bias {
                let fill = Fill::Bias {
                    bias,
                    n_loud: n_loud as u64,
                };
                self.vector(name(&format!("{part}.bias")), rows, fill);
            }
        }
        if spec.qk_norm {
            self.norm(name("attn_q_norm.weight"), spec.head_dim);
            self.norm(name("attn_k_norm.weight"), spec.head_dim);
        }
        self.matrix(name("attn_output.weight"), q, hidden)
    }

    fn feed_forward(&mut self, layer: usize) -> Result<()> {
        let (hidden, ffn) = (self.spec.hidden, self.spec.ffn);
        let name = |role: &str| format!("blk.{layer}.{role}");
        self.norm(name("ffn_norm.weight"), hidden);
        if self.spec.fused {
            self.matrix(name("ffn_up.weight"), hidden, 2 * ffn)?;
        } else {
            self.matrix(name("ffn_gate.weight"), hidden, ffn)?;
            self.matrix(name("ffn_up.weight"), hidden, ffn)?;
        }
        self.matrix(name("ffn_down.weight"), ffn, hidden)
    }

    fn matrix(&mut self, name: impl Into<String>, row_len: usize, n_rows: usize) -> Result<()> {
        self.scaled_matrix(name, [row_len, n_rows], 1.0)
    }

    fn scaled_matrix(
        &mut self,
        name: impl Into<String>,
        dims: [usize; 2],
        scale: f32,
    ) -> Result<()> {
        let name = name.into();
        let tensor_type = self.spec.types.type_of(&name);
        tensor_type.row_bytes(dims[0])?;
        let fill = Fill::Matrix {
            deviation: scale * (1.0 / (dims[0] as f64).sqrt()) as f32,
        };
        let dims = dims.map(|dim| dim as u64).to_vec();
        self.tensors.push(TensorPlan {
            name,
            dims,
            tensor_type,
            fill,
        });
        Ok(())
    }

    fn norm(&mut self, name: impl Into<String>, len: usize) {
        self.vector(name, len, Fill::Norm { mean: 1.0 });
    }

    fn values(&mut self, name: &str, values: &[f32]) {
        self.vector(name, values.len(), Fill::Values(values.to_vec()));
    }

    fn vector(&mut self, name: impl Into<String>, len: usize, fill: Fill) {
        let (name, dims, tensor_type) = (name.into(), vec![len as u64], TensorType::F32);
        self.tensors.push(TensorPlan {
            name,
            dims,
            tensor_type,
            fill,
        });
    }
}
