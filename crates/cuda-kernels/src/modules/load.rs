//! Loading modules, and finding their entry points.

use std::ffi::{CStr, CString};

use crate::device::Device;
use crate::driver::{self, Attribute, Function, ResultCode};
use crate::error::CudaError;

/// CUDA version whose drivers are the first to know the PTX version of the kernels.
pub const NEEDED_CUDA: (u32, u32) = (12, 0);
/// CUDA version that the cubins were made with: older drivers do not know all that is in them.
const CUBIN_CUDA: (u32, u32) = (13, 0);
/// CUDA version whose drivers are the first to record chained launches as such.
const CHAINING_CUDA: (u32, u32) = (12, 3);
/// Dynamic shared memory that a block may have without asking.
const USUAL_SHARED_BYTES: u32 = 48 << 10;

/// An entry point.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// Dynamic shared memory that a block may have.
    pub(crate) max_shared_bytes: u32,
    /// Whether it was compiled to wait for the launch before, so that it may be chained to it.
    pub(crate) waits: bool,
}

/// The kernels of one source file.
#[derive(Clone, Copy)]
pub(super) struct Module {
    pub(super) name: &'static str,
    /// From the most general to the most special.
    pub(super) variants: &'static [Variant],
}

/// A module compiled for a virtual architecture.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    /// "80", "90" or "90a".
    pub(super) target: &'static str,
    /// Ending in zero.
    pub(super) ptx: &'static str,
    /// The same, compiled for those devices that run no other variant.
    pub(super) cubins: &'static [Cubin],
}

/// Machine code.
#[derive(Clone, Copy)]
pub(super) struct Cubin {
    /// "80", "90" or "90a".
    pub(super) machine: &'static str,
    pub(super) code: &'static Aligned<[u8]>,
}

/// Bytes that begin where the headers in them may be read.
#[repr(C, align(16))]
pub(super) struct Aligned<T: ?Sized>(pub(super) T);

impl Cubin {
    /// Code runs on later devices of the same major version, unless it is for one alone.
    fn runs_on(&self, (major, minor): (u32, u32)) -> bool {
        match self.machine {
            "80" => major == 8,
            "90" => major == 9,
            "90a" => (major, minor) == (9, 0),
            _ => false,
        }
    }
}

impl Variant {
    fn runs_on(&self, compute_capability: (u32, u32)) -> bool {
        match self.target {
            "80" => compute_capability >= (8, 0),
            "90" => compute_capability >= (9, 0),
            "90a" => compute_capability == (9, 0),
            _ => false,
        }
    }
}

/// What is being loaded.
pub(super) struct Loader {
    device: Device,
    can_chain: bool,
    pub(super) modules: Vec<LoadedModule>,
}

impl Loader {
    pub(super) fn new(device: &Device) -> Self {
        let info = device.info();
        Self {
            device: device.clone(),
            can_chain: info.compute_capability >= (9, 0) && info.driver_cuda >= CHAINING_CUDA,
            modules: Vec::new(),
        }
    }

    /// An entry point that every device has.
    pub(super) fn kernel(
        &mut self,
        module: Module,
        name: &'static str,
    ) -> Result<Kernel, CudaError> {
        let [kernel] = self.kernels(module, [name])?;
        Ok(kernel)
    }

