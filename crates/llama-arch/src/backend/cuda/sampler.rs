//! Sampling on the device.
//!
//! Tokens are those of [`Sampler`], bit for bit: both sides compute with the same rounded
//! operations. Log probabilities are f32 where the host's are f64. A host's [`Sampler`] stays the
//! owner of its request: the device has a copy of what it counts, and is brought up to date where
//! the two differ, which they do when a request begins.

mod memory;

use cuda_kernels::launch::{Sample, SampleParams, SampleResult, SampleState};
use cuda_kernels::{ReadBack, View};

pub(super) use self::memory::SamplerMemory;
use super::{CudaBackend, failed};
use crate::error::{Error, Result};
use crate::sampling::{Logprobs, Sampled, Sampler, SamplingParams};

/// Steps whose results the device keeps: as many may be under way.
pub const N_SLOTS: usize = 8;

/// Chooses tokens for a number of rows.
pub struct DeviceSampler {
    backend: CudaBackend,
    vocab: usize,
    rows: Vec<Row>,
    memory: SamplerMemory,
    read_back: ReadBack<SampleResult>,
    /// Steps whose results are on their way.
    n_under_way: usize,
}

/// What the device knows of a row.
#[derive(Clone)]
struct Row {
    params: Option<SampleParams>,
    /// Of the token that comes next.
    position: usize,
    state: SampleState,
    /// As in [`Sampler`], and as in the row's table.
    seen: Vec<u32>,
    generated: Vec<(u32, u32)>,
}

