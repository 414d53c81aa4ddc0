//! What the fake driver does when it is called.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::CStr;
use std::ptr;

use super::module::{Entry, cubin_entries, entries, is_cubin};
use super::{ALIGNMENT, FakeDriver, Launched};
use crate::driver::{
    Arg, Attribute, Context, DevicePtr, Driver, Event, Function, GraphExec, GraphTemplate, HostPtr,
    LaunchConfig, Module, Outcome, ResultCode, Stream,
};

/// Shared memory that a block may have if its kernel asks.
const MAX_SHARED_BYTES: u32 = 227 << 10;
/// Static shared memory, of which kernels are taken to have this much.
const STATIC_SHARED_BYTES: u32 = 1 << 10;
/// Bytes of pageable memory that the driver copies aside.
const COPIED_AT_ONCE: usize = 64 << 10;

impl Driver for FakeDriver {
    fn init(&self) -> Outcome<()> {
        self.call().map(drop)
    }

    fn version(&self) -> Outcome<i32> {
        self.call().map(|state| state.version.unwrap_or(12_040))
    }

    fn device_count(&self) -> Outcome<usize> {
        self.call().map(|state| state.devices().0)
    }

    fn device_name(&self, ordinal: usize) -> Outcome<String> {
        self.call().map(|_| format!("fake device {ordinal}"))
    }

    fn device_total_bytes(&self, _ordinal: usize) -> Outcome<u64> {
        self.call().map(|s| s.memory_bytes.unwrap_or(1 << 30))
    }

    fn device_attribute(&self, _ordinal: usize, attribute: Attribute) -> Outcome<i32> {
        let (_, major, minor) = self.call()?.devices();
        Ok(match attribute {
            Attribute::Major => major,
            Attribute::Minor => minor,
            Attribute::Multiprocessors => 132,
            Attribute::SharedBytes => MAX_SHARED_BYTES.cast_signed(),
        })
    }

    fn context_retain(&self, _ordinal: usize) -> Outcome<Context> {
        self.create().map(Context)
    }

    fn context_release(&self, _ordinal: usize) -> Outcome<()> {
        self.blocking_destroy()
    }

    unsafe fn context_make_current(&self, _context: Context) -> Outcome<()> {
        let was_lost = self.state().lost.is_some();
        // A context that is lost can still be made current, to give back what is in it.
        self.call()
            .map(drop)
            .or_else(|code| was_lost.then_some(()).ok_or(code))
    }

    fn memory_info(&self) -> Outcome<(u64, u64)> {
        let state = self.call()?;
        Ok((state.free_bytes(), state.memory_bytes.unwrap_or(1 << 30)))
    }

    fn alloc(&self, bytes: usize) -> Outcome<DevicePtr> {
        let mut state = self.call()?;
        if bytes as u64 > state.free_bytes() {
            return Err(ResultCode::OUT_OF_MEMORY);
        }
        let last = state.memory.last_key_value();
        let end = last.map_or(0, |(start, bytes)| start + bytes.len() as u64);
        let start = (end + 1).next_multiple_of(ALIGNMENT);
        state.memory.insert(start, vec![0; bytes]);
        Ok(DevicePtr(start))
    }

    unsafe fn free(&self, at: DevicePtr) -> Outcome<()> {
        let outcome = self.blocking_call().map(drop);
        let removed = self.state().memory.remove(&at.0);
        outcome.and(removed.map(drop).ok_or(ResultCode::INVALID_VALUE))
    }

    unsafe fn clear(&self, at: DevicePtr, bytes: usize, _stream: Stream) -> Outcome<()> {
        self.work_call()?
            .bytes(at, bytes)
            .map(|bytes| bytes.fill(0))
    }

    unsafe fn copy_in(&self, to: DevicePtr, from: &[u8], _stream: Stream) -> Outcome<()> {
        // The driver keeps a copy of little, and returns.
        let mut state = match from.len() {
            ..=COPIED_AT_ONCE => self.work_call()?,
            _ => self.blocking_call()?,
        };
        state.bytes(to, from.len())?.copy_from_slice(from);
        Ok(())
    }

    unsafe fn copy_out(&self, to: &mut [u8], from: DevicePtr, _stream: Stream) -> Outcome<()> {
        let mut state = self.blocking_call()?;
        to.copy_from_slice(state.bytes(from, to.len())?);
        Ok(())
    }

    unsafe fn copy_within(
        &self,
        to: DevicePtr,
        from: DevicePtr,
        bytes: usize,
        _stream: Stream,
    ) -> Outcome<()> {
        let mut state = self.work_call()?;
        let copied = state.bytes(from, bytes)?.to_vec();
        state.bytes(to, bytes)?.copy_from_slice(&copied);
        Ok(())
    }

