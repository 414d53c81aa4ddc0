//! Instructions that touch memory or other lanes.

mod together;

use std::sync::PoisonError;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use crate::block::{Fault, MemoryBarrier, Pending, Shared, Warp};
use crate::code::{Access, Address, Atomic, Element, Op, Rmw, Row, Space};
use crate::rows::{Rows, lanes};

impl Rows {
    #[inline(always)]
    fn address(&self, at: &Address, lane: usize) -> u64 {
        match at.is_wide {
            true => self.d[at.base as usize][lane].wrapping_add(at.offset.cast_unsigned()),
            false => {
                let base = self.w[at.base as usize][lane];
                base.wrapping_add(at.offset as u32).into()
            }
        }
    }

    fn set(&mut self, element: Element, row: Row, lane: usize, value: u64) {
        let row = row as usize;
        let word = value as u32;
        match element {
            Element::Double => self.d[row][lane] = value,
            Element::U8 | Element::Half | Element::Word => self.w[row][lane] = word,
            Element::S8 => self.w[row][lane] = i32::from(word as i8).cast_unsigned(),
            Element::S8To16 => self.w[row][lane] = i32::from(word as i8).cast_unsigned() & 0xffff,
            Element::S16 => self.w[row][lane] = i32::from(word as i16).cast_unsigned(),
        }
    }

    fn get(&self, element: Element, row: Row, lane: usize) -> u64 {
        match element {
            Element::Double => self.d[row as usize][lane],
            _ => self.w[row as usize][lane].into(),
        }
    }
}

impl Shared<'_> {
    /// Where a range of shared memory begins.
    fn range(&self, at: u64, bytes: u64) -> Result<usize, Fault> {
        if !at.is_multiple_of(bytes.min(16)) {
            return Err(format!(
                "shared address {at:#x} is not a multiple of {bytes}"
            ));
        }
        if at + bytes > self.bytes.len() as u64 {
            let len = self.bytes.len();
            return Err(format!(
                "shared address {at:#x} lies beyond the {len} bytes of the block"
            ));
        }
        Ok(at as usize)
    }

    fn load_shared(&self, at: u64, bytes: u64) -> Result<u64, Fault> {
        let start = self.range(at, bytes)?;
        let range = start..start + bytes as usize;
        let mut value = [0; 8];
        value[..bytes as usize].copy_from_slice(&self.bytes[range]);
        Ok(u64::from_le_bytes(value))
    }

    fn store_shared(&mut self, at: u64, bytes: u64, value: u64) -> Result<(), Fault> {
        let start = self.range(at, bytes)?;
        let range = start..start + bytes as usize;
        self.bytes[range].copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
        Ok(())
    }

    fn load_global(&mut self, at: u64, bytes: u64) -> Result<u64, Fault> {
        let memory = self.memory;
        let found = memory.find(at, bytes, &mut self.guess);
        let a = found.ok_or_else(|| format!("address {at:#x} lies in no allocation"))?;
        let value = match bytes {
            4 => a.load(at).map(u64::from),
            8 => a
                .load(at)
                .zip(a.load(at + 4))
                .map(|(l, h)| u64::from(h) << 32 | u64::from(l)),
            _ => a.load_part(at, bytes).map(u64::from),
        };
        value.ok_or_else(|| {
            let offset = at - a.start;
            format!(
                "address {at:#x} (byte {offset} of {}) was never written",
                a.len
            )
        })
    }

    fn store_global(&mut self, at: u64, bytes: u64, value: u64) -> Result<(), Fault> {
        let memory = self.memory;
        let found = memory.find(at, bytes, &mut self.guess);
        let a = found.ok_or_else(|| format!("address {at:#x} lies in no allocation"))?;
        match bytes {
            4 => a.store(at, value as u32),
            8 => {
                a.store(at, value as u32);
                a.store(at + 4, (value >> 32) as u32);
            }
            _ => a.store_part(at, bytes, value as u32),
        }
        Ok(())
    }

    fn mbarrier(&mut self, at: u64) -> Result<&mut MemoryBarrier, Fault> {
        let found = self.mbarriers.get_mut(&at);
        found.ok_or_else(|| format!("no barrier was made at {at:#x}"))
    }

    fn mbarrier_arrive(&mut self, at: u64) -> Result<(), Fault> {
        let barrier = self.mbarrier(at)?;
        barrier.pending -= 1;
        if barrier.pending == 0 {
            barrier.pending = barrier.expected;
            barrier.phase += 1;
        }
        Ok(())
    }
}

