//! A block of threads: its warps, and what they wait for.

mod shared;
mod turns;

pub(crate) use self::shared::{MemoryBarrier, Shared};
pub(crate) use self::turns::run;

use crate::code::{Inst, KernelCode, Op, Row, Together};
use crate::rows::{Place, Rows, lanes};

/// Instructions that a warp runs before it is another's turn.
const SLICE: u32 = 20_000;
/// Rounds without progress after which a block is taken to hang.
const PATIENCE: u32 = 2_000;

/// What went wrong.
pub(crate) type Fault = String;

/// Lanes of a warp that are at the same instruction.
#[derive(Clone, Copy, Debug)]
struct Group {
    pc: u32,
    mask: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    /// For the other lanes of an instruction's mask.
    Gathering,
    /// It has found nothing to do this time.
    Polling,
    /// At a barrier: its number and how often that had been passed.
    Barrier(usize, u32, Option<Row>),
}

/// A copy to shared memory that nobody has waited for.
pub(crate) struct Pending {
    pub(crate) lane: usize,
    pub(crate) group: u32,
    pub(crate) at: u64,
    pub(crate) bytes: u8,
    pub(crate) data: [u32; 4],
}

#[derive(Default)]
pub(crate) struct Warp {
    pub(crate) rows: Rows,
    groups: Vec<Group>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) committed: [u32; 32],
}

enum Step {
    Next,
    Poll,
}

impl Warp {
    fn start(&mut self, code: &KernelCode, place: &Place) -> u32 {
        self.rows.prepare(code, place);
        let mask = place.alive();
        self.groups = vec![Group {
            pc: 0,
            mask,
            state: State::Ready,
        }];
        self.pending.clear();
        self.committed = [0; 32];
        mask.count_ones()
    }

    fn alive(&self) -> u32 {
        self.groups.iter().fold(0, |mask, group| mask | group.mask)
    }

    fn add(&mut self, pc: u32, mask: u32, state: State) {
        if mask == 0 {
            return;
        }
        // Those who gather at an instruction are joined.
        let joins = |g: &&mut Group| {
            g.pc == pc
                && !matches!(g.state, State::Barrier(..))
                && !matches!(state, State::Barrier(..))
        };
        match self.groups.iter_mut().find(joins) {
            Some(group) => {
                group.mask |= mask;
                group.state = if state == State::Polling {
                    State::Polling
                } else {
                    State::Ready
                };
            }
            None => self.groups.push(Group { pc, mask, state }),
        }
    }