    /// Entry points that every device has.
    pub(super) fn kernels<const N: usize>(
        &mut self,
        module: Module,
        names: [&'static str; N],
    ) -> Result<[Kernel; N], CudaError> {
        let kernels = self.optional_kernels(module, names)?;
        kernels.ok_or_else(|| CudaError::ModuleRejected {
            device: self.device.info().name.clone(),
            module: module.name,
            code: ResultCode::NO_BINARY_FOR_GPU,
            log: String::new(),
        })
    }

    /// Entry points of a module that only some devices can run.
    pub(super) fn optional_kernels<const N: usize>(
        &mut self,
        module: Module,
        names: [&'static str; N],
    ) -> Result<Option<[Kernel; N]>, CudaError> {
        let compute_capability = self.device.info().compute_capability;
        let mut variants = module.variants.iter().rev();
        let Some(variant) = variants.find(|variant| variant.runs_on(compute_capability)) else {
            return Ok(None);
        };
        let module = self.module(module.name, variant)?;
        let mut kernels = [self.resolve(module, names[0])?; N];
        for (kernel, name) in kernels.iter_mut().zip(names).skip(1) {
            *kernel = self.resolve(module, name)?;
        }
        Ok(Some(kernels))
    }

    /// The number of a module, which is loaded if it is not.
    fn module(&mut self, name: &'static str, variant: &Variant) -> Result<usize, CudaError> {
        let loaded = self.modules.iter().position(|module| module.name == name);
        if let Some(loaded) = loaded {
            return Ok(loaded);
        }
        let module = LoadedModule::load(&self.device, name, variant)?;
        self.modules.push(module);
        Ok(self.modules.len() - 1)
    }

    fn resolve(&self, module: usize, name: &'static str) -> Result<Kernel, CudaError> {
        let module = &self.modules[module];
        let function = module.function(name)?;
        let mut max_shared_bytes = USUAL_SHARED_BYTES;
        if module.has_dynamic_shared_memory {
            max_shared_bytes = self.allow_shared_memory(function)?;
        }
        if module.is_in_tokens {
            self.prefer_shared_memory(function)?;
        }
        Ok(Kernel {
            name,
            function,
            max_shared_bytes,
            waits: self.can_chain && module.is_for_chains,
        })
    }
}

impl Loader {
    /// Lets blocks have all the shared memory that there is, and says how much that is.
    fn allow_shared_memory(&self, function: Function) -> Result<u32, CudaError> {
        let ordinal = self.device.info().ordinal;
        self.device.call("cuFuncSetAttribute", |driver, _| {
            let most = driver.device_attribute(ordinal, Attribute::SharedBytes)?;
            // SAFETY: the function is of a loaded module.
            unsafe {
                let taken = driver.static_shared_bytes(function)?;
                let left = u32::try_from(most).unwrap_or(0).saturating_sub(taken);
                driver.allow_shared_bytes(function, left)?;
                Ok(left)
            }
        })
    }

    /// A multiprocessor that has to divide its memory anew for the next kernel must end the one
    /// before, and nothing of the next can begin early.
    fn prefer_shared_memory(&self, function: Function) -> Result<(), CudaError> {
        self.device.call("cuFuncSetAttribute", |driver, _| {
            // SAFETY: the function is of a loaded module.
            unsafe { driver.prefer_shared_memory(function) }
        })
    }
}

/// A module in the device's context.
pub(super) struct LoadedModule {
    device: Device,
    name: &'static str,
    module: driver::Module,
    has_dynamic_shared_memory: bool,
    /// Whether its code may hold the instructions of chained launches.
    is_for_chains: bool,
    /// Whether its kernels may alternate in the step of a token: those with a form for chains that
    /// all devices from some compute capability on run. Some of them belong to prompts alone.
    is_in_tokens: bool,
}

impl LoadedModule {
    fn load(device: &Device, name: &'static str, variant: &Variant) -> Result<Self, CudaError> {
        let module = match Self::load_cubin(device, variant)? {
            Some(module) => module,
            None => Self::load_ptx(device, name, variant)?,
        };
        // Declarations stand before the first entry point.
        let declarations = variant.ptx.split(".entry ").next();
        Ok(Self {
            device: device.clone(),
            name,
            module,
            has_dynamic_shared_memory: declarations.is_some_and(|d| d.contains(".extern .shared")),
            is_for_chains: variant.target != "80",
            is_in_tokens: variant.target == "90",
        })
    }

    /// The machine code for this device, if there is some and the driver takes it.
    fn load_cubin(device: &Device, variant: &Variant) -> Result<Option<driver::Module>, CudaError> {
        let info = device.info();
        let mut cubins = variant.cubins.iter();
        let cubin = cubins.find(|cubin| cubin.runs_on(info.compute_capability));
        let Some(cubin) = cubin.filter(|_| info.driver_cuda >= CUBIN_CUDA) else {
            return Ok(None);
        };
        let loaded = device.attempt(|driver, _| {
            // SAFETY: the file as the assembler wrote it.
            unsafe { driver.module_load_cubin(&cubin.code.0) }
        });
        match loaded? {
            Ok(module) => Ok(Some(module)),
            Err(code) if code.is_sticky() => device.call("cuModuleLoadData", |_, _| Err(code)),
            // Whatever it dislikes, there is the PTX.
            Err(_) => Ok(None),
        }
    }

    fn load_ptx(
        device: &Device,
        name: &'static str,
        variant: &Variant,
    ) -> Result<driver::Module, CudaError> {
        let text = CStr::from_bytes_until_nul(variant.ptx.as_bytes()).unwrap_or_default();
        let mut log = String::new();
        let loaded = device.attempt(|driver, _| driver.module_load(text, &mut log))?;
        let info = device.info();
        loaded.map_err(|code| match code {
            ResultCode::UNSUPPORTED_PTX_VERSION => CudaError::UnsupportedPtx {
                device: info.name.clone(),
                module: name,
                driver_cuda: info.driver_cuda,
                needed: NEEDED_CUDA,
            },
            code => device.noted(CudaError::ModuleRejected {
                device: info.name.clone(),
                module: name,
                code,
                log,
            }),
        })
    }

    fn function(&self, name: &'static str) -> Result<Function, CudaError> {
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: the module is loaded as long as `self` lives.
        let function = self
            .device
            .attempt(|driver, _| unsafe { driver.function(self.module, &c_name) });
        function?.map_err(|code| {
            self.device.noted(CudaError::MissingKernel {
                module: self.name,
                kernel: name,
                code,
            })
        })
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        // SAFETY: launches borrow `Kernels`, and those under way are waited for. Recorded graphs
        // promise to be launched no more.
        self.device
            .release(|driver| unsafe { driver.module_unload(self.module) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::driver::LaunchConfig;
    use crate::driver::fake::FakeDriver;

    fn chosen(targets: &[&'static str], compute_capability: (u32, u32)) -> Option<&'static str> {
        let variants = targets.iter().map(|&target| Variant {
            target,
            ptx: "\0",
            cubins: &[],
        });
        let mut running = variants.filter(|variant| variant.runs_on(compute_capability));
        running.next_back().map(|variant| variant.target)
    }

    #[test]
    fn the_most_special_variant_that_runs_is_chosen() {
        let all = ["80", "90", "90a"];
        let expected = [(8, 0), (8, 9), (9, 0), (10, 0), (12, 0)];
        let expected = expected.map(|device| (device, chosen(&all, device)));
        let targets = expected.map(|(_, target)| target);
        assert_eq!(
            targets,
            [Some("80"), Some("80"), Some("90a"), Some("90"), Some("90")]
        );
        assert_eq!(chosen(&["90a"], (10, 0)), None);
        assert_eq!(chosen(&["80"], (9, 0)), Some("80"));
    }

    const CHAINED: Module = Module {
        name: "chained",
        variants: &[
            Variant {
                target: "80",
                ptx: ".visible .entry chained(\n)\n{\nret;\n}\n\0",
                cubins: &[],
            },
            Variant {
                target: "90",
                ptx: ".extern .shared .align 16 .b8 s[];\n\
                      .visible .entry chained(\n)\n{\ngriddepcontrol.wait;\nret;\n}\n\0",
                cubins: &[],
            },
        ],
    };

    fn launched(compute_capability: (i32, i32), shared_bytes: u32, is_chained: bool) -> bool {
        let fake = Arc::new(FakeDriver::with_devices(1, compute_capability));
        let device = Device::open_with(fake, 0).unwrap();
        let mut loader = Loader::new(&device);
        let kernel = loader.kernel(CHAINED, "chained").unwrap();
        assert_eq!(kernel.waits, compute_capability >= (9, 0));
        let most = if kernel.waits { 226 << 10 } else { 48 << 10 };
        assert_eq!(kernel.max_shared_bytes, most);
        let config = LaunchConfig {
            grid: [1; 3],
            block: [1; 3],
            shared_bytes,
            is_chained,
            cluster: 1,
        };
        // SAFETY: the fake driver checks what it is given.
        let outcome = device.attempt(|driver, stream| unsafe {
            driver.launch(kernel.function, config, stream, &[])
        });
        outcome.unwrap().is_ok()
    }

    #[test]
    fn kernels_are_chained_and_have_shared_memory_where_they_can() {
        assert!(launched((9, 0), 226 << 10, true));
        assert!(launched((10, 0), 0, false));
        assert!(!launched((9, 0), 227 << 10, true));
        assert!(launched((8, 0), 48 << 10, false));
        assert!(!launched((8, 0), 0, true));
    }

    #[test]
    fn a_module_for_other_devices_is_no_error_if_it_is_optional() {
        let device = Device::open_with(Arc::new(FakeDriver::new()), 0).unwrap();
        let mut loader = Loader::new(&device);
        let [_, newest] = [0, 1].map(|i| &CHAINED.variants[i..=i]);
        let mut other = Module {
            name: "other",
            variants: newest,
        };
        assert!(
            loader
                .optional_kernels(other, ["chained"])
                .unwrap()
                .is_some()
        );
        other.name = "another";
        let fake = Arc::new(FakeDriver::with_devices(1, (8, 0)));
        let mut loader = Loader::new(&Device::open_with(fake, 0).unwrap());
        assert!(
            loader
                .optional_kernels(other, ["chained"])
                .unwrap()
                .is_none()
        );
        let error = loader.kernel(other, "chained").err().unwrap().to_string();
        assert!(
            error.contains("another") && error.contains("NO_BINARY_FOR_GPU"),
            "{error}"
        );
    }
}
