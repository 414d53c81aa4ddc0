//! The registers of a warp: rows with a value for each lane.

use crate::code::{Inst, KernelCode, Row, Special};

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;
/// Every lane.
pub(crate) const FULL: u32 = u32::MAX;

pub(crate) type Words = [u32; LANES];
pub(crate) type Doubles = [u64; LANES];

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) w: Vec<Words>,
    pub(crate) d: Vec<Doubles>,
    pub(crate) p: Vec<u32>,
}

/// Where a warp stands in the grid.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) grid: [u32; 3],
    pub(crate) block_shape: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) warp: u32,
    pub(crate) sm: u32,
    pub(crate) dynamic_shared: u32,
}

/// Calls a function for each lane of a mask.
#[inline(always)]
pub(crate) fn lanes(mask: u32, mut f: impl FnMut(usize)) {
    let mut left = mask;
    while left != 0 {
        f(left.trailing_zeros() as usize);
        left &= left - 1;
    }
}

#[inline(always)]
fn put<T: Copy>(to: &mut [T; LANES], mask: u32, value: impl Fn(usize) -> T) {
    if mask == FULL {
        for (i, to) in to.iter_mut().enumerate() {
            *to = value(i);
        }
    } else {
        lanes(mask, |i| to[i] = value(i));
    }
}

impl Rows {
    /// Rows for a kernel, with what is constant in them.
    pub(crate) fn prepare(&mut self, code: &KernelCode, place: &Place) {
        self.w.resize(code.rows32 as usize, [0; LANES]);
        self.d.resize(code.rows64 as usize, [0; LANES]);
        self.p.resize(code.rows_p as usize, 0);
        self.p[0] = FULL;
        self.p[1] = 0;
        for &(row, value) in &code.constants32 {
            self.w[row as usize] = [value; LANES];
        }
        for &(row, value) in &code.constants64 {
            self.d[row as usize] = [value; LANES];
        }
        for &(row, special) in &code.specials {
            self.w[row as usize] = std::array::from_fn(|lane| place.special(special, lane as u32));
        }
    }

    /// The lanes of a mask in which an instruction's guard holds.
    #[inline(always)]
    pub(crate) fn guarded(&self, inst: &Inst, mask: u32) -> u32 {
        mask & (self.p[inst.guard as usize] ^ inst.flip)
    }

    #[inline(always)]
    pub(crate) fn un(&mut self, to: Row, a: Row, mask: u32, f: impl Fn(u32) -> u32) {
        let a = self.w[a as usize];
        put(&mut self.w[to as usize], mask, |i| f(a[i]));
    }

    #[inline(always)]
    pub(crate) fn bin(
        &mut self,
        to: Row,
        (a, b): (Row, Row),
        mask: u32,
        f: impl Fn(u32, u32) -> u32,
    ) {
        let (a, b) = (self.w[a as usize], self.w[b as usize]);
        put(&mut self.w[to as usize], mask, |i| f(a[i], b[i]));
    }

    #[inline(always)]
    pub(crate) fn tri(
        &mut self,
        to: Row,
        abc: [Row; 3],
        mask: u32,
        f: impl Fn(u32, u32, u32) -> u32,
    ) {
        let [a, b, c] = abc.map(|row| self.w[row as usize]);
        put(&mut self.w[to as usize], mask, |i| f(a[i], b[i], c[i]));
    }

    #[inline(always)]
    pub(crate) fn un64(&mut self, to: Row, a: Row, mask: u32, f: impl Fn(u64) -> u64) {
        let a = self.d[a as usize];
        put(&mut self.d[to as usize], mask, |i| f(a[i]));
    }

    #[inline(always)]
    pub(crate) fn bin64(
        &mut self,
        to: Row,
        (a, b): (Row, Row),
        mask: u32,
        f: impl Fn(u64, u64) -> u64,
    ) {
        let (a, b) = (self.d[a as usize], self.d[b as usize]);
        put(&mut self.d[to as usize], mask, |i| f(a[i], b[i]));
    }

    #[inline(always)]
    pub(crate) fn narrow(&mut self, to: Row, a: Row, mask: u32, f: impl Fn(u64) -> u32) {
        let a = &self.d[a as usize];
        put(&mut self.w[to as usize], mask, |i| f(a[i]));
    }

    #[inline(always)]
    pub(crate) fn widen(&mut self, to: Row, a: Row, mask: u32, f: impl Fn(u32) -> u64) {
        let a = &self.w[a as usize];
        put(&mut self.d[to as usize], mask, |i| f(a[i]));
    }

    #[inline(always)]
    pub(crate) fn widen2(
        &mut self,
        to: Row,
        (a, b): (Row, Row),
        mask: u32,
        f: impl Fn(u32, u32) -> u64,
    ) {
        let (a, b) = (&self.w[a as usize], &self.w[b as usize]);
        put(&mut self.d[to as usize], mask, |i| f(a[i], b[i]));
    }

    /// Sets a predicate where a mask is set.
    #[inline(always)]
    pub(crate) fn set_p(&mut self, to: Row, mask: u32, value: u32) {
        let to = &mut self.p[to as usize];
        *to = *to & !mask | value & mask;
    }

    #[inline(always)]
    pub(crate) fn compare(
        &mut self,
        to: Row,
        (a, b): (Row, Row),
        mask: u32,
        f: impl Fn(u32, u32) -> bool,
    ) {
        let (a, b) = (&self.w[a as usize], &self.w[b as usize]);
        let mut bits = 0;
        for i in 0..LANES {
            bits |= u32::from(f(a[i], b[i])) << i;
        }
        self.set_p(to, mask, bits);
    }

    #[inline(always)]
    pub(crate) fn compare64(
        &mut self,
        to: Row,
        (a, b): (Row, Row),
        mask: u32,
        f: impl Fn(u64, u64) -> bool,
    ) {
        let (a, b) = (&self.d[a as usize], &self.d[b as usize]);
        let mut bits = 0;
        for i in 0..LANES {
            bits |= u32::from(f(a[i], b[i])) << i;
        }
        self.set_p(to, mask, bits);
    }
}

impl Place {
    /// The lanes of the warp that are threads of the block.
    pub(crate) fn alive(&self) -> u32 {
        let threads: u32 = self.block_shape.iter().product();
        match threads - self.warp * LANES as u32 {
            left @ 0..32 => (1 << left) - 1,
            _ => FULL,
        }
    }

    fn special(&self, special: Special, lane: u32) -> u32 {
        let thread = self.warp * LANES as u32 + lane;
        let [x, y, _] = self.block_shape;
        let bit = 1_u32 << lane;
        match special {
            Special::Tid(axis) => [thread % x, thread / x % y, thread / x / y][axis],
            Special::Ntid(axis) => self.block_shape[axis],
            Special::Ctaid(axis) => self.block[axis],
            Special::Nctaid(axis) => self.grid[axis],
            Special::Lane => lane,
            Special::Warp => self.warp,
            Special::Sm => self.sm,
            Special::LaneMaskLt => bit - 1,
            Special::LaneMaskLe => bit | (bit - 1),
            Special::LaneMaskEq => bit,
            Special::LaneMaskGt => !(bit | (bit - 1)),
            Special::LaneMaskGe => !(bit - 1),
            Special::DynamicShared => self.dynamic_shared,
        }
    }
}
