//! Memory for the activations of a step.

use cuda_kernels::launch::{AttentionDecode, packed_rows_bytes};
use cuda_kernels::{Buffer, Device};

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
        device: &Device,
        config: &LlamaConfig,
        options: &ExecutorOptions,
    ) -> Outcome<Self> {
        let (rows, outputs) = (options.max_rows, options.max_outputs);
        let narrow = config.hidden.max(config.q_width());
        let (heads, n_positions) = (heads(&attention_shape(config)), options.context_length);
        let n_sums = AttentionDecode::n_sums(&heads, outputs, n_positions);
        Ok(Self {
            x: device.zeroed(rows * config.hidden)?,
            qkv: device.zeroed(rows * (config.q_width() + 2 * config.kv_width()))?,
            attended: device.zeroed(rows * config.q_width())?,
            activated: device.zeroed(rows * config.ffn)?,
            last: device.zeroed(outputs * config.hidden)?,
            logits: device.zeroed(outputs * config.vocab)?,
            narrow: device.zeroed(packed_rows_bytes(rows, narrow))?,
            wide: device.zeroed(packed_rows_bytes(rows, config.ffn))?,
            splits: device.zeroed(n_sums)?,
            tickets: device.zeroed(AttentionDecode::n_tickets(&heads, outputs))?,
            n_positions,
        })
    }
}