    /// Those whose turn it is: the ones that are furthest behind.
    fn pick(&mut self) -> Option<(u32, u32)> {
        let ready = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, g)| g.state == State::Ready);
        let (at, _) = ready.min_by_key(|(_, g)| g.pc)?;
        let group = self.groups.swap_remove(at);
        Some((group.pc, group.mask))
    }

    /// Where the running lanes must look for others.
    fn limit(&self, pc: u32) -> u32 {
        let stops = self.groups.iter().filter_map(|g| match g.state {
            State::Ready => Some(g.pc),
            State::Gathering | State::Polling => (g.pc >= pc).then_some(g.pc),
            State::Barrier(..) => None,
        });
        stops.min().unwrap_or(u32::MAX)
    }

    fn wake(&mut self, shared: &Shared<'_>) {
        for i in 0..self.groups.len() {
            let Group { mask, state, .. } = self.groups[i];
            match state {
                State::Barrier(id, passed, to) if shared.barriers[id].passed != passed => {
                    if let Some(to) = to {
                        let result = shared.barriers[id].result;
                        lanes(mask, |lane| self.rows.w[to as usize][lane] = result);
                    }
                    self.groups[i].state = State::Ready;
                }
                State::Polling => self.groups[i].state = State::Ready,
                _ => {}
            }
        }
        // Those that were woken at the same place go on together.
        for group in std::mem::take(&mut self.groups) {
            self.add(group.pc, group.mask, group.state);
        }
    }

    /// A slice of its time; whether anything ran.
    #[inline(always)]
    fn run(&mut self, shared: &mut Shared<'_>) -> Result<bool, Fault> {
        self.wake(shared);
        let mut left = SLICE;
        let mut ran = false;
        while let Some((pc, mask)) = self.pick() {
            ran = true;
            self.run_group((pc, mask), shared, &mut left)?;
            if left == 0 {
                break;
            }
        }
        let is_stuck = !ran && self.groups.iter().all(|g| g.state == State::Gathering);
        match self.groups.first() {
            Some(group) if is_stuck => {
                let line = shared.code.insts[group.pc as usize].line;
                Err(format!(
                    "line {line}: lanes {:#x} wait for lanes that never come",
                    group.mask
                ))
            }
            _ => Ok(ran),
        }
    }

    /// Runs lanes until they end, wait, or meet others.
    #[inline(always)]
    #[expect(clippy::too_many_lines, reason = "one arm for each way to go on")]
    fn run_group(
        &mut self,
        (mut pc, mut mask): (u32, u32),
        shared: &mut Shared<'_>,
        left: &mut u32,
    ) -> Result<(), Fault> {
        let code = shared.code;
        let mut limit = self.limit(pc);
        loop {
            if pc >= limit {
                self.add(pc, mask, State::Ready);
                return Ok(());
            }
            let Some(after) = left.checked_sub(1) else {
                *left = 0;
                shared.progress += 1;
                self.add(pc, mask, State::Polling);
                return Ok(());
            };
            *left = after;
            let inst = &code.insts[pc as usize];
            let active = self.rows.guarded(inst, mask);
            if active == 0 || self.rows.compute(&inst.op, active) {
                pc += 1;
                continue;
            }
            match inst.op {
                Op::Jump(to) => {
                    let others = mask & !active;
                    if others == 0 {
                        limit = self.limit(to);
                    } else {
                        self.add(pc + 1, others, State::Ready);
                        limit = self.limit(to);
                    }
                    (pc, mask) = (to, active);
                    continue;
                }
                Op::Exit => {
                    mask &= !active;
                    shared.n_alive -= active.count_ones();
                    shared.progress += 1;
                    shared.release();
                    if mask == 0 {
                        return Ok(());
                    }
                }
                Op::Bar(..) | Op::BarPopc(..) => {
                    self.add(pc + 1, mask & !active, State::Ready);
                    let state = self
                        .barrier(inst, active, shared)
                        .map_err(|f| at(inst, &f))?;
                    self.groups.push(Group {
                        pc: pc + 1,
                        mask: active,
                        state,
                    });
                    return Ok(());
                }
                Op::Together(what, members) => {
                    let first = active.trailing_zeros() as usize;
                    let members = self.rows.w[members as usize][first];
                    let missing = (self.alive() | mask) & members & !active;
                    if missing != 0 {
                        if mask != active || active & !members != 0 {
                            return Err(at(inst, "the mask is not that of the lanes here"));
                        }
                        self.groups.push(Group {
                            pc,
                            mask,
                            state: State::Gathering,
                        });
                        return Ok(());
                    }
                    let done = self.together(&what, active, shared);
                    done.map_err(|f| at(inst, &f))?;
                }
                _ => match self.touch(inst, active, shared).map_err(|f| at(inst, &f))? {
                    Step::Next => {}
                    Step::Poll => {
                        self.add(pc + 1, mask, State::Polling);
                        return Ok(());
                    }
                },
            }
            pc += 1;
        }
    }

    fn barrier(
        &mut self,
        inst: &Inst,
        active: u32,
        shared: &mut Shared<'_>,
    ) -> Result<State, Fault> {
        let first = active.trailing_zeros() as usize;
        let value = |row: Row| self.rows.w[row as usize][first];
        match inst.op {
            Op::Bar(id, threads) => {
                let id = value(id) as usize;
                let passed = shared.arrive(id, active.count_ones(), threads.map(value))?;
                Ok(State::Barrier(id, passed, None))
            }
            Op::BarPopc(to, id, p, negated) => {
                let id = value(id) as usize;
                let votes = (self.rows.p[p as usize] ^ if negated { u32::MAX } else { 0 }) & active;
                let barrier = shared
                    .barriers
                    .get_mut(id)
                    .ok_or("a barrier of no such number")?;
                barrier.votes += votes.count_ones();
                let passed = shared.arrive(id, active.count_ones(), None)?;
                Ok(State::Barrier(id, passed, Some(to)))
            }
            _ => Err("no barrier".to_owned()),
        }
    }

    #[inline(never)]
    fn touch(&mut self, inst: &Inst, m: u32, shared: &mut Shared<'_>) -> Result<Step, Fault> {
        match inst.op {
            Op::Load(ref access) => self.load(access, m, shared)?,
            Op::Store(ref access) => {
                shared.progress += 1;
                self.store(access, m, shared)?;
            }
            Op::Atomic(ref atomic) => {
                shared.progress += 1;
                self.atomic(atomic, m, shared)?;
            }
            Op::Param32(to, i) => {
                let value = shared.args[i as usize] as u32;
                self.rows.un(to, to, m, |_| value);
            }
            Op::Param64(to, i) => {
                let value = shared.args[i as usize];
                self.rows.un64(to, to, m, |_| value);
            }
            Op::Clock(to) => {
                shared.clock = shared.clock.wrapping_add(1000);
                let now = shared.clock;
                self.rows.un(to, to, m, |_| now);
            }
            Op::Fence => std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst),
            Op::Nothing => {}
            Op::Trap => return Err("trap".to_owned()),
            Op::BarrierTest(to, at, parity) => {
                let done = self.mbarrier_test(&at, parity, m, shared)?;
                self.rows.set_p(to, m, done);
                return Ok(if done & m == 0 {
                    Step::Poll
                } else {
                    Step::Next
                });
            }
            ref op => {
                shared.progress += 1;
                self.copy(op, m, shared)?;
            }
        }
        Ok(Step::Next)
    }

    #[inline(always)]
    fn together(&mut self, what: &Together, active: u32, shared: &Shared<'_>) -> Result<(), Fault> {
        self.exchange(what, active, shared)
    }
}

fn at(inst: &Inst, fault: &str) -> Fault {
    format!("line {}: {fault} ({:?})", inst.line, inst.op)
}
