//! The forward pass of every model of the family, from top to bottom.
//!
//! ```text
//! x = embed(tokens)
//! for each layer:
//!     qkv = W_qkv rms_norm(x) + bias      (heads of Q and K normed: Qwen3)
//!     q, k turned by RoPE; k, v appended to the cache
//!     x += W_o attention(q, cache)
//!     x += W_down (silu(gate) * up)       with gate, up = W_gate_up rms_norm(x)
//! logits = W_head rms_norm(x[rows that want them])
//! ```
//!
//! Per-model differences are data in [`LlamaConfig`] and [`Weights`].

use std::sync::Arc;

use gguf::GgufFile;

use crate::backend::{AttentionShape, Backend};
use crate::batch::{Batch, BatchLimits};
use crate::config::LlamaConfig;
use crate::error::{Error, Result};
use crate::kv_cache::{KvLayout, blocks_for};
use crate::plan::{ExecutorOptions, MemoryPlan};
use crate::rope::RopeTable;
use crate::trace::Trace;
use crate::weights::{LayerWeights, Weights};

/// A model on one backend: configuration and weights, shared by its executors.
pub struct Model<B: Backend> {
    backend: B,
    config: LlamaConfig,
    weights: Weights<B>,
}

impl<B: Backend> Model<B> {
    /// Reads the configuration and binds every tensor.
    ///
    /// # Errors
    /// See [`LlamaConfig::from_gguf`] and [`Weights::load`]; [`Error::OutOfMemory`] before
    /// anything is taken over.
    pub fn load(file: &GgufFile, backend: B, progress: &mut dyn FnMut(u64)) -> Result<Self> {
        let config = LlamaConfig::from_gguf(file)?;
        // The least that can be run: an executor checks what it takes itself.
        let least = ExecutorOptions {
            max_rows: 1,
            ..ExecutorOptions::single(1)
        };
        if let Some(free) = backend.free_bytes()? {
            MemoryPlan::new(file, &config, &least)?.check(free)?;
        }
        let weights = Weights::load(file, &config, &backend, progress)?;
        Ok(Self {
            backend,
            config,
            weights,
        })
    }

    /// The hyperparameters.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }
}

/// What one step computes for the rows that asked for logits, in the order of
/// [`Batch::outputs`].
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    values: &'a [f32],
    positions: &'a [u32],
}

impl<'a> Logits<'a> {
    /// Rows that asked for logits.
    pub fn n_rows(&self) -> usize {
        self.positions.len()
    }

    /// The `[vocab]` logits of one row.
    ///
    /// # Errors
    /// [`Error::NonFinite`]: a NaN would be laundered into a valid token, so it fails this row
    /// loudly, and this row alone.
    pub fn row(&self, index: usize) -> Result<&'a [f32]> {
        let vocab = self.values.len() / self.positions.len();
        let row = &self.values[index * vocab..(index + 1) * vocab];
        match row.iter().filter(|value| !value.is_finite()).count() {
            0 => Ok(row),
            count => Err(Error::NonFinite {
                position: self.positions[index] as usize,
                count,
            }),
        }
    }
}

/// A model with a cache and scratch memory: runs steps one after the other.
pub struct Executor<B: Backend> {
    model: Arc<Model<B>>,
    rope: B::Rope,
    cache: B::KvCache,
    buffers: Buffers<B>,
    limits: BatchLimits,
    logits: Vec<f32>,
    positions: Vec<u32>,
}

/// Activations of one step. `r` rows in all, `o` rows with logits.
struct Buffers<B: Backend> {
    /// Residual stream, `[r][hidden]`.
    x: B::Buffer,
    /// Normed residual, `[r][hidden]`.
    normed: B::Buffer,
    /// `[r][q_width + 2 kv_width]`.
    qkv: B::Buffer,
    /// Heads after attention, `[r][q_width]`.
    attended: B::Buffer,
    /// `[r][2 ffn]`.
    gate_up: B::Buffer,
    /// `[r][ffn]`.
    activated: B::Buffer,
    /// Rows that want logits, `[o][hidden]`.
    last: B::Buffer,
    /// `[o][hidden]`.
    last_normed: B::Buffer,
    /// `[o][vocab]`.
    logits: B::Buffer,
}

