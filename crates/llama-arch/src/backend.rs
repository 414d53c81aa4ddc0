//! The seam between the forward pass and the devices: the transformer operations of one step.
//!
//! This is not a tensor library. It is the dozen operations that [`crate::model`] needs, each
//! with its formula. A backend owns its weights' layout and its memory; the forward pass only
//! names buffers. Every operation works on all rows of its input and sets the rows of its output.
//!
//! Results may depend on weights, inputs and absolute positions, never on how many rows or
//! sequences share the step: batched, chunked and single runs agree bit for bit.

pub mod cpu;
pub mod cuda;
pub mod scripted;

use std::sync::Arc;

use gguf::{GgufFile, SharedBytes, TensorType};

use crate::batch::Batch;
use crate::config::RopePairing;
use crate::error::Result;
use crate::kv_cache::KvLayout;
use crate::model::{Model, StepState};
use crate::plan::{ExecutorOptions, HOST_CHUNK_ROWS, operation_bytes, stored_bytes};
use crate::rope::RopeTable;
use crate::sampling::{Sampled, Sampler};

/// Rows of a GGUF matrix, still quantised, still in the file's mapping.
#[derive(Clone, Debug)]
pub struct MatrixPart {
    /// Tensor name, for errors.
    pub name: String,
    /// How the rows are stored.
    pub tensor_type: TensorType,
    /// Rows in this part.
    pub n_rows: usize,
    /// `n_rows` rows of `row_len` values each, row-major.
    pub bytes: SharedBytes,
}

/// A weight matrix `[n_rows][row_len]`: one tensor, or several stacked by rows (Q over K over V,
/// gate over up), whichever way the file stores them.
#[derive(Clone, Debug)]
pub struct MatrixSource {
    /// Inputs: length of a row.
    pub row_len: usize,
    /// The parts from top to bottom.
    pub parts: Vec<MatrixPart>,
    /// What its rows are to each other.
    pub rows: RowKind,
}

/// What the rows of a matrix are to each other: a backend may store those side by side whose
/// results meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Nothing in particular.
    Single,
    /// Row `i` of the upper half is the gate of row `i` of the lower half.
    GateOverUp,
}

impl MatrixSource {
    /// Outputs: rows of all parts.
    pub fn n_rows(&self) -> usize {
        self.parts.iter().map(|part| part.n_rows).sum()
    }
}

/// How the channels of one QKV row are divided, and how attention reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Channels of one head.
    pub head_dim: usize,
    /// Channels of one head that RoPE turns.
    pub rope_dims: usize,
    /// Which channels turn together.
    pub rope_pairing: RopePairing,
    /// Newest positions that a query sees, itself included; `None`: all.
    pub window: Option<usize>,
}

impl AttentionShape {
    /// Width of the queries of one row.
    pub fn q_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Width of the keys (or values) of one row.
    pub fn kv_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// Width of one QKV row.
    pub fn qkv_width(&self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }
}

