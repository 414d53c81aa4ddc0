//! Every module of kernels and every entry point in it: the one place that knows their names.
//!
//! A kernel is added by a field of [`Kernels`] and the line of [`Kernels::load`] that resolves it.
//! `module!("stem")` is for every device; `module!("stem", "80", "90")` has a variant for compute
//! capability 9.0 and later; `module!("stem_sm90a", "90a")` is for 9.0 alone, and optional.

mod load;

use self::load::{Aligned, Cubin, LoadedModule, Loader, Module, Variant};
use crate::device::Device;
use crate::error::CudaError;
use crate::weight_type::WeightType;

pub(crate) use self::load::Kernel;
pub use self::load::NEEDED_CUDA;

/// An entry point for each [`WeightType`].
pub(crate) type PerType = [Kernel; WeightType::ALL.len()];

/// Every kernel, loaded and resolved.
pub struct Kernels {
    pub(crate) device: Device,
    pub(crate) add_in_place: Kernel,
    pub(crate) argmax: Kernel,
    pub(crate) attention: Kernel,
    pub(crate) count_non_finite: Kernel,
    pub(crate) embed: PerType,
    pub(crate) gather: Kernel,
    pub(crate) head_norm: Kernel,
    /// For one row.
    pub(crate) matmul_rows1: PerType,
    /// For tiles of eight rows.
    pub(crate) matmul_rows8: PerType,
    pub(crate) read_bandwidth: Kernel,
    pub(crate) rms_norm: Kernel,
    pub(crate) rope_append: Kernel,
    pub(crate) swiglu: Kernel,
    _modules: Vec<LoadedModule>,
}

/// A module with its variants, from the most general on.
macro_rules! module {
    ($stem:literal) => {
        module!(@ $stem, "80": ["80", "90"])
    };
    ($stem:literal, "80", "90") => {
        module!(@ $stem, "80": ["80"], "90": ["90"])
    };
    ($stem:literal, "90a") => {
        module!(@ $stem, "90a": ["90a"])
    };
    (@ $stem:literal, $($target:literal: [$($machine:literal),+]),+) => {{
        static VARIANTS: &[Variant] = &[$(Variant {
            target: $target,
            ptx: concat!(
                include_str!(concat!("../ptx/", $stem, ".compute_", $target, ".ptx")),
                "\0"
            ),
            cubins: &[$(Cubin {
                machine: $machine,
                code: &Aligned(*include_bytes!(
                    concat!("../cubin/", $stem, ".sm_", $machine, ".cubin")
                )),
            }),+],
        }),+];
        Module {
            name: $stem,
            variants: VARIANTS,
        }
    }};
}

/// Names of the entry points of a kernel that exists for every format.
macro_rules! per_type {
    ($before:literal, $after:literal) => {
        [
            concat!($before, "f32", $after),
            concat!($before, "f16", $after),
            concat!($before, "bf16", $after),
            concat!($before, "q8_0", $after),
            concat!($before, "q4_0", $after),
            concat!($before, "q4_1", $after),
            concat!($before, "q5_0", $after),
            concat!($before, "q5_1", $after),
            concat!($before, "q2_k", $after),
            concat!($before, "q3_k", $after),
            concat!($before, "q4_k", $after),
            concat!($before, "q5_k", $after),
            concat!($before, "q6_k", $after),
        ]
    };
}

impl Kernels {
    /// Loads the kernels onto a device: machine code where there is some that it takes, else PTX,
    /// which the driver compiles, and remembers the result.
    ///
    /// # Errors
    /// [`CudaError::UnsupportedPtx`], [`CudaError::ModuleRejected`],
    /// [`CudaError::MissingKernel`].
    pub fn load(device: &Device) -> Result<Self, CudaError> {
        let mut loader = Loader::new(device);
        let load = &mut loader;
        let matmul = module!("matmul");
        Ok(Self {
            device: device.clone(),
            add_in_place: load.kernel(module!("add_in_place"), "add_in_place")?,
            argmax: load.kernel(module!("argmax"), "argmax")?,
            attention: load.kernel(module!("attention"), "attention")?,
            count_non_finite: load.kernel(module!("count_non_finite"), "count_non_finite")?,
            embed: load.kernels(module!("embed"), per_type!("embed_", ""))?,
            gather: load.kernel(module!("gather"), "gather")?,
            head_norm: load.kernel(module!("head_norm"), "head_norm")?,
            matmul_rows1: load.kernels(matmul, per_type!("matmul_", "_rows1"))?,
            matmul_rows8: load.kernels(matmul, per_type!("matmul_", "_rows8"))?,
            read_bandwidth: load.kernel(module!("read_bandwidth"), "read_bandwidth")?,
            rms_norm: load.kernel(module!("rms_norm"), "rms_norm")?,
            rope_append: load.kernel(module!("rope_append"), "rope_append")?,
            swiglu: load.kernel(module!("swiglu"), "swiglu")?,
            _modules: loader.modules,
        })
    }

    /// Where they are loaded.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
