//! Memory for the activations of a step.

use crate::backend::Backend;
use crate::batch::BatchLimits;
use crate::config::LlamaConfig;
use crate::error::Result;

/// Activations of one step. `r` rows in all, `o` rows with logits.
pub(super) struct Buffers<B: Backend> {
    /// Residual stream, `[r][hidden]`.
    pub(super) x: B::Buffer,
    /// Normed residual, `[r][hidden]`.
    pub(super) normed: B::Buffer,
    /// `[r][q_width + 2 kv_width]`.
    pub(super) qkv: B::Buffer,
    /// Heads after attention, `[r][q_width]`.
    pub(super) attended: B::Buffer,
    /// `[r][2 ffn]`.
    pub(super) gate_up: B::Buffer,
    /// `[r][ffn]`.
    pub(super) activated: B::Buffer,
    /// Rows that want logits, `[o][hidden]`.
    pub(super) last: B::Buffer,
    /// `[o][hidden]`.
    pub(super) last_normed: B::Buffer,
    /// `[o][vocab]`.
    pub(super) logits: B::Buffer,
}

impl<B: Backend> Buffers<B> {
    pub(super) fn new(backend: &B, config: &LlamaConfig, limits: &BatchLimits) -> Result<Self> {
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
