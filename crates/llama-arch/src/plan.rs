//! How much memory a model takes, known from the header alone.

use gguf::GgufFile;

use crate::config::LlamaConfig;
use crate::error::{Error, Result};
use crate::kv_cache::{KvLayout, blocks_for};
use crate::model::BufferWidths;
use crate::rope::RopeTable;

/// Rows of a prefill chunk on the host's processor.
pub(crate) const HOST_CHUNK_ROWS: usize = 128;

/// What an executor is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorOptions {
    /// Positions of one sequence.
    pub context_length: usize,
    /// Sequences whose whole context fits in the cache at once.
    pub max_sequences: usize,
    /// Rows of one step, over all sequences.
    pub max_rows: usize,
    /// Rows with logits in one step.
    pub max_outputs: usize,
}

impl ExecutorOptions {
    /// One sequence, sampled from its last row.
    pub fn single(context_length: usize) -> Self {
        Self {
            context_length,
            max_sequences: 1,
            max_rows: HOST_CHUNK_ROWS,
            max_outputs: 1,
        }
    }

    /// `max_sequences` sequences side by side.
    pub fn batch(context_length: usize, max_sequences: usize) -> Self {
        let max_rows = HOST_CHUNK_ROWS.max(max_sequences);
        Self {
            context_length,
            max_sequences,
            max_rows,
            max_outputs: max_sequences,
        }
    }

    /// Steps of up to `rows` rows, as far as the context holds them: what a device with more
    /// arithmetic than the host wants ([`crate::LlamaModel::chunk_rows`]).
    #[must_use]
    pub fn with_chunk(self, rows: usize) -> Self {
        let useful = self.context_length.saturating_mul(self.max_sequences);
        Self {
            max_rows: rows.min(useful).max(self.max_sequences),
            ..self
        }
    }
}

/// Bytes that a model, its cache and its scratch memory take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Every tensor of the file, as stored.
    pub weight_bytes: u64,
    /// Keys and values of all sequences at full context.
    pub kv_bytes: u64,
    /// Activations and RoPE angles.
    pub scratch_bytes: u64,
    /// Bytes of cache for one position of one sequence.
    pub kv_bytes_per_token: u64,
}

impl MemoryPlan {
    /// The plan for one sequence.
    ///
    /// # Errors
    /// See [`LlamaConfig::from_gguf`] and [`MemoryPlan::new`].
    pub fn for_model(file: &GgufFile, context_length: usize) -> Result<Self> {
        let config = LlamaConfig::from_gguf(file)?;
        Self::new(file, &config, &ExecutorOptions::single(context_length))
    }

    /// The plan that an executor with these options follows on the host's processor.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`].
    pub fn new(file: &GgufFile, config: &LlamaConfig, options: &ExecutorOptions) -> Result<Self> {
        let step_bytes = operation_bytes(config, options);
        Self::of_parts(config, options, (stored_bytes(file), step_bytes))
    }

    /// The plan with so many bytes of weights and of what steps work in.
    pub(crate) fn of_parts(
        config: &LlamaConfig,
        options: &ExecutorOptions,
        (weight_bytes, step_bytes): (u64, u64),
    ) -> Result<Self> {
        if options.context_length > config.context_length {
            return Err(Error::ContextTooLong {
                requested: options.context_length,
                model: config.context_length,
            });
        }
        let n_blocks = blocks_for(options.context_length) * options.max_sequences;
        Ok(Self {
            weight_bytes,
            kv_bytes: KvLayout::new(config, n_blocks).bytes(),
            scratch_bytes: step_bytes + RopeTable::bytes(&config.rope, options.context_length),
            kv_bytes_per_token: 4 * config.n_layers as u64 * config.kv_width() as u64,
        })
    }

    /// Bytes of everything.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes
    }

    /// Checks the plan against the bytes that are free.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], which says what would fit.
    pub fn check(&self, available: u64) -> Result<()> {
        let needed = self.total_bytes();
        if needed <= available {
            return Ok(());
        }
        let fixed = self.weight_bytes + self.scratch_bytes;
        let advice = match available.saturating_sub(fixed) / self.kv_bytes_per_token {
            0 => format!("weights and scratch memory alone take {fixed}: use a smaller model"),
            tokens => format!("a cache of {tokens} positions would fit"),
        };
        Err(Error::OutOfMemory {
            needed,
            available,
            advice,
        })
    }
}

/// Bytes of every tensor of a file, as stored.
pub(crate) fn stored_bytes(file: &GgufFile) -> u64 {
    file.tensors()
        .map(|tensor| tensor.bytes().len() as u64)
        .sum()
}

/// Bytes of the buffers of steps made of single operations.
pub(crate) fn operation_bytes(config: &LlamaConfig, options: &ExecutorOptions) -> u64 {
    BufferWidths::new(config).bytes(options.max_rows, options.max_outputs)
}
