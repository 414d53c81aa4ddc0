//! The calls.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::CStr;
use std::ptr;
use std::time::Instant;

use cuda_kernels::driver::{
    Arg, Attribute, Context, DevicePtr, Driver, Event, Function, GraphExec, GraphTemplate, HostPtr,
    LaunchConfig, Module, Outcome, ResultCode, Stream,
};

use super::{EmulatedDriver, Entry, TOTAL_BYTES, USUAL_SHARED_BYTES, Work, decoded};
use crate::decode::target;

/// A copy of page-locked memory, which must be allocated.
pub(super) fn host_bytes(from: usize, bytes: usize) -> Vec<u8> {
    let mut copied = vec![0; bytes];
    let from = ptr::with_exposed_provenance::<u8>(from);
    // SAFETY: the range was looked up, and the caller of the driver promised not to write there.
    unsafe { ptr::copy_nonoverlapping(from, copied.as_mut_ptr(), bytes) };
    copied
}

/// Writes to page-locked memory, which must be allocated.
pub(super) fn put_host_bytes(to: usize, bytes: &[u8]) {
    let to = ptr::with_exposed_provenance_mut::<u8>(to);
    // SAFETY: the range was looked up, and the caller of the driver promised not to use it.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
}

impl Driver for EmulatedDriver {
    fn init(&self) -> Outcome<()> {
        Ok(())
    }

    fn version(&self) -> Outcome<i32> {
        Ok(12_040)
    }

    fn device_count(&self) -> Outcome<usize> {
        Ok(1)
    }

    fn device_name(&self, _ordinal: usize) -> Outcome<String> {
        Ok("emulated device".to_owned())
    }

    fn device_total_bytes(&self, _ordinal: usize) -> Outcome<u64> {
        Ok(TOTAL_BYTES)
    }

    fn device_attribute(&self, _ordinal: usize, attribute: Attribute) -> Outcome<i32> {
        Ok(match attribute {
            Attribute::Major => 8,
            Attribute::Minor => 0,
            Attribute::Multiprocessors => self.n_multiprocessors.cast_signed(),
            Attribute::SharedBytes => self.max_shared_bytes.cast_signed(),
        })
    }

    fn context_retain(&self, _ordinal: usize) -> Outcome<Context> {
        Ok(Context::from_raw(self.call()?.handle()))
    }

    fn context_release(&self, _ordinal: usize) -> Outcome<()> {
        Ok(())
    }

    unsafe fn context_make_current(&self, _context: Context) -> Outcome<()> {
        Ok(())
    }

    fn memory_info(&self) -> Outcome<(u64, u64)> {
        let free = TOTAL_BYTES.saturating_sub(self.call()?.memory.used());
        Ok((free, TOTAL_BYTES))
    }

    fn alloc(&self, bytes: usize) -> Outcome<DevicePtr> {
        let mut state = self.call()?;
        if bytes == 0 {
            return Err(ResultCode::INVALID_VALUE);
        }
        if bytes as u64 > TOTAL_BYTES.saturating_sub(state.memory.used()) {
            return Err(ResultCode::OUT_OF_MEMORY);
        }
        Ok(DevicePtr::from_raw(state.memory.alloc(bytes)))
    }

    unsafe fn free(&self, at: DevicePtr) -> Outcome<()> {
        let freed = self.state().memory.free(at.raw());
        freed.then_some(()).ok_or(ResultCode::INVALID_VALUE)
    }

    unsafe fn clear(&self, at: DevicePtr, bytes: usize, stream: Stream) -> Outcome<()> {
        self.submit(stream.raw(), Work::Clear(at.raw(), bytes))
    }

    unsafe fn copy_in(&self, to: DevicePtr, from: &[u8], stream: Stream) -> Outcome<()> {
        self.submit(stream.raw(), Work::CopyIn(to.raw(), from.to_vec()))
    }

    unsafe fn copy_out(&self, to: &mut [u8], from: DevicePtr, _stream: Stream) -> Outcome<()> {
        let found = self.call()?.memory.read(from.raw(), to);
        found.ok_or(ResultCode::INVALID_VALUE)
    }

