//! The kernels' PTX, and every entry point in it: the one place that knows their names.

use std::ffi::{CStr, CString};

use crate::device::Device;
use crate::driver::{Function, Module, ResultCode};
use crate::error::CudaError;
use crate::weight_type::WeightType;

/// CUDA version whose drivers are the first to know the PTX version of the kernels.
const NEEDED_CUDA: (u32, u32) = (12, 0);

/// An entry point.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
}

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
    pub(crate) rms_norm: Kernel,
    pub(crate) rope_append: Kernel,
    pub(crate) swiglu: Kernel,
    _modules: Vec<LoadedModule>,
}

/// The text of a module.
macro_rules! ptx {
    ($stem:literal) => {
        (
            $stem,
            concat!(
                include_str!(concat!("../ptx/", $stem, ".compute_80.ptx")),
                "\0"
            ),
        )
    };
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
    /// Loads the kernels onto a device. The driver compiles them, and remembers the result.
    ///
    /// # Errors
    /// [`CudaError::UnsupportedPtx`], [`CudaError::ModuleRejected`],
    /// [`CudaError::MissingKernel`].
    pub fn load(device: &Device) -> Result<Self, CudaError> {
        let mut modules = Vec::new();
        let mut load = |(name, ptx)| -> Result<_, CudaError> {
            modules.push(LoadedModule::load(device, name, ptx)?);
            Ok(modules.len() - 1)
        };
        let [add_in_place, argmax, attention, count_non_finite] = [
            load(ptx!("add_in_place"))?,
            load(ptx!("argmax"))?,
            load(ptx!("attention"))?,
            load(ptx!("count_non_finite"))?,
        ];
        let [embed, gather, head_norm, matmul] = [
            load(ptx!("embed"))?,
            load(ptx!("gather"))?,
            load(ptx!("head_norm"))?,
            load(ptx!("matmul"))?,
        ];
        let [rms_norm, rope_append, swiglu] = [
            load(ptx!("rms_norm"))?,
            load(ptx!("rope_append"))?,
            load(ptx!("swiglu"))?,
        ];
        Ok(Self {
            device: device.clone(),
            add_in_place: modules[add_in_place].kernel("add_in_place")?,
            argmax: modules[argmax].kernel("argmax")?,
            attention: modules[attention].kernel("attention")?,
            count_non_finite: modules[count_non_finite].kernel("count_non_finite")?,
            embed: modules[embed].kernels(per_type!("embed_", ""))?,
            gather: modules[gather].kernel("gather")?,
            head_norm: modules[head_norm].kernel("head_norm")?,
            matmul_rows1: modules[matmul].kernels(per_type!("matmul_", "_rows1"))?,
            matmul_rows8: modules[matmul].kernels(per_type!("matmul_", "_rows8"))?,
            rms_norm: modules[rms_norm].kernel("rms_norm")?,
            rope_append: modules[rope_append].kernel("rope_append")?,
            swiglu: modules[swiglu].kernel("swiglu")?,
            _modules: modules,
        })
    }

    /// Where they are loaded.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

struct LoadedModule {
    device: Device,
    name: &'static str,
    module: Module,
}

impl LoadedModule {
    fn load(device: &Device, name: &'static str, ptx: &'static str) -> Result<Self, CudaError> {
        let text = CStr::from_bytes_until_nul(ptx.as_bytes()).unwrap_or_default();
        let mut log = String::new();
        let loaded = device.raw_call(|driver, _| driver.module_load(text, &mut log));
        let info = device.info();
        let module = loaded.map_err(|code| match code {
            ResultCode::UNSUPPORTED_PTX_VERSION => CudaError::UnsupportedPtx {
                device: info.name.clone(),
                module: name,
                driver_cuda: info.driver_cuda,
                needed: NEEDED_CUDA,
            },
            code => CudaError::ModuleRejected {
                device: info.name.clone(),
                module: name,
                code,
                log,
            },
        })?;
        let device = device.clone();
        Ok(Self {
            device,
            name,
            module,
        })
    }

    fn kernel(&self, name: &'static str) -> Result<Kernel, CudaError> {
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: the module is loaded as long as `self` lives.
        let function = self
            .device
            .raw_call(|driver, _| unsafe { driver.function(self.module, &c_name) });
        let function = function.map_err(|code| CudaError::MissingKernel {
            module: self.name,
            kernel: name,
            code,
        })?;
        Ok(Kernel { name, function })
    }

    fn kernels<const N: usize>(&self, names: [&'static str; N]) -> Result<[Kernel; N], CudaError> {
        let mut kernels = [self.kernel(names[0])?; N];
        for (kernel, name) in kernels.iter_mut().zip(names).skip(1) {
            *kernel = self.kernel(name)?;
        }
        Ok(kernels)
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        let unload = self.device.raw_call(|driver, stream| {
            // SAFETY: launches borrow `Kernels`, and those under way are waited for. Recorded
            // graphs promise to be launched no more.
            unsafe {
                driver.stream_synchronize(stream)?;
                driver.module_unload(self.module)
            }
        });
        // A module that cannot be unloaded goes with its context.
        let _ = unload;
    }
}
