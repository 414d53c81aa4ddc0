//! What one step computes: rows of several sequences, in prefill or decode, side by side.

use std::ops::Range;

use crate::error::{Error, Result};

/// Rows of one sequence inside a [`Batch`].
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRows {
    /// Rows of the batch that belong to this sequence.
    pub rows: Range<usize>,
    /// Position of the first of them; earlier positions are in the cache already.
    pub start: usize,
    /// KV cache block of each run of [`crate::kv_cache::BLOCK_POSITIONS`] positions, from
    /// position 0 on.
    pub blocks: Vec<u32>,
}

/// Which rows of a sequence's chunk need logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// None: a prefill chunk that is not the last.
    None,
    /// The last row: what sampling needs.
    Last,
    /// Every row: perplexity, tests.
    All,
}

/// One step over mixed sequences. Row `r` of every activation belongs to `tokens[r]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    sequences: Vec<SequenceRows>,
    outputs: Vec<usize>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `tokens` of one sequence at positions `start..start + tokens.len()`.
    ///
    /// `blocks` is the sequence's block table, covering every position up to the last one here.
    pub fn push(&mut self, tokens: &[u32], start: usize, blocks: &[u32], outputs: Outputs) {
        let first = self.tokens.len();
        let end = first + tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.positions
            .extend((start..start + tokens.len()).map(|position| position as u32));
        match outputs {
            Outputs::None => {}
            Outputs::Last => self.outputs.extend(end.checked_sub(1)),
            Outputs::All => self.outputs.extend(first..end),
        }
        self.sequences.push(SequenceRows {
            rows: first..end,
            start,
            blocks: blocks.to_vec(),
        });
    }

    /// Removes everything, keeping the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Token of each row.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Position of each row in its sequence.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The sequences, in row order.
    pub fn sequences(&self) -> &[SequenceRows] {
        &self.sequences
    }

    /// Rows whose logits are wanted, ascending.
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// Checks the batch against what an executor was planned for.
    pub(crate) fn check(&self, limits: &BatchLimits) -> Result<()> {
        let invalid = |reason: String| Err(Error::InvalidBatch { reason });
        if self.tokens.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if self.tokens.len() > limits.max_rows {
            return invalid(format!(
                "{} rows, at most {}",
                self.tokens.len(),
                limits.max_rows
            ));
        }
        if self.outputs.len() > limits.max_outputs {
            return invalid(format!(
                "{} rows with logits, at most {}",
                self.outputs.len(),
                limits.max_outputs
            ));
        }
        if let Some(&id) = self.tokens.iter().find(|&&id| id as usize >= limits.vocab) {
            return Err(Error::TokenOutOfRange {
                id,
                vocab: limits.vocab,
            });
        }
        for sequence in &self.sequences {
            if sequence.rows.is_empty() {
                return invalid("a sequence without rows".to_owned());
            }
            let end = sequence.start + sequence.rows.len();
            if end > limits.max_positions {
                return Err(Error::ContextOverflow {
                    needed: end,
                    available: limits.max_positions,
                    model: limits.model_context,
                });
            }
            let blocks = sequence.blocks.len();
            if blocks * crate::kv_cache::BLOCK_POSITIONS < end {
                return invalid(format!("{blocks} cache blocks cannot hold {end} positions"));
            }
            if let Some(block) = sequence
                .blocks
                .iter()
                .find(|&&b| b as usize >= limits.n_blocks)
            {
                return invalid(format!("cache block {block} of {}", limits.n_blocks));
            }
        }
        Ok(())
    }
}

/// What an executor was planned for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) max_rows: usize,
    pub(crate) max_outputs: usize,
    pub(crate) max_positions: usize,
    pub(crate) model_context: usize,
    pub(crate) n_blocks: usize,
    pub(crate) vocab: usize,
}
