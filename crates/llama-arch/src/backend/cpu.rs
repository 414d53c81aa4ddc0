//! The host's processor.
//!
//! Weights stay in the file's mapping, quantised. `vector` is what the instruction sets have in
//! common, `formats` unpacks weights into registers, `packed` and `gemm` multiply with few and
//! with many rows; `integer` does all that for quantised weights and rounded activations. `pool`
//! holds the threads.

mod aligned;
mod attention;
mod elementwise;
mod exp;
mod formats;
mod gemm;
mod integer;
mod kernels;
mod matmul;
mod packed;
mod pool;
mod rows;
mod vector;

use std::sync::{Arc, Mutex};

use gguf::{SharedBytes, TensorType};

use self::aligned::AlignedVec;
use self::integer::integer_kernels;
use self::kernels::Isa;
use self::matmul::{Epilogue, Scratch};
use self::pool::ThreadPool;
use self::rows::{RowKernels, row_kernels};
use crate::backend::{AttentionShape, Backend, MatrixSource};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::kv_cache::KvLayout;
use crate::rope::RopeTable;

/// How activations enter products with weights of Q4_0 to Q8_0 and Q4_K to Q6_K, where the machine
/// has AVX2. Everything else is computed in f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activations {
    /// Rounded to 13 bits under a scale for each 128 of them, and multiplied as integers: up to
    /// twice as fast, at a mean squared error of about 4e-8 of the mean square.
    #[default]
    Integer,
    /// As they are: what other devices are held against.
    Exact,
}

/// The CPU backend. Clones share threads and scratch memory.
#[derive(Clone)]
pub struct CpuBackend {
    inner: Arc<Inner>,
    activations: Activations,
}

struct Inner {
    pool: ThreadPool,
    isa: Isa,
    scratch: Vec<Scratch>,
    rounded: Mutex<integer::activations::Activations>,
}

/// A weight matrix in the file's mapping.
pub struct CpuMatrix {
    row_len: usize,
    n_rows: usize,
    parts: Vec<CpuPart>,
}

struct CpuPart {
    kernels: RowKernels,
    n_rows: usize,
    row_bytes: usize,
    bytes: SharedBytes,
}

/// Activations: `[rows][width]` of a fixed capacity.
pub struct CpuBuffer {
    data: AlignedVec,
    rows: usize,
    width: usize,
}

impl CpuBuffer {
    fn values(&self) -> &[f32] {
        &self.data[..self.rows * self.width]
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.rows * self.width]
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.width..(row + 1) * self.width]
    }
}

/// Keys and values as f16 bits, one vector per layer.
pub struct CpuKvCache {
    layout: KvLayout,
    keys: Vec<Vec<u16>>,
    values: Vec<Vec<u16>>,
}

impl CpuBackend {
    /// A backend with the best instruction set of this machine and `threads` threads.
    pub fn detect(threads: usize) -> Self {
        Self::with_isa(Isa::detect(), threads)
    }

    /// A backend for each instruction set of this machine, slowest first: for tests.
    pub fn every_isa(threads: usize) -> Vec<Self> {
        Isa::available()
            .into_iter()
            .map(|isa| Self::with_isa(isa, threads))
            .collect()
    }

    fn with_isa(isa: Isa, threads: usize) -> Self {
        let pool = ThreadPool::new(threads.max(1));
        let scratch = (0..pool.threads()).map(|_| Mutex::default()).collect();
        Self {
            inner: Arc::new(Inner {
                pool,
                isa,
                scratch,
                rounded: Mutex::default(),
            }),
            activations: Activations::default(),
        }
    }

    /// The same backend, but for how activations enter products with the matrices it makes.
    #[must_use]
    pub fn with_activations(self, activations: Activations) -> Self {
        Self {
            activations,
            ..self
        }
    }

    fn workers(&self) -> (&ThreadPool, Isa, &[Scratch]) {
        (&self.inner.pool, self.inner.isa, &self.inner.scratch)
    }

