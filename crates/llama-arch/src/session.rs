//! One sequence: its tokens, its cache, and the loop that continues it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::batch::{Batch, Outputs};
use crate::config::LlamaConfig;
use crate::error::{Error, Result};
use crate::kv_cache::blocks_for;
use crate::llama::Execute;
use crate::plan::ExecutorOptions;
use crate::sampling::{Sampled, Sampler, SamplingParams};
use crate::trace::Trace;

/// Stops a session between two steps, from any thread.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag: the session's next step returns [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Takes the flag back, for the next request.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A sequence and its cache.
pub struct Session {
    executor: Box<dyn Execute>,
    batch: Batch,
    blocks: Vec<u32>,
    /// Tokens whose keys and values are in the cache.
    cached: Vec<u32>,
    chunk: usize,
    context_length: usize,
    model_context: usize,
    vocab: usize,
    cancel: CancelFlag,
}

impl Session {
    pub(crate) fn new(
        executor: Box<dyn Execute>,
        config: &LlamaConfig,
        options: &ExecutorOptions,
    ) -> Self {
        Self {
            executor,
            batch: Batch::new(),
            blocks: (0..blocks_for(options.context_length) as u32).collect(),
            cached: Vec::new(),
            chunk: options.max_rows,
            context_length: options.context_length,
            model_context: config.context_length,
            vocab: config.vocab,
            cancel: CancelFlag::new(),
        }
    }

    /// The flag that stops this session.
    pub fn cancel_flag(&self) -> CancelFlag {
        self.cancel.clone()
    }

    /// Tokens in the cache.
    pub fn tokens(&self) -> &[u32] {
        &self.cached
    }

    /// Positions that the session can hold.
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// Forgets everything after the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.cached.truncate(len);
    }

    /// Appends tokens and returns the `[vocab]` logits after the last one.
    ///
    /// # Errors
    /// No token, a token outside the vocabulary, no room in the context, cancellation,
    /// non-finite logits, or a failing device.
    pub fn prefill(&mut self, tokens: &[u32]) -> Result<&[f32]> {
        self.append(tokens, None)
    }

    /// Appends one token and returns the `[vocab]` logits after it.
    ///
    /// # Errors
    /// See [`Session::prefill`].
    pub fn decode(&mut self, token: u32) -> Result<&[f32]> {
        self.append(&[token], None)
    }

    /// [`Session::prefill`], recording what every operation of the last chunk produced.
    ///
    /// # Errors
    /// See [`Session::prefill`].
    pub fn trace(&mut self, tokens: &[u32], trace: &mut Trace) -> Result<&[f32]> {
        self.append(tokens, Some(trace))
    }

    /// Continues `prompt`, which is the whole sequence from position 0 on. What the session
    /// already holds of it is not computed again.
    ///
    /// # Errors
    /// See [`Session::prefill`] and [`SamplingParams::check`].
    pub fn generate(&mut self, prompt: &[u32], params: &SamplingParams) -> Result<Generation<'_>> {
        let mut sampler = Sampler::new(params.clone(), prompt, self.vocab)?;
        self.check_room(0, prompt)?;
        let common = self
            .cached
            .iter()
            .zip(prompt)
            .take_while(|(a, b)| a == b)
            .count();
        // At least one token must be computed: its logits are not kept.
        let common = common.min(prompt.len() - 1);
        self.truncate(common);
        let first = self.append_and_sample(&prompt[common..], &mut sampler)?;
        Ok(Generation {
            session: self,
            sampler,
            next: Some(first),
            last: None,
            finish: None,
            reused: common,
        })
    }

    fn check_room(&self, held: usize, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let needed = held + tokens.len();
        if needed > self.context_length {
            let (available, model) = (self.context_length, self.model_context);
            return Err(Error::ContextOverflow {
                needed,
                available,
                model,
            });
        }
        Ok(())
    }

    fn append(&mut self, tokens: &[u32], trace: Option<&mut Trace>) -> Result<&[f32]> {
        self.check_room(self.cached.len(), tokens)?;
        let last = self.append_all_but_the_last_chunk(tokens)?;
        let logits = self.executor.forward(&self.batch, trace)?;
        self.cached.extend_from_slice(last);
        logits.row(0)
    }

    /// Appends tokens and chooses the one after them.
    fn append_and_sample(&mut self, tokens: &[u32], sampler: &mut Sampler) -> Result<Sampled> {
        self.check_room(self.cached.len(), tokens)?;
        let last = self.append_all_but_the_last_chunk(tokens)?;
        let position = self.cached.len() + last.len();
        let sampled = self
            .executor
            .sample(&self.batch, &mut [(sampler, position)])?;
        self.cached.extend_from_slice(last);
        sampled
            .into_iter()
            .next()
            .unwrap_or(Err(Error::EmptyPrompt))
    }

    /// Returns the last chunk, which the batch then holds.
    fn append_all_but_the_last_chunk<'a>(&mut self, tokens: &'a [u32]) -> Result<&'a [u32]> {
        let (before, last) = tokens.split_at((tokens.len() - 1) / self.chunk * self.chunk);
        for chunk in before.chunks(self.chunk) {
            self.fill_batch(chunk, Outputs::None)?;
            self.executor.forward(&self.batch, None)?;
            self.cached.extend_from_slice(chunk);
        }
        self.fill_batch(last, Outputs::Last)?;
        Ok(last)
    }

    fn fill_batch(&mut self, tokens: &[u32], outputs: Outputs) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let start = self.cached.len();
        let blocks = &self.blocks[..blocks_for(start + tokens.len())];
        self.batch.clear();
        self.batch.push(tokens, start, blocks, outputs);
        Ok(())
    }
}

/// Why a [`Generation`] ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model chose a token of [`SamplingParams::stop_tokens`].
    StopToken(u32),
    /// The context is full.
    ContextFull,
}

/// The continuation of a prompt, token by token. Each token is computed when it is asked for.
pub struct Generation<'a> {
    session: &'a mut Session,
    sampler: Sampler,
    /// Chosen, but not handed out yet.
    next: Option<Sampled>,
    /// Handed out, but not in the cache yet; `None` once the output has ended.
    last: Option<u32>,
    finish: Option<Finish>,
    reused: usize,
}

impl Generation<'_> {
    /// Why no more tokens come; `None` while some may.
    pub fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// Tokens of the prompt that the session already held.
    pub fn reused_tokens(&self) -> usize {
        self.reused
    }

    fn step(&mut self, id: u32) -> Result<()> {
        let position = self.session.cached.len() + 1;
        if position > self.session.context_length {
            self.finish = Some(Finish::ContextFull);
            return Ok(());
        }
        let sampled = self.session.append_and_sample(&[id], &mut self.sampler)?;
        self.next = Some(sampled);
        Ok(())
    }
}

impl Iterator for Generation<'_> {
    type Item = Result<Sampled>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next.is_none() && self.finish.is_none() {
            let last = self.last?;
            if let Err(error) = self.step(last) {
                self.last = None;
                return Some(Err(error));
            }
        }
        let token = self.next.take()?;
        if self.sampler.params().stop_tokens.contains(&token.id) {
            self.finish = Some(Finish::StopToken(token.id));
            self.last = None;
            return None;
        }
        self.last = Some(token.id);
        Some(Ok(token))
    }
}
