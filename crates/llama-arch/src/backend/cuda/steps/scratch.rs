//! Memory for the activations of a step.

use cuda_kernels::launch::{AttentionDecode, packed_rows_bytes};
use cuda_kernels::{Arena, Buffer, MemoryClass};

use super::super::Outcome;
use super::super::terms::heads;
use crate::config::LlamaConfig;
use crate::model::attention_shape;
use crate::plan::ExecutorOptions;

/// Activations, `[rows][width]`.
pub(super) struct Scratch {
    /// Residual stream, `[rows][hidden]`.
    pub(super) x: Buffer<f32>,
    /// `[rows][q_width + 2 kv_width]`.
    pub(super) qkv: Buffer<f32>,
    /// Heads after attention, `[rows][q_width]`.
    pub(super) attended: Buffer<f32>,
    /// `[rows][ffn]`.
    pub(super) activated: Buffer<f32>,
    /// Rows that want logits, `[outputs][hidden]`.
    pub(super) last: Buffer<f32>,
    /// `[outputs][vocab]`.
    pub(super) logits: Buffer<f32>,
    /// What the projections of many rows read: packed rows of hidden or q_width channels.
    pub(super) narrow: Buffer<u8>,
    /// The same, of ffn channels.
    pub(super) wide: Buffer<u8>,
    /// Sums of the splits of attention.
    pub(super) splits: Buffer<f32>,
    /// Counts of the splits that have come.
    pub(super) tickets: Buffer<u32>,
    /// Positions that a sequence may have.
    pub(super) n_positions: usize,
}

impl Scratch {
    pub(super) fn new(
        arena: &mut Arena,
        config: &LlamaConfig,
        options: &ExecutorOptions,
    ) -> Outcome<Self> {
        let (rows, outputs) = (options.max_rows, options.max_outputs);
        let narrow = config.hidden.max(config.q_width());
        let (heads, n_positions) = (heads(&attention_shape(config)), options.context_length);
        let n_sums = AttentionDecode::n_sums(&heads, outputs, n_positions);
        Ok(Self {
            x: arena.zeroed(rows * config.hidden, MemoryClass::Activations)?,
            qkv: arena.zeroed(
                rows * (config.q_width() + 2 * config.kv_width()),
                MemoryClass::Activations,
            )?,
            attended: arena.zeroed(rows * config.q_width(), MemoryClass::Activations)?,
            activated: arena.zeroed(rows * config.ffn, MemoryClass::Activations)?,
            last: arena.zeroed(outputs * config.hidden, MemoryClass::Activations)?,
            logits: arena.zeroed(outputs * config.vocab, MemoryClass::Activations)?,
            narrow: arena.zeroed(packed_rows_bytes(rows, narrow), MemoryClass::Activations)?,
            wide: arena.zeroed(
                packed_rows_bytes(rows, config.ffn),
                MemoryClass::Activations,
            )?,
            splits: arena.zeroed(n_sums, MemoryClass::Scratch)?,
            tickets: arena.zeroed(
                AttentionDecode::n_tickets(&heads, outputs),
                MemoryClass::Scratch,
            )?,
            n_positions,
        })
    }
}
