//! An entry point, and what its launches give it.

use super::{Inst, Row};

/// A value that the launch gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    Lane,
    Warp,
    Sm,
    LaneMaskLt,
    LaneMaskLe,
    LaneMaskEq,
    LaneMaskGt,
    LaneMaskGe,
    DynamicShared,
}

/// A parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Param {
    Word,
    Double,
    Float,
}

/// An entry point.
#[derive(Debug, Default)]
pub(crate) struct KernelCode {
    pub(crate) name: String,
    pub(crate) params: Vec<(String, Param)>,
    pub(crate) max_threads: Option<u32>,
    pub(crate) insts: Vec<Inst>,
    pub(crate) rows32: u32,
    pub(crate) rows64: u32,
    pub(crate) rows_p: u32,
    pub(crate) constants32: Vec<(Row, u32)>,
    pub(crate) constants64: Vec<(Row, u64)>,
    pub(crate) specials: Vec<(Row, Special)>,
    pub(crate) shared_bytes: u32,
}