impl Warp {
    fn each(
        &mut self,
        mask: u32,
        mut f: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut left = mask;
        while left != 0 {
            let lane = left.trailing_zeros() as usize;
            left &= left - 1;
            f(self, lane).map_err(|fault| format!("lane {lane}: {fault}"))?;
        }
        Ok(())
    }

    fn aligned(&self, access: &Access, lane: usize) -> Result<u64, Fault> {
        let at = self.rows.address(&access.at, lane);
        let all = access.element.bytes() * u64::from(access.count);
        match at % all {
            0 => Ok(at),
            _ => Err(format!("address {at:#x} is not a multiple of {all}")),
        }
    }

    pub(crate) fn load(
        &mut self,
        access: &Access,
        m: u32,
        shared: &mut Shared<'_>,
    ) -> Result<(), Fault> {
        let bytes = access.element.bytes();
        self.each(m, |warp, lane| {
            let at = warp.aligned(access, lane)?;
            for i in 0..u64::from(access.count) {
                let at = at + i * bytes;
                let value = match access.space {
                    Space::Global => shared.load_global(at, bytes)?,
                    Space::Shared => shared.load_shared(at, bytes)?,
                };
                warp.rows.set(
                    if access.is_wide {
                        Element::Double
                    } else {
                        access.element
                    },
                    access.rows[i as usize],
                    lane,
                    value,
                );
            }
            Ok(())
        })
    }

    pub(crate) fn store(
        &mut self,
        access: &Access,
        m: u32,
        shared: &mut Shared<'_>,
    ) -> Result<(), Fault> {
        let bytes = access.element.bytes();
        self.each(m, |warp, lane| {
            let at = warp.aligned(access, lane)?;
            for i in 0..u64::from(access.count) {
                let element = if access.is_wide {
                    Element::Double
                } else {
                    access.element
                };
                let value = warp.rows.get(element, access.rows[i as usize], lane);
                let at = at + i * bytes;
                match access.space {
                    Space::Global => shared.store_global(at, bytes, value)?,
                    Space::Shared => shared.store_shared(at, bytes, value)?,
                }
            }
            Ok(())
        })
    }

    pub(crate) fn atomic(
        &mut self,
        a: &Atomic,
        m: u32,
        shared: &mut Shared<'_>,
    ) -> Result<(), Fault> {
        let element = if a.is_wide {
            Element::Double
        } else {
            Element::Word
        };
        let bytes = element.bytes();
        self.each(m, |warp, lane| {
            let at = warp.rows.address(&a.at, lane);
            if at % bytes != 0 {
                return Err(format!("address {at:#x} is not a multiple of {bytes}"));
            }
            let by = warp.rows.get(element, a.by, lane);
            let swap = warp.rows.get(element, a.swap, lane);
            let update = |old| rmw(a, old, by, swap);
            let old = match (a.space, a.is_wide) {
                (Space::Shared, _) => {
                    let old = shared.load_shared(at, bytes)?;
                    shared.store_shared(at, bytes, update(old))?;
                    old
                }
                (Space::Global, true) => {
                    let memory = shared.memory;
                    let _held = memory.wide.lock().unwrap_or_else(PoisonError::into_inner);
                    let old = shared.load_global(at, bytes)?;
                    shared.store_global(at, bytes, update(old))?;
                    old
                }
                (Space::Global, false) => {
                    shared.load_global(at, bytes)?;
                    let memory = shared.memory;
                    let word = memory
                        .find(at, bytes, &mut shared.guess)
                        .and_then(|a| a.atomic(at));
                    let word = word.ok_or("no such word")?;
                    let old =
                        word.fetch_update(AcqRel, Acquire, |old| Some(update(old.into()) as u32));
                    old.unwrap_or_else(|old| old).into()
                }
            };
            if let Some(to) = a.to {
                warp.rows.set(element, to, lane, old);
            }
            Ok(())
        })
    }

