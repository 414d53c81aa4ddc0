//! How well a model predicts a text, by the definition of `llama-perplexity`: the text is cut into
//! chunks of a context, each begins anew, and the second half of each is scored, so that every
//! scored token has half a context before it.

pub(crate) mod log_probs;
pub(crate) mod score;

use std::ops::Range;
use std::thread;

use llama_arch::kv_cache::blocks_for;
use llama_arch::{Batch, Execute, ExecutorOptions, LlamaModel, Logits, Outputs};

use crate::error::Result;
use crate::load::{self, ModelFile};
use score::{Score, score};

/// Memory for the logits of one step.
const LOGIT_BYTES: usize = 64 << 20;

/// Rows of a step that needs no logits.
const ROWS: usize = 512;

/// What is compared with: log probabilities of each scored row, as the model of a file gave them.
pub(crate) type Base<'a> = Option<&'a [Vec<u16>]>;

/// A model that reads chunks of a text.
pub(crate) struct Reader {
    executor: Box<dyn Execute>,
    options: ExecutorOptions,
    batch: Batch,
    n_threads: usize,
    /// Whether to keep the log probabilities of every row.
    pack: bool,
}

/// The rows of a chunk of `context` tokens that are scored: each predicts the token after it.
pub(crate) fn scored(context: usize) -> Range<usize> {
    context / 2..context - 1
}

impl Reader {
    /// Plans for chunks of `context` tokens, if memory holds that.
    pub(crate) fn new(
        file: &ModelFile,
        model: &LlamaModel,
        context: usize,
        pack: bool,
    ) -> Result<Self> {
        let config = model.config();
        let max_outputs = (LOGIT_BYTES / 4 / config.vocab).clamp(1, ROWS).min(context);
        let options = ExecutorOptions {
            context_length: context,
            max_sequences: 1,
            max_rows: ROWS.min(context),
            max_outputs,
        };
        let about = |error: llama_arch::Error| file.about(error);
        let plan = model.memory_plan(&options).map_err(about)?;
        load::check_host_memory(&plan, model).map_err(|failure| file.about(failure))?;
        Ok(Self {
            executor: model.executor(&options).map_err(about)?,
            options,
            batch: Batch::new(),
            n_threads: thread::available_parallelism().map_or(1, usize::from),
            pack,
        })
    }

    /// Reads a chunk and scores its second half. `first` stands in place of its first token.
    pub(crate) fn read(
        &mut self,
        chunk: &[u32],
        first: Option<u32>,
        base: Base<'_>,
    ) -> Result<Vec<Score>> {
        let mut tokens = chunk.to_vec();
        if let (Some(first), Some(token)) = (first, tokens.first_mut()) {
            *token = first;
        }
        let rows = scored(chunk.len());
        let mut at = 0;
        while at < rows.start {
            let end = (at + self.options.max_rows).min(rows.start);
            self.forward(&tokens[..end], at, Outputs::None)?;
            at = end;
        }
        let (mut scores, n_threads, pack) = (Vec::new(), self.n_threads, self.pack);
        while at < rows.end {
            let end = (at + self.options.max_outputs).min(rows.end);
            let base = base.map(|base| &base[at - rows.start..end - rows.start]);
            let logits = self.forward(&tokens[..end], at, Outputs::All)?;
            let targets = &chunk[at + 1..=end];
            scores.append(&mut scores_of(&logits, targets, base, n_threads, pack)?);
            at = end;
        }
        Ok(scores)
    }

    /// Computes the tokens from `start` on, which the others precede.
    fn forward(&mut self, tokens: &[u32], start: usize, outputs: Outputs) -> Result<Logits<'_>> {
        let blocks: Vec<u32> = (0..blocks_for(tokens.len()) as u32).collect();
        self.batch.clear();
        self.batch.push(&tokens[start..], start, &blocks, outputs);
        Ok(self.executor.forward(&self.batch, None)?)
    }
}

/// Scores rows side by side, in order.
fn scores_of(
    logits: &Logits<'_>,
    targets: &[u32],
    base: Base<'_>,
    n_threads: usize,
    pack: bool,
) -> Result<Vec<Score>> {
    let rows: Vec<&[f32]> = (0..targets.len())
        .map(|row| Ok(logits.row(row)?))
        .collect::<Result<_>>()?;
    let score_row = |at: usize| {
        let base = base.map(|base| &*base[at]);
        score(rows[at], targets[at], base, pack)
    };
    let each = targets.len().div_ceil(n_threads);
    let mut scores = vec![Score::default(); targets.len()];
    thread::scope(|scope| {
        for (part, scores) in scores.chunks_mut(each).enumerate() {
            scope.spawn(move || {
                for (at, score) in scores.iter_mut().enumerate() {
                    *score = score_row(part * each + at);
                }
            });
        }
    });
    Ok(scores)
}
