//! A fixed set of threads that share the tasks of one operation.
//!
//! A step runs hundreds of operations of some ten microseconds each, so workers spin for a while
//! before they sleep. Every thread has a share of consecutive tasks, so that it reads memory in
//! order, and then helps others with theirs. Each task must compute its own outputs completely,
//! which makes results independent of the number of threads.

use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Turns of a spinning worker before it sleeps: about 100 microseconds.
const SPINS: u32 = 20_000;
/// Turns between two offers of the processor to others.
const SPINS_BETWEEN_YIELDS: u32 = 256;

/// A task: worker index, task index.
type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Threads that wait for operations.
pub(super) struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held while an operation runs: one at a time.
    running: Mutex<()>,
}

/// A counter on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct NextTask(AtomicUsize);

struct Shared {
    /// Counts operations; a change wakes spinning workers.
    epoch: AtomicUsize,
    job: Mutex<Option<Job>>,
    wake: Condvar,
    /// The next task of each thread's share.
    next_tasks: Vec<NextTask>,
    /// Workers that have not finished the current operation.
    active: AtomicUsize,
    panicked: AtomicBool,
    stopping: AtomicBool,
}

/// The current operation. The pointer is valid until `active` is zero.
#[derive(Clone, Copy)]
struct Job {
    task: *const Task<'static>,
    n_tasks: usize,
}

// SAFETY: the pointee is `Sync`, and `ThreadPool::run` keeps it alive until no worker uses it.
unsafe impl Send for Job {}

impl ThreadPool {
    /// A pool of `threads` in all: the caller of [`ThreadPool::run`] is one of them.
    pub(super) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: Mutex::new(None),
            wake: Condvar::new(),
            next_tasks: (0..threads).map(|_| NextTask::default()).collect(),
            active: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        // A thread that the system refuses is one worker less, not a failure.
        let workers = (1..threads).filter_map(|worker| {
            let shared = Arc::clone(&shared);
            let name = format!("compute-{worker}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || shared.work(worker))
                .ok()
        });
        Self {
            workers: workers.collect(),
            running: Mutex::new(()),
            shared,
        }
    }

