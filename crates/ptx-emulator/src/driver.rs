//! The driver: what it keeps for its device, and its calls.

mod calls;

use std::alloc::Layout;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cuda_kernels::driver::{Arg, LaunchConfig, Outcome, ResultCode};

use crate::code::{KernelCode, Param};
use crate::decode;
use crate::grid::Grid;
use crate::memory::Memory;

/// Dynamic shared memory that a block may have without asking.
const USUAL_SHARED_BYTES: u32 = 48 << 10;
/// Shared memory that a block may have, if nothing else is said.
const MAX_SHARED_BYTES: u32 = 163 << 10;
/// Memory of the device.
const TOTAL_BYTES: u64 = 8 << 30;

/// The driver. See the crate.
pub struct EmulatedDriver {
    n_multiprocessors: u32,
    max_shared_bytes: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lost: Option<ResultCode>,
    /// Calls until one fails, and how.
    failure: Option<(usize, ResultCode)>,
    memory: Memory,
    host: BTreeMap<usize, Layout>,
    known: Known,
    modules: HashMap<usize, Arc<Vec<Arc<KernelCode>>>>,
    functions: Vec<Entry>,
    events: HashMap<usize, Instant>,
    capture: Option<(usize, Vec<Work>)>,
    graphs: HashMap<usize, Vec<Work>>,
    last_handle: usize,
}

struct Entry {
    module: usize,
    code: Arc<KernelCode>,
    max_shared_bytes: u32,
}

/// What is done in a stream.
#[derive(Clone)]
enum Work {
    Launch(Arc<KernelCode>, LaunchConfig, Vec<u64>),
    Clear(u64, usize),
    CopyIn(u64, Vec<u8>),
    CopyWithin(u64, u64, usize),
    CopyFromHost(u64, usize, usize),
    CopyToHost(usize, u64, usize),
}

impl Default for EmulatedDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl EmulatedDriver {
    /// One device of compute capability 8.0 with 108 multiprocessors.
    pub fn new() -> Self {
        Self::with_multiprocessors(108)
    }

    /// The same with fewer or more, which is what many launches shape their grids by.
    pub fn with_multiprocessors(n_multiprocessors: u32) -> Self {
        Self {
            n_multiprocessors,
            max_shared_bytes: MAX_SHARED_BYTES,
            state: Mutex::default(),
        }
    }

    /// The same with less or more shared memory for a block, as other devices have it.
    pub fn with_shared_bytes(mut self, bytes: u32) -> Self {
        self.max_shared_bytes = bytes;
        self
    }

    /// Makes one call fail, once: the one after `n_before` others from now on.
    pub fn fail_after(&self, n_before: usize, code: ResultCode) {
        self.state().failure = Some((n_before, code));
    }

    /// Whether a failure that was asked for has not come yet.
    pub fn is_failure_ahead(&self) -> bool {
        self.state().failure.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a device that is not lost.
    fn call(&self) -> Outcome<MutexGuard<'_, State>> {
        let mut state = self.state();
        if let Some((n_before, code)) = state.failure {
            state.failure = n_before.checked_sub(1).map(|n| (n, code));
            if n_before == 0 {
                return Err(code);
            }
        }
        state.lost.map_or(Ok(state), Err)
    }

    /// Does something, or records that it is to be done.
    fn submit(&self, stream: usize, work: Work) -> Outcome<()> {
        let mut state = self.call()?;
        if let Some((captured, recorded)) = &mut state.capture
            && *captured == stream
        {
            recorded.push(work);
            return Ok(());
        }
        state.perform(&work, self.n_multiprocessors)
    }
}

impl State {
    fn handle(&mut self) -> usize {
        self.last_handle += 1;
        self.last_handle
    }

    /// Ends everything, as a fault does.
    fn lose<T>(&mut self, fault: &str) -> Outcome<T> {
        let _ = writeln!(std::io::stderr(), "emulated device: {fault}");
        self.lost = Some(ResultCode::ILLEGAL_ADDRESS);
        Err(ResultCode::ILLEGAL_ADDRESS)
    }

