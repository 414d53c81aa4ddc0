//! Whole steps: fused kernels, and for a token of each sequence one recorded graph.
//!
//! ```text
//! x = embed(tokens)
//! for each layer:
//!     qkv = W_qkv rms_norm(x) + bias
//!     attended = attention(rope(qkv), cache)
//!     x += W_o attended
//!     activated = swiglu(W_gate_up rms_norm(x))
//!     x += W_down activated
//! logits = W_head rms_norm(x)
//! ```
//!
//! each line one launch. More rows than `Matvec::max_rows` are packed for the kernel that tiles
//! them, and rows that see each other's keys are turned and appended before attention. Whichever
//! way a row goes, its bits are those of the operations in `backend/cuda.rs`.
//!
//! While the host looks at a token, the device computes what comes after it already: chosen tokens
//! and their positions are where the next step reads them.

mod inputs;
mod layers;
mod scratch;

use std::sync::Arc;

use cuda_kernels::launch::MAX_MATVEC_ROWS;
use cuda_kernels::{Arena, Graph};

use self::inputs::Inputs;
use self::layers::{Alone, Pass};
use self::scratch::Scratch;
use super::sampler::{DeviceSampler, SamplerMemory};
use super::{CudaBackend, Outcome, failed};
use crate::backend::WholeSteps;
use crate::batch::Batch;
use crate::config::LlamaConfig;
use crate::error::Result;
use crate::kv_cache::BLOCK_POSITIONS;
use crate::model::{Model, StepState};
use crate::plan::ExecutorOptions;
use crate::sampling::{Sampled, Sampler};

/// Steps of one executor.
pub(super) struct CudaSteps {
    model: Arc<Model<CudaBackend>>,
    inputs: Inputs,
    scratch: Scratch,
    sampler: DeviceSampler,
    /// Recorded steps of 1, 2, .. rows.
    graphs: Vec<Option<Recorded>>,
    /// Rows with logits of the last step.
    n_outputs: usize,
    /// The rows that a step of a token each would go on with, if the last step was such.
    rows: Vec<Row>,
    /// Whether their tokens and positions are where the next step reads them.
    is_placed: bool,
    ahead: Ahead,
}

/// A sequence whose newest row has logits.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    token: u32,
    position: u32,
    /// Positions that its block table covers.
    covered: usize,
}

/// What of the next step is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// The step after the last one, and its tokens.
    Step,
    /// The tokens of the last step.
    Tokens,
    /// A call failed while the device was ahead: what it has done is not known.
    Unknown,
}

/// A recorded step.
struct Recorded {
    graph: Graph,
    /// Where cache and angles are.
    memory: (u64, u64),
}

/// Everything that steps work in.
struct StepMemory {
    inputs: Inputs,
    scratch: Scratch,
    sampler: SamplerMemory,
}

impl StepMemory {
    fn new(arena: &mut Arena, config: &LlamaConfig, options: &ExecutorOptions) -> Outcome<Self> {
        Ok(Self {
            inputs: Inputs::new(arena, options)?,
            scratch: Scratch::new(arena, config, options)?,
            sampler: SamplerMemory::new(arena, options.max_outputs, config.vocab)?,
        })
    }
}

impl CudaSteps {
    /// Bytes that steps of an executor with these options work in; `None`: see
    /// [`CudaSteps::new`].
    pub(super) fn bytes(
        model: &Model<CudaBackend>,
        options: &ExecutorOptions,
    ) -> Result<Option<u64>> {
        if !layers::are_packed(model.weights()) {
            return Ok(None);
        }
        let device = &model.backend().0.device;
        let memory = device.measure(|arena| StepMemory::new(arena, model.config(), options));
        Ok(Some(memory.map_err(failed("buffer"))?.total()))
    }