    unsafe fn copy_within(
        &self,
        to: DevicePtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        self.submit(stream.raw(), Work::CopyWithin(to.raw(), from.raw(), bytes))
    }

    fn host_alloc(&self, bytes: usize) -> Outcome<HostPtr> {
        let mut state = self.call()?;
        let layout = Layout::from_size_align(bytes.max(1), 256);
        let layout = layout.map_err(|_| ResultCode::OUT_OF_MEMORY)?;
        // SAFETY: the layout has a size.
        let at = unsafe { alloc_zeroed(layout) }.expose_provenance();
        if at == 0 {
            return Err(ResultCode::OUT_OF_MEMORY);
        }
        state.host.insert(at, layout);
        Ok(HostPtr::from_raw(at))
    }

    unsafe fn host_free(&self, at: HostPtr) -> Outcome<()> {
        let layout = self.state().host.remove(&at.raw());
        let layout = layout.ok_or(ResultCode::INVALID_VALUE)?;
        // SAFETY: allocated with this layout, and nobody uses it any more.
        unsafe { dealloc(ptr::with_exposed_provenance_mut(at.raw()), layout) };
        Ok(())
    }

    unsafe fn copy_from_host(
        &self,
        to: DevicePtr,
        from: HostPtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        self.submit(
            stream.raw(),
            Work::CopyFromHost(to.raw(), from.raw(), bytes),
        )
    }

    unsafe fn copy_to_host(
        &self,
        to: HostPtr,
        from: DevicePtr,
        bytes: usize,
        stream: Stream,
    ) -> Outcome<()> {
        self.submit(stream.raw(), Work::CopyToHost(to.raw(), from.raw(), bytes))
    }

    fn module_load(&self, ptx: &CStr, log: &mut String) -> Outcome<Module> {
        let text = ptx.to_string_lossy();
        if target(&text) != "sm_80" {
            return Err(ResultCode::NO_BINARY_FOR_GPU);
        }
        let mut state = self.call()?;
        let kernels = decoded(&mut state.known, &text).map_err(|wrong| {
            log.push_str(&wrong);
            ResultCode::INVALID_PTX
        })?;
        let module = state.handle();
        state.modules.insert(module, kernels);
        Ok(Module::from_raw(module))
    }

    unsafe fn module_load_cubin(&self, _cubin: &[u8]) -> Outcome<Module> {
        Err(ResultCode::NO_BINARY_FOR_GPU)
    }

    unsafe fn module_unload(&self, module: Module) -> Outcome<()> {
        let mut state = self.state();
        state.modules.remove(&module.raw());
        Ok(())
    }

    unsafe fn function(&self, module: Module, name: &CStr) -> Outcome<Function> {
        let mut state = self.call()?;
        let kernels = state.modules.get(&module.raw());
        let mut kernels = kernels.ok_or(ResultCode::INVALID_HANDLE)?.iter();
        let code = kernels.find(|code| code.name.as_bytes() == name.to_bytes());
        let code = code.ok_or(ResultCode::NOT_FOUND)?.clone();
        state.functions.push(Entry {
            module: module.raw(),
            code,
            max_shared_bytes: USUAL_SHARED_BYTES,
        });
        Ok(Function::from_raw(state.functions.len() - 1))
    }

    unsafe fn static_shared_bytes(&self, function: Function) -> Outcome<u32> {
        let state = self.call()?;
        let entry = state.functions.get(function.raw());
        let entry = entry.ok_or(ResultCode::INVALID_HANDLE)?;
        Ok(entry.code.shared_bytes)
    }

    unsafe fn allow_shared_bytes(&self, function: Function, bytes: u32) -> Outcome<()> {
        let mut state = self.call()?;
        let entry = state.functions.get_mut(function.raw());
        let entry = entry.ok_or(ResultCode::INVALID_HANDLE)?;
        if bytes + entry.code.shared_bytes > self.max_shared_bytes {
            return Err(ResultCode::INVALID_VALUE);
        }
        entry.max_shared_bytes = bytes;
        Ok(())
    }

