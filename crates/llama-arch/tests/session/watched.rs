//! A scripted backend that tells a test which tokens each step computes, before it does.

use std::sync::Arc;

use llama_arch::Batch;
use llama_arch::Result;
use llama_arch::backend::scripted::{ScriptedBackend, ScriptedBuffer};
use llama_arch::backend::{AttentionShape, Backend, MatrixSource};
use llama_arch::kv_cache::KvLayout;
use llama_arch::rope::RopeTable;

type OnStep = dyn Fn(&[u32]) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) scripted: ScriptedBackend,
    pub(crate) on_step: Arc<OnStep>,
}

impl Backend for Watched {
    type Matrix = ();
    type Vector = ();
    type Buffer = ScriptedBuffer;
    type KvCache = ();
    type Rope = ();

    fn embed(&self, table: &(), tokens: &[u32], out: &mut ScriptedBuffer) -> Result<()> {
        (self.on_step)(tokens);
        self.scripted.embed(table, tokens, out)
    }

    fn description(&self) -> String {
        "watched".to_owned()
    }

    fn matrix(&self, source: MatrixSource) -> Result<()> {
        self.scripted.matrix(source)
    }

    fn vector(&self, values: &[f32]) -> Result<()> {
        self.scripted.vector(values)
    }

    fn rope(&self, table: RopeTable) -> Result<()> {
        self.scripted.rope(table)
    }

    fn buffer(&self, max_rows: usize, width: usize) -> Result<ScriptedBuffer> {
        self.scripted.buffer(max_rows, width)
    }

    fn kv_cache(&self, layout: &KvLayout) -> Result<()> {
        self.scripted.kv_cache(layout)
    }

    fn write(&self, buffer: &mut ScriptedBuffer, values: &[f32]) -> Result<()> {
        self.scripted.write(buffer, values)
    }

    fn read(&self, buffer: &ScriptedBuffer, out: &mut Vec<f32>) -> Result<usize> {
        self.scripted.read(buffer, out)
    }

    fn rms_norm(
        &self,
        x: &ScriptedBuffer,
        weight: &(),
        eps: f32,
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.scripted.rms_norm(x, weight, eps, out)
    }

    fn matmul(
        &self,
        weight: &(),
        bias: Option<&()>,
        x: &ScriptedBuffer,
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.scripted.matmul(weight, bias, x, out)
    }

    fn matmul_add(&self, weight: &(), x: &ScriptedBuffer, out: &mut ScriptedBuffer) -> Result<()> {
        self.scripted.matmul_add(weight, x, out)
    }

    fn head_norm(
        &self,
        qkv: &mut ScriptedBuffer,
        weights: (&(), &()),
        eps: f32,
        shape: &AttentionShape,
    ) -> Result<()> {
        self.scripted.head_norm(qkv, weights, eps, shape)
    }

    fn rope_append(
        &self,
        qkv: &mut ScriptedBuffer,
        rope: &(),
        cache: &mut (),
        layer: usize,
        step: (&Batch, &AttentionShape),
    ) -> Result<()> {
        self.scripted.rope_append(qkv, rope, cache, layer, step)
    }

    fn attention(
        &self,
        qkv: &ScriptedBuffer,
        cache: &(),
        layer: usize,
        step: (&Batch, &AttentionShape),
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.scripted.attention(qkv, cache, layer, step, out)
    }

    fn swiglu(&self, gate_up: &ScriptedBuffer, out: &mut ScriptedBuffer) -> Result<()> {
        self.scripted.swiglu(gate_up, out)
    }

    fn gather(&self, x: &ScriptedBuffer, rows: &[usize], out: &mut ScriptedBuffer) -> Result<()> {
        self.scripted.gather(x, rows, out)
    }
}