    /// Whether page-locked memory covers a range.
    fn host_range(&self, at: usize, bytes: usize) -> Outcome<()> {
        let covering = self.host.range(..=at).next_back();
        let is_covered =
            covering.is_some_and(|(start, layout)| at + bytes <= start + layout.size());
        is_covered.then_some(()).ok_or(ResultCode::INVALID_VALUE)
    }

    fn perform(&mut self, work: &Work, n_multiprocessors: u32) -> Outcome<()> {
        let done = match *work {
            Work::Launch(ref code, config, ref args) => {
                let grid = Grid {
                    code,
                    args,
                    memory: &self.memory,
                    blocks: config.grid,
                    threads: config.block,
                    dynamic_shared: config.shared_bytes,
                    n_multiprocessors,
                };
                return grid.run().or_else(|fault| {
                    let shape = (config.grid, config.block, config.shared_bytes);
                    self.lose(&format!("{fault}; shape {shape:?}, arguments {args:x?}"))
                });
            }
            Work::Clear(at, bytes) => self.memory.write(at, &vec![0; bytes]),
            Work::CopyIn(at, ref bytes) => self.memory.write(at, bytes),
            Work::CopyWithin(to, from, bytes) => self.memory.copy(to, from, bytes),
            Work::CopyFromHost(to, from, bytes) => {
                self.host_range(from, bytes)?;
                self.memory.write(to, &calls::host_bytes(from, bytes))
            }
            Work::CopyToHost(to, from, bytes) => {
                self.host_range(to, bytes)?;
                let mut copied = vec![0; bytes];
                let found = self.memory.read(from, &mut copied);
                calls::put_host_bytes(to, &copied);
                found
            }
        };
        done.ok_or(ResultCode::INVALID_VALUE)
    }
}

impl Entry {
    /// The arguments as the kernel takes them, if they and the shape are such as it takes.
    fn accept(&self, config: &LaunchConfig, args: &[Arg]) -> Outcome<Vec<u64>> {
        let kind = |arg: &Arg| match arg {
            Arg::Ptr(_) | Arg::U64(_) => Param::Double,
            Arg::U32(_) => Param::Word,
            Arg::F32(_) => Param::Float,
        };
        let params = self.code.params.iter().map(|(_, kind)| *kind);
        let threads: u32 = config.block.iter().product();
        let is_possible = params.eq(args.iter().map(kind))
            && (1..=1024).contains(&threads)
            && config.grid.iter().all(|&n| n > 0)
            && config.cluster == 1
            && config.grid[1..].iter().all(|&n| n < 1 << 16)
            && config.shared_bytes <= self.max_shared_bytes;
        if !is_possible {
            return Err(ResultCode::INVALID_VALUE);
        }
        if self.code.max_threads.is_some_and(|most| threads > most) {
            return Err(ResultCode::LAUNCH_OUT_OF_RESOURCES);
        }
        let bits = |arg: &Arg| match *arg {
            Arg::Ptr(at) => at.raw(),
            Arg::U64(value) => value,
            Arg::U32(value) => value.into(),
            Arg::F32(value) => value.to_bits().into(),
        };
        Ok(args.iter().map(bits).collect())
    }
}

/// Kernels by their text.
type Known = HashMap<String, Arc<Vec<Arc<KernelCode>>>>;

/// The kernels of a text, which are decoded once.
fn decoded(known: &mut Known, text: &str) -> Result<Arc<Vec<Arc<KernelCode>>>, String> {
    if let Some(found) = known.get(text) {
        return Ok(found.clone());
    }
    let kernels = decode::module(text)?.into_iter().map(Arc::new).collect();
    let kernels = Arc::new(kernels);
    known.insert(text.to_owned(), kernels);
    Ok(known[text].clone())
}