    /// Steps for an executor with these options; `None`: a weight is of a type that only single
    /// operations take.
    pub(super) fn new(
        model: Arc<Model<CudaBackend>>,
        options: &ExecutorOptions,
    ) -> Result<Option<Self>> {
        if !layers::are_packed(model.weights()) {
            return Ok(None);
        }
        let (backend, config) = (model.backend(), model.config());
        let device = &backend.0.device;
        let memory = device.in_arena(|arena| StepMemory::new(arena, config, options));
        let StepMemory {
            inputs,
            scratch,
            sampler,
        } = memory.map_err(failed("buffer"))?;
        let recordable = MAX_MATVEC_ROWS.min(options.max_outputs);
        Ok(Some(Self {
            inputs,
            scratch,
            sampler: DeviceSampler::within(backend, sampler, options.max_outputs, config.vocab)?,
            graphs: (0..recordable).map(|_| None).collect(),
            n_outputs: 0,
            rows: Vec::new(),
            is_placed: false,
            ahead: Ahead::Nothing,
            model,
        }))
    }

    /// A token of each sequence, as the sampler has them placed, all with logits.
    fn step_alone(&mut self, state: &mut StepState<'_, CudaBackend>, n_rows: usize) -> Result<()> {
        let memory = memory_of(state);
        let of_memory = |recorded: &Recorded| recorded.memory == memory;
        match self.graphs.get(n_rows - 1) {
            None => return self.pass_alone(state, n_rows),
            Some(slot) if slot.as_ref().is_some_and(of_memory) => {}
            Some(_) => self.record(state, n_rows)?,
        }
        let Some(Some(recorded)) = self.graphs.get_mut(n_rows - 1) else {
            return Ok(());
        };
        // SAFETY: weights, inputs, activations and kernels live as long as `self`; cache and
        // angles, which the step was just given, are those of the recording.
        let launched = unsafe { recorded.graph.launch() };
        launched.map_err(failed("step"))
    }

    /// Records the step of `n_rows` sequences.
    fn record(&mut self, state: &mut StepState<'_, CudaBackend>, n_rows: usize) -> Result<()> {
        self.graphs[n_rows - 1] = None;
        let device = self.model.backend().0.device.clone();
        let mut outcome = Ok(());
        let graph = device.capture(|| -> Outcome<()> {
            outcome = self.pass_alone(state, n_rows);
            Ok(())
        });
        outcome?;
        self.graphs[n_rows - 1] = Some(Recorded {
            graph: graph.map_err(failed("step"))?,
            memory: memory_of(state),
        });
        Ok(())
    }

    fn pass_alone(&mut self, state: &mut StepState<'_, CudaBackend>, n_rows: usize) -> Result<()> {
        let rows = Alone {
            tokens: self.sampler.tokens(),
            positions: self.sampler.positions(),
        };
        let mut pass = Pass {
            backend: self.model.backend(),
            config: self.model.config(),
            weights: self.model.weights(),
            rope: state.rope,
            cache: &mut *state.cache,
            inputs: &self.inputs,
            scratch: &mut self.scratch,
            n_rows,
        };
        pass.alone(rows)
    }

    /// Any rows of any sequences.
    fn step_together(
        &mut self,
        state: &mut StepState<'_, CudaBackend>,
        batch: &Batch,
    ) -> Result<()> {
        self.inputs.set_rows(batch).map_err(failed("inputs"))?;
        let mut pass = Pass {
            backend: self.model.backend(),
            config: self.model.config(),
            weights: self.model.weights(),
            rope: state.rope,
            cache: &mut *state.cache,
            inputs: &self.inputs,
            scratch: &mut self.scratch,
            n_rows: batch.tokens().len(),
        };
        pass.together(batch)
    }

    /// Whether these rows are what the device has placed.
    fn are_placed(&self, rows: &[Row]) -> bool {
        let mut pairs = rows.iter().zip(&self.rows);
        self.is_placed
            && rows.len() == self.rows.len()
            && pairs.all(|(a, b)| (a.token, a.position) == (b.token, b.position))
    }

    /// Starts to choose tokens from the logits of the last step.
    fn choose(&mut self) -> Result<()> {
        let n_rows = self.n_outputs;
        self.sampler.launch(self.scratch.logits.view(), n_rows)?;
        self.sampler.enqueue(n_rows)
    }

    /// Starts the step after the last one, if it is certain where it goes; whether it did.
    fn go_ahead(&mut self, state: &mut StepState<'_, CudaBackend>) -> Result<bool> {
        let is_room = |row: &Row| {
            let next = row.position as usize + 1;
            next < row.covered.min(self.scratch.n_positions)
        };
        let n_rows = self.rows.len();
        if n_rows == 0 || n_rows > self.graphs.len() || !self.rows.iter().all(is_room) {
            return Ok(false);
        }
        self.step_alone(state, n_rows)?;
        self.choose()?;
        Ok(true)
    }
}

