//! What the fake driver does when it is called.

use std::ffi::CStr;

use super::module::{Entry, cubin_entries, entries};
use super::{ALIGNMENT, FakeDriver, Launched};
use crate::driver::{
    Arg, Attribute, Context, DevicePtr, Driver, Event, Function, GraphExec, GraphTemplate,
    LaunchConfig, Module, Outcome, ResultCode, Stream,
};

/// Shared memory that a block may have if its kernel asks.
const MAX_SHARED_BYTES: u32 = 227 << 10;
/// Static shared memory, of which kernels are taken to have this much.
const STATIC_SHARED_BYTES: u32 = 1 << 10;

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
        self.destroy()
    }

    unsafe fn context_make_current(&self, _context: Context) -> Outcome<()> {
        self.call().map(drop)
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
        let outcome = self.call().map(drop);
        let removed = self.state().memory.remove(&at.0);
        outcome.and(removed.map(drop).ok_or(ResultCode::INVALID_VALUE))
    }

    unsafe fn clear(&self, at: DevicePtr, bytes: usize, _stream: Stream) -> Outcome<()> {
        self.call()?.bytes(at, bytes).map(|bytes| bytes.fill(0))
    }

    unsafe fn copy_in(&self, to: DevicePtr, from: &[u8], _stream: Stream) -> Outcome<()> {
        let mut state = self.call()?;
        state.bytes(to, from.len())?.copy_from_slice(from);
        Ok(())
    }

    unsafe fn copy_out(&self, to: &mut [u8], from: DevicePtr, _stream: Stream) -> Outcome<()> {
        let mut state = self.call()?;
        to.copy_from_slice(state.bytes(from, to.len())?);
        Ok(())
    }

    fn module_load(&self, ptx: &CStr, log: &mut String) -> Outcome<Module> {
        let mut state = self.call().inspect_err(|_| log.push_str("a fake log"))?;
        let text = ptx.to_string_lossy();
        Ok(state.add_module(|module| entries(module, &text)))
    }

    unsafe fn module_load_cubin(&self, cubin: &[u8]) -> Outcome<Module> {
        let mut state = self.call()?;
        let names = cubin_entries(cubin).ok_or(ResultCode::INVALID_IMAGE)?;
        Ok(state.add_module(|module| {
            // Machine code does not say what it takes: a text is what arguments are checked by.
            let entry = |name| Entry::of_cubin(module, name);
            names.into_iter().map(entry).collect()
        }))
    }

    unsafe fn module_unload(&self, _module: Module) -> Outcome<()> {
        self.destroy()
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

    unsafe fn launch(
        &self,
        function: Function,
        config: LaunchConfig,
        _stream: Stream,
        args: &[Arg],
    ) -> Outcome<()> {
        let mut state = self.call()?;
        let entry = state.entry(function)?.clone();
        let is_typed = entry.takes(args);
        let is_waiting = entry.waits || !config.is_chained;
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

    unsafe fn stream_synchronize(&self, _stream: Stream) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn stream_destroy(&self, _stream: Stream) -> Outcome<()> {
        self.destroy()
    }

    fn event_create(&self) -> Outcome<Event> {
        self.create().map(Event)
    }

    unsafe fn event_record(&self, _event: Event, _stream: Stream) -> Outcome<()> {
        self.call().map(drop)
    }

    unsafe fn event_synchronize(&self, _event: Event) -> Outcome<()> {
        self.call().map(drop)
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
        self.call().map(drop)
    }

    unsafe fn graph_destroy(&self, _graph: GraphExec) -> Outcome<()> {
        self.destroy()
    }
}