impl DeviceSampler {
    /// For up to `max_rows` rows.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(backend: &CudaBackend, max_rows: usize, vocab: usize) -> Result<Self> {
        let device = &backend.0.device;
        let memory = device.in_arena(|arena| SamplerMemory::new(arena, max_rows, vocab));
        Self::within(backend, memory.map_err(failed("sampler"))?, max_rows, vocab)
    }

    /// The same in memory that is there.
    pub(super) fn within(
        backend: &CudaBackend,
        memory: SamplerMemory,
        max_rows: usize,
        vocab: usize,
    ) -> Result<Self> {
        let nothing = Row {
            params: None,
            position: 0,
            state: SampleState::default(),
            seen: Vec::new(),
            generated: Vec::new(),
        };
        let read_back = ReadBack::new(&backend.0.device, N_SLOTS, max_rows);
        Ok(Self {
            backend: backend.clone(),
            vocab,
            rows: vec![nothing; max_rows],
            memory,
            read_back: read_back.map_err(failed("sampler"))?,
            n_under_way: 0,
        })
    }

    /// Puts tokens and their positions where the next step embeds them, as if they had been chosen.
    /// Nothing may be under way.
    ///
    /// # Errors
    /// The device failed.
    pub fn place(&mut self, tokens: &[u32], positions: &[u32]) -> Result<()> {
        for row in &mut self.rows[..tokens.len()] {
            row.position = usize::MAX;
        }
        self.memory
            .tokens
            .write(0, tokens)
            .map_err(failed("sampler"))?;
        let placed = self.memory.positions.write(0, positions);
        placed.map_err(failed("sampler"))?;
        for (row, &position) in self.rows.iter_mut().zip(positions) {
            row.position = position as usize + 1;
        }
        Ok(())
    }

    /// Whether the rows are ready for these samplers and positions, but for what is under way.
    pub fn suits(&self, samplers: &[(&mut Sampler, usize)]) -> bool {
        let rows = self.rows.iter().zip(samplers).enumerate();
        let all = rows.into_iter().all(|(at, (row, (sampler, position)))| {
            let params = device_params(sampler.params(), at, self.vocab);
            let (seen, generated) = sampler.counted();
            let is_counted =
                params.counts == Sample::NONE || (row.seen == seen && row.generated == generated);
            row.params == Some(params) && row.position == *position && is_counted
        });
        let n_active = self.rows.iter().filter(|row| row.params.is_some()).count();
        all && n_active == samplers.len()
    }

    /// Forgets every step under way: nobody wants its tokens, or a call failed and nobody knows how
    /// far the device has come. Rows are prepared anew.
    ///
    /// # Errors
    /// The device failed.
    pub fn forget(&mut self) -> Result<()> {
        while self.n_under_way > 0 {
            self.read_back.wait().map_err(failed("sample"))?;
            self.n_under_way -= 1;
        }
        for row in &mut self.rows {
            // As no device has it: it is written before it is used again.
            row.state.is_failed = u32::MAX;
            row.position = usize::MAX;
            row.seen = vec![Sample::NONE];
        }
        Ok(())
    }

    /// Why the host must sample with these parameters; `None`: the device can.
    pub fn refusal(params: &SamplingParams, vocab: usize) -> Option<&'static str> {
        let large_k = params.top_k > Sample::MAX_TOP_K && params.top_k < vocab;
        let many_logprobs = params.logprobs.is_some_and(|n| n > Sample::MAX_LOGPROBS);
        [
            (!params.logit_bias.is_empty(), "logit bias"),
            (large_k && params.temperature > 0.0, "a large top-k"),
            (many_logprobs, "many log probabilities"),
            (vocab > Sample::MAX_WIDTH, "a huge vocabulary"),
        ]
        .into_iter()
        .find_map(|(applies, reason)| applies.then_some(reason))
    }

    /// Chooses a token from each row of logits `[n_rows][vocab]`, of row `i` with the `i`-th
    /// sampler for the given position; `None`: one of them must be the host's.
    ///
    /// # Errors
    /// See [`DeviceSampler::prepare`] and [`DeviceSampler::collect`].
    pub fn sample(
        &mut self,
        logits: View<'_, f32>,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Option<Vec<Result<Sampled>>>> {
        let mut params = samplers.iter().map(|(sampler, _)| sampler.params());
        if params.any(|params| Self::refusal(params, self.vocab).is_some()) {
            return Ok(None);
        }
        self.prepare(samplers)?;
        self.launch(logits, samplers.len())?;
        self.enqueue(samplers.len())?;
        self.collect(samplers).map(Some)
    }

    /// Readies row `i` for the `i`-th sampler, which chooses the token of the given position, and
    /// no other rows. Where a row goes on with what it chose itself, nothing is copied. Nothing may
    /// be under way.
    ///
    /// # Errors
    /// The device failed.
    pub fn prepare(&mut self, samplers: &[(&mut Sampler, usize)]) -> Result<()> {
        for (at, (sampler, position)) in samplers.iter().enumerate() {
            self.prepare_row(at, sampler, *position)?;
        }
        for at in samplers.len()..self.rows.len() {
            if self.rows[at].params.take().is_some() {
                let inactive = [SampleParams::default()];
                self.memory
                    .params
                    .write(at, &inactive)
                    .map_err(failed("sampler"))?;
            }
        }
        let step = self.step();
        for at in 0..samplers.len() {
            let wanted = SampleState { step, is_failed: 0 };
            if self.rows[at].state != wanted {
                self.memory
                    .states
                    .write(at, &[wanted])
                    .map_err(failed("sampler"))?;
                self.rows[at].state = wanted;
            }
        }
        Ok(())
    }

    fn prepare_row(&mut self, at: usize, sampler: &Sampler, position: usize) -> Result<()> {
        let params = device_params(sampler.params(), at, self.vocab);
        let (seen, generated) = sampler.counted();
        let row = &mut self.rows[at];
        if params.counts != Sample::NONE && (row.seen != seen || row.generated != generated) {
            row.seen.clear();
            let table = table(self.vocab, seen, generated);
            let first = at * self.vocab;
            self.memory
                .counts
                .write(first, &table)
                .map_err(failed("sampler"))?;
            row.seen = seen.to_vec();
            row.generated = generated.to_vec();
        }
        if row.params != Some(params) {
            row.params = None;
            self.memory
                .params
                .write(at, &[params])
                .map_err(failed("sampler"))?;
            row.params = Some(params);
        }
        if row.position != position {
            row.position = usize::MAX;
            // The kernel knows the position before.
            let before = [(position as u32).wrapping_sub(1)];
            self.memory
                .positions
                .write(at, &before)
                .map_err(failed("sampler"))?;
            row.position = position;
        }
        Ok(())
    }

    /// Starts choosing from logits `[n_rows][vocab]`: launches alone, which can be recorded.
    ///
    /// # Errors
    /// The device failed.
    pub fn launch(&mut self, logits: View<'_, f32>, n_rows: usize) -> Result<()> {
        let sample = Sample {
            x: logits,
            params: self.memory.params.view(),
            counts: self.memory.counts.view_mut(),
            states: self.memory.states.view_mut(),
            scratch: self.memory.scratch.view_mut(),
            tokens: self.memory.tokens.view_mut(),
            positions: self.memory.positions.view_mut(),
            results: self.memory.results.view_mut(),
            n_rows,
            width: self.vocab,
            n_slots: N_SLOTS,
        };
        let launched = sample.launch(&self.backend.0.kernels);
        launched.map(|_| ()).map_err(failed("sample"))
    }

    /// Sends the tokens of a launch of `n_rows` on their way to the host, once after each launch
    /// or replay of one. No more than [`N_SLOTS`] may be under way.
    ///
    /// # Errors
    /// The device failed, or too many are under way.
    pub fn enqueue(&mut self, n_rows: usize) -> Result<()> {
        let step = self.step() as usize + self.n_under_way;
        let first = step % N_SLOTS * n_rows;
        let results = self.memory.results.view().range(first..first + n_rows);
        let enqueued = results.and_then(|results| self.read_back.enqueue(results));
        enqueued.map_err(failed("sample"))?;
        self.n_under_way += 1;
        Ok(())
    }

    /// The tokens of the oldest step under way, which `samplers` count as their output.
    ///
    /// # Errors
    /// The device failed. A row whose logits are not finite fails alone, and so do its later
    /// tokens until it is prepared again.
    pub fn collect(
        &mut self,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Vec<Result<Sampled>>> {
        let results = self.read_back.wait().map_err(failed("sample"))?;
        self.n_under_way = self.n_under_way.saturating_sub(1);
        let rows = self.rows.iter_mut().zip(samplers).zip(results);
        Ok(rows
            .map(|((row, (sampler, _)), result)| row.take(sampler, result, self.vocab))
            .collect())
    }

    /// Steps collected; rows of one launch leave their results in one slot.
    fn step(&self) -> u32 {
        self.rows.first().map_or(0, |row| row.state.step)
    }

    /// Where the tokens chosen are, for the next step to embed.
    pub fn tokens(&self) -> View<'_, u32> {
        self.memory.tokens.view()
    }

    /// Positions of the tokens chosen.
    pub fn positions(&self) -> View<'_, u32> {
        self.memory.positions.view()
    }
}

