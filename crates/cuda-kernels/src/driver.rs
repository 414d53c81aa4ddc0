//! The calls of the CUDA driver that this crate makes, as a trait.
//!
//! [`NativeDriver`] is libcuda. [`fake::FakeDriver`] runs on the host, launches nothing, and can
//! make any call fail: what a program does when the n-th call fails is tested without a GPU.

mod code;
pub mod fake;
mod native;

use std::ffi::CStr;

pub use code::ResultCode;
pub use native::NativeDriver;

/// What a driver call gives.
pub type Outcome<T> = Result<T, ResultCode>;

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub(crate) usize);

        impl $name {
            /// What another driver gives out for it.
            pub fn from_raw(raw: usize) -> Self {
                Self(raw)
            }

            /// What was given out for it.
            pub fn raw(self) -> usize {
                self.0
            }
        }
    )*};
}

handles! {
    /// `CUcontext`
    Context;
    /// `CUstream`
    Stream;
    /// `CUmodule`
    Module;
    /// `CUfunction`
    Function;
    /// `CUevent`
    Event;
    /// `CUgraph`
    GraphTemplate;
    /// `CUgraphExec`
    GraphExec;
    /// An address in page-locked memory of the host.
    HostPtr;
}

impl HostPtr {
    pub(crate) fn pointer(self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.0)
    }
}

/// An address in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePtr(pub(crate) u64);

impl DevicePtr {
    /// An address that another driver gives out.
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The address.
    pub fn raw(self) -> u64 {
        self.0
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// A pointer; null as address 0.
    Ptr(DevicePtr),
    /// `uint32_t`
    U32(u32),
    /// `uint64_t`
    U64(u64),
    /// `float`
    F32(f32),
}

/// The shape of a launch; blocks and threads as x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Dynamic shared memory of a block.
    pub shared_bytes: u32,
    /// Whether it may begin before the launch before it has ended: the kernel itself waits
    /// (programmatic dependent launch).
    pub is_chained: bool,
    /// Neighbouring blocks that reach one another's shared memory: 1 for blocks that are alone.
    pub cluster: u32,
}

/// What can be asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Compute capability, before the dot.
    Major,
    /// Compute capability, after the dot.
    Minor,
    /// Streaming multiprocessors.
    Multiprocessors,
    /// Shared memory that a block may have if its kernel asks for more than usual.
    SharedBytes,
}

/// The driver. Calls that name no context act on the calling thread's current one.
///
/// There is no call that waits for the device without end: a device may hang. Those that may wait
/// all the same (copies of memory that is not page-locked, whatever frees) are made once the
/// stream is known to be idle.
///
/// # Safety
/// Methods marked unsafe take handles and addresses on trust: they must be alive, of this driver,
/// and cover what the call touches, on the device until the stream has come that far.
#[allow(clippy::missing_safety_doc, reason = "one condition, stated above")]
pub trait Driver: Send + Sync {
    /// `cuInit`
    fn init(&self) -> Outcome<()>;
    /// `cuDriverGetVersion`: 1000 major + 10 minor.
    fn version(&self) -> Outcome<i32>;
    /// `cuDeviceGetCount`
    fn device_count(&self) -> Outcome<usize>;
    /// `cuDeviceGetName`
    fn device_name(&self, ordinal: usize) -> Outcome<String>;
    /// `cuDeviceTotalMem`
    fn device_total_bytes(&self, ordinal: usize) -> Outcome<u64>;
    /// `cuDeviceGetAttribute`
    fn device_attribute(&self, ordinal: usize, attribute: Attribute) -> Outcome<i32>;

    /// `cuDevicePrimaryCtxRetain`
    fn context_retain(&self, ordinal: usize) -> Outcome<Context>;
    /// `cuDevicePrimaryCtxRelease`
    fn context_release(&self, ordinal: usize) -> Outcome<()>;
    /// `cuCtxSetCurrent`
    unsafe fn context_make_current(&self, context: Context) -> Outcome<()>;
    /// `cuMemGetInfo`: free and total bytes.
    fn memory_info(&self) -> Outcome<(u64, u64)>;

    /// `cuMemAlloc`
    fn alloc(&self, bytes: usize) -> Outcome<DevicePtr>;
    /// `cuMemFree`: waits for work that may use it.
    unsafe fn free(&self, at: DevicePtr) -> Outcome<()>;
    /// `cuMemsetD8Async` with zero
    unsafe fn clear(&self, at: DevicePtr, bytes: usize, stream: Stream) -> Outcome<()>;
    /// `cuMemcpyHtoDAsync`; the bytes may change when it has returned.
    unsafe fn copy_in(&self, to: DevicePtr, from: &[u8], stream: Stream) -> Outcome<()>;
    /// `cuMemcpyDtoHAsync`; the bytes are there when the stream was synchronised.
    unsafe fn copy_out(&self, to: &mut [u8], from: DevicePtr, stream: Stream) -> Outcome<()>;