    unsafe fn prefer_shared_memory(&self, function: Function) -> Outcome<()> {
        let state = self.call()?;
        let entry = state.functions.get(function.raw());
        entry.map(|_| ()).ok_or(ResultCode::INVALID_HANDLE)
    }

    unsafe fn launch(
        &self,
        function: Function,
        config: LaunchConfig,
        stream: Stream,
        args: &[Arg],
    ) -> Outcome<()> {
        let work = {
            let state = self.call()?;
            let entry = state.functions.get(function.raw());
            let entry = entry.ok_or(ResultCode::INVALID_HANDLE)?;
            if !state.modules.contains_key(&entry.module) {
                return Err(ResultCode::INVALID_HANDLE);
            }
            Work::Launch(entry.code.clone(), config, entry.accept(&config, args)?)
        };
        self.submit(stream.raw(), work)
    }

    fn stream_create(&self) -> Outcome<Stream> {
        Ok(Stream::from_raw(self.call()?.handle()))
    }

    unsafe fn stream_wait(&self, _stream: Stream, _event: Event) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn stream_destroy(&self, _stream: Stream) -> Outcome<()> {
        Ok(())
    }

    fn event_create(&self, _is_timed: bool) -> Outcome<Event> {
        Ok(Event::from_raw(self.call()?.handle()))
    }

    unsafe fn event_record(&self, event: Event, _stream: Stream) -> Outcome<()> {
        self.call()?.events.insert(event.raw(), Instant::now());
        Ok(())
    }

    unsafe fn event_query(&self, _event: Event) -> Outcome<bool> {
        self.call().map(|_| true)
    }

    unsafe fn event_elapsed_ms(&self, start: Event, end: Event) -> Outcome<f32> {
        let state = self.call()?;
        let at = |event: Event| {
            state
                .events
                .get(&event.raw())
                .ok_or(ResultCode::INVALID_HANDLE)
        };
        Ok(at(end)?.duration_since(*at(start)?).as_secs_f32() * 1e3)
    }

    unsafe fn event_destroy(&self, event: Event) -> Outcome<()> {
        self.state().events.remove(&event.raw());
        Ok(())
    }

    unsafe fn capture_begin(&self, stream: Stream) -> Outcome<()> {
        self.call()?.capture = Some((stream.raw(), Vec::new()));
        Ok(())
    }

    unsafe fn capture_end(&self, _stream: Stream) -> Outcome<GraphTemplate> {
        let mut state = self.call()?;
        let recorded = state.capture.take();
        let (_, recorded) = recorded.ok_or(ResultCode::STREAM_CAPTURE_INVALIDATED)?;
        let template = state.handle();
        state.graphs.insert(template, recorded);
        Ok(GraphTemplate::from_raw(template))
    }

    unsafe fn graph_instantiate(&self, template: GraphTemplate) -> Outcome<GraphExec> {
        let mut state = self.call()?;
        let recorded = state.graphs.get(&template.raw()).cloned();
        let graph = state.handle();
        state
            .graphs
            .insert(graph, recorded.ok_or(ResultCode::INVALID_HANDLE)?);
        Ok(GraphExec::from_raw(graph))
    }

    unsafe fn graph_destroy_template(&self, template: GraphTemplate) -> Outcome<()> {
        self.state().graphs.remove(&template.raw());
        Ok(())
    }

    unsafe fn graph_launch(&self, graph: GraphExec, stream: Stream) -> Outcome<()> {
        let recorded = self.call()?.graphs.get(&graph.raw()).cloned();
        let recorded = recorded.ok_or(ResultCode::INVALID_HANDLE)?;
        recorded
            .into_iter()
            .try_for_each(|work| self.submit(stream.raw(), work))
    }

    unsafe fn graph_destroy(&self, graph: GraphExec) -> Outcome<()> {
        self.state().graphs.remove(&graph.raw());
        Ok(())
    }
}
