//! Memory that begins at a cache line: a register that straddles two costs two loads.

use std::ops::{Deref, DerefMut};

const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A vector of f32 at a cache line.
#[derive(Default)]
pub(super) struct AlignedVec {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedVec {
    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let lines = vec![Line([0.0; LINE]); len.div_ceil(LINE)];
        Self { lines, len }
    }

    /// The first `len` values: scratch memory grows to the largest that was asked for.
    pub(super) fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            *self = Self::zeros(len);
        }
        &mut self[..len]
    }
}

impl Deref for AlignedVec {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: lines are arrays of f32 without gaps, and `len` is within them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