    /// `cuMemcpyDtoDAsync` of ranges that do not overlap
    unsafe fn copy_within(
        &self,
        to: DevicePtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()>;

    /// `cuMemHostAlloc`: page-locked memory, which the device copies to and from by itself.
    fn host_alloc(&self, bytes: usize) -> Outcome<HostPtr>;
    /// `cuMemFreeHost`
    unsafe fn host_free(&self, at: HostPtr) -> Outcome<()>;
    /// `cuMemcpyHtoDAsync` from page-locked memory, which the device reads later.
    unsafe fn copy_from_host(
        &self,
        to: DevicePtr,
        from: HostPtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()>;
    /// `cuMemcpyDtoHAsync` to page-locked memory, which the device writes later.
    unsafe fn copy_to_host(
        &self,
        to: HostPtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()>;

    /// `cuModuleLoadDataEx`; the compiler's words go to `log`.
    fn module_load(&self, ptx: &CStr, log: &mut String) -> Outcome<Module>;
    /// `cuModuleLoadData` of machine code, which says itself how long it is: it must be whole.
    unsafe fn module_load_cubin(&self, cubin: &[u8]) -> Outcome<Module>;
    /// `cuModuleUnload`
    unsafe fn module_unload(&self, module: Module) -> Outcome<()>;
    /// `cuModuleGetFunction`
    unsafe fn function(&self, module: Module, name: &CStr) -> Outcome<Function>;
    /// `cuFuncGetAttribute`: static shared memory of a block.
    unsafe fn static_shared_bytes(&self, function: Function) -> Outcome<u32>;
    /// `cuFuncSetAttribute`: the dynamic shared memory that launches may ask for.
    unsafe fn allow_shared_bytes(&self, function: Function, bytes: u32) -> Outcome<()>;
    /// `cuFuncSetAttribute`: that a multiprocessor has as much shared memory as it can while it
    /// runs this, not as much as this needs
    unsafe fn prefer_shared_memory(&self, function: Function) -> Outcome<()>;
    /// `cuLaunchKernel`, or `cuLaunchKernelEx` where the driver has it and it is needed
    unsafe fn launch(
        &self,
        function: Function,
        config: LaunchConfig,
        stream: Stream,
        args: &[Arg],
    ) -> Outcome<()>;

    /// `cuStreamCreate`, not bound to the default stream
    fn stream_create(&self) -> Outcome<Stream>;
    /// `cuStreamWaitEvent`: what comes later in the stream waits for the event.
    unsafe fn stream_wait(&self, stream: Stream, event: Event) -> Outcome<()>;
    /// `cuStreamDestroy`
    unsafe fn stream_destroy(&self, stream: Stream) -> Outcome<()>;

    /// `cuEventCreate`; only a timed one has an elapsed time.
    fn event_create(&self, is_timed: bool) -> Outcome<Event>;
    /// `cuEventRecord`
    unsafe fn event_record(&self, event: Event, stream: Stream) -> Outcome<()>;
    /// `cuEventQuery`: whether the work before it is done.
    unsafe fn event_query(&self, event: Event) -> Outcome<bool>;
    /// `cuEventElapsedTime`, in milliseconds
    unsafe fn event_elapsed_ms(&self, start: Event, end: Event) -> Outcome<f32>;
    /// `cuEventDestroy`
    unsafe fn event_destroy(&self, event: Event) -> Outcome<()>;

    /// `cuStreamBeginCapture`, for this thread's calls alone
    unsafe fn capture_begin(&self, stream: Stream) -> Outcome<()>;
    /// `cuStreamEndCapture`
    unsafe fn capture_end(&self, stream: Stream) -> Outcome<GraphTemplate>;
    /// `cuGraphInstantiateWithFlags`
    unsafe fn graph_instantiate(&self, template: GraphTemplate) -> Outcome<GraphExec>;
    /// `cuGraphDestroy`
    unsafe fn graph_destroy_template(&self, template: GraphTemplate) -> Outcome<()>;
    /// `cuGraphLaunch`
    unsafe fn graph_launch(&self, graph: GraphExec, stream: Stream) -> Outcome<()>;
    /// `cuGraphExecDestroy`
    unsafe fn graph_destroy(&self, graph: GraphExec) -> Outcome<()>;
}
