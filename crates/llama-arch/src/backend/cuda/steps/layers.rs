//! The forward pass in fused launches.

use cuda_kernels::launch::{
    AttentionDecode, AttentionPrefill, DecodeScratch, EmbedPacked, Gather, GemmSwiglu, HeadNorm,
    HeadNorms, Matvec, MatvecEpilogue, Norm, Rope, RopeAppend,
};
use cuda_kernels::{Buffer, View};

use super::super::memory::{CudaKvCache, CudaRope};
use super::super::product::{Input, Output, multiply, multiply_packed};
use super::super::terms::{done, heads, pairing};
use super::super::{CudaBackend, Outcome, failed};
use super::inputs::Inputs;
use super::scratch::Scratch;
use crate::batch::Batch;
use crate::config::LlamaConfig;
use crate::error::Result;
use crate::model::attention_shape;
use crate::weights::{LayerWeights, Weights};

/// Whether every matrix is of a type that the fused kernels take.
pub(super) fn are_packed(weights: &Weights<CudaBackend>) -> bool {
    let of_layers = weights.layers.iter().all(|layer| {
        let matrices = [&layer.qkv, &layer.attn_output, &layer.ffn_down];
        matrices.iter().all(|matrix| matrix.is_packed()) && layer.gate_up.is_paired
    });
    of_layers && weights.head().is_packed() && weights.token_embd.is_packed()
}

/// One pass through the layers.
pub(super) struct Pass<'a> {
    pub(super) backend: &'a CudaBackend,
    pub(super) config: &'a LlamaConfig,
    pub(super) weights: &'a Weights<CudaBackend>,
    pub(super) rope: &'a CudaRope,
    pub(super) cache: &'a mut CudaKvCache,
    pub(super) inputs: &'a Inputs,
    pub(super) scratch: &'a mut Scratch,
    pub(super) n_rows: usize,
}

/// Tokens and positions of rows that are each alone in their sequence.
#[derive(Clone, Copy)]
pub(super) struct Alone<'a> {
    pub(super) tokens: View<'a, u32>,
    pub(super) positions: View<'a, u32>,
}