    pub(crate) fn mbarrier_test(
        &mut self,
        at: &Address,
        parity: Row,
        m: u32,
        shared: &mut Shared<'_>,
    ) -> Result<u32, Fault> {
        let mut done = 0;
        self.each(m, |warp, lane| {
            let at = warp.rows.address(at, lane);
            let parity = warp.rows.w[parity as usize][lane];
            let phase = shared.mbarrier(at)?.phase;
            done |= u32::from(phase & 1 != parity & 1) << lane;
            Ok(())
        })?;
        Ok(done)
    }

    /// Copies that go on by themselves, and the barriers that wait for them.
    pub(crate) fn copy(&mut self, op: &Op, m: u32, shared: &mut Shared<'_>) -> Result<(), Fault> {
        match *op {
            Op::CopyAsync(to, from, bytes, read) => self.each(m, |warp, lane| {
                let (at, from) = (warp.rows.address(&to, lane), warp.rows.address(&from, lane));
                shared.range(at, bytes.into())?;
                let read = read.map_or(bytes.into(), |row| warp.rows.w[row as usize][lane]);
                if read > bytes.into() {
                    return Err(format!("{read} bytes of {bytes} are to be read"));
                }
                if from % u64::from(bytes) != 0 {
                    return Err(format!("address {from:#x} is not a multiple of {bytes}"));
                }
                let mut data = [0; 4];
                for byte in 0..u64::from(read) {
                    let value = shared.load_global(from + byte, 1)? as u32;
                    data[byte as usize / 4] |= value << (8 * (byte % 4));
                }
                let group = warp.committed[lane];
                warp.pending.push(Pending {
                    lane,
                    group,
                    at,
                    bytes,
                    data,
                });
                Ok(())
            }),
            Op::CopyCommit => {
                lanes(m, |lane| self.committed[lane] += 1);
                Ok(())
            }
            Op::CopyWait(left) => {
                let committed = self.committed;
                self.finish(shared, |copy| {
                    let is_done = copy.group.saturating_add(left) < committed[copy.lane];
                    m >> copy.lane & 1 != 0 && (is_done || left == u32::MAX)
                })
            }
            Op::CopyArrive(at) => {
                self.finish(shared, |copy| m >> copy.lane & 1 != 0)?;
                self.each(m, |warp, lane| {
                    shared.mbarrier_arrive(warp.rows.address(&at, lane))
                })
            }
            Op::BarrierArrive(at) => self.each(m, |warp, lane| {
                shared.mbarrier_arrive(warp.rows.address(&at, lane))
            }),
            Op::BarrierInit(at, count) => self.each(m, |warp, lane| {
                let at = warp.rows.address(&at, lane);
                shared.range(at, 8)?;
                let expected = warp.rows.w[count as usize][lane];
                let barrier = MemoryBarrier {
                    expected,
                    pending: expected,
                    phase: 0,
                };
                shared.mbarriers.insert(at, barrier);
                Ok(())
            }),
            _ => Err("an instruction that is not known".to_owned()),
        }
    }

    /// Ends copies.
    fn finish(
        &mut self,
        shared: &mut Shared<'_>,
        is_due: impl Fn(&Pending) -> bool,
    ) -> Result<(), Fault> {
        for copy in self.pending.extract_if(.., |copy| is_due(copy)) {
            for word in 0..u64::from(copy.bytes) / 4 {
                let value = copy.data[word as usize];
                shared.store_shared(copy.at + 4 * word, 4, value.into())?;
            }
        }
        Ok(())
    }
}

fn rmw(a: &Atomic, old: u64, by: u64, swap: u64) -> u64 {
    let signed = |value: u64| match a.is_wide {
        true => value.cast_signed(),
        false => i64::from((value as u32).cast_signed()),
    };
    match a.op {
        Rmw::Add => old.wrapping_add(by),
        Rmw::Inc => {
            if old >= by {
                0
            } else {
                old + 1
            }
        }
        Rmw::MinU => old.min(by),
        Rmw::MaxU => old.max(by),
        Rmw::MinS => {
            if signed(by) < signed(old) {
                by
            } else {
                old
            }
        }
        Rmw::MaxS => {
            if signed(by) > signed(old) {
                by
            } else {
                old
            }
        }
        Rmw::And => old & by,
        Rmw::Or => old | by,
        Rmw::Xor => old ^ by,
        Rmw::Exch => by,
        Rmw::Cas => {
            if old == by {
                swap
            } else {
                old
            }
        }
    }
}
