//! The tensors of a model, by role, bound from a GGUF file exactly once each.

use std::collections::HashSet;

use gguf::{GgufFile, TensorView};

use crate::backend::{Backend, MatrixPart, MatrixSource, RowKind};
use crate::config::{LlamaConfig, Presence, RopeScaling};
use crate::error::{Error, Result};
use crate::rope::RopeFactors;

/// Weights of a whole model on one backend.
pub struct Weights<B: Backend> {
    /// `[vocab][hidden]`.
    pub token_embd: B::Matrix,
    /// One per layer.
    pub layers: Vec<LayerWeights<B>>,
    /// `[hidden]`.
    pub output_norm: B::Vector,
    /// `[vocab][hidden]`; `None`: tied to `token_embd`.
    pub output: Option<B::Matrix>,
    /// Divisors of the RoPE frequencies.
    pub rope_factors: RopeFactors,
}

/// Weights of one transformer layer.
pub struct LayerWeights<B: Backend> {
    /// `[hidden]`.
    pub attn_norm: B::Vector,
    /// Q over K over V: `[q_width + 2 kv_width][hidden]`.
    pub qkv: B::Matrix,
    /// `[q_width + 2 kv_width]`.
    pub qkv_bias: Option<B::Vector>,
    /// Norms over each head of Q and of K, `[head_dim]` both.
    pub qk_norm: Option<(B::Vector, B::Vector)>,
    /// `[hidden][q_width]`.
    pub attn_output: B::Matrix,
    /// `[hidden]`.
    pub ffn_norm: B::Vector,
    /// Gate over up: `[2 ffn][hidden]`.
    pub gate_up: B::Matrix,
    /// `[hidden][ffn]`.
    pub ffn_down: B::Matrix,
}

impl<B: Backend> Weights<B> {
    /// Binds every tensor of the file, calling `progress` with the bytes taken over so far.
    ///
    /// # Errors
    /// A tensor is missing, has the wrong shape or type, or is one this architecture has no use
    /// for; or the backend is out of memory.
    pub fn load(
        file: &GgufFile,
        config: &LlamaConfig,
        backend: &B,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let mut binder = Binder {
            file,
            backend,
            consumed: HashSet::new(),
            bytes: 0,
            progress,
        };
        let (hidden, vocab) = (config.hidden, config.vocab);
        let token_embd = binder.matrix("token_embd.weight", hidden, vocab)?;
        let mut layers = Vec::with_capacity(config.n_layers.min(1 << 12));
        for layer in 0..config.n_layers {
            layers.push(binder.layer(layer, config)?);
        }
        let output_norm = binder.vector("output_norm.weight", hidden)?;
        let output = match file.find_tensor("output.weight") {
            Some(_) => Some(binder.matrix("output.weight", hidden, vocab)?),
            None => None,
        };
        let rope_factors = binder.rope_factors(config)?;
        binder.finish(config)?;
        Ok(Self {
            token_embd,
            layers,
            output_norm,
            output,
            rope_factors,
        })
    }

    /// The matrix that turns the last hidden state into logits.
    pub fn head(&self) -> &B::Matrix {
        self.output.as_ref().unwrap_or(&self.token_embd)
    }
}