impl Pass<'_> {
    /// A row of each sequence, all with logits: launches alone, so that they can be recorded.
    pub(super) fn alone(&mut self, rows: Alone<'_>) -> Result<()> {
        let weights = self.weights;
        self.embed(rows.tokens)?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.qkv(layer)?;
            self.attend_alone(index, layer, rows)?;
            self.after_attention(layer)?;
        }
        self.head(None)
    }

    /// Any rows of any sequences.
    pub(super) fn together(&mut self, batch: &Batch) -> Result<()> {
        let weights = self.weights;
        self.embed(self.inputs.tokens())?;
        for (index, layer) in weights.layers.iter().enumerate() {
            self.qkv(layer)?;
            self.attend_together(index, layer, batch)?;
            self.after_attention(layer)?;
        }
        match batch.outputs().len() {
            0 => Ok(()),
            n_outputs => self.head(Some(n_outputs)),
        }
    }

    /// `x = embed(tokens)`
    fn embed(&mut self, tokens: View<'_, u32>) -> Result<()> {
        for (rows, part) in self.weights.token_embd.parts() {
            let Some(table) = part.packed() else { continue };
            let embed = EmbedPacked {
                table,
                first_token: rows.start,
                tokens,
                out: self.scratch.x.view_mut(),
                n_rows: self.n_rows,
            };
            done(embed.launch(&self.backend.0.kernels), "embed")?;
        }
        Ok(())
    }

    /// `qkv = W_qkv rms_norm(x) + bias`
    fn qkv(&mut self, layer: &LayerWeights<CudaBackend>) -> Result<()> {
        let bias = layer.qkv_bias.as_ref();
        let output = bias.map_or(Output::Store, |bias| Output::Bias(bias.view()));
        let Scratch { x, qkv, narrow, .. } = &mut *self.scratch;
        let input = Input {
            x: x.view(),
            norm: Some(norm(&layer.attn_norm, self.config)),
            n_rows: self.n_rows,
        };
        let kernels = &self.backend.0.kernels;
        multiply(kernels, (&layer.qkv, input), output, qkv, narrow).map_err(failed("qkv"))
    }

    /// Attention of rows that are each alone in their sequence: it turns and appends by itself.
    fn attend_alone(
        &mut self,
        index: usize,
        layer: &LayerWeights<CudaBackend>,
        rows: Alone<'_>,
    ) -> Result<()> {
        let shape = attention_shape(self.config);
        let (cache, scratch) = (&mut *self.cache, &mut *self.scratch);
        let paging = self.inputs.paging(rows.positions);
        let attention = AttentionDecode {
            qkv: scratch.qkv.view(),
            norms: layer
                .qk_norm
                .as_ref()
                .map(|(q_weight, k_weight)| HeadNorms {
                    q_weight: q_weight.view(),
                    k_weight: k_weight.view(),
                    eps: self.config.rms_eps,
                }),
            cos: self.rope.cos.view(),
            sin: self.rope.sin.view(),
            n_pairs: self.rope.n_pairs,
            pairing: pairing(&shape),
            keys: cache.keys[index].view_mut(),
            values: cache.values[index].view_mut(),
            paging: paging.map_err(failed("attention"))?,
            scratch: DecodeScratch {
                sums: scratch.splits.view_mut(),
                tickets: scratch.tickets.view_mut(),
            },
            out: scratch.attended.view_mut(),
            heads: heads(&shape),
            window: shape.window,
            n_rows: self.n_rows,
            n_positions: scratch.n_positions,
        };
        done(attention.launch(&self.backend.0.kernels), "attention")
    }

    /// Attention of rows that may see each other: all are appended first.
    fn attend_together(
        &mut self,
        index: usize,
        layer: &LayerWeights<CudaBackend>,
        batch: &Batch,
    ) -> Result<()> {
        let (shape, kernels) = (attention_shape(self.config), &self.backend.0.kernels);
        let (cache, scratch) = (&mut *self.cache, &mut *self.scratch);
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            let norm = HeadNorm {
                qkv: scratch.qkv.view_mut(),
                q_weight: q_norm.view(),
                k_weight: k_norm.view(),
                eps: self.config.rms_eps,
                heads: heads(&shape),
                n_rows: self.n_rows,
            };
            done(norm.launch(kernels), "head_norm")?;
        }
        let tables = cache.tables.get_mut();
        let step = tables.with_tiles(&self.backend.0.device, batch);
        let (paging, (tiles, n_tiles)) = step.map_err(failed("attention"))?;
        let rope = Rope {
            cos: self.rope.cos.view(),
            sin: self.rope.sin.view(),
            n_pairs: self.rope.n_pairs,
            pairing: pairing(&shape),
        };
        let turned_later = rope.fits_attention(shape.head_dim).then_some(rope);
        let append = RopeAppend {
            qkv: scratch.qkv.view_mut(),
            in_place: turned_later.is_none(),
            rope,
            keys: cache.keys[index].view_mut(),
            values: cache.values[index].view_mut(),
            paging,
            heads: heads(&shape),
            n_rows: self.n_rows,
        };
        done(append.launch(kernels), "rope_append")?;
        let attention = AttentionPrefill {
            qkv: scratch.qkv.view(),
            rope: turned_later,
            keys: cache.keys[index].view(),
            values: cache.values[index].view(),
            paging,
            tiles,
            n_tiles,
            out: scratch.attended.view_mut(),
            heads: heads(&shape),
            window: shape.window,
            n_rows: self.n_rows,
        };
        done(attention.launch(kernels), "attention")
    }

    /// `x += W_o attended`, then `x += W_down swiglu(W_gate_up rms_norm(x))`
    fn after_attention(&mut self, layer: &LayerWeights<CudaBackend>) -> Result<()> {
        let (kernels, n_rows) = (&self.backend.0.kernels, self.n_rows);
        let Scratch {
            x,
            attended,
            narrow,
            ..
        } = &mut *self.scratch;
        let input = Input {
            x: attended.view(),
            norm: None,
            n_rows,
        };
        let product = (&layer.attn_output, input);
        let added = multiply(kernels, product, Output::Accumulate, x, narrow);
        added.map_err(failed("attn_output"))?;
        let input = Input {
            x: x.view(),
            norm: Some(norm(&layer.ffn_norm, self.config)),
            n_rows,
        };
        let outcome = if input.is_few(kernels, &layer.gate_up) {
            self.feed_few(layer)
        } else {
            self.feed_many(layer)
        };
        outcome.map_err(failed("feed_forward"))
    }

    fn feed_few(&mut self, layer: &LayerWeights<CudaBackend>) -> Outcome<()> {
        let (kernels, n_rows) = (&self.backend.0.kernels, self.n_rows);
        let Scratch {
            x, activated, wide, ..
        } = &mut *self.scratch;
        let weights: Vec<_> = layer
            .gate_up
            .parts()
            .filter_map(|(_, part)| part.packed())
            .collect();
        let gate_up = Matvec {
            stack: &weights,
            x: x.view(),
            norm: Some(norm(&layer.ffn_norm, self.config)),
            out: activated.view_mut(),
            n_rows,
            out_width: self.config.ffn,
            epilogue: MatvecEpilogue::SwiGlu,
            is_chained: true,
        };
        gate_up.launch(kernels)?;
        let input = Input {
            x: activated.view(),
            norm: None,
            n_rows,
        };
        multiply(
            kernels,
            (&layer.ffn_down, input),
            Output::Accumulate,
            x,
            wide,
        )
    }

    fn feed_many(&mut self, layer: &LayerWeights<CudaBackend>) -> Outcome<()> {
        let (kernels, n_rows) = (&self.backend.0.kernels, self.n_rows);
        let Scratch {
            x,
            activated,
            narrow,
            wide,
            ..
        } = &mut *self.scratch;
        let input = Input {
            x: x.view(),
            norm: Some(norm(&layer.ffn_norm, self.config)),
            n_rows,
        };
        input.pack(kernels, layer.gate_up.row_len, narrow.view_mut())?;
        for (_, part) in layer.gate_up.parts() {
            let Some(weight) = part.packed() else {
                continue;
            };
            let gate_up = GemmSwiglu {
                weight,
                x: narrow.view(),
                out: wide.view_mut(),
                scratch: activated.view_mut(),
                with_sums: layer.ffn_down.has_minima(),
                n_rows,
            };
            gate_up.launch(kernels)?;
        }
        multiply_packed(
            kernels,
            (&layer.ffn_down, n_rows),
            wide.view(),
            Output::Accumulate,
            x,
        )
    }

    /// `logits = W_head rms_norm(x)`, of all rows or of those picked.
    fn head(&mut self, n_picked: Option<usize>) -> Result<()> {
        let kernels = &self.backend.0.kernels;
        let Scratch {
            x,
            last,
            narrow,
            logits,
            ..
        } = &mut *self.scratch;
        if let Some(n_rows) = n_picked {
            let gather = Gather {
                x: x.view(),
                rows: self.inputs.picks(),
                out: last.view_mut(),
                n_rows,
                width: self.config.hidden,
            };
            done(gather.launch(kernels), "gather")?;
        }
        let rows = n_picked.map_or(&*x, |_| &*last);
        let input = Input {
            x: rows.view(),
            norm: Some(norm(&self.weights.output_norm, self.config)),
            n_rows: n_picked.unwrap_or(self.n_rows),
        };
        let product = (self.weights.head(), input);
        multiply(kernels, product, Output::Store, logits, narrow).map_err(failed("head"))
    }
}

fn norm<'a>(weight: &'a Buffer<f32>, config: &LlamaConfig) -> Norm<'a> {
    Norm {
        weight: weight.view(),
        eps: config.rms_eps,
    }
}
