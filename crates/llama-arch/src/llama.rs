//! A loaded model without its backend in the type: what most callers want.

use std::sync::Arc;

use gguf::GgufFile;

use crate::backend::Backend;
use crate::backend::cpu::{Activations, CpuBackend};
use crate::backend::cuda::{self, CudaBackend};
use crate::batch::Batch;
use crate::config::LlamaConfig;
use crate::error::Result;
use crate::model::{Executor, Logits, Model};
use crate::plan::{ExecutorOptions, MemoryPlan, stored_bytes};
use crate::sampling::{Sampled, Sampler};
use crate::session::Session;
use crate::trace::Trace;

/// Where a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The host's processor.
    Cpu {
        /// Threads that compute.
        threads: usize,
        /// How activations enter products with quantised weights.
        activations: Activations,
    },
    /// An NVIDIA GPU.
    Cuda {
        /// Its number, counted from 0 over the visible ones.
        ordinal: usize,
    },
}

impl Device {
    /// The host's processor with every thread it offers.
    pub fn cpu() -> Self {
        Self::cpu_threads(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The host's processor with so many threads.
    pub fn cpu_threads(threads: usize) -> Self {
        Self::Cpu {
            threads,
            activations: Activations::default(),
        }
    }

    /// An NVIDIA GPU, if there is one that the kernels run on. It is opened by
    /// [`LlamaModel::load`], which may find that it cannot be used after all.
    ///
    /// # Errors
    /// [`crate::Error::DeviceUnavailable`] with the reason.
    pub fn cuda(ordinal: usize) -> Result<Self> {
        cuda::check(ordinal)?;
        Ok(Self::Cuda { ordinal })
    }
}

/// How to load a model.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// Called with the bytes of weights taken over so far and the bytes of all of them.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
}

/// A model on some device, ready to be run. Cheap to clone: the weights are shared.
#[derive(Clone)]
pub struct LlamaModel {
    runtime: Arc<dyn Runtime>,
    config: LlamaConfig,
}

impl LlamaModel {
    /// Loads a model onto a device. Weights stay in the file's mapping where the device can read
    /// them there.
    ///
    /// # Errors
    /// The file is no model of the family, or the device cannot hold it.
    pub fn load(file: &GgufFile, device: &Device, options: LoadOptions<'_>) -> Result<Self> {
        match device {
            Device::Cpu {
                threads,
                activations,
            } => {
                let backend = CpuBackend::detect(*threads).with_activations(*activations);
                Self::load_with(file, backend, options)
            }
            Device::Cuda { ordinal } => {
                Self::load_with(file, CudaBackend::open(*ordinal)?, options)
            }
        }
    }

    /// Loads a model onto a given backend.
    ///
    /// # Errors
    /// See [`LlamaModel::load`].
    pub fn load_with<B: Backend>(
        file: &GgufFile,
        backend: B,
        options: LoadOptions<'_>,
    ) -> Result<Self> {
        let total = stored_bytes(file);
        let mut callback = options.progress;
        let mut progress = |done| {
            if let Some(callback) = &mut callback {
                callback(done, total);
            }
        };
        let model = Model::load(file, backend, &mut progress)?;
        Ok(Self {
            config: model.config().clone(),
            runtime: Arc::new(model),
        })
    }

    /// The hyperparameters.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The device in a few words.
    pub fn device_description(&self) -> String {
        self.runtime.description()
    }

    /// Bytes free on a device with memory of its own; `None`: it uses the host's.
    ///
    /// # Errors
    /// The device failed.
    pub fn free_bytes(&self) -> Result<Option<u64>> {
        self.runtime.free_bytes()
    }

    /// Rows of a prefill chunk that keep the device busy.
    pub fn chunk_rows(&self) -> usize {
        self.runtime.chunk_rows()
    }

    /// What [`LlamaModel::session`] is planned for.
    pub fn session_options(&self, context_length: usize) -> ExecutorOptions {
        ExecutorOptions::single(context_length).with_chunk(self.chunk_rows())
    }

    /// What an executor with these options takes on the model's device, with the weights.
    ///
    /// # Errors
    /// [`crate::Error::ContextTooLong`], or the device failed.
    pub fn memory_plan(&self, options: &ExecutorOptions) -> Result<MemoryPlan> {
        self.runtime.memory_plan(options)
    }

    /// A session for one sequence of up to `context_length` positions.
    ///
    /// # Errors
    /// [`crate::Error::ContextTooLong`], or the device is out of memory.
    pub fn session(&self, context_length: usize) -> Result<Session> {
        let options = self.session_options(context_length);
        Ok(Session::new(
            self.executor(&options)?,
            &self.config,
            &options,
        ))
    }

    /// An executor for batches of mixed sequences.
    ///
    /// # Errors
    /// [`crate::Error::ContextTooLong`], or the device is out of memory.
    pub fn executor(&self, options: &ExecutorOptions) -> Result<Box<dyn Execute>> {
        Arc::clone(&self.runtime).executor(options)
    }
}

/// A model behind an unnamed backend.
trait Runtime: Send + Sync {
    fn executor(self: Arc<Self>, options: &ExecutorOptions) -> Result<Box<dyn Execute>>;
    fn description(&self) -> String;
    fn chunk_rows(&self) -> usize;
    fn free_bytes(&self) -> Result<Option<u64>>;
    fn memory_plan(&self, options: &ExecutorOptions) -> Result<MemoryPlan>;
}

impl<B: Backend> Runtime for Model<B> {
    fn executor(self: Arc<Self>, options: &ExecutorOptions) -> Result<Box<dyn Execute>> {
        Ok(Box::new(Executor::new(self, options)?))
    }

    fn description(&self) -> String {
        self.backend().description()
    }

    fn chunk_rows(&self) -> usize {
        self.backend().chunk_rows()
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        self.backend().free_bytes()
    }

    fn memory_plan(&self, options: &ExecutorOptions) -> Result<MemoryPlan> {
        Model::memory_plan(self, options)
    }
}

/// An [`Executor`] behind an unnamed backend.
pub trait Execute: Send {
    /// See [`Executor::forward`].
    ///
    /// # Errors
    /// See [`Executor::forward`].
    fn forward(&mut self, batch: &Batch, trace: Option<&mut Trace>) -> Result<Logits<'_>>;

    /// See [`Executor::sample`].
    ///
    /// # Errors
    /// See [`Executor::sample`].
    fn sample(
        &mut self,
        batch: &Batch,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Vec<Result<Sampled>>>;
}

impl<B: Backend> Execute for Executor<B> {
    fn forward(&mut self, batch: &Batch, trace: Option<&mut Trace>) -> Result<Logits<'_>> {
        Executor::forward(self, batch, trace)
    }

    fn sample(
        &mut self,
        batch: &Batch,
        samplers: &mut [(&mut Sampler, usize)],
    ) -> Result<Vec<Result<Sampled>>> {
        Executor::sample(self, batch, samplers)
    }
}
