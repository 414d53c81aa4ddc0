//! The Llama family of transformers: configuration, weights, forward pass, KV cache, sampling.
//!
//! A GGUF file of any supported architecture becomes a [`LlamaModel`] on some [`Device`]; a
//! [`Session`] continues one sequence, an [`Execute`] runs batches of many. Tokens are ids here:
//! text is the business of `tokenizer-bpe`.
//!
//! ```no_run
//! use llama_arch::{Device, LlamaModel, LoadOptions, SamplingParams};
//!
//! let file = gguf::GgufFile::open("model.gguf")?;
//! let model = LlamaModel::load(&file, &Device::cpu(), LoadOptions::default())?;
//! let mut session = model.session(1024)?;
//! let params = SamplingParams { temperature: 0.7, seed: 42, ..Default::default() };
//! for token in session.generate(&[1, 2, 3], &params)?.take(30) {
//!     println!("{}", token?.id);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backend;
pub mod batch;
pub mod config;
mod error;
pub mod kv_cache;
mod llama;
pub mod model;
mod plan;
pub mod rope;
pub mod sampling;
pub mod self_test;
mod session;
mod trace;
pub mod weights;

pub use backend::cpu::Activations;
pub use batch::{Batch, Outputs};
pub use config::{Architecture, LlamaConfig};
pub use error::{Error, Result};
pub use llama::{Device, Execute, LlamaModel, LoadOptions};
pub use model::Logits;
pub use plan::{ExecutorOptions, MemoryPlan};
pub use sampling::{Logprobs, Sampled, Sampler, SamplingParams, StopMatcher};
pub use session::{CancelFlag, Finish, Generation, Session};
pub use trace::{Trace, TraceEntry};
