//! Seeded random-weight GGUF models of every supported architecture, for tests and benchmarks.
//!
//! A [`ModelSpec`] says what a model is, a seed says which: the same two give the same bytes on
//! every platform and with any number of threads. The files follow the conventions of real
//! conversions, so every reader of GGUF loads them.
//!
//! To add a weight type: a row in the encoders of `fill`. To add an architecture: a name in
//! [`Arch`], its tensors in `tensors`, its keys in `metadata`, and cases in [`cases()`].

#![forbid(unsafe_code)]

mod cases;
mod cli;
mod error;
mod fill;
mod metadata;
mod presets;
mod random;
mod rope;
mod spec;
mod tensors;
mod types;
mod vocab;
mod write;

pub use cases::{Case, cases};
pub use cli::run_cli;
pub use error::{Error, Result};
pub use random::fnv1a;
pub use spec::{Arch, ModelSpec, QkvBias, RopeScaling, RopeSpec};
pub use types::WeightTypes;
pub use write::{to_bytes, write_to_file};