    fn kernels(&self, tensor_type: TensorType, row_len: usize) -> Option<RowKernels> {
        let isa = self.inner.isa;
        let kernels = row_kernels(isa, tensor_type, row_len)?;
        Some(match self.activations {
            Activations::Integer => RowKernels {
                integer: integer_kernels(isa, tensor_type)
                    .filter(|_| row_len.is_multiple_of(tensor_type.block_len())),
                ..kernels
            },
            Activations::Exact => kernels,
        })
    }

    /// Sets every row of `out`, rows in parallel.
    fn for_each_row(&self, out: &mut CpuBuffer, f: impl Fn(usize, &mut [f32]) + Sync) {
        let width = out.width;
        self.inner
            .pool
            .for_each_chunk(out.values_mut(), width, |_, row, values| f(row, values));
    }
}

impl Backend for CpuBackend {
    type Matrix = CpuMatrix;
    type Vector = Vec<f32>;
    type Buffer = CpuBuffer;
    type KvCache = CpuKvCache;
    type Rope = RopeTable;

    fn description(&self) -> String {
        let threads = self.inner.pool.threads();
        let plural = if threads == 1 { "" } else { "s" };
        let exact = match self.activations {
            Activations::Integer => "",
            Activations::Exact => ", exact",
        };
        let isa = self.inner.isa.name();
        format!("cpu ({isa}, {threads} thread{plural}{exact})")
    }

    fn matrix(&self, source: MatrixSource) -> Result<CpuMatrix> {
        let n_rows = source.n_rows();
        let parts = source.parts.into_iter().map(|part| {
            let kernels = self.kernels(part.tensor_type, source.row_len);
            let Some(kernels) = kernels else {
                let tensor_type = part.tensor_type.name();
                return Err(Error::UnsupportedTensorType {
                    name: part.name,
                    tensor_type,
                });
            };
            Ok(CpuPart {
                kernels,
                n_rows: part.n_rows,
                row_bytes: part.bytes.len() / part.n_rows,
                bytes: part.bytes,
            })
        });
        Ok(CpuMatrix {
            row_len: source.row_len,
            n_rows,
            parts: parts.collect::<Result<_>>()?,
        })
    }