impl<B: Backend> Buffers<B> {
    fn new(backend: &B, config: &LlamaConfig, limits: &BatchLimits) -> Result<Self> {
        let widths = BufferWidths::new(config);
        let rows = |width| backend.buffer(limits.max_rows, width);
        let outputs = |width| backend.buffer(limits.max_outputs, width);
        Ok(Self {
            x: rows(widths.hidden)?,
            normed: rows(widths.hidden)?,
            qkv: rows(widths.qkv)?,
            attended: rows(widths.q)?,
            gate_up: rows(2 * widths.ffn)?,
            activated: rows(widths.ffn)?,
            last: outputs(widths.hidden)?,
            last_normed: outputs(widths.hidden)?,
            logits: outputs(widths.vocab)?,
        })
    }
}

/// Widths of the activations of one row.
pub(crate) struct BufferWidths {
    hidden: usize,
    qkv: usize,
    q: usize,
    ffn: usize,
    vocab: usize,
}

impl BufferWidths {
    pub(crate) fn new(config: &LlamaConfig) -> Self {
        Self {
            hidden: config.hidden,
            qkv: config.q_width() + 2 * config.kv_width(),
            q: config.q_width(),
            ffn: config.ffn,
            vocab: config.vocab,
        }
    }

    /// Bytes of all buffers of an executor.
    pub(crate) fn bytes(&self, max_rows: usize, max_outputs: usize) -> u64 {
        let row = 2 * self.hidden + self.qkv + self.q + 3 * self.ffn;
        let output = 2 * self.hidden + self.vocab;
        4 * (row as u64 * max_rows as u64 + output as u64 * max_outputs as u64)
    }
}

impl<B: Backend> Executor<B> {
    /// Allocates cache and scratch memory; a step allocates nothing.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`], or [`Error::OutOfMemory`] before anything is allocated.
    pub fn new(model: Arc<Model<B>>, options: &ExecutorOptions) -> Result<Self> {
        let config = &model.config;
        let plan = MemoryPlan::of_executor(config, options)?;
        if [
            options.context_length,
            options.max_rows,
            options.max_sequences,
        ]
        .contains(&0)
        {
            return Err(Error::InvalidBatch {
                reason: format!("no room for a row in {options:?}"),
            });
        }
        let limits = BatchLimits {
            max_rows: options.max_rows,
            max_outputs: options.max_outputs,
            max_positions: options.context_length,
            model_context: config.context_length,
            n_blocks: blocks_for(options.context_length) * options.max_sequences,
            vocab: config.vocab,
        };
        let backend = &model.backend;
        if let Some(free) = backend.free_bytes()? {
            plan.check(free)?;
        }
        let factors = &model.weights.rope_factors;
        let table = RopeTable::new(&config.rope, factors, options.context_length);
        Ok(Self {
            rope: backend.rope(table)?,
            cache: backend.kv_cache(&KvLayout::new(config, limits.n_blocks))?,
            buffers: Buffers::new(backend, config, &limits)?,
            limits,
            logits: Vec::new(),
            positions: Vec::new(),
            model,
        })
    }

