//! An NVIDIA GPU.
//!
//! Executors take `steps`: fused kernels and recorded graphs. The operations here, a launch or a
//! few each, are for traces and tests, and for models of bf16 and f32 weights. Both use the same
//! arithmetic, so that a row has the same bits either way.
//!
//! Weights lie in the device's memory without loss, packed for the matrix units. Launches are
//! asynchronous, in order; [`Backend::read`] waits for them.

mod bandwidth;
mod device;
mod memory;
mod product;
mod sampler;
mod step_tables;
mod steps;
mod terms;
mod weights;

use std::sync::{Arc, Mutex, PoisonError};

use cuda_kernels::driver::Driver;
use cuda_kernels::launch::{
    AttentionPrefill, Embed, EmbedPacked, Gather, HeadNorm, MAX_HEAD_DIM, RmsNorm, Rope,
    RopeAppend, Swiglu,
};
use cuda_kernels::{Buffer, Device, Kernels};
use gguf::GgufFile;

pub use self::bandwidth::read_gb_per_s;
pub use self::device::{check, describe, devices};
use self::device::{failed, unavailable};
pub use self::memory::{CudaBuffer, CudaKvCache, CudaRope};
use self::product::{Input, Output};
pub use self::sampler::{DeviceSampler, N_SLOTS};
use self::steps::CudaSteps;
use self::terms::{done, heads, pairing};
pub use self::weights::CudaMatrix;
use self::weights::{Loader, Stored};
use crate::backend::{AttentionShape, Backend, MatrixSource, WholeSteps};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::kv_cache::KvLayout;
use crate::model::Model;
use crate::plan::{ExecutorOptions, operation_bytes};
use crate::rope::RopeTable;

pub use cuda_kernels::{DeviceInfo, MemoryInfo, NEEDED_CUDA};

/// Rows of a prefill chunk: the tiles of fewer leave processors idle.
const CHUNK_ROWS: usize = 4096;

/// What a call of the device gives.
type Outcome<T> = std::result::Result<T, cuda_kernels::CudaError>;

/// The CUDA backend. Clones share device and kernels.
#[derive(Clone)]
pub struct CudaBackend(Arc<Inner>);

struct Inner {
    device: Device,
    kernels: Kernels,
    /// While matrices are taken over.
    loader: Mutex<Option<Loader>>,
}

impl CudaBackend {
    /// Opens a GPU and loads the kernels onto it.
    ///
    /// # Errors
    /// [`Error::DeviceUnavailable`] with the reason, or [`Error::DeviceFailed`].
    pub fn open(ordinal: usize) -> Result<Self> {
        Self::on(Device::open(ordinal).map_err(unavailable(ordinal))?)
    }

    /// Opens a GPU through another driver.
    ///
    /// # Errors
    /// As [`CudaBackend::open`].
    pub fn open_with(driver: Arc<dyn Driver>, ordinal: usize) -> Result<Self> {
        Self::on(Device::open_with(driver, ordinal).map_err(unavailable(ordinal))?)
    }

    fn on(device: Device) -> Result<Self> {
        let kernels = Kernels::load(&device).map_err(unavailable(device.info().ordinal))?;
        Ok(Self(Arc::new(Inner {
            device,
            kernels,
            loader: Mutex::default(),
        })))
    }

    /// The GPU.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    fn multiply(
        &self,
        weight: &CudaMatrix,
        x: &CudaBuffer,
        output: Output<'_>,
        out: &mut CudaBuffer,
    ) -> Outcome<()> {
        debug_assert_eq!((x.width, out.width), (weight.row_len, weight.n_rows));
        let input = Input {
            x: x.values.view(),
            norm: None,
            n_rows: x.rows,
        };
        product::multiply_alone(&self.0.kernels, (weight, input), output, &mut out.values)
    }
}

impl Backend for CudaBackend {
    type Matrix = CudaMatrix;
    type Vector = Buffer<f32>;
    type Buffer = CudaBuffer;
    type KvCache = CudaKvCache;
    type Rope = CudaRope;

    fn description(&self) -> String {
        describe(self.0.device.info())
    }

    fn reads_file(&self) -> bool {
        false
    }

    fn chunk_rows(&self) -> usize {
        CHUNK_ROWS
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        let memory = self.0.device.memory().map_err(failed("free_bytes"))?;
        Ok(Some(memory.free_bytes))
    }

