//! A backend that computes nothing: a script decides what every row's logits are, and which
//! operation fails. It drives the tests of sessions and schedulers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::{AttentionShape, Backend, MatrixSource};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::kv_cache::KvLayout;
use crate::rope::RopeTable;

/// Where a row of activations came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptedRow {
    /// Token of the row.
    pub token: u32,
    /// Position of the row, known once attention has seen it.
    pub position: u32,
}

type Script = dyn Fn(ScriptedRow, &mut [f32]) + Send + Sync;

/// A backend whose logits are scripted. Clones share the count of operations.
#[derive(Clone)]
pub struct ScriptedBackend {
    script: Arc<Script>,
    operations: Arc<AtomicUsize>,
    failing: Option<usize>,
}

/// Rows of activations, by their origin.
pub struct ScriptedBuffer {
    rows: Vec<ScriptedRow>,
    width: usize,
}

impl ScriptedBackend {
    /// A backend whose script fills the logits of a row. Logits start as zeros.
    pub fn new(script: impl Fn(ScriptedRow, &mut [f32]) + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            operations: Arc::default(),
            failing: None,
        }
    }

    /// The same script, but the `n`-th operation of all clones together (from 0) fails.
    #[must_use]
    pub fn failing_at(self, n: usize) -> Self {
        Self {
            failing: Some(n),
            ..self
        }
    }

    /// Operations so far, over all clones.
    pub fn operations(&self) -> usize {
        self.operations.load(Ordering::Relaxed)
    }

    fn operation(&self, op: &'static str) -> Result<()> {
        let n = self.operations.fetch_add(1, Ordering::Relaxed);
        if self.failing == Some(n) {
            return Err(Error::DeviceFailed {
                op,
                reason: format!("scripted, operation {n}"),
            });
        }
        Ok(())
    }

    fn copy(
        &self,
        op: &'static str,
        from: &ScriptedBuffer,
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.operation(op)?;
        out.rows.clone_from(&from.rows);
        Ok(())
    }
}

impl Backend for ScriptedBackend {
    type Matrix = ();
    type Vector = ();
    type Buffer = ScriptedBuffer;
    type KvCache = ();
    type Rope = ();

    fn description(&self) -> String {
        "scripted".to_owned()
    }

    fn matrix(&self, _: MatrixSource) -> Result<()> {
        self.operation("matrix")
    }

    fn vector(&self, _: &[f32]) -> Result<()> {
        self.operation("vector")
    }

    fn rope(&self, _: RopeTable) -> Result<()> {
        self.operation("rope")
    }

    fn buffer(&self, _: usize, width: usize) -> Result<ScriptedBuffer> {
        self.operation("buffer")?;
        Ok(ScriptedBuffer {
            rows: Vec::new(),
            width,
        })
    }

    fn kv_cache(&self, _: &KvLayout) -> Result<()> {
        self.operation("kv_cache")
    }

    fn write(&self, buffer: &mut ScriptedBuffer, values: &[f32]) -> Result<()> {
        self.operation("write")?;
        buffer.rows = vec![ScriptedRow::default(); values.len() / buffer.width];
        Ok(())
    }

    fn read(&self, buffer: &ScriptedBuffer, out: &mut Vec<f32>) -> Result<usize> {
        self.operation("read")?;
        out.clear();
        out.resize(buffer.rows.len() * buffer.width, 0.0);
        for (&row, values) in buffer.rows.iter().zip(out.chunks_exact_mut(buffer.width)) {
            (self.script)(row, values);
        }
        Ok(buffer.rows.len())
    }

    fn embed(&self, (): &(), tokens: &[u32], out: &mut ScriptedBuffer) -> Result<()> {
        self.operation("embed")?;
        let row = |&token| ScriptedRow { token, position: 0 };
        out.rows = tokens.iter().map(row).collect();
        Ok(())
    }

    fn rms_norm(
        &self,
        x: &ScriptedBuffer,
        (): &(),
        _: f32,
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.copy("rms_norm", x, out)
    }

    fn matmul(
        &self,
        (): &(),
        _: Option<&()>,
        x: &ScriptedBuffer,
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.copy("matmul", x, out)
    }

    fn matmul_add(&self, (): &(), x: &ScriptedBuffer, out: &mut ScriptedBuffer) -> Result<()> {
        self.copy("matmul_add", x, out)
    }

    fn head_norm(
        &self,
        _: &mut ScriptedBuffer,
        _: (&(), &()),
        _: f32,
        _: &AttentionShape,
    ) -> Result<()> {
        self.operation("head_norm")
    }

    fn rope_append(
        &self,
        qkv: &mut ScriptedBuffer,
        (): &(),
        (): &mut (),
        _: usize,
        (batch, _): (&Batch, &AttentionShape),
    ) -> Result<()> {
        self.operation("rope_append")?;
        for (row, &position) in qkv.rows.iter_mut().zip(batch.positions()) {
            row.position = position;
        }
        Ok(())
    }

    fn attention(
        &self,
        qkv: &ScriptedBuffer,
        (): &(),
        _: usize,
        _: (&Batch, &AttentionShape),
        out: &mut ScriptedBuffer,
    ) -> Result<()> {
        self.copy("attention", qkv, out)
    }

    fn swiglu(&self, gate_up: &ScriptedBuffer, out: &mut ScriptedBuffer) -> Result<()> {
        self.copy("swiglu", gate_up, out)
    }

    fn gather(&self, x: &ScriptedBuffer, rows: &[usize], out: &mut ScriptedBuffer) -> Result<()> {
        self.operation("gather")?;
        out.rows = rows.iter().map(|&row| x.rows[row]).collect();
        Ok(())
    }
}