    /// Computes one step: appends every row to the cache and returns the logits asked for.
    ///
    /// # Errors
    /// The batch does not fit what the executor was planned for, or the device failed.
    pub fn forward(&mut self, batch: &Batch, mut trace: Option<&mut Trace>) -> Result<Logits<'_>> {
        batch.check(&self.limits)?;
        let model = Arc::clone(&self.model);
        let Model {
            backend,
            config,
            weights,
        } = &*model;
        backend.embed(&weights.token_embd, batch.tokens(), &mut self.buffers.x)?;
        observe(backend, &mut trace, (None, "embed"), &self.buffers.x)?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.attention(index, layer, batch, &mut trace)?;
            self.feed_forward(index, layer, &mut trace)?;
        }
        self.logits.clear();
        if !batch.outputs().is_empty() {
            let Buffers {
                x,
                last,
                last_normed,
                logits,
                ..
            } = &mut self.buffers;
            backend.gather(x, batch.outputs(), last)?;
            backend.rms_norm(last, &weights.output_norm, config.rms_eps, last_normed)?;
            observe(backend, &mut trace, (None, "output_norm"), last_normed)?;
            backend.matmul(weights.head(), None, last_normed, logits)?;
            observe(backend, &mut trace, (None, "logits"), logits)?;
            backend.read(logits, &mut self.logits)?;
        }
        self.positions.clear();
        self.positions
            .extend(batch.outputs().iter().map(|&row| batch.positions()[row]));
        Ok(Logits {
            values: &self.logits,
            positions: &self.positions,
        })
    }

    fn attention(
        &mut self,
        index: usize,
        layer: &LayerWeights<B>,
        batch: &Batch,
        trace: &mut Option<&mut Trace>,
    ) -> Result<()> {
        let Model {
            backend, config, ..
        } = &*self.model;
        let Buffers {
            x,
            normed,
            qkv,
            attended,
            ..
        } = &mut self.buffers;
        let shape = attention_shape(config);
        let at = |op| (Some(index), op);
        backend.rms_norm(x, &layer.attn_norm, config.rms_eps, normed)?;
        observe(backend, trace, at("attn_norm"), normed)?;
        backend.matmul(&layer.qkv, layer.qkv_bias.as_ref(), normed, qkv)?;
        observe(backend, trace, at("qkv"), qkv)?;
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            backend.head_norm(qkv, (q_norm, k_norm), config.rms_eps, &shape)?;
            observe(backend, trace, at("qk_norm"), qkv)?;
        }
        backend.rope_append(qkv, &self.rope, &mut self.cache, index, (batch, &shape))?;
        observe(backend, trace, at("rope"), qkv)?;
        backend.attention(qkv, &self.cache, index, (batch, &shape), attended)?;
        observe(backend, trace, at("attention"), attended)?;
        backend.matmul_add(&layer.attn_output, attended, x)?;
        observe(backend, trace, at("attn_residual"), x)
    }

    fn feed_forward(
        &mut self,
        index: usize,
        layer: &LayerWeights<B>,
        trace: &mut Option<&mut Trace>,
    ) -> Result<()> {
        let Model {
            backend, config, ..
        } = &*self.model;
        let Buffers {
            x,
            normed,
            gate_up,
            activated,
            ..
        } = &mut self.buffers;
        let at = |op| (Some(index), op);
        backend.rms_norm(x, &layer.ffn_norm, config.rms_eps, normed)?;
        observe(backend, trace, at("ffn_norm"), normed)?;
        backend.matmul(&layer.gate_up, None, normed, gate_up)?;
        observe(backend, trace, at("gate_up"), gate_up)?;
        backend.swiglu(gate_up, activated)?;
        observe(backend, trace, at("swiglu"), activated)?;
        backend.matmul_add(&layer.ffn_down, activated, x)?;
        observe(backend, trace, at("ffn_residual"), x)
    }
}

/// How attention divides a QKV row of this model.
pub fn attention_shape(config: &LlamaConfig) -> AttentionShape {
    AttentionShape {
        n_heads: config.n_heads,
        n_kv_heads: config.n_kv_heads,
        head_dim: config.head_dim,
        rope_dims: config.rope.dims,
        rope_pairing: config.rope.pairing,
        window: config.sliding_window,
    }
}

/// Records a buffer, if anyone is looking.
fn observe<B: Backend>(
    backend: &B,
    trace: &mut Option<&mut Trace>,
    (layer, op): (Option<usize>, &'static str),
    buffer: &B::Buffer,
) -> Result<()> {
    match trace {
        None => Ok(()),
        Some(trace) => {
            let mut values = Vec::new();
            let rows = backend.read(buffer, &mut values)?;
            trace.record(layer, op, rows, &values);
            Ok(())
        }
    }
}
