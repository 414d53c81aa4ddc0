//! A step made of single operations: of backends without whole steps, and of every trace.

use super::{Buffers, Executor, Model, attention_shape};
use crate::backend::Backend;
use crate::batch::Batch;
use crate::error::Result;
use crate::trace::Trace;
use crate::weights::LayerWeights;

impl<B: Backend> Executor<B> {
    /// The step, one operation after the other.
    pub(super) fn operations(
        &mut self,
        model: &Model<B>,
        buffers: &mut Buffers<B>,
        batch: &Batch,
        trace: &mut Option<&mut Trace>,
    ) -> Result<()> {
        let Model {
            backend,
            config,
            weights,
            ..
        } = model;
        backend.embed(&weights.token_embd, batch.tokens(), &mut buffers.x)?;
        observe(backend, trace, (None, "embed"), &buffers.x)?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.attention(index, layer, batch, (buffers, trace))?;
            feed_forward(model, index, layer, (buffers, trace))?;
        }
        if batch.outputs().is_empty() {
            return Ok(());
        }
        let Buffers {
            x,
            last,
            last_normed,
            logits,
            ..
        } = buffers;
        backend.gather(x, batch.outputs(), last)?;
        backend.rms_norm(last, &weights.output_norm, config.rms_eps, last_normed)?;
        observe(backend, trace, (None, "output_norm"), last_normed)?;
        backend.matmul(weights.head(), None, last_normed, logits)?;
        observe(backend, trace, (None, "logits"), logits)?;
        backend.read(logits, &mut self.logits)?;
        Ok(())
    }

    fn attention(
        &mut self,
        index: usize,
        layer: &LayerWeights<B>,
        batch: &Batch,
        (buffers, trace): (&mut Buffers<B>, &mut Option<&mut Trace>),
    ) -> Result<()> {
        let Model {
            backend, config, ..
        } = &*self.model;
        let Buffers {
            x,
            normed,
            qkv,
            attended,
            ..
        } = buffers;
        let shape = attention_shape(config);
        let at = |op| (Some(index), op);
        backend.rms_norm(x, &layer.attn_norm, config.rms_eps, normed)?;
        observe(backend, trace, at("attn_norm"), normed)?;
        backend.matmul(&layer.qkv, layer.qkv_bias.as_ref(), normed, qkv)?;
        observe(backend, trace, at("qkv"), qkv)?;
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            backend.head_norm(qkv, (q_norm, k_norm), config.rms_eps, &shape)?;
            observe(backend, trace, at("qk_norm"), qkv)?;
        }
        backend.rope_append(qkv, &self.rope, &mut self.cache, index, (batch, &shape))?;
        observe(backend, trace, at("rope"), qkv)?;
        backend.attention(qkv, &self.cache, index, (batch, &shape), attended)?;
        observe(backend, trace, at("attention"), attended)?;
        backend.matmul_add(&layer.attn_output, attended, x)?;
        observe(backend, trace, at("attn_residual"), x)
    }
}

fn feed_forward<B: Backend>(
    model: &Model<B>,
    index: usize,
    layer: &LayerWeights<B>,
    (buffers, trace): (&mut Buffers<B>, &mut Option<&mut Trace>),
) -> Result<()> {
    let Model {
        backend, config, ..
    } = model;
    let Buffers {
        x,
        normed,
        gate_up,
        activated,
        ..
    } = buffers;
    let at = |op| (Some(index), op);
    backend.rms_norm(x, &layer.ffn_norm, config.rms_eps, normed)?;
    observe(backend, trace, at("ffn_norm"), normed)?;
    backend.matmul(&layer.gate_up, None, normed, gate_up)?;
    observe(backend, trace, at("gate_up"), gate_up)?;
    backend.swiglu(gate_up, activated)?;
    observe(backend, trace, at("swiglu"), activated)?;
    backend.matmul_add(&layer.ffn_down, activated, x)?;
    observe(backend, trace, at("ffn_residual"), x)
}

/// Records a buffer, if anyone is looking.
fn observe<B: Backend>(
    backend: &B,
    trace: &mut Option<&mut Trace>,
    (layer, op): (Option<usize>, &'static str),
    buffer: &B::Buffer,
) -> Result<()> {
    match trace {
        None => Ok(()),
        Some(trace) => {
            let mut values = Vec::new();
            let rows = backend.read(buffer, &mut values)?;
            trace.record(layer, op, rows, &values);
            Ok(())
        }
    }
}
