//! Prefill and decode without sampling, on one or more sequences.

use std::time::{Duration, Instant};

use llama_arch::kv_cache::blocks_for;
use llama_arch::{Batch, Execute, ExecutorOptions, LlamaModel, MemoryPlan, Outputs};

use crate::error::Result;
use crate::load::{self, ModelFile};

/// A model, planned for the tests.
pub(super) struct Runner {
    executor: Box<dyn Execute>,
    options: ExecutorOptions,
    batch: Batch,
    vocab: usize,
    /// Weights that every step reads.
    step_bytes: u64,
    kv_bytes_per_token: u64,
    drawn: u64,
}

impl Runner {
    /// An executor for these options, if memory holds it.
    pub(super) fn new(
        file: &ModelFile,
        model: &LlamaModel,
        options: ExecutorOptions,
    ) -> Result<Self> {
        let config = model.config();
        let plan =
            MemoryPlan::new(&file.file, config, &options).map_err(|error| file.about(error))?;
        load::check_host_memory(&plan, model)?;
        // Of a table that is not the head too, a step reads one row.
        let embedding = file.file.find_tensor("token_embd.weight");
        let is_tied = file.file.find_tensor("output.weight").is_none();
        let unread = embedding
            .filter(|_| !is_tied)
            .map_or(0, |tensor| tensor.bytes().len());
        Ok(Self {
            executor: model.executor(&options)?,
            options,
            batch: Batch::new(),
            vocab: config.vocab,
            step_bytes: plan.weight_bytes - unread as u64,
            kv_bytes_per_token: plan.kv_bytes_per_token,
            drawn: 0,
        })
    }

    /// Bytes that a decode step reads, averaged over `n` steps from `depth` on.
    pub(super) fn bytes_per_step(&self, depth: usize, n: usize) -> f64 {
        let cached = (depth as f64 + (n as f64 + 1.0) / 2.0) * self.options.max_sequences as f64;
        self.step_bytes as f64 + cached * self.kv_bytes_per_token as f64
    }

    /// Puts `depth` tokens of each sequence into the cache.
    pub(super) fn fill(&mut self, depth: usize) -> Result<()> {
        if depth > 0 {
            self.prefill(0, depth)?;
        }
        Ok(())
    }

    /// The time that `n` tokens of each sequence take from position `start` on.
    pub(super) fn prefill(&mut self, start: usize, n: usize) -> Result<Duration> {
        let tokens: Vec<u32> = (0..n).map(|_| self.token()).collect();
        let started = Instant::now();
        for sequence in 0..self.options.max_sequences {
            let mut at = start;
            for chunk in tokens.chunks(self.options.max_rows) {
                let is_last = at + chunk.len() == start + n;
                let outputs = if is_last {
                    Outputs::Last
                } else {
                    Outputs::None
                };
                self.batch.clear();
                let blocks = self.blocks(sequence, at + chunk.len());
                self.batch.push(chunk, at, &blocks, outputs);
                self.executor.forward(&self.batch, None)?;
                at += chunk.len();
            }
        }
        Ok(started.elapsed())
    }

    /// The time of `n` steps of one token of each sequence, from position `start` on.
    pub(super) fn decode(&mut self, start: usize, n: usize) -> Result<Duration> {
        let started = Instant::now();
        for position in start..start + n {
            self.batch.clear();
            for sequence in 0..self.options.max_sequences {
                let token = self.token();
                let blocks = self.blocks(sequence, position + 1);
                self.batch.push(&[token], position, &blocks, Outputs::Last);
            }
            self.executor.forward(&self.batch, None)?;
        }
        Ok(started.elapsed())
    }

    fn blocks(&self, sequence: usize, positions: usize) -> Vec<u32> {
        let first = sequence * blocks_for(self.options.context_length);
        (first..first + blocks_for(positions))
            .map(|block| block as u32)
            .collect()
    }

    /// Ids that follow no pattern, the same in every run.
    fn token(&mut self) -> u32 {
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.drawn >> 33) % self.vocab as u64) as u32
    }
}