impl Row {
    fn take(
        &mut self,
        sampler: &mut Sampler,
        result: &SampleResult,
        vocab: usize,
    ) -> Result<Sampled> {
        self.state.step = self.state.step.wrapping_add(1);
        self.position = self.position.wrapping_add(1);
        if result.id == Sample::NONE {
            self.state.is_failed = 1;
            return Err(Error::NonFinite {
                position: (result.position as usize).wrapping_sub(1),
                count: result.non_finite as usize,
            });
        }
        sampler.count(result.id);
        if self
            .params
            .is_some_and(|params| params.counts != Sample::NONE)
        {
            let (seen, generated) = sampler.counted();
            seen.clone_into(&mut self.seen);
            generated.clone_into(&mut self.generated);
        }
        let logprobs = sampler.params().logprobs.map(|n| {
            let top = result.top_ids.into_iter().zip(result.top_logprobs);
            Logprobs {
                chosen: result.logprob,
                top: top.take(n.min(vocab)).collect(),
            }
        });
        Ok(Sampled {
            id: result.id,
            logprobs,
        })
    }
}

fn device_params(params: &SamplingParams, row: usize, vocab: usize) -> SampleParams {
    let is_penalised = params.repetition_penalty != 1.0
        || params.presence_penalty != 0.0
        || params.frequency_penalty != 0.0;
    SampleParams {
        temperature: params.temperature,
        // What keeps all is the same as none, and faster.
        top_k: if params.top_k < vocab {
            params.top_k as u32
        } else {
            0
        },
        top_p: params.top_p,
        min_p_log: params.min_p.ln(),
        repetition_penalty: params.repetition_penalty,
        presence_penalty: params.presence_penalty,
        frequency_penalty: params.frequency_penalty,
        seed: [params.seed as u32, (params.seed >> 32) as u32],
        counts: if is_penalised {
            row as u32
        } else {
            Sample::NONE
        },
        n_logprobs: params.logprobs.map_or(Sample::NONE, |n| n as u32),
        is_active: 1,
    }
}

fn table(vocab: usize, seen: &[u32], generated: &[(u32, u32)]) -> Vec<u32> {
    let mut table = vec![0; vocab];
    // Output counts as seen without the mark; where both are, the mark changes nothing.
    for &id in seen {
        table[id as usize] = Sample::IN_PROMPT;
    }
    for &(id, count) in generated {
        table[id as usize] |= count;
    }
    table
}
