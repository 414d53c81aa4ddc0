//! The kernels of a transformer step for NVIDIA GPUs, and typed functions that launch them.
//!
//! Neither building nor linking needs CUDA: the kernels are PTX text and machine code inside this
//! crate, and the driver is looked up at run time. [`probe`] says what is there without ever
//! panicking.
//!
//! ```no_run
//! use cuda_kernels::{Device, Kernels, launch::Swiglu};
//!
//! let device = Device::open(0)?;
//! let kernels = Kernels::load(&device)?;
//! let gate_up = device.upload(&[1.0_f32, 2.0, 3.0, 4.0])?;
//! let mut out = device.zeroed::<f32>(2)?;
//! let (gate_up, out_view) = (gate_up.view(), out.view_mut());
//! Swiglu { gate_up, out: out_view, n_rows: 1, ffn: 2 }.launch(&kernels)?;
//! println!("{:?}", out.read(2)?);
//! # Ok::<(), cuda_kernels::CudaError>(())
//! ```
//!
//! Layers, from below: [`driver`] (the calls of the CUDA driver as a trait, so that tests can make
//! any of them fail), [`Device`] and [`Buffer`], [`Kernels`] (every entry point resolved at load),
//! [`launch`] (one struct per operation, shapes checked before anything is launched).

mod arena;
mod bandwidth;
mod buffer;
mod device;
pub mod driver;
mod error;
mod graph;
pub mod launch;
mod modules;
mod pinned;
mod upload;
mod weight_type;

pub use arena::{Arena, MemoryClass, MemoryUse};
pub use bandwidth::Bandwidth;
pub use buffer::{Buffer, Element, View, ViewMut};
pub use device::{Device, DeviceInfo, MemoryInfo, check, probe, probe_with};
pub use error::CudaError;
pub use graph::{Graph, Stopwatch};
pub use half::f16;
pub use modules::{Kernels, NEEDED_CUDA};
pub use pinned::ReadBack;
pub use upload::Uploader;
pub use weight_type::WeightType;