    /// Threads, the caller included.
    pub(super) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(worker, i)` for every `i < n_tasks` and returns when all are done. `worker` is
    /// below [`ThreadPool::threads`] and used by one thread at a time.
    pub(super) fn run(&self, n_tasks: usize, task: &Task<'_>) {
        let _running = lock(&self.running);
        if self.workers.is_empty() || n_tasks <= 1 {
            (0..n_tasks).for_each(|index| task(0, index));
            return;
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes; this function is not left, by return or by panic,
        // before every worker has reported that it no longer uses the pointer.
        let task = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        let job = Job { task, n_tasks };
        for (thread, next) in shared.next_tasks.iter().enumerate() {
            next.0
                .store(shared.share(n_tasks, thread).start, Ordering::Relaxed);
        }
        shared.active.store(self.workers.len(), Ordering::Relaxed);
        shared.announce(Some(job));
        // Waits for the workers even if a task panics on this thread.
        let wait = WaitForWorkers(shared);
        shared.run_tasks(job, 0);
        drop(wait);
        assert!(
            !shared.panicked.load(Ordering::Relaxed),
            "a compute task panicked"
        );
    }

    /// Runs `f(worker, i, chunk)` for every `chunk_len` values of `data`.
    pub(super) fn for_each_chunk(
        &self,
        data: &mut [f32],
        chunk_len: usize,
        f: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        let n_chunks = data.len() / chunk_len;
        let out = SharedOut::new(data);
        self.run(n_chunks, &|worker, index| {
            // SAFETY: chunks of different tasks do not overlap.
            f(worker, index, unsafe {
                out.slice(index * chunk_len, chunk_len)
            });
        });
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.announce(None);
        for worker in self.workers.drain(..) {
            // A worker that panicked has been reported by the operation it belonged to.
            let _ = worker.join();
        }
    }
}

/// Blocks on drop until no worker runs the current operation.
struct WaitForWorkers<'a>(&'a Shared);

impl Drop for WaitForWorkers<'_> {
    fn drop(&mut self) {
        let mut spins = 0;
        while self.0.active.load(Ordering::Acquire) > 0 {
            spin(&mut spins);
        }
    }
}

impl Shared {
    /// Starts an epoch. The lock is held while it changes, so that no worker can miss it between
    /// its last look and its sleep.
    fn announce(&self, job: Option<Job>) {
        let mut slot = lock(&self.job);
        *slot = job;
        self.epoch.fetch_add(1, Ordering::Release);
        drop(slot);
        self.wake.notify_all();
    }

    fn work(&self, worker: usize) {
        let mut seen = 0;
        loop {
            seen = self.wait_for_epoch_after(seen);
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            let job = *lock(&self.job);
            if let Some(job) = job {
                let run = AssertUnwindSafe(|| self.run_tasks(job, worker));
                if catch_unwind(run).is_err() {
                    self.panicked.store(true, Ordering::Relaxed);
                }
                self.active.fetch_sub(1, Ordering::Release);
            }
        }
    }

    fn wait_for_epoch_after(&self, seen: usize) -> usize {
        let mut spins = 0;
        while spins < SPINS {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen {
                return epoch;
            }
            spin(&mut spins);
        }
        let mut job = lock(&self.job);
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen {
                return epoch;
            }
            job = self.wake.wait(job).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run_tasks(&self, job: Job, worker: usize) {
        // SAFETY: `ThreadPool::run` keeps the task alive while `active` counts this thread, or
        // this thread is the one inside `run`.
        let task = unsafe { &*job.task };
        let n_threads = self.next_tasks.len();
        for owner in (worker..n_threads).chain(0..worker) {
            let share = self.share(job.n_tasks, owner);
            loop {
                let index = self.next_tasks[owner].0.fetch_add(1, Ordering::Relaxed);
                if !share.contains(&index) {
                    break;
                }
                task(worker, index);
            }
        }
    }

    /// The tasks that a thread takes before it helps others.
    fn share(&self, n_tasks: usize, thread: usize) -> Range<usize> {
        let n_threads = self.next_tasks.len();
        n_tasks * thread / n_threads..n_tasks * (thread + 1) / n_threads
    }
}

/// A slice that several tasks write, each its own values.
pub(super) struct SharedOut<'a, T = f32> {
    data: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: every access goes through unsafe functions whose callers promise disjointness.
unsafe impl<T: Send> Sync for SharedOut<'_, T> {}

impl<'a, T> SharedOut<'a, T> {
    pub(super) fn new(data: &'a mut [T]) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
            lifetime: PhantomData,
        }
    }

    /// The values from `start` on.
    ///
    /// # Safety
    /// No other slice handed out for any of them may be alive.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(super) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(
            start <= self.len && len <= self.len - start,
            "slice out of range"
        );
        // SAFETY: in range by the assertion; unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }
}

fn spin(spins: &mut u32) {
    *spins += 1;
    if spins.is_multiple_of(SPINS_BETWEEN_YIELDS) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// A mutex here guards data that stays valid when a task panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_and_workers_are_exclusive() {
        for threads in [1, 2, 5] {
            let pool = ThreadPool::new(threads);
            let busy: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for n_tasks in [0, 1, 3, 100] {
                let mut hits = vec![0.0; n_tasks];
                pool.for_each_chunk(&mut hits, 1, |worker, index, hit| {
                    assert_eq!(busy[worker].fetch_add(1, Ordering::SeqCst), 0);
                    hit[0] += index as f32;
                    busy[worker].fetch_sub(1, Ordering::SeqCst);
                });
                assert_eq!(hits, (0..n_tasks).map(|i| i as f32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn operations_from_several_threads_take_turns() {
        let pool = ThreadPool::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..if cfg!(miri) { 2 } else { 200 } {
                        let mut data = vec![0.0; 64];
                        pool.for_each_chunk(&mut data, 4, |_, i, chunk| chunk.fill(i as f32));
                        assert!(data.iter().enumerate().all(|(i, &v)| v == (i / 4) as f32));
                    }
                });
            }
        });
    }

    #[test]
    fn sleeping_workers_wake() {
        let pool = ThreadPool::new(2);
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut data = vec![0.0; 8];
            pool.for_each_chunk(&mut data, 1, |_, _, value| value[0] = 1.0);
            assert_eq!(data, [1.0; 8]);
        }
    }

    #[test]
    fn a_panicking_task_reaches_the_caller() {
        let pool = ThreadPool::new(2);
        let run = AssertUnwindSafe(|| pool.run(64, &|_, index| assert_ne!(index, 13)));
        assert!(catch_unwind(run).is_err());
    }
}