/// Where cache and angles are.
fn memory_of(state: &StepState<'_, CudaBackend>) -> (u64, u64) {
    (state.cache.address(), state.rope.address())
}

/// The rows that have logits, if each is the newest of its sequence.
fn newest_rows(batch: &Batch) -> Vec<Row> {
    let mut outputs = batch.outputs().iter().copied();
    let mut rows = Vec::with_capacity(batch.outputs().len());
    for sequence in batch.sequences() {
        let Some(last) = sequence.rows.clone().next_back() else {
            continue;
        };
        if outputs.next() != Some(last) {
            return Vec::new();
        }
        rows.push(Row {
            token: batch.tokens()[last],
            position: batch.positions()[last],
            covered: sequence.blocks.len() * BLOCK_POSITIONS,
        });
    }
    match outputs.next() {
        None => rows,
        Some(_) => Vec::new(),
    }
}

impl WholeSteps<CudaBackend> for CudaSteps {
    fn prepare(&mut self, mut state: StepState<'_, CudaBackend>) -> Result<()> {
        (1..=self.graphs.len()).try_for_each(|n_rows| self.record(&mut state, n_rows))
    }

    fn run(&mut self, mut state: StepState<'_, CudaBackend>, batch: &Batch) -> Result<()> {
        let rows = newest_rows(batch);
        let is_alone = !rows.is_empty() && rows.len() == batch.tokens().len();
        if is_alone && self.ahead == Ahead::Step && self.are_placed(&rows) {
            self.ahead = Ahead::Tokens;
            self.rows = rows;
            // More positions may be covered than before.
            return self.inputs.set_tables(batch).map_err(failed("inputs"));
        }
        self.stop()?;
        self.n_outputs = batch.outputs().len();
        let is_placed = is_alone && self.are_placed(&rows);
        self.rows = rows;
        if !self.rows.is_empty() {
            self.inputs.set_tables(batch).map_err(failed("inputs"))?;
        }
        if !is_alone {
            self.is_placed = false;
            return self.step_together(&mut state, batch);
        }
        if !is_placed {
            self.is_placed = false;
            self.sampler.place(batch.tokens(), batch.positions())?;
            self.is_placed = true;
        }
        self.step_alone(&mut state, batch.tokens().len())
    }

    fn read_logits(&mut self, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        out.resize(self.n_outputs * self.model.config().vocab, 0.0);
        let logits = &self.scratch.logits;
        logits.read_into(0, out).map_err(failed("read"))
    }

    fn sample(
        &mut self,
        mut state: StepState<'_, CudaBackend>,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Option<Vec<Result<Sampled>>>> {
        let vocab = self.model.config().vocab;
        let mut params = samplers.iter().map(|(sampler, _)| sampler.params());
        let is_refused = params.any(|params| DeviceSampler::refusal(params, vocab).is_some());
        if self.ahead == Ahead::Tokens && (is_refused || !self.sampler.suits(samplers)) {
            self.stop()?;
        }
        if is_refused {
            return Ok(None);
        }
        let is_begun = self.ahead == Ahead::Tokens;
        if !is_begun {
            self.is_placed = false;
            self.sampler.prepare(samplers)?;
        }
        self.ahead = Ahead::Unknown;
        if !is_begun {
            self.choose()?;
        }
        let is_ahead = self.go_ahead(&mut state)?;
        let sampled = self.sampler.collect(samplers)?;
        self.ahead = if is_ahead {
            Ahead::Step
        } else {
            Ahead::Nothing
        };
        for (row, sampled) in self.rows.iter_mut().zip(&sampled) {
            row.position += 1;
            row.token = sampled.as_ref().map_or(0, |sampled| sampled.id);
        }
        self.is_placed = sampled.iter().all(Result::is_ok);
        Ok(Some(sampled))
    }

    fn stop(&mut self) -> Result<()> {
        if self.ahead != Ahead::Nothing {
            self.is_placed = false;
            self.sampler.forget()?;
            self.ahead = Ahead::Nothing;
        }
        Ok(())
    }
}