    fn matrix(&self, source: MatrixSource) -> Result<CudaMatrix> {
        let mut loader = self.0.loader.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = match &mut *loader {
            Some(loader) => loader,
            none => {
                let loader = Loader::new(&self.0.device, &source);
                none.insert(loader.map_err(failed("matrix"))?)
            }
        };
        loader.matrix(&self.0.kernels, &source)
    }

    fn vector(&self, values: &[f32]) -> Result<Buffer<f32>> {
        self.0.device.upload(values).map_err(failed("vector"))
    }

    fn rope(&self, table: RopeTable) -> Result<CudaRope> {
        CudaRope::upload(&self.0.device, &table).map_err(failed("rope"))
    }

    fn buffer(&self, max_rows: usize, width: usize) -> Result<CudaBuffer> {
        CudaBuffer::new(&self.0.device, max_rows, width).map_err(failed("buffer"))
    }

    fn kv_cache(&self, layout: &KvLayout) -> Result<CudaKvCache> {
        if layout.head_dim > MAX_HEAD_DIM {
            return Err(Error::UnsupportedFeature {
                feature: format!("heads of {} channels on a GPU", layout.head_dim),
                source_key: "attention.key_length".to_owned(),
            });
        }
        CudaKvCache::new(&self.0.device, layout).map_err(failed("kv_cache"))
    }

    fn write(&self, buffer: &mut CudaBuffer, values: &[f32]) -> Result<()> {
        buffer.rows = values.len() / buffer.width;
        buffer.values.write(0, values).map_err(failed("write"))
    }

    fn read(&self, buffer: &CudaBuffer, out: &mut Vec<f32>) -> Result<usize> {
        out.clear();
        out.resize(buffer.rows * buffer.width, 0.0);
        buffer.values.read_into(0, out).map_err(failed("read"))?;
        Ok(buffer.rows)
    }

    fn embed(&self, table: &CudaMatrix, tokens: &[u32], out: &mut CudaBuffer) -> Result<()> {
        debug_assert_eq!(out.width, table.row_len);
        out.rows = tokens.len();
        if tokens.is_empty() {
            return Ok(());
        }
        let out_rows = tokens.len();
        out.picks.write(0, tokens).map_err(failed("embed"))?;
        for (rows, part) in table.parts() {
            let (tokens, out) = (out.picks.view(), out.values.view_mut());
            let (first_token, n_rows) = (rows.start, out_rows);
            let launched = match part {
                Stored::Packed(table) => EmbedPacked {
                    table,
                    first_token,
                    tokens,
                    out,
                    n_rows,
                }
                .launch(&self.0.kernels),
                Stored::Rows(table) => Embed {
                    table,
                    first_token,
                    tokens,
                    out,
                    n_rows,
                }
                .launch(&self.0.kernels),
            };
            launched.map_err(failed("embed"))?;
        }
        Ok(())
    }

    fn rms_norm(
        &self,
        x: &CudaBuffer,
        weight: &Buffer<f32>,
        eps: f32,
        out: &mut CudaBuffer,
    ) -> Result<()> {
        debug_assert_eq!(x.width, out.width);
        out.rows = x.rows;
        if x.rows == 0 {
            return Ok(());
        }
        let norm = RmsNorm {
            x: x.values.view(),
            weight: weight.view(),
            out: out.values.view_mut(),
            eps,
            n_rows: x.rows,
            width: x.width,
        };
        done(norm.launch(&self.0.kernels), "rms_norm")
    }

    fn matmul(
        &self,
        weight: &CudaMatrix,
        bias: Option<&Buffer<f32>>,
        x: &CudaBuffer,
        out: &mut CudaBuffer,
    ) -> Result<()> {
        out.rows = x.rows;
        let output = bias.map_or(Output::Store, |bias| Output::Bias(bias.view()));
        self.multiply(weight, x, output, out)
            .map_err(failed("matmul"))
    }

    fn matmul_add(&self, weight: &CudaMatrix, x: &CudaBuffer, out: &mut CudaBuffer) -> Result<()> {
        debug_assert_eq!(x.rows, out.rows);
        self.multiply(weight, x, Output::Accumulate, out)
            .map_err(failed("matmul_add"))
    }