/// Takes tensors out of a file, remembering which.
struct Binder<'a, B: Backend> {
    file: &'a GgufFile,
    backend: &'a B,
    consumed: HashSet<String>,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<B: Backend> Binder<'_, B> {
    fn layer(&mut self, layer: usize, config: &LlamaConfig) -> Result<LayerWeights<B>> {
        let (hidden, ffn) = (config.hidden, config.ffn);
        let name = |role: &str| format!("blk.{layer}.{role}");
        Ok(LayerWeights {
            attn_norm: self.vector(&name("attn_norm.weight"), hidden)?,
            qkv: self.qkv(&name, config)?,
            qkv_bias: self.qkv_bias(&name, config)?,
            qk_norm: self.qk_norm(&name, config)?,
            attn_output: self.matrix(&name("attn_output.weight"), config.q_width(), hidden)?,
            ffn_norm: self.vector(&name("ffn_norm.weight"), hidden)?,
            gate_up: self.gate_up(&name, config)?,
            ffn_down: self.matrix(&name("ffn_down.weight"), ffn, hidden)?,
        })
    }

    fn qkv(&mut self, name: &dyn Fn(&str) -> String, config: &LlamaConfig) -> Result<B::Matrix> {
        let (q, kv) = (config.q_width(), config.kv_width());
        let (fused, split) = (name("attn_qkv.weight"), name("attn_q.weight"));
        let has = |name: &str| self.file.find_tensor(name).is_some();
        let parts: &[(String, usize)] =
            if has(&fused) || config.architecture.fused() && !has(&split) {
                &[(fused, q + 2 * kv)]
            } else {
                &[
                    (split, q),
                    (name("attn_k.weight"), kv),
                    (name("attn_v.weight"), kv),
                ]
            };
        self.stack(parts, config.hidden, RowKind::Single)
    }

    fn gate_up(
        &mut self,
        name: &dyn Fn(&str) -> String,
        config: &LlamaConfig,
    ) -> Result<B::Matrix> {
        let (hidden, ffn) = (config.hidden, config.ffn);
        let (gate, up) = (name("ffn_gate.weight"), name("ffn_up.weight"));
        let up_rows = self
            .file
            .find_tensor(&up)
            .and_then(|up| up.dims().get(1).copied());
        let fused = self.file.find_tensor(&gate).is_none()
            && (config.architecture.fused() || up_rows == Some(2 * ffn as u64));
        let parts: &[(String, usize)] = if fused {
            &[(up, 2 * ffn)]
        } else {
            &[(gate, ffn), (up, ffn)]
        };
        self.stack(parts, hidden, RowKind::GateOverUp)
    }

    fn qkv_bias(
        &mut self,
        name: &dyn Fn(&str) -> String,
        config: &LlamaConfig,
    ) -> Result<Option<B::Vector>> {
        let (q, kv) = (config.q_width(), config.kv_width());
        let fused = name("attn_qkv.bias");
        let parts = if self.file.find_tensor(&fused).is_some() {
            vec![(fused, q + 2 * kv)]
        } else {
            vec![
                (name("attn_q.bias"), q),
                (name("attn_k.bias"), kv),
                (name("attn_v.bias"), kv),
            ]
        };
        let present = parts
            .iter()
            .any(|(name, _)| self.file.find_tensor(name).is_some());
        if !expected(config.architecture.qkv_bias(), present) {
            return Ok(None);
        }
        let mut bias = Vec::with_capacity(q + 2 * kv);
        for (name, len) in &parts {
            bias.extend(self.values(name, *len)?);
        }
        self.backend.vector(&bias).map(Some)
    }

    fn qk_norm(
        &mut self,
        name: &dyn Fn(&str) -> String,
        config: &LlamaConfig,
    ) -> Result<Option<(B::Vector, B::Vector)>> {
        let (q, k) = (name("attn_q_norm.weight"), name("attn_k_norm.weight"));
        let present = self.file.find_tensor(&q).is_some();
        if !expected(config.architecture.qk_norm(), present) {
            return Ok(None);
        }
        Ok(Some((
            self.vector(&q, config.head_dim)?,
            self.vector(&k, config.head_dim)?,
        )))
    }

    fn rope_factors(&mut self, config: &LlamaConfig) -> Result<RopeFactors> {
        let n_pairs = config.rope.dims / 2;
        if let RopeScaling::LongRope { .. } = config.rope.scaling {
            return Ok(RopeFactors {
                short: Some(self.values("rope_factors_short.weight", n_pairs)?),
                long: Some(self.values("rope_factors_long.weight", n_pairs)?),
            });
        }
        let name = "rope_freqs.weight";
        let short = match self.file.find_tensor(name) {
            Some(_) => Some(self.values(name, n_pairs)?),
            None => None,
        };
        Ok(RopeFactors { short, long: None })
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<B::Vector> {
        let values = self.values(name, len)?;
        self.backend.vector(&values)
    }

    fn matrix(&mut self, name: &str, row_len: usize, n_rows: usize) -> Result<B::Matrix> {
        self.stack(&[(name.to_owned(), n_rows)], row_len, RowKind::Single)
    }

    fn stack(
        &mut self,
        parts: &[(String, usize)],
        row_len: usize,
        rows: RowKind,
    ) -> Result<B::Matrix> {
        let mut source = MatrixSource {
            row_len,
            parts: Vec::with_capacity(parts.len()),
            rows,
        };
        for (name, n_rows) in parts {
            let tensor = self.take(name, &[row_len as u64, *n_rows as u64])?;
            source.parts.push(MatrixPart {
                name: name.clone(),
                tensor_type: tensor.tensor_type(),
                n_rows: *n_rows,
                bytes: tensor.shared_bytes(),
            });
        }
        self.backend.matrix(source)
    }

    fn values(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        Ok(self.take(name, &[len as u64])?.to_f32()?)
    }

    /// The tensor of that name, once, if it has that shape and a type we can compute with.
    fn take(&mut self, name: &str, dims: &[u64]) -> Result<TensorView<'_>> {
        let tensor = self.file.tensor(name)?;
        if tensor.dims() != dims {
            return Err(Error::ShapeMismatch {
                name: name.to_owned(),
                expected: dims.to_vec(),
                found: tensor.dims().to_vec(),
            });
        }
        if !tensor.tensor_type().can_dequantize() {
            return Err(Error::UnsupportedTensorType {
                name: name.to_owned(),
                tensor_type: tensor.tensor_type().name(),
            });
        }
        self.consumed.insert(name.to_owned());
        self.bytes += tensor.bytes().len() as u64;
        (self.progress)(self.bytes);
        Ok(tensor)
    }

    /// Nothing in the file may be left over: what we do not know, we would silently leave out.
    fn finish(self, config: &LlamaConfig) -> Result<()> {
        match self
            .file
            .tensors()
            .find(|tensor| !self.consumed.contains(tensor.name()))
        {
            None => Ok(()),
            Some(tensor) => Err(Error::UnknownTensor {
                name: tensor.name().to_owned(),
                architecture: config.architecture.name(),
            }),
        }
    }
}

/// Whether to bind a group of tensors; a missing required one fails when it is looked up, an
/// unexpected one as a tensor left over.
fn expected(presence: Presence, present: bool) -> bool {
    match presence {
        Presence::Required => true,
        Presence::Optional => present,
        Presence::Absent => false,
    }
}
