//! A driver without a device, for tests: it keeps memory on the host, launches nothing, counts
//! every call, and fails or hangs where it is told to.
//!
//! It is strict where the real one is lenient: arguments of a launch must have the types that the
//! kernel's PTX declares, addresses must lie in live allocations.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{
    Arg, Attribute, Context, DevicePtr, Driver, Event, Function, GraphExec, GraphTemplate,
    LaunchDims, Module, Outcome, ResultCode, Stream,
};

/// The driver. See the module.
#[derive(Debug, Default)]
pub struct FakeDriver {
    state: Mutex<State>,
    released: Condvar,
}

/// A launch that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Launched {
    /// The entry point.
    pub kernel: String,
    /// Blocks and threads.
    pub dims: LaunchDims,
    /// What it was given.
    pub args: Vec<Arg>,
}

#[derive(Debug, Default)]
struct State {
    n_calls: usize,
    failure: Option<(usize, ResultCode)>,
    hanging: Option<usize>,
    lost: Option<ResultCode>,
    memory: BTreeMap<u64, Vec<u8>>,
    memory_bytes: Option<u64>,
    device: Option<(usize, i32, i32)>,
    entries: Vec<Entry>,
    launches: Vec<Launched>,
    live_handles: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    module: usize,
    name: String,
    params: Vec<&'static str>,
}

/// Where the first allocation lies, and what every one is aligned to.
const ALIGNMENT: u64 = 256;

impl FakeDriver {
    /// One device of compute capability 9.0 with 1 GiB, CUDA 12.4.
    pub fn new() -> Self {
        Self::default()
    }

    /// As many devices, of this compute capability.
    pub fn with_devices(count: usize, (major, minor): (i32, i32)) -> Self {
        let fake = Self::default();
        fake.state().device = Some((count, major, minor));
        fake
    }

    /// Makes the call of this number, counted from 0, fail; with a sticky code every later one
    /// fails too.
    pub fn fail_call(&self, number: usize, code: ResultCode) {
        self.state().failure = Some((number, code));
    }

    /// Makes the call of this number hang until [`FakeDriver::release`].
    pub fn hang_call(&self, number: usize) {
        self.state().hanging = Some(number);
    }

    /// Lets a hanging call go on.
    pub fn release(&self) {
        self.state().hanging = None;
        self.released.notify_all();
    }

    /// Bytes of the device's memory.
    pub fn set_memory(&self, bytes: u64) {
        self.state().memory_bytes = Some(bytes);
    }

    /// Calls so far.
    pub fn n_calls(&self) -> usize {
        self.state().n_calls
    }

    /// Launches so far.
    pub fn launches(&self) -> Vec<Launched> {
        self.state().launches.clone()
    }

    /// Allocations, contexts, streams, modules, events and graphs that were not given back.
    pub fn n_alive(&self) -> usize {
        let state = self.state();
        state.memory.len() + state.live_handles
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and lets it hang or fail if it must.
    fn call(&self) -> Outcome<MutexGuard<'_, State>> {
        let mut state = self.state();
        let number = state.n_calls;
        state.n_calls += 1;
        while state.hanging == Some(number) {
            let woken = self.released.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(code) = state.lost {
            return Err(code);
        }
        match state.failure {
            Some((failing, code)) if failing == number => {
                state.lost = Some(code).filter(|code| code.is_sticky());
                Err(code)
            }
            _ => Ok(state),
        }
    }

    fn create(&self) -> Outcome<usize> {
        let mut state = self.call()?;
        state.live_handles += 1;
        Ok(1)
    }

    /// Resources are counted as given back even if the call fails: a lost context takes them all.
    fn destroy(&self) -> Outcome<()> {
        let outcome = self.call().map(drop);
        let mut state = self.state();
        state.live_handles = state.live_handles.saturating_sub(1);
        outcome
    }
}

impl State {
    fn devices(&self) -> (usize, i32, i32) {
        self.device.unwrap_or((1, 9, 0))
    }

    fn free_bytes(&self) -> u64 {
        let used: u64 = self.memory.values().map(|bytes| bytes.len() as u64).sum();
        self.memory_bytes.unwrap_or(1 << 30).saturating_sub(used)
    }

    /// The bytes of a live allocation from an address on.
    fn bytes(&mut self, at: DevicePtr, len: usize) -> Outcome<&mut [u8]> {
        let (start, bytes) = self
            .memory
            .range_mut(..=at.0)
            .next_back()
            .ok_or(ResultCode::ILLEGAL_ADDRESS)?;
        let first = (at.0 - start) as usize;
        bytes
            .get_mut(first..first.saturating_add(len))
            .ok_or(ResultCode::ILLEGAL_ADDRESS)
    }
}

/// Entry points of a PTX text with the types of their parameters.
fn entries(module: usize, ptx: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for rest in ptx.split(".entry ").skip(1) {
        let (name, rest) = rest.split_once('(').unwrap_or((rest, ""));
        let params = rest.split(')').next().unwrap_or_default().split(".param ");
        let params = params.skip(1).map(|param| {
            let kinds = ["u64", "u32", "f32"];
            let kind = kinds.into_iter().find(|k| param[1..].starts_with(k));
            kind.unwrap_or("?")
        });
        entries.push(Entry {
            module,
            name: name.trim().to_owned(),
            params: params.collect(),
        });
    }
    entries
}

fn kind(arg: &Arg) -> &'static str {
    match arg {
        Arg::Ptr(_) => "u64",
        Arg::U32(_) => "u32",
        Arg::F32(_) => "f32",
    }
}

impl Driver for FakeDriver {
    fn init(&self) -> Outcome<()> {
        self.call().map(drop)
    }

    fn version(&self) -> Outcome<i32> {
        self.call().map(|_| 12_040)
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
        state.live_handles += 1;
        let module = state.entries.last().map_or(1, |entry| entry.module + 1);
        state
            .entries
            .extend(entries(module, &ptx.to_string_lossy()));
        Ok(Module(module))
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

    unsafe fn launch(
        &self,
        function: Function,
        dims: LaunchDims,
        _stream: Stream,
        args: &[Arg],
    ) -> Outcome<()> {
        let mut state = self.call()?;
        let entry = state.entries.get(function.0).cloned();
        let entry = entry.ok_or(ResultCode::INVALID_HANDLE)?;
        if entry.params != args.iter().map(kind).collect::<Vec<_>>() {
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
            dims,
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