    fn vector(&self, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn rope(&self, table: RopeTable) -> Result<RopeTable> {
        Ok(table)
    }

    fn buffer(&self, max_rows: usize, width: usize) -> Result<CpuBuffer> {
        Ok(CpuBuffer {
            data: AlignedVec::zeros(max_rows * width),
            rows: 0,
            width,
        })
    }

    fn kv_cache(&self, layout: &KvLayout) -> Result<CpuKvCache> {
        // Zeroed memory comes from the system on first touch: an unused context costs nothing.
        let layer = || vec![0; layout.layer_len()];
        let layers = || (0..layout.n_layers).map(|_| layer()).collect();
        Ok(CpuKvCache {
            layout: *layout,
            keys: layers(),
            values: layers(),
        })
    }

    fn write(&self, buffer: &mut CpuBuffer, values: &[f32]) -> Result<()> {
        buffer.rows = values.len() / buffer.width;
        buffer.values_mut().copy_from_slice(values);
        Ok(())
    }

    fn read(&self, buffer: &CpuBuffer, out: &mut Vec<f32>) -> Result<usize> {
        out.clear();
        out.extend_from_slice(buffer.values());
        Ok(buffer.rows)
    }

    fn embed(&self, table: &CpuMatrix, tokens: &[u32], out: &mut CpuBuffer) -> Result<()> {
        out.rows = tokens.len();
        for (&token, out) in tokens.iter().zip(out.data.chunks_exact_mut(table.row_len)) {
            let mut row = token as usize;
            for part in &table.parts {
                if row < part.n_rows {
                    let bytes = &part.bytes[row * part.row_bytes..(row + 1) * part.row_bytes];
                    (part.kernels.decode)(bytes, out);
                    break;
                }
                row -= part.n_rows;
            }
        }
        Ok(())
    }

    fn rms_norm(
        &self,
        x: &CpuBuffer,
        weight: &Vec<f32>,
        eps: f32,
        out: &mut CpuBuffer,
    ) -> Result<()> {
        out.rows = x.rows;
        self.for_each_row(out, |row, out| {
            elementwise::rms_norm(x.row(row), weight, eps, out);
        });
        Ok(())
    }

    fn matmul(
        &self,
        weight: &CpuMatrix,
        bias: Option<&Vec<f32>>,
        x: &CpuBuffer,
        out: &mut CpuBuffer,
    ) -> Result<()> {
        let epilogue = bias.map_or(Epilogue::Store, |bias| Epilogue::Bias(bias));
        matmul::matmul(
            self.workers(),
            &self.inner.rounded,
            weight,
            x,
            epilogue,
            out,
        );
        Ok(())
    }

    fn matmul_add(&self, weight: &CpuMatrix, x: &CpuBuffer, out: &mut CpuBuffer) -> Result<()> {
        debug_assert_eq!(x.rows, out.rows);
        matmul::matmul(
            self.workers(),
            &self.inner.rounded,
            weight,
            x,
            Epilogue::Add,
            out,
        );
        Ok(())
    }

    fn head_norm(
        &self,
        qkv: &mut CpuBuffer,
        (q_weight, k_weight): (&Vec<f32>, &Vec<f32>),
        eps: f32,
        shape: &AttentionShape,
    ) -> Result<()> {
        self.for_each_row(qkv, |_, row| {
            let (q, rest) = row.split_at_mut(shape.q_width());
            let k = &mut rest[..shape.kv_width()];
            for (heads, weight) in [(q, q_weight), (k, k_weight)] {
                for head in heads.chunks_exact_mut(shape.head_dim) {
                    elementwise::rms_norm_in_place(head, weight, eps);
                }
            }
        });
        Ok(())
    }

    fn rope_append(
        &self,
        qkv: &mut CpuBuffer,
        rope: &RopeTable,
        cache: &mut CpuKvCache,
        layer: usize,
        (batch, shape): (&Batch, &AttentionShape),
    ) -> Result<()> {
        let turned = shape.q_width() + shape.kv_width();
        self.for_each_row(qkv, |row, values| {
            let position = batch.positions()[row] as usize;
            for head in values[..turned].chunks_exact_mut(shape.head_dim) {
                elementwise::turn_head(head, rope, position, shape.rope_pairing);
            }
        });
        for sequence in batch.sequences() {
            for row in sequence.rows.clone() {
                let position = batch.positions()[row] as usize;
                elementwise::append(qkv.row(row), position, (cache, layer), (sequence, shape));
            }
        }
        Ok(())
    }

    fn attention(
        &self,
        qkv: &CpuBuffer,
        cache: &CpuKvCache,
        layer: usize,
        step: (&Batch, &AttentionShape),
        out: &mut CpuBuffer,
    ) -> Result<()> {
        attention::attention(self.workers(), qkv, (cache, layer), step, out);
        Ok(())
    }

    fn swiglu(&self, gate_up: &CpuBuffer, out: &mut CpuBuffer) -> Result<()> {
        out.rows = gate_up.rows;
        let (isa, ffn) = (self.inner.isa, out.width);
        self.for_each_row(out, |row, out| {
            let (gate, up) = gate_up.row(row).split_at(ffn);
            elementwise::swiglu(isa, gate, up, out);
        });
        Ok(())
    }

    fn gather(&self, x: &CpuBuffer, rows: &[usize], out: &mut CpuBuffer) -> Result<()> {
        out.rows = rows.len();
        for (&row, out) in rows.iter().zip(out.data.chunks_exact_mut(x.width)) {
            out.copy_from_slice(x.row(row));
        }
        Ok(())
    }
}
