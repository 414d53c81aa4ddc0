//! The driver of this machine.
//!
//! cudarc finds libcuda and knows its types. Its wrappers are not used: they panic where a symbol
//! is missing, and return an `enum` that a newer driver's codes do not fit in.

mod launch;
mod symbols;

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::ptr;

use cudarc::driver::sys::{
    CUcontext, CUdevice, CUdevice_attribute, CUevent, CUfunction, CUgraph, CUgraphExec,
    CUjit_option, CUmodule, CUstream, CUstreamCaptureMode,
};

pub use self::symbols::NativeDriver;

use super::{
    Arg, Attribute, Context, DevicePtr, Driver, Event, Function, GraphExec, GraphTemplate, HostPtr,
    LaunchConfig, Module, Outcome, ResultCode, Stream,
};

/// Bytes of the compiler's log: the first lines name the trouble.
const LOG_BYTES: usize = 8192;
/// `CU_STREAM_NON_BLOCKING`
const NON_BLOCKING: c_uint = 1;
/// `CU_EVENT_DISABLE_TIMING`
const DISABLE_TIMING: c_uint = 2;
/// `CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES`
const SHARED_SIZE_BYTES: c_uint = 1;
/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`
const MAX_DYNAMIC_SHARED_BYTES: c_uint = 8;
/// `CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT`, and as much as there is of it
const SHARED_MEMORY_CARVEOUT: c_uint = 9;
const MOST_SHARED_MEMORY: c_int = 100;

fn check(code: c_int) -> Outcome<()> {
    match code {
        0 => Ok(()),
        code => Err(ResultCode(code)),
    }
}

/// Devices of the driver API are numbers, counted as `cuDeviceGet` counts them.
fn device(ordinal: usize) -> Outcome<CUdevice> {
    CUdevice::try_from(ordinal).map_err(|_| ResultCode::INVALID_DEVICE)
}

impl Driver for NativeDriver {
    fn init(&self) -> Outcome<()> {
        // SAFETY: no condition.
        check(unsafe { (self.init)(0) })
    }

    fn version(&self) -> Outcome<i32> {
        let mut version = 0;
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.version)(&raw mut version) })?;
        Ok(version)
    }

    fn device_count(&self) -> Outcome<usize> {
        let mut count = 0;
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.device_count)(&raw mut count) })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    fn device_name(&self, ordinal: usize) -> Outcome<String> {
        let mut name = [0_u8; 256];
        // SAFETY: one byte less than there are, so that the last stays zero.
        check(unsafe { (self.device_name)(name.as_mut_ptr().cast(), 255, device(ordinal)?) })?;
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    fn device_total_bytes(&self, ordinal: usize) -> Outcome<u64> {
        let mut bytes = 0;
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.device_total)(&raw mut bytes, device(ordinal)?) })?;
        Ok(bytes as u64)
    }

    fn device_attribute(&self, ordinal: usize, attribute: Attribute) -> Outcome<i32> {
        use CUdevice_attribute as A;
        let attribute = match attribute {
            Attribute::Major => A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            Attribute::Minor => A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            Attribute::Multiprocessors => A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            Attribute::SharedBytes => A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        };
        let mut value = 0;
        // SAFETY: the address of a local of the right type.
        check(unsafe {
            (self.device_attribute)(&raw mut value, attribute as c_uint, device(ordinal)?)
        })?;
        Ok(value)
    }

    fn context_retain(&self, ordinal: usize) -> Outcome<Context> {
        let mut context: CUcontext = ptr::null_mut();
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.context_retain)(&raw mut context, device(ordinal)?) })?;
        Ok(Context(context as usize))
    }

    fn context_release(&self, ordinal: usize) -> Outcome<()> {
        // SAFETY: the driver counts, and refuses one too many.
        check(unsafe { (self.context_release)(device(ordinal)?) })
    }

    unsafe fn context_make_current(&self, context: Context) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.context_make_current)(context.0 as CUcontext) })
    }

    fn memory_info(&self) -> Outcome<(u64, u64)> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: addresses of locals of the right type.
        check(unsafe { (self.memory_info)(&raw mut free, &raw mut total) })?;
        Ok((free as u64, total as u64))
    }

    fn alloc(&self, bytes: usize) -> Outcome<DevicePtr> {
        let mut at = 0;
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.alloc)(&raw mut at, bytes) })?;
        Ok(DevicePtr(at))
    }

    unsafe fn free(&self, at: DevicePtr) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.free)(at.0) })
    }

    unsafe fn clear(&self, at: DevicePtr, bytes: usize, stream: Stream) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.clear)(at.0, 0, bytes, stream.0 as CUstream) })
    }

    unsafe fn copy_in(&self, to: DevicePtr, from: &[u8], stream: Stream) -> Outcome<()> {
        let (source, bytes) = (from.as_ptr().cast(), from.len());
        // SAFETY: the caller's promise for the device; the driver has read pageable host memory
        // when it returns, and no other is passed.
        check(unsafe { (self.copy_in)(to.0, source, bytes, stream.0 as CUstream) })
    }

    unsafe fn copy_out(&self, to: &mut [u8], from: DevicePtr, stream: Stream) -> Outcome<()> {
        let (target, bytes) = (to.as_mut_ptr().cast(), to.len());
        // SAFETY: the caller's promise for the device; the driver has written pageable host
        // memory when it returns, and no other is passed.
        check(unsafe { (self.copy_out)(target, from.0, bytes, stream.0 as CUstream) })
    }

    unsafe fn copy_within(
        &self,
        to: DevicePtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.copy_within)(to.0, from.0, bytes, stream.0 as CUstream) })
    }

    fn host_alloc(&self, bytes: usize) -> Outcome<HostPtr> {
        let mut at = ptr::null_mut();
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.host_alloc)(&raw mut at, bytes, 0) })?;
        Ok(HostPtr(at.expose_provenance()))
    }

    unsafe fn host_free(&self, at: HostPtr) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.host_free)(at.pointer().cast()) })
    }

    unsafe fn copy_from_host(
        &self,
        to: DevicePtr,
        from: HostPtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        let (from, stream) = (from.pointer().cast(), stream.0 as CUstream);
        // SAFETY: the caller's promise.
        check(unsafe { (self.copy_in)(to.0, from, bytes, stream) })
    }

    unsafe fn copy_to_host(
        &self,
        to: HostPtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        let (to, stream) = (to.pointer().cast(), stream.0 as CUstream);
        // SAFETY: the caller's promise.
        check(unsafe { (self.copy_out)(to, from.0, bytes, stream) })
    }

    fn module_load(&self, ptx: &CStr, log: &mut String) -> Outcome<Module> {
        let mut module: CUmodule = ptr::null_mut();
        let mut buffer = [0_u8; LOG_BYTES];
        let mut options = [
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER as c_uint,
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES as c_uint,
        ];
        // An option's value is a pointer, or a number in the place of one.
        let mut values = [
            buffer.as_mut_ptr().cast(),
            ptr::without_provenance_mut::<c_void>(LOG_BYTES - 1),
        ];
        // SAFETY: the text ends in zero; two options with two values; the log buffer is alive and
        // one byte longer than said.
        let code = unsafe {
            (self.module_load)(
                &raw mut module,
                ptx.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        if let Ok(text) = CStr::from_bytes_until_nul(&buffer) {
            log.push_str(text.to_string_lossy().trim_end());
        }
        check(code)?;
        Ok(Module(module as usize))
    }

    unsafe fn module_load_cubin(&self, cubin: &[u8]) -> Outcome<Module> {
        let mut module: CUmodule = ptr::null_mut();
        // SAFETY: the caller's promise, and the address of a local of the right type.
        check(unsafe { (self.module_load_cubin)(&raw mut module, cubin.as_ptr().cast()) })?;
        Ok(Module(module as usize))
    }

    unsafe fn module_unload(&self, module: Module) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.module_unload)(module.0 as CUmodule) })
    }

    unsafe fn function(&self, module: Module, name: &CStr) -> Outcome<Function> {
        let mut function: CUfunction = ptr::null_mut();
        // SAFETY: the caller's promise; the name ends in zero.
        check(unsafe { (self.function)(&raw mut function, module.0 as CUmodule, name.as_ptr()) })?;
        Ok(Function(function as usize))
    }

    unsafe fn static_shared_bytes(&self, function: Function) -> Outcome<u32> {
        let (mut bytes, function) = (0, function.0 as CUfunction);
        // SAFETY: the caller's promise, and the address of a local of the right type.
        check(unsafe { (self.function_attribute)(&raw mut bytes, SHARED_SIZE_BYTES, function) })?;
        Ok(u32::try_from(bytes).unwrap_or(0))
    }

    unsafe fn allow_shared_bytes(&self, function: Function, bytes: u32) -> Outcome<()> {
        let bytes = c_int::try_from(bytes).map_err(|_| ResultCode::INVALID_VALUE)?;
        let function = function.0 as CUfunction;
        // SAFETY: the caller's promise.
        check(unsafe { (self.function_set_attribute)(function, MAX_DYNAMIC_SHARED_BYTES, bytes) })
    }

    unsafe fn prefer_shared_memory(&self, function: Function) -> Outcome<()> {
        let (attribute, percent) = (SHARED_MEMORY_CARVEOUT, MOST_SHARED_MEMORY);
        // SAFETY: the caller's promise.
        check(unsafe {
            (self.function_set_attribute)(function.0 as CUfunction, attribute, percent)
        })
    }

    unsafe fn launch(
        &self,
        function: Function,
        config: LaunchConfig,
        stream: Stream,
        args: &[Arg],
    ) -> Outcome<()> {
        // SAFETY: the caller's promise.
        unsafe { launch::launch(self, function, config, stream, args) }
    }

    fn stream_create(&self) -> Outcome<Stream> {
        let mut stream: CUstream = ptr::null_mut();
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.stream_create)(&raw mut stream, NON_BLOCKING) })?;
        Ok(Stream(stream as usize))
    }

    unsafe fn stream_wait(&self, stream: Stream, event: Event) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.stream_wait)(stream.0 as CUstream, event.0 as CUevent, 0) })
    }

    unsafe fn stream_destroy(&self, stream: Stream) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.stream_destroy)(stream.0 as CUstream) })
    }

    fn event_create(&self, is_timed: bool) -> Outcome<Event> {
        let mut event: CUevent = ptr::null_mut();
        let flags = if is_timed { 0 } else { DISABLE_TIMING };
        // SAFETY: the address of a local of the right type.
        check(unsafe { (self.event_create)(&raw mut event, flags) })?;
        Ok(Event(event as usize))
    }

    unsafe fn event_record(&self, event: Event, stream: Stream) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.event_record)(event.0 as CUevent, stream.0 as CUstream) })
    }

    unsafe fn event_query(&self, event: Event) -> Outcome<bool> {
        // SAFETY: the caller's promise.
        match check(unsafe { (self.event_query)(event.0 as CUevent) }) {
            Ok(()) => Ok(true),
            Err(ResultCode::NOT_READY) => Ok(false),
            Err(code) => Err(code),
        }
    }

    unsafe fn event_elapsed_ms(&self, start: Event, end: Event) -> Outcome<f32> {
        let mut ms = 0.0;
        // SAFETY: the caller's promise, and the address of a local of the right type.
        check(unsafe { (self.event_elapsed)(&raw mut ms, start.0 as CUevent, end.0 as CUevent) })?;
        Ok(ms)
    }

    unsafe fn event_destroy(&self, event: Event) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.event_destroy)(event.0 as CUevent) })
    }

    unsafe fn capture_begin(&self, stream: Stream) -> Outcome<()> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL as c_uint;
        // SAFETY: the caller's promise.
        check(unsafe { (self.capture_begin)(stream.0 as CUstream, mode) })
    }

    unsafe fn capture_end(&self, stream: Stream) -> Outcome<GraphTemplate> {
        let mut graph: CUgraph = ptr::null_mut();
        // SAFETY: the caller's promise, and the address of a local of the right type.
        check(unsafe { (self.capture_end)(stream.0 as CUstream, &raw mut graph) })?;
        Ok(GraphTemplate(graph as usize))
    }

    unsafe fn graph_instantiate(&self, template: GraphTemplate) -> Outcome<GraphExec> {
        let mut graph: CUgraphExec = ptr::null_mut();
        // SAFETY: the caller's promise, and the address of a local of the right type.
        check(unsafe { (self.graph_instantiate)(&raw mut graph, template.0 as CUgraph, 0) })?;
        Ok(GraphExec(graph as usize))
    }

    unsafe fn graph_destroy_template(&self, template: GraphTemplate) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.graph_destroy_template)(template.0 as CUgraph) })
    }

    unsafe fn graph_launch(&self, graph: GraphExec, stream: Stream) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.graph_launch)(graph.0 as CUgraphExec, stream.0 as CUstream) })
    }

    unsafe fn graph_destroy(&self, graph: GraphExec) -> Outcome<()> {
        // SAFETY: the caller's promise.
        check(unsafe { (self.graph_destroy)(graph.0 as CUgraphExec) })
    }
}