/// A device that computes the operations of a transformer step.
///
/// Buffers are f32 `[rows][width]`, row-major. Sums are accumulated in f32 or better. Operations
/// return an error only when the device fails; shapes are the forward pass's duty, and a backend
/// checks them with `debug_assert`.
pub trait Backend: Clone + Send + Sync + 'static {
    /// A weight matrix, in the layout this device reads best, with the same bits.
    type Matrix: Send + Sync;
    /// A vector of f32 weights: a norm or a bias.
    type Vector: Send + Sync;
    /// Activations, `[rows][width]`, with a fixed capacity of rows.
    type Buffer: Send;
    /// Keys and values of all layers.
    type KvCache: Send;
    /// A [`RopeTable`] where the device reads it.
    type Rope: Send + Sync;

    /// The device in a few words, for logs and reports.
    fn description(&self) -> String;

    /// Rows of a prefill chunk that keep this device busy.
    fn chunk_rows(&self) -> usize {
        HOST_CHUNK_ROWS
    }

    /// Whether matrices stay in the file's mapping, so that every step reads the file.
    fn reads_file(&self) -> bool {
        true
    }

    /// Bytes free for weights, cache and activations: what a plan is checked against before
    /// anything is allocated. `None`: the host's memory, which is its own affair.
    ///
    /// # Errors
    /// The device failed.
    fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Takes over a weight matrix.
    ///
    /// # Errors
    /// [`crate::Error::UnsupportedTensorType`], or the device is out of memory.
    fn matrix(&self, source: MatrixSource) -> Result<Self::Matrix>;

    /// Takes over a vector of weights.
    ///
    /// # Errors
    /// The device is out of memory.
    fn vector(&self, values: &[f32]) -> Result<Self::Vector>;

    /// Takes over a table of angles.
    ///
    /// # Errors
    /// The device is out of memory.
    fn rope(&self, table: RopeTable) -> Result<Self::Rope>;

    /// Memory for activations.
    ///
    /// # Errors
    /// The device is out of memory.
    fn buffer(&self, max_rows: usize, width: usize) -> Result<Self::Buffer>;

    /// Memory for keys and values.
    ///
    /// # Errors
    /// The device is out of memory.
    fn kv_cache(&self, layout: &KvLayout) -> Result<Self::KvCache>;

    /// Sets the rows of `buffer` to `values` (`[rows][width]`): for tests and tools.
    ///
    /// # Errors
    /// The device failed.
    fn write(&self, buffer: &mut Self::Buffer, values: &[f32]) -> Result<()>;

    /// Replaces `out` by all rows of `buffer`, waiting for the work before it; returns how many.
    ///
    /// # Errors
    /// The device failed.
    fn read(&self, buffer: &Self::Buffer, out: &mut Vec<f32>) -> Result<usize>;

    /// `out[r] = table[tokens[r]]`, dequantised. Ids are below the table's rows.
    ///
    /// # Errors
    /// The device failed.
    fn embed(&self, table: &Self::Matrix, tokens: &[u32], out: &mut Self::Buffer) -> Result<()>;

    /// `out[r][i] = x[r][i] * weight[i] / sqrt(mean(x[r]^2) + eps)`.
    ///
    /// # Errors
    /// The device failed.
    fn rms_norm(
        &self,
        x: &Self::Buffer,
        weight: &Self::Vector,
        eps: f32,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// `out[r][o] = sum over i of weight[o][i] * x[r][i]`, plus `bias[o]` if there is one.
    ///
    /// # Errors
    /// The device failed.
    fn matmul(
        &self,
        weight: &Self::Matrix,
        bias: Option<&Self::Vector>,
        x: &Self::Buffer,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// [`Self::matmul`] without bias, added to what `out` holds: the residual connection.
    ///
    /// # Errors
    /// The device failed.
    fn matmul_add(
        &self,
        weight: &Self::Matrix,
        x: &Self::Buffer,
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// RMSNorm over each head of Q with `q_weight` and of K with `k_weight` (`[head_dim]` both),
    /// in place. `qkv` rows are Q heads, K heads, V heads.
    ///
    /// # Errors
    /// The device failed.
    fn head_norm(
        &self,
        qkv: &mut Self::Buffer,
        weights: (&Self::Vector, &Self::Vector),
        eps: f32,
        shape: &AttentionShape,
    ) -> Result<()>;

    /// Turns Q and K in place, and appends K and V of every row to `layer` of the cache as f16,
    /// rounded to nearest even.
    ///
    /// A pair `(a, b)` at position `p` becomes `(a cos - b sin, a sin + b cos)` with the angle of
    /// `(p, pair)`. Channels from `rope_dims` on pass through.
    ///
    /// # Errors
    /// The device failed.
    fn rope_append(
        &self,
        qkv: &mut Self::Buffer,
        rope: &Self::Rope,
        cache: &mut Self::KvCache,
        layer: usize,
        step: (&Batch, &AttentionShape),
    ) -> Result<()>;

    /// Causal attention of every row over its own sequence:
    /// `out[r][h] = sum over j of softmax_j(q[r][h] . k[j][g] / sqrt(head_dim)) * v[j][g]`
    /// with `g = h / (n_heads / n_kv_heads)` and `j` from the window's start to the row's position.
    ///
    /// # Errors
    /// The device failed.
    fn attention(
        &self,
        qkv: &Self::Buffer,
        cache: &Self::KvCache,
        layer: usize,
        step: (&Batch, &AttentionShape),
        out: &mut Self::Buffer,
    ) -> Result<()>;

    /// `out[r][i] = silu(gate_up[r][i]) * gate_up[r][ffn + i]` with `silu(x) = x / (1 + e^-x)`.
    ///
    /// # Errors
    /// The device failed.
    fn swiglu(&self, gate_up: &Self::Buffer, out: &mut Self::Buffer) -> Result<()>;

    /// `out[i] = x[rows[i]]`.
    ///
    /// # Errors
    /// The device failed.
    fn gather(&self, x: &Self::Buffer, rows: &[usize], out: &mut Self::Buffer) -> Result<()>;

    /// Bytes that the tensors of a file take on the device.
    fn weight_bytes(&self, file: &GgufFile) -> u64 {
        stored_bytes(file)
    }

    /// Bytes that the steps of an executor with these options work in, beside cache and angles.
    ///
    /// # Errors
    /// The device failed.
    fn step_bytes(&self, model: &Model<Self>, options: &ExecutorOptions) -> Result<u64> {
        Ok(operation_bytes(model.config(), options))
    }

    /// Steps in one go, for an executor with these options. `None`: steps are made of the
    /// operations above.
    ///
    /// # Errors
    /// The device is out of memory.
    fn whole_steps(
        &self,
        _model: &Arc<Model<Self>>,
        _options: &ExecutorOptions,
    ) -> Result<Option<Box<dyn WholeSteps<Self>>>> {
        Ok(None)
    }
}

/// Whole steps of a backend that knows a faster way than one operation after the other: fused
/// kernels, recorded graphs, sampling on the device. The bits are those of the operations.
pub trait WholeSteps<B: Backend>: Send {
    /// Readies everything that later steps would wait for, once.
    ///
    /// # Errors
    /// The device failed.
    fn prepare(&mut self, state: StepState<'_, B>) -> Result<()>;

    /// Starts a step: appends every row to the cache and computes the logits asked for.
    ///
    /// # Errors
    /// The device failed.
    fn run(&mut self, state: StepState<'_, B>, batch: &Batch) -> Result<()>;

    /// Replaces `out` by the logits of the last step, `[outputs][vocab]`.
    ///
    /// # Errors
    /// The device failed.
    fn read_logits(&mut self, out: &mut Vec<f32>) -> Result<()>;

    /// Chooses a token from the logits of the last step, of output `i` with the `i`-th sampler for
    /// the given position; `None`: these samplers want something that only the host can do. The
    /// step after it may begin before this returns.
    ///
    /// # Errors
    /// The device failed; a row whose logits are not finite fails alone.
    fn sample(
        &mut self,
        state: StepState<'_, B>,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Option<Vec<Result<Sampled>>>>;

    /// Forgets what was begun of the step after the last one: the cache is about to change.
    ///
    /// # Errors
    /// The device failed.
    fn stop(&mut self) -> Result<()>;
}
