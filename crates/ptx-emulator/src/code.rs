//! Kernels as the interpreter runs them: every operand is the number of a row, which holds a
//! value for each lane of a warp.

mod kernel;

pub(crate) use self::kernel::{KernelCode, Param, Special};

/// A row of 32-bit, 64-bit or predicate values; which, the instruction knows.
pub(crate) type Row = u32;

/// What is computed from one value of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Un32 {
    Mov,
    Neg,
    Not,
    Abs,
    Clz,
    Popc,
    Brev,
    FNeg,
    FAbs,
    Ex2,
    Lg2,
    Rcp,
    Rsqrt,
    Sqrt,
    Sin,
    Cos,
    FSat,
    HalfToF,
    FToHalf,
    FromU,
    FromS,
    ToU,
    ToS,
    RoundInt,
    Floor,
    Low8,
    Low16,
    S8,
    S16,
    S8To16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bin32 {
    Add,
    Sub,
    Mul,
    MulHiU,
    MulHiS,
    DivU,
    DivS,
    RemU,
    RemS,
    MinU,
    MinS,
    MaxU,
    MaxS,
    And,
    Or,
    Xor,
    Shl,
    ShrU,
    ShrS,
    Add16,
    Sub16,
    Mul16,
    Shl16,
    ShrS16,
    WideU16,
    WideS16,
    FAdd,
    FSub,
    FMul,
    FDiv,
    FMin,
    FMax,
    HAdd,
    HSub,
    HMul,
    CvtPair,
    Pack16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tri32 {
    Mad,
    Fma,
    FmaDown,
    HFma,
    Prmt,
    BfeU,
    BfeS,
    ShfLWrap,
    ShfRWrap,
    ShfLClamp,
    ShfRClamp,
    Lop3(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bin64 {
    Add,
    Sub,
    Mul,
    MulHiU,
    DivU,
    RemU,
    MinU,
    MinS,
    MaxU,
    MaxS,
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shift64 {
    Shl,
    ShrU,
    ShrS,
}

/// From 64 bits to 32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Narrow {
    Low,
    Low16,
    FromU,
    FromS,
    Clz,
    Popc,
}

/// From 32 bits to 64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Widen {
    Zero,
    Sign,
    Sign16,
    ToU,
    ToS,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    Num,
    Nan,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    U,
    S,
    S16,
    F,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BinP {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Space {
    Global,
    Shared,
}

/// Where memory is accessed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) is_wide: bool,
    pub(crate) base: Row,
    pub(crate) offset: i64,
}

/// One value of an access.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Element {
    U8,
    S8,
    S8To16,
    Half,
    S16,
    Word,
    Double,
}

impl Element {
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::S8 | Self::S8To16 => 1,
            Self::Half | Self::S16 => 2,
            Self::Word => 4,
            Self::Double => 8,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) element: Element,
    /// Whether the rows are of 64 bits whatever is accessed.
    pub(crate) is_wide: bool,
    pub(crate) count: u8,
    pub(crate) rows: [Row; 4],
    pub(crate) at: Address,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rmw {
    Add,
    Inc,
    MinU,
    MinS,
    MaxU,
    MaxS,
    And,
    Or,
    Xor,
    Exch,
    Cas,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Atomic {
    pub(crate) space: Space,
    pub(crate) op: Rmw,
    pub(crate) is_wide: bool,
    pub(crate) to: Option<Row>,
    pub(crate) at: Address,
    pub(crate) by: Row,
    pub(crate) swap: Row,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shuffle {
    Idx,
    Up,
    Down,
    Bfly,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Vote {
    All,
    Any,
    Ballot,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Redux {
    Add,
    MinU,
    MaxU,
    MinS,
    MaxS,
    And,
    Or,
    Xor,
}

/// What needs all lanes of a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Together {
    Sync,
    Shuffle {
        kind: Shuffle,
        to: Row,
        valid: Option<Row>,
        from: Row,
        lane: Row,
        clamp: Row,
    },
    Vote {
        kind: Vote,
        to: Row,
        from: Row,
        negated: bool,
    },
    Redux {
        kind: Redux,
        to: Row,
        from: Row,
    },
    Mma {
        d: [Row; 4],
        a: [Row; 4],
        b: [Row; 2],
        c: [Row; 4],
    },
    /// Four blocks of 8 x 8 halves from shared memory.
    LoadMatrix {
        to: [Row; 4],
        at: Address,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Un32(Un32, Row, Row),
    Bin32(Bin32, Row, Row, Row),
    Tri32(Tri32, Row, [Row; 3]),
    Bfi32(Row, [Row; 4]),
    Bfi64(Row, [Row; 4]),
    Mov64(Row, Row),
    Neg64(Row, Row),
    Not64(Row, Row),
    Bin64(Bin64, Row, Row, Row),
    Mad64(Row, [Row; 3]),
    Shift64(Shift64, Row, Row, Row),
    Narrow(Narrow, Row, Row),
    Widen(Widen, Row, Row),
    /// 64-bit product of two words; whether signed.
    Wide(bool, Row, Row, Row),
    MadWide(bool, Row, [Row; 3]),
    Pack64(Row, Row, Row),
    Unpack64(Row, Row, Row),
    Unpack32(Row, Row, Row),
    Cmp32(Compare, Kind, Row, Row, Row),
    Cmp64(Compare, bool, Row, Row, Row),
    Sel32(Row, Row, Row, Row),
    Sel64(Row, Row, Row, Row),
    BinP(BinP, Row, Row, Row),
    NotP(Row, Row),
    MovP(Row, Row),
    Param32(Row, u32),
    Param64(Row, u32),
    Clock(Row),
    Load(Access),
    Store(Access),
    Atomic(Atomic),
    /// To, from, bytes, row of the bytes that are read.
    CopyAsync(Address, Address, u8, Option<Row>),
    CopyCommit,
    /// Until at most so many groups are left.
    CopyWait(u32),
    CopyArrive(Address),
    BarrierInit(Address, Row),
    BarrierArrive(Address),
    BarrierTest(Row, Address, Row),
    Fence,
    Nothing,
    Trap,
    Exit,
    Jump(u32),
    /// Number, threads if given.
    Bar(Row, Option<Row>),
    /// To, number, predicate, negated.
    BarPopc(Row, Row, Row, bool),
    Together(Together, Row),
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inst {
    pub(crate) op: Op,
    /// Predicate that says which lanes run it; row 0 says all.
    pub(crate) guard: Row,
    /// All ones if it is negated.
    pub(crate) flip: u32,
    /// Of the text.
    pub(crate) line: u32,
}
