//! Prefill and greedy decoding of one or more sequences.

use std::time::{Duration, Instant};

use llama_arch::kv_cache::blocks_for;
use llama_arch::{
    Batch, Execute, ExecutorOptions, LlamaModel, MemoryPlan, Outputs, Sampler, SamplingParams,
};

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
        let about = |error| file.about(error);
        load::check_host_memory(&model.memory_plan(&options).map_err(about)?, model)?;
        // What a step reads is counted as the file has it, on every device.
        let plan = MemoryPlan::new(&file.file, config, &options).map_err(about)?;
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

    /// The time that `n` tokens of each sequence take from position `start` on, in steps of as many
    /// rows as the executor takes: of one sequence, or of several.
    pub(super) fn prefill(&mut self, start: usize, n: usize) -> Result<Duration> {
        let tokens: Vec<u32> = (0..n).map(|_| self.token()).collect();
        let started = Instant::now();
        self.batch.clear();
        for sequence in 0..self.options.max_sequences {
            let mut done = 0;
            while done < n {
                let room = self.options.max_rows - self.batch.tokens().len();
                let rows = room.min(n - done);
                let (from, to) = (done, done + rows);
                let outputs = if to == n {
                    Outputs::Last
                } else {
                    Outputs::None
                };
                let blocks = self.blocks(sequence, start + to);
                self.batch
                    .push(&tokens[from..to], start + from, &blocks, outputs);
                done = to;
                if rows == room {
                    self.step()?;
                }
            }
        }
        self.step()?;
        Ok(started.elapsed())
    }

    /// Computes what was collected, if anything was.
    fn step(&mut self) -> Result<()> {
        if !self.batch.tokens().is_empty() {
            self.executor.forward(&self.batch, None)?;
            self.batch.clear();
        }
        Ok(())
    }

    /// The time of `n` steps of one token of each sequence, from position `start` on: each
    /// continues with its most likely token, or with any if only the `logits` are wanted.
    pub(super) fn decode(&mut self, start: usize, n: usize, logits: bool) -> Result<Duration> {
        let n_sequences = self.options.max_sequences;
        let mut tokens: Vec<u32> = (0..n_sequences).map(|_| self.token()).collect();
        let sampler = |token: &u32| Sampler::new(SamplingParams::default(), &[*token], self.vocab);
        let mut samplers = tokens
            .iter()
            .map(sampler)
            .collect::<llama_arch::Result<Vec<Sampler>>>()?;
        let started = Instant::now();
        for position in start..start + n {
            self.batch.clear();
            for (sequence, token) in tokens.iter().enumerate() {
                let blocks = self.blocks(sequence, position + 1);
                self.batch.push(&[*token], position, &blocks, Outputs::Last);
            }
            if logits {
                self.executor.forward(&self.batch, None)?;
                continue;
            }
            let mut samplers: Vec<_> = samplers.iter_mut().map(|s| (s, position + 1)).collect();
            let sampled = self.executor.sample(&self.batch, &mut samplers)?;
            for (token, sampled) in tokens.iter_mut().zip(sampled) {
                *token = sampled?.id;
            }
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