    fn host_alloc(&self, bytes: usize) -> Outcome<HostPtr> {
        let mut state = self.call()?;
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT as usize);
        let layout = layout.map_err(|_| ResultCode::OUT_OF_MEMORY)?;
        // SAFETY: the layout has a size.
        let at = unsafe { alloc_zeroed(layout) }.expose_provenance();
        state.host.insert(at, layout);
        Ok(HostPtr(at))
    }

    unsafe fn host_free(&self, at: HostPtr) -> Outcome<()> {
        let outcome = self.blocking_call().map(drop);
        if let Some(layout) = self.state().host.remove(&at.0) {
            // SAFETY: allocated with this layout, and nobody uses it any more.
            unsafe { dealloc(at.pointer(), layout) };
        }
        outcome
    }

    unsafe fn copy_from_host(
        &self,
        to: DevicePtr,
        from: HostPtr,
        bytes: usize,
        _stream: Stream,
    ) -> Outcome<()> {
        let mut state = self.work_call()?;
        state.host_range(from, bytes)?;
        let to = state.bytes(to, bytes)?;
        // SAFETY: the range is allocated, and the caller's promise.
        unsafe { ptr::copy_nonoverlapping(from.pointer(), to.as_mut_ptr(), bytes) };
        Ok(())
    }

    unsafe fn copy_to_host(
        &self,
        to: HostPtr,
        from: DevicePtr,
        bytes: usize,
        _stream: Stream,
    ) -> Outcome<()> {
        let mut state = self.work_call()?;
        state.host_range(to, bytes)?;
        let from = state.bytes(from, bytes)?;
        // SAFETY: the range is allocated, and the caller's promise.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.pointer(), bytes) };
        Ok(())
    }

    fn module_load(&self, ptx: &CStr, log: &mut String) -> Outcome<Module> {
        let mut state = self.call().inspect_err(|_| log.push_str("a fake log"))?;
        let read = self.read(ptx.to_bytes(), || entries(&ptx.to_string_lossy()));
        Ok(state.add_module(read))
    }

    unsafe fn module_load_cubin(&self, cubin: &[u8]) -> Outcome<Module> {
        let mut state = self.call()?;
        if !is_cubin(cubin) {
            return Err(ResultCode::INVALID_IMAGE);
        }
        let read = self.read(cubin, || cubin_entries(cubin));
        Ok(state.add_module(read))
    }

    unsafe fn module_unload(&self, _module: Module) -> Outcome<()> {
        self.blocking_destroy()
    }

    unsafe fn function(&self, module: Module, name: &CStr) -> Outcome<Function> {
        let state = self.call()?;
        let named =
            |entry: &Entry| entry.module == module.0 && entry.name.as_bytes() == name.to_bytes();
        let index = state.entries.iter().position(named);
        index.map(Function).ok_or(ResultCode::NOT_FOUND)
    }

    unsafe fn static_shared_bytes(&self, function: Function) -> Outcome<u32> {
        self.call()?.entry(function).map(|_| STATIC_SHARED_BYTES)
    }

    unsafe fn allow_shared_bytes(&self, function: Function, bytes: u32) -> Outcome<()> {
        let mut state = self.call()?;
        if bytes > MAX_SHARED_BYTES - STATIC_SHARED_BYTES {
            return Err(ResultCode::INVALID_VALUE);
        }
        state.entry(function)?.shared_bytes = bytes;
        Ok(())
    }

    unsafe fn prefer_shared_memory(&self, function: Function) -> Outcome<()> {
        self.call()?.entry(function).map(|_| ())
    }

    unsafe fn launch(
        &self,
        function: Function,
        config: LaunchConfig,
        _stream: Stream,
        args: &[Arg],
    ) -> Outcome<()> {
        let mut state = self.work_call()?;
        let entry = state.entry(function)?.clone();
        let is_typed = entry.takes(args);
        let is_waiting = entry.waits || !config.is_chained;
        let has_clusters = state.device.is_none_or(|(_, major, _)| major >= 9);
        let is_whole = config.grid[0].is_multiple_of(config.cluster);
        if !is_whole || config.cluster > 1 && !has_clusters {
            return Err(ResultCode::INVALID_VALUE);
        }
        if !is_typed || !is_waiting || config.shared_bytes > entry.shared_bytes {
            return Err(ResultCode::INVALID_VALUE);
        }
        for arg in args {
            if let Arg::Ptr(at) = *arg
                && at.0 != 0
            {
                state.bytes(at, 1)?;
            }
        }
        state.launches.push(Launched {
            kernel: entry.name,
            config,
            args: args.to_vec(),
        });
        Ok(())
    }

    fn stream_create(&self) -> Outcome<Stream> {
        self.create().map(Stream)
    }

    unsafe fn stream_wait(&self, _stream: Stream, _event: Event) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn stream_destroy(&self, _stream: Stream) -> Outcome<()> {
        self.destroy()
    }

    fn event_create(&self, _is_timed: bool) -> Outcome<Event> {
        self.create().map(Event)
    }

    unsafe fn event_record(&self, _event: Event, _stream: Stream) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn event_query(&self, _event: Event) -> Outcome<bool> {
        self.call().map(|state| !state.is_stuck)
    }

    unsafe fn event_elapsed_ms(&self, _start: Event, _end: Event) -> Outcome<f32> {
        self.call().map(|_| 1.0)
    }

    unsafe fn event_destroy(&self, _event: Event) -> Outcome<()> {
        self.destroy()
    }

    unsafe fn capture_begin(&self, _stream: Stream) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn capture_end(&self, _stream: Stream) -> Outcome<GraphTemplate> {
        self.create().map(GraphTemplate)
    }

    unsafe fn graph_instantiate(&self, _template: GraphTemplate) -> Outcome<GraphExec> {
        self.create().map(GraphExec)
    }

    unsafe fn graph_destroy_template(&self, _template: GraphTemplate) -> Outcome<()> {
        self.destroy()
    }

    unsafe fn graph_launch(&self, _graph: GraphExec, _stream: Stream) -> Outcome<()> {
        self.work_call().map(drop)
    }

    unsafe fn graph_destroy(&self, _graph: GraphExec) -> Outcome<()> {
        self.blocking_destroy()
    }
}