    fn head_norm(
        &self,
        qkv: &mut CudaBuffer,
        (q_weight, k_weight): (&Buffer<f32>, &Buffer<f32>),
        eps: f32,
        shape: &AttentionShape,
    ) -> Result<()> {
        if qkv.rows == 0 {
            return Ok(());
        }
        let norm = HeadNorm {
            qkv: qkv.values.view_mut(),
            q_weight: q_weight.view(),
            k_weight: k_weight.view(),
            eps,
            heads: heads(shape),
            n_rows: qkv.rows,
        };
        done(norm.launch(&self.0.kernels), "head_norm")
    }

    fn rope_append(
        &self,
        qkv: &mut CudaBuffer,
        rope: &CudaRope,
        cache: &mut CudaKvCache,
        layer: usize,
        (batch, shape): (&Batch, &AttentionShape),
    ) -> Result<()> {
        debug_assert_eq!(qkv.rows, batch.positions().len());
        if qkv.rows == 0 {
            return Ok(());
        }
        let paging = cache.tables.get_mut().of(&self.0.device, batch);
        let append = RopeAppend {
            qkv: qkv.values.view_mut(),
            in_place: true,
            rope: Rope {
                cos: rope.cos.view(),
                sin: rope.sin.view(),
                n_pairs: rope.n_pairs,
                pairing: pairing(shape),
            },
            keys: cache.keys[layer].view_mut(),
            values: cache.values[layer].view_mut(),
            paging: paging.map_err(failed("rope_append"))?,
            heads: heads(shape),
            n_rows: qkv.rows,
        };
        done(append.launch(&self.0.kernels), "rope_append")
    }

    fn attention(
        &self,
        qkv: &CudaBuffer,
        cache: &CudaKvCache,
        layer: usize,
        (batch, shape): (&Batch, &AttentionShape),
        out: &mut CudaBuffer,
    ) -> Result<()> {
        debug_assert_eq!(qkv.rows, batch.positions().len());
        out.rows = qkv.rows;
        if qkv.rows == 0 {
            return Ok(());
        }
        let mut tables = cache.tables.borrow_mut();
        let step = tables.with_tiles(&self.0.device, batch);
        let (paging, (tiles, n_tiles)) = step.map_err(failed("attention"))?;
        let attention = AttentionPrefill {
            qkv: qkv.values.view(),
            rope: None,
            keys: cache.keys[layer].view(),
            values: cache.values[layer].view(),
            paging,
            tiles,
            out: out.values.view_mut(),
            heads: heads(shape),
            window: shape.window,
            n_rows: qkv.rows,
            n_tiles,
        };
        done(attention.launch(&self.0.kernels), "attention")
    }

    fn weight_bytes(&self, file: &GgufFile) -> u64 {
        file.tensors()
            .map(|tensor| weights::device_bytes(&tensor))
            .sum()
    }

    fn step_bytes(&self, model: &Model<Self>, options: &ExecutorOptions) -> Result<u64> {
        let whole = CudaSteps::bytes(model, options)?;
        Ok(whole.unwrap_or_else(|| operation_bytes(model.config(), options)))
    }

    fn whole_steps(
        &self,
        model: &Arc<Model<Self>>,
        options: &ExecutorOptions,
    ) -> Result<Option<Box<dyn WholeSteps<Self>>>> {
        // Nothing more is taken over.
        *self.0.loader.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let steps = CudaSteps::new(model.clone(), options)?;
        Ok(steps.map(|steps| Box::new(steps) as Box<dyn WholeSteps<Self>>))
    }

    fn swiglu(&self, gate_up: &CudaBuffer, out: &mut CudaBuffer) -> Result<()> {
        debug_assert_eq!(gate_up.width, 2 * out.width);
        out.rows = gate_up.rows;
        if gate_up.rows == 0 {
            return Ok(());
        }
        let swiglu = Swiglu {
            gate_up: gate_up.values.view(),
            out: out.values.view_mut(),
            n_rows: gate_up.rows,
            ffn: out.width,
        };
        done(swiglu.launch(&self.0.kernels), "swiglu")
    }

    fn gather(&self, x: &CudaBuffer, rows: &[usize], out: &mut CudaBuffer) -> Result<()> {
        debug_assert_eq!(x.width, out.width);
        out.rows = rows.len();
        if rows.is_empty() {
            return Ok(());
        }
        let picks: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        out.picks.write(0, &picks).map_err(failed("gather"))?;
        let gather = Gather {
            x: x.values.view(),
            rows: out.picks.view(),
            out: out.values.view_mut(),
            n_rows: rows.len(),
            width: x.width,
        };
        done(gather.launch(&self.0.kernels), "gather")
    }
}
