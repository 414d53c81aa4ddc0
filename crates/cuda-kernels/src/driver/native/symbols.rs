//! The functions of libcuda.

use std::ffi::{c_char, c_int, c_uint, c_void};

use cudarc::driver::sys::{
    self, CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUgraph, CUgraphExec,
    CUlaunchConfig, CUmodule, CUstream,
};

use crate::error::CudaError;

macro_rules! symbols {
    ($($field:ident: $symbol:literal ($($arg:ty),*);)*
     @optional $($newer:ident: $newer_symbol:literal ($($newer_arg:ty),*);)*) => {
        /// libcuda.
        #[derive(Clone, Copy)]
        pub struct NativeDriver {
            $(pub(super) $field: unsafe extern "C" fn($($arg),*) -> c_int,)*
            $(pub(super) $newer: Option<unsafe extern "C" fn($($newer_arg),*) -> c_int>,)*
        }

        impl NativeDriver {
            /// Finds libcuda and every function in it that this crate calls.
            ///
            /// # Errors
            /// [`CudaError::NoDriver`], [`CudaError::MissingSymbol`].
            pub fn load() -> Result<Self, CudaError> {
                // SAFETY: opening libcuda runs its initialisers, which are sound to run.
                if !unsafe { sys::is_culib_present() } {
                    return Err(CudaError::NoDriver);
                }
                // SAFETY: as above; it was there a moment ago, so this does not panic.
                let library = unsafe { sys::culib() };
                Ok(Self {
                    $(
                        // SAFETY: the type is that of the function in cuda.h.
                        $field: match unsafe { library.get($symbol.as_bytes()) } {
                            Ok(function) => *function,
                            Err(_) => return Err(CudaError::MissingSymbol { symbol: $symbol }),
                        },
                    )*
                    $(
                        // SAFETY: as above.
                        $newer: match unsafe { library.get($newer_symbol.as_bytes()) } {
                            Ok(function) => Some(*function),
                            Err(_) => None,
                        },
                    )*
                })
            }
        }
    };
}

symbols! {
    init: "cuInit" (c_uint);
    version: "cuDriverGetVersion" (*mut c_int);
    device_count: "cuDeviceGetCount" (*mut c_int);
    device_name: "cuDeviceGetName" (*mut c_char, c_int, CUdevice);
    device_total: "cuDeviceTotalMem_v2" (*mut usize, CUdevice);
    device_attribute: "cuDeviceGetAttribute" (*mut c_int, c_uint, CUdevice);
    context_retain: "cuDevicePrimaryCtxRetain" (*mut CUcontext, CUdevice);
    context_release: "cuDevicePrimaryCtxRelease_v2" (CUdevice);
    context_make_current: "cuCtxSetCurrent" (CUcontext);
    memory_info: "cuMemGetInfo_v2" (*mut usize, *mut usize);
    alloc: "cuMemAlloc_v2" (*mut CUdeviceptr, usize);
    free: "cuMemFree_v2" (CUdeviceptr);
    clear: "cuMemsetD8Async" (CUdeviceptr, u8, usize, CUstream);
    copy_in: "cuMemcpyHtoDAsync_v2" (CUdeviceptr, *const c_void, usize, CUstream);
    copy_out: "cuMemcpyDtoHAsync_v2" (*mut c_void, CUdeviceptr, usize, CUstream);
    copy_within: "cuMemcpyDtoDAsync_v2" (CUdeviceptr, CUdeviceptr, usize, CUstream);
    host_alloc: "cuMemHostAlloc" (*mut *mut c_void, usize, c_uint);
    host_free: "cuMemFreeHost" (*mut c_void);
    module_load: "cuModuleLoadDataEx"
        (*mut CUmodule, *const c_void, c_uint, *mut c_uint, *mut *mut c_void);
    module_load_cubin: "cuModuleLoadData" (*mut CUmodule, *const c_void);
    module_unload: "cuModuleUnload" (CUmodule);
    function: "cuModuleGetFunction" (*mut CUfunction, CUmodule, *const c_char);
    function_attribute: "cuFuncGetAttribute" (*mut c_int, c_uint, CUfunction);
    function_set_attribute: "cuFuncSetAttribute" (CUfunction, c_uint, c_int);
    launch: "cuLaunchKernel"
        (CUfunction, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, CUstream,
         *mut *mut c_void, *mut *mut c_void);
    stream_create: "cuStreamCreate" (*mut CUstream, c_uint);
    stream_wait: "cuStreamWaitEvent" (CUstream, CUevent, c_uint);
    stream_destroy: "cuStreamDestroy_v2" (CUstream);
    event_create: "cuEventCreate" (*mut CUevent, c_uint);
    event_record: "cuEventRecord" (CUevent, CUstream);
    event_query: "cuEventQuery" (CUevent);
    event_elapsed: "cuEventElapsedTime" (*mut f32, CUevent, CUevent);
    event_destroy: "cuEventDestroy_v2" (CUevent);
    capture_begin: "cuStreamBeginCapture_v2" (CUstream, c_uint);
    capture_end: "cuStreamEndCapture" (CUstream, *mut CUgraph);
    graph_instantiate: "cuGraphInstantiateWithFlags" (*mut CUgraphExec, CUgraph, u64);
    graph_destroy_template: "cuGraphDestroy" (CUgraph);
    graph_launch: "cuGraphLaunch" (CUgraphExec, CUstream);
    graph_destroy: "cuGraphExecDestroy" (CUgraphExec);
    @optional
    launch_ex: "cuLaunchKernelEx"
        (*const CUlaunchConfig, CUfunction, *mut *mut c_void, *mut *mut c_void);
}
