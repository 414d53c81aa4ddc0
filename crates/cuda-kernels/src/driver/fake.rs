//! A driver without a device, for tests: it keeps memory on the host, launches nothing, counts
//! every call, and fails or hangs where it is told to.
//!
//! It is strict where the real one is lenient: arguments of a launch must have the types that the
//! kernel's PTX declares (cubins declare nothing), addresses must lie in live allocations, shared
//! memory must have been allowed, and only a kernel that waits for the one before may be chained
//! to it.

mod calls;
mod module;

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use self::module::Entry;
use super::{Arg, DevicePtr, Function, HostPtr, LaunchConfig, Module, Outcome, ResultCode};

/// The driver. See the module.
#[derive(Debug, Default)]
pub struct FakeDriver {
    state: Mutex<State>,
    released: Condvar,
    read: Arc<Mutex<ReadModules>>,
}

/// Entry points by where and how long the module is that they were read in.
type ReadModules = BTreeMap<(usize, usize), Vec<Entry>>;

/// A launch that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Launched {
    /// The entry point.
    pub kernel: String,
    /// Blocks, threads, shared memory.
    pub config: LaunchConfig,
    /// What it was given.
    pub args: Vec<Arg>,
}

#[derive(Debug, Default)]
struct State {
    n_calls: usize,
    failure: Option<(usize, ResultCode)>,
    hanging: Option<usize>,
    stuck_from: Option<usize>,
    is_stuck: bool,
    n_blocked: usize,
    lost: Option<ResultCode>,
    memory: BTreeMap<u64, Vec<u8>>,
    memory_bytes: Option<u64>,
    device: Option<(usize, i32, i32)>,
    version: Option<i32>,
    entries: Vec<Entry>,
    launches: Vec<Launched>,
    live_handles: usize,
    host: BTreeMap<usize, Layout>,
}

/// Where the first allocation lies, and what every one is aligned to.
const ALIGNMENT: u64 = 256;

impl FakeDriver {
    /// One device of compute capability 9.0 with 1 GiB, CUDA 12.4.
    pub fn new() -> Self {
        Self::default()
    }

    /// A driver with one device that has read the modules of this one already: reading them takes
    /// most of the time of a short life.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            read: self.read.clone(),
            ..Self::default()
        }
    }

    /// What a module holds, read once.
    fn read(&self, image: &[u8], read: impl FnOnce() -> Vec<Entry>) -> Vec<Entry> {
        let key = (image.as_ptr().addr(), image.len());
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(key).or_insert_with(read).clone()
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

    /// Makes the device never end what it is given from the call of this number on: events after
    /// that are never reached, and a call that waits for the device is counted, and fails so that
    /// the test goes on.
    pub fn hang_device(&self, number: usize) {
        self.state().stuck_from = Some(number);
    }

    /// Calls that would have waited for a hanging device, for ever.
    pub fn n_blocked(&self) -> usize {
        self.state().n_blocked
    }

    /// Makes it a driver for this CUDA version, as 1000 major + 10 minor.
    pub fn set_version(&self, version: i32) {
        self.state().version = Some(version);
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
        state.memory.len() + state.host.len() + state.live_handles
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

    /// A call that gives the device something to do, which it may not do.
    fn work_call(&self) -> Outcome<MutexGuard<'_, State>> {
        let mut state = self.call()?;
        state.is_stuck |= state.stuck_from.is_some_and(|first| state.n_calls > first);
        Ok(state)
    }

    /// A call that returns when the device has done its work.
    fn blocking_call(&self) -> Outcome<MutexGuard<'_, State>> {
        let mut state = self.call()?;
        if state.is_stuck {
            state.n_blocked += 1;
            return Err(ResultCode::LAUNCH_TIMEOUT);
        }
        Ok(state)
    }

    fn create(&self) -> Outcome<usize> {
        let mut state = self.call()?;
        state.live_handles += 1;
        Ok(1)
    }

    /// Resources are counted as given back even if the call fails: a lost context takes them all.
    fn destroy(&self) -> Outcome<()> {
        self.count_destroyed(self.call().map(drop))
    }

    /// The same for what waits for the device.
    fn blocking_destroy(&self) -> Outcome<()> {
        self.count_destroyed(self.blocking_call().map(drop))
    }

    fn count_destroyed(&self, outcome: Outcome<()>) -> Outcome<()> {
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

    /// A new module with these entry points.
    fn add_module(&mut self, entries: Vec<Entry>) -> Module {
        self.live_handles += 1;
        let module = self.entries.last().map_or(1, |entry| entry.module + 1);
        let entries = entries.into_iter();
        self.entries
            .extend(entries.map(|entry| Entry { module, ..entry }));
        Module(module)
    }

    fn entry(&mut self, function: Function) -> Outcome<&mut Entry> {
        let entry = self.entries.get_mut(function.0);
        entry.ok_or(ResultCode::INVALID_HANDLE)
    }

    /// Whether page-locked memory covers a range.
    fn host_range(&self, at: HostPtr, bytes: usize) -> Outcome<()> {
        let covering = self.host.range(..=at.0).next_back();
        let is_covered =
            covering.is_some_and(|(start, layout)| at.0 + bytes <= start + layout.size());
        is_covered.then_some(()).ok_or(ResultCode::INVALID_VALUE)
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
