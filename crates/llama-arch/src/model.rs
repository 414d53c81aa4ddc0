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

mod buffers;
mod operations;

use std::sync::Arc;

use gguf::GgufFile;

pub(crate) use self::buffers::BufferWidths;
use self::buffers::Buffers;
use crate::backend::{AttentionShape, Backend, WholeSteps};
use crate::batch::{Batch, BatchLimits};
use crate::config::LlamaConfig;
use crate::error::{Error, Result};
use crate::kv_cache::{KvLayout, blocks_for};
use crate::plan::{ExecutorOptions, MemoryPlan, operation_bytes};
use crate::rope::RopeTable;
use crate::sampling::{Sampled, Sampler};
use crate::trace::Trace;
use crate::weights::Weights;

/// A model on one backend: configuration and weights, shared by its executors.
pub struct Model<B: Backend> {
    backend: B,
    config: LlamaConfig,
    weights: Weights<B>,
    /// What they take on the device.
    weight_bytes: u64,
    /// What every step reads the weights from, unless the backend has taken them over.
    file: Option<GgufFile>,
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
            let bytes = (backend.weight_bytes(file), operation_bytes(&config, &least));
            MemoryPlan::of_parts(&config, &least, bytes)?.check(free)?;
        }
        let weights = Weights::load(file, &config, &backend, progress)?;
        Ok(Self {
            weight_bytes: backend.weight_bytes(file),
            file: backend.reads_file().then(|| file.clone()),
            backend,
            config,
            weights,
        })
    }

    /// What an executor with these options takes, with the weights.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`], or the device failed.
    pub fn memory_plan(&self, options: &ExecutorOptions) -> Result<MemoryPlan> {
        let step_bytes = self.backend.step_bytes(self, options)?;
        MemoryPlan::of_parts(&self.config, options, (self.weight_bytes, step_bytes))
    }

    /// To be asked after every step: weights that were overwritten give wrong tokens.
    fn check_file(&self) -> Result<()> {
        Ok(self
            .file
            .as_ref()
            .map_or(Ok(()), GgufFile::check_unchanged)?)
    }

    /// The hyperparameters.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// The weights.
    pub fn weights(&self) -> &Weights<B> {
        &self.weights
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
    /// For steps made of operations: from the start, or from the first trace of a backend that
    /// has a faster way.
    buffers: Option<Buffers<B>>,
    whole_steps: Option<Box<dyn WholeSteps<B>>>,
    limits: BatchLimits,
    logits: Vec<f32>,
    positions: Vec<u32>,
}

/// What a step reads and writes beside its batch.
pub struct StepState<'a, B: Backend> {
    /// Angles of every position.
    pub rope: &'a B::Rope,
    /// Keys and values of earlier positions, and room for those of this step.
    pub cache: &'a mut B::KvCache,
}

impl<B: Backend> Executor<B> {
    /// Allocates cache and scratch memory; a step allocates nothing.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`], or [`Error::OutOfMemory`] before anything is allocated.
    pub fn new(model: Arc<Model<B>>, options: &ExecutorOptions) -> Result<Self> {
        let config = &model.config;
        let plan = model.memory_plan(options)?;
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
            // The weights are there already.
            let weight_bytes = 0;
            MemoryPlan {
                weight_bytes,
                ..plan
            }
            .check(free)?;
        }
        let factors = &model.weights.rope_factors;
        let table = RopeTable::new(&config.rope, factors, options.context_length);
        let whole_steps = backend.whole_steps(&model, options)?;
        let buffers = match whole_steps {
            Some(_) => None,
            None => Some(Buffers::new(backend, config, &limits)?),
        };
        let mut executor = Self {
            rope: backend.rope(table)?,
            cache: backend.kv_cache(&KvLayout::new(config, limits.n_blocks))?,
            buffers,
            whole_steps,
            limits,
            logits: Vec::new(),
            positions: Vec::new(),
            model,
        };
        if let Some(steps) = &mut executor.whole_steps {
            steps.prepare(StepState {
                rope: &executor.rope,
                cache: &mut executor.cache,
            })?;
        }
        Ok(executor)
    }

    /// Computes one step: appends every row to the cache and returns the logits asked for.
    ///
    /// # Errors
    /// The batch does not fit what the executor was planned for, or the device failed.
    pub fn forward(&mut self, batch: &Batch, trace: Option<&mut Trace>) -> Result<Logits<'_>> {
        self.compute(batch, trace)?;
        self.read(batch)?;
        Ok(Logits {
            values: &self.logits,
            positions: &self.positions,
        })
    }

    /// Computes one step and chooses a token for every output: for output `i` by the `i`-th
    /// sampler, for the position beside it.
    ///
    /// # Errors
    /// As [`Executor::forward`]; a row whose logits are not finite fails alone.
    pub fn sample(
        &mut self,
        batch: &Batch,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Vec<Result<Sampled>>> {
        self.compute(batch, None)?;
        if let Some(steps) = &mut self.whole_steps {
            let state = StepState {
                rope: &self.rope,
                cache: &mut self.cache,
            };
            if let Some(sampled) = steps.sample(state, samplers)? {
                return Ok(sampled);
            }
        }
        self.read(batch)?;
        let logits = Logits {
            values: &self.logits,
            positions: &self.positions,
        };
        let choose = |(index, (sampler, position)): (usize, &mut (&mut Sampler, usize))| {
            Ok(sampler.sample(logits.row(index)?, *position))
        };
        Ok(samplers.iter_mut().enumerate().map(choose).collect())
    }

    fn compute(&mut self, batch: &Batch, trace: Option<&mut Trace>) -> Result<()> {
        batch.check(&self.limits)?;
        self.logits.clear();
        if let (Some(steps), None) = (&mut self.whole_steps, &trace) {
            let state = StepState {
                rope: &self.rope,
                cache: &mut self.cache,
            };
            return steps.run(state, batch);
        }
        if let Some(steps) = &mut self.whole_steps {
            steps.stop()?;
        }
        let model = Arc::clone(&self.model);
        let mut buffers = match self.buffers.take() {
            Some(buffers) => buffers,
            None => Buffers::new(&model.backend, &model.config, &self.limits)?,
        };
        let mut trace = trace;
        let computed = self.operations(&model, &mut buffers, batch, &mut trace);
        self.buffers = Some(buffers);
        computed.and_then(|()| model.check_file())
    }

    /// The logits of the last step, unless its operations have read them already.
    fn read(&mut self, batch: &Batch) -> Result<()> {
        self.positions.clear();
        self.positions
            .extend(batch.outputs().iter().map(|&row| batch.positions()[row]));
        match &mut self.whole_steps {
            Some(steps) if self.logits.is_empty() && !batch.outputs().is_empty() => {
                steps.read_logits(&mut self.logits)
            }
            _ => Ok(()),
        }
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
