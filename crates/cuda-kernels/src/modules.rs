//! Every module of kernels and every entry point in it: the one place that knows their names.
//!
//! A kernel is added by a field of [`Kernels`] and the line of [`Kernels::load`] that resolves it.
//! `module!("stem")` is for every device; `module!("stem", "80", "90")` has a variant for compute
//! capability 9.0 and later; `module!("stem_sm90a", "90a")` is for 9.0 alone, and optional.

mod load;

use self::load::{Aligned, Cubin, LoadedModule, Loader, Module, Variant};
use crate::device::Device;
use crate::error::CudaError;
use crate::launch::PerHeadShape;
use crate::launch::WideKernels;
use crate::weight_type::WeightType;

pub(crate) use self::load::Kernel;
pub use self::load::NEEDED_CUDA;

/// An entry point for each [`WeightType`].
pub(crate) type PerType = [Kernel; WeightType::ALL.len()];
/// An entry point for each type that is packed.
pub(crate) type PerPackedType = [Kernel; WeightType::ALL.len() - 2];

/// Every kernel, loaded and resolved.
pub struct Kernels {
    pub(crate) device: Device,
    pub(crate) add_in_place: Kernel,
    /// Of [`RopeAppend`](crate::launch::RopeAppend), leaving its rows as they are.
    pub(crate) append: Kernel,
    pub(crate) argmax: Kernel,
    pub(crate) attention_decode: PerHeadShape,
    /// For splits that are merged in clusters, where there are clusters.
    pub(crate) attention_decode_clustered: Option<PerHeadShape>,
    pub(crate) attention_prefill: PerHeadShape,
    /// For heads of 64, 96 and 128 channels, where the device has them.
    pub(crate) attention_prefill_wide: Option<[Kernel; 3]>,
    pub(crate) count_non_finite: Kernel,
    pub(crate) embed: PerType,
    pub(crate) embed_packed: PerPackedType,
    pub(crate) gather: Kernel,
    /// For each packed format.
    pub(crate) gemm_portable: PerPackedType,
    /// Where the device has them.
    pub(crate) gemm_wide: Option<WideKernels>,
    pub(crate) head_norm: Kernel,
    /// For one row.
    pub(crate) matmul_rows1: PerType,
    /// For tiles of eight rows.
    pub(crate) matmul_rows8: PerType,
    /// For one row, up to 8 and up to 16, as all of these.
    pub(crate) matvec: [Kernel; 3],
    /// For many weights; there is none for more than 8 rows.
    pub(crate) matvec_wide: [Kernel; 3],
    pub(crate) pack_rows: Kernel,
    pub(crate) pack_rows_norm: Kernel,
    pub(crate) pack_rows_swiglu: Kernel,
    pub(crate) read_bandwidth: Kernel,
    pub(crate) repack: PerPackedType,
    pub(crate) rms_norm: Kernel,
    pub(crate) rope_append: Kernel,
    pub(crate) sample_pick: Kernel,
    pub(crate) sample_scan: Kernel,
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

/// Names of the entry points of a kernel for heads of several widths.
macro_rules! per_head_shape {
    ($before:literal, $after:literal) => {
        [
            concat!($before, "64", $after),
            concat!($before, "80", $after),
            concat!($before, "96", $after),
            concat!($before, "128", $after),
            concat!($before, "256", $after),
            concat!($before, "up_to_32", $after),
            concat!($before, "up_to_256", $after),
        ]
    };
}

/// Names of the entry points of a kernel that exists for every packed format, then some more.
macro_rules! per_packed_type {
    ($before:literal, $after:literal $(, $more:literal)*) => {
        [
            concat!($before, "f16", $after),
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
            $($more),*
        ]
    };
}

/// The products of compute capability 9.0.
fn wide_kernels(load: &mut Loader) -> Result<Option<WideKernels>, CudaError> {
    let module = module!("gemm_sm90a", "90a");
    let gemm = per_packed_type!("gemm_", "_rows128", "gemm_f16_rows256");
    let swiglu = per_packed_type!("gemm_swiglu_", "_rows128", "gemm_swiglu_f16_rows256");
    let gemm = load.optional_kernels(module, gemm)?;
    let swiglu = load.optional_kernels(module, swiglu)?;
    let both = gemm.zip(swiglu);
    Ok(both.map(|(gemm, swiglu)| WideKernels { gemm, swiglu }))
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
        let matvec = module!("matvec", "80", "90");
        let [rows1, rows8, rows16] =
            load.kernels(matvec, ["matvec_rows1", "matvec_rows8", "matvec_rows16"])?;
        let [wide8] = load.kernels(matvec, ["matvec_rows8_wide"])?;
        let sample = module!("sample", "80", "90");
        let decode = module!("attention_decode", "80", "90");
        let prefill = module!("attention_prefill");
        let pack = module!("pack_rows", "80", "90");
        let append = module!("rope_append", "80", "90");
        Ok(Self {
            device: device.clone(),
            add_in_place: load.kernel(module!("add_in_place"), "add_in_place")?,
            append: load.kernel(append, "append")?,
            argmax: load.kernel(module!("argmax", "80", "90"), "argmax")?,
            attention_decode: load.kernels(decode, per_head_shape!("attention_decode_", ""))?,
            attention_decode_clustered: match device.info().compute_capability {
                (..9, _) => None,
                _ => {
                    Some(load.kernels(decode, per_head_shape!("attention_decode_", "_clustered"))?)
                }
            },
            attention_prefill: load.kernels(prefill, per_head_shape!("attention_prefill_", ""))?,
            attention_prefill_wide: load.optional_kernels(
                module!("attention_prefill_sm90a", "90a"),
                [
                    "attention_prefill_64_wide",
                    "attention_prefill_96_wide",
                    "attention_prefill_128_wide",
                ],
            )?,
            count_non_finite: load.kernel(module!("count_non_finite"), "count_non_finite")?,
            embed: load.kernels(module!("embed"), per_type!("embed_", ""))?,
            embed_packed: load.kernels(module!("embed"), per_packed_type!("embed_packed_", ""))?,
            gather: load.kernel(module!("gather"), "gather")?,
            gemm_portable: load.kernels(module!("gemm"), per_packed_type!("gemm_", "_rows32"))?,
            gemm_wide: wide_kernels(load)?,
            head_norm: load.kernel(module!("head_norm"), "head_norm")?,
            matmul_rows1: load.kernels(matmul, per_type!("matmul_", "_rows1"))?,
            matmul_rows8: load.kernels(matmul, per_type!("matmul_", "_rows8"))?,
            matvec: [rows1, rows8, rows16],
            matvec_wide: [rows1, wide8, rows16],
            pack_rows: load.kernel(pack, "pack_rows")?,
            pack_rows_norm: load.kernel(pack, "pack_rows_norm")?,
            pack_rows_swiglu: load.kernel(pack, "pack_rows_swiglu")?,
            read_bandwidth: load.kernel(module!("read_bandwidth"), "read_bandwidth")?,
            repack: load.kernels(module!("repack"), per_packed_type!("repack_", ""))?,
            rms_norm: load.kernel(module!("rms_norm"), "rms_norm")?,
            rope_append: load.kernel(append, "rope_append")?,
            sample_pick: load.kernel(sample, "sample_pick")?,
            sample_scan: load.kernel(sample, "sample_scan")?,
            swiglu: load.kernel(module!("swiglu"), "swiglu")?,
            _modules: loader.modules,
        })
    }

    /// Where they are loaded.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
