//! Instructions that compute, on all lanes of a warp at once.

mod compare;

use crate::code::{Bin32, Bin64, BinP, Narrow, Op, Row, Shift64, Tri32, Un32, Widen};
use crate::float::{float_to_half, fma_down, fma_pair, half_to_float, max, min, pair};
use crate::rows::Rows;

#[inline(always)]
fn float(f: impl Fn(f32) -> f32) -> impl Fn(u32) -> u32 {
    move |a| f(f32::from_bits(a)).to_bits()
}

#[inline(always)]
fn float2(f: impl Fn(f32, f32) -> f32) -> impl Fn(u32, u32) -> u32 {
    move |a, b| f(f32::from_bits(a), f32::from_bits(b)).to_bits()
}

#[inline(always)]
fn signed(f: impl Fn(i32, i32) -> i32) -> impl Fn(u32, u32) -> u32 {
    move |a, b| f(a.cast_signed(), b.cast_signed()).cast_unsigned()
}

fn ex2(x: f32) -> f32 {
    // Small arguments and results count as 0.
    let y = if x.is_subnormal() { 1.0 } else { x.exp2() };
    if y.is_subnormal() { 0.0 } else { y }
}

fn prmt(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    (0..4).fold(0, |found, i| {
        let nibble = selector >> (4 * i) & 15;
        let byte = (bytes >> (8 * (nibble & 7))) as u8;
        let replicated = if byte & 0x80 != 0 { 0xff } else { 0 };
        let byte = if nibble & 8 != 0 { replicated } else { byte };
        found | u32::from(byte) << (8 * i)
    })
}

fn bfe(a: u32, pos: u32, len: u32, is_signed: bool) -> u32 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    if len == 0 {
        return 0;
    }
    let wide = match is_signed {
        true => i64::from(a.cast_signed()),
        false => i64::from(a),
    };
    let shifted = wide >> pos.min(63);
    let kept = len.min(32);
    if !is_signed {
        return (shifted & ((1_i64 << kept) - 1)) as u32;
    }
    let up = 64 - kept;
    (shifted << up >> up) as u32
}

fn bfi(a: u64, b: u64, pos: u32, len: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    let mask = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
    let (mask, a) = match pos {
        0..64 => (mask << pos, a << pos),
        _ => (0, 0),
    };
    b & !mask | a & mask
}

impl Rows {
    /// Runs an instruction that only computes; `false` if it does more.
    #[inline(always)]
    pub(crate) fn compute(&mut self, op: &Op, m: u32) -> bool {
        match *op {
            Op::Un32(kind, to, a) => self.un32(kind, to, a, m),
            Op::Bin32(kind, to, a, b) => match kind as u8 {
                k if k < Bin32::Add16 as u8 => self.integer32(kind, to, (a, b), m),
                _ => self.other32(kind, to, (a, b), m),
            },
            Op::Tri32(kind, to, rows) => self.tri32(kind, to, rows, m),
            Op::Cmp32(compare, kind, to, a, b) => self.compare32((compare, kind), to, (a, b), m),
            Op::Sel32(to, a, b, p) => {
                let p = self.p[p as usize];
                let (yes, no) = (self.w[a as usize], self.w[b as usize]);
                let value: [u32; 32] =
                    std::array::from_fn(|i| if p >> i & 1 != 0 { yes[i] } else { no[i] });
                crate::rows::lanes(m, |i| self.w[to as usize][i] = value[i]);
            }
            Op::BinP(kind, to, a, b) => {
                let (a, b) = (self.p[a as usize], self.p[b as usize]);
                let value = match kind {
                    BinP::And => a & b,
                    BinP::Or => a | b,
                    BinP::Xor => a ^ b,
                };
                self.set_p(to, m, value);
            }
            Op::NotP(to, a) => self.set_p(to, m, !self.p[a as usize]),
            Op::MovP(to, a) => self.set_p(to, m, self.p[a as usize]),
            Op::Bfi32(to, [a, b, pos, len]) => {
                let [a, b, pos, len] = [a, b, pos, len].map(|row| self.w[row as usize]);
                crate::rows::lanes(m, |i| {
                    let value = bfi(a[i].into(), b[i].into(), pos[i], len[i].min(32));
                    self.w[to as usize][i] = value as u32;
                });
            }
            Op::Unpack32(low, high, from) => {
                let from = self.w[from as usize];
                crate::rows::lanes(m, |i| self.w[low as usize][i] = from[i] & 0xffff);
                crate::rows::lanes(m, |i| self.w[high as usize][i] = from[i] >> 16);
            }
            _ => return self.compute64(op, m),
        }
        true
    }

    #[inline(always)]
    fn compute64(&mut self, op: &Op, m: u32) -> bool {
        match *op {
            Op::Mov64(to, a) => self.un64(to, a, m, |a| a),
            Op::Neg64(to, a) => self.un64(to, a, m, u64::wrapping_neg),
            Op::Not64(to, a) => self.un64(to, a, m, |a| !a),
            Op::Bin64(kind, to, a, b) => self.integer64(kind, to, (a, b), m),
            Op::Mad64(to, [a, b, c]) => {
                let c = self.d[c as usize];
                let (a, b) = (self.d[a as usize], self.d[b as usize]);
                crate::rows::lanes(m, |i| {
                    self.d[to as usize][i] = a[i].wrapping_mul(b[i]).wrapping_add(c[i]);
                });
            }
            Op::Shift64(kind, to, a, by) => {
                let (a, by) = (self.d[a as usize], self.w[by as usize]);
                crate::rows::lanes(m, |i| {
                    let (a, by) = (a[i], by[i]);
                    self.d[to as usize][i] = match kind {
                        Shift64::Shl => a.checked_shl(by).unwrap_or(0),
                        Shift64::ShrU => a.checked_shr(by).unwrap_or(0),
                        Shift64::ShrS => (a.cast_signed() >> by.min(63)).cast_unsigned(),
                    };
                });
            }
            Op::Narrow(kind, to, a) => self.narrowed(kind, to, a, m),
            Op::Widen(kind, to, a) => self.widened(kind, to, a, m),
            Op::Wide(false, to, a, b) => {
                self.widen2(to, (a, b), m, |a, b| u64::from(a) * u64::from(b));
            }
            Op::Wide(true, to, a, b) => self.widen2(to, (a, b), m, wide_signed),
            Op::MadWide(is_signed, to, [a, b, c]) => {
                let (a, b) = (self.w[a as usize], self.w[b as usize]);
                let c = self.d[c as usize];
                crate::rows::lanes(m, |i| {
                    let product = match is_signed {
                        true => wide_signed(a[i], b[i]),
                        false => u64::from(a[i]) * u64::from(b[i]),
                    };
                    self.d[to as usize][i] = product.wrapping_add(c[i]);
                });
            }
            Op::Pack64(to, a, b) => {
                self.widen2(to, (a, b), m, |a, b| u64::from(b) << 32 | u64::from(a));
            }
            Op::Unpack64(low, high, from) => {
                self.narrow(low, from, m, |a| a as u32);
                self.narrow(high, from, m, |a| (a >> 32) as u32);
            }
            Op::Cmp64(compare, is_signed, to, a, b) => {
                self.compare_double(compare, is_signed, to, (a, b), m);
            }
            Op::Sel64(to, a, b, p) => {
                let p = self.p[p as usize];
                let (yes, no) = (self.d[a as usize], self.d[b as usize]);
                crate::rows::lanes(m, |i| {
                    self.d[to as usize][i] = if p >> i & 1 != 0 { yes[i] } else { no[i] };
                });
            }
            Op::Bfi64(to, [a, b, pos, len]) => {
                let (a, b) = (self.d[a as usize], self.d[b as usize]);
                let (pos, len) = (self.w[pos as usize], self.w[len as usize]);
                crate::rows::lanes(m, |i| {
                    self.d[to as usize][i] = bfi(a[i], b[i], pos[i], len[i]);
                });
            }
            _ => return false,
        }
        true
    }

    #[inline(always)]
    fn un32(&mut self, kind: Un32, to: Row, a: Row, m: u32) {
        match kind {
            Un32::Mov => self.un(to, a, m, |a| a),
            Un32::Neg => self.un(to, a, m, u32::wrapping_neg),
            Un32::Not => self.un(to, a, m, |a| !a),
            Un32::Abs => self.un(to, a, m, |a| a.cast_signed().unsigned_abs()),
            Un32::Clz => self.un(to, a, m, u32::leading_zeros),
            Un32::Popc => self.un(to, a, m, u32::count_ones),
            Un32::Brev => self.un(to, a, m, u32::reverse_bits),
            Un32::FNeg => self.un(to, a, m, |a| a ^ 0x8000_0000),
            Un32::FAbs => self.un(to, a, m, |a| a & 0x7fff_ffff),
            Un32::Ex2 => self.un(to, a, m, float(ex2)),
            Un32::Lg2 => self.un(to, a, m, float(f32::log2)),
            Un32::Rcp => self.un(to, a, m, float(|a| 1.0 / a)),
            Un32::Rsqrt => self.un(to, a, m, float(|a| (1.0 / f64::from(a).sqrt()) as f32)),
            Un32::Sqrt => self.un(to, a, m, float(f32::sqrt)),
            Un32::Sin => self.un(to, a, m, float(f32::sin)),
            Un32::Cos => self.un(to, a, m, float(f32::cos)),
            Un32::FSat => self.un(to, a, m, float(|a| if a > 0.0 { a.min(1.0) } else { 0.0 })),
            Un32::HalfToF => self.un(to, a, m, |a| half_to_float(a & 0xffff).to_bits()),
            Un32::FToHalf => self.un(to, a, m, |a| float_to_half(f32::from_bits(a))),
            Un32::FromU => self.un(to, a, m, |a| (a as f32).to_bits()),
            Un32::FromS => self.un(to, a, m, |a| (a.cast_signed() as f32).to_bits()),
            Un32::ToU => self.un(to, a, m, |a| f32::from_bits(a) as u32),
            Un32::ToS => self.un(to, a, m, |a| (f32::from_bits(a) as i32).cast_unsigned()),
            Un32::RoundInt => self.un(to, a, m, float(f32::round_ties_even)),
            Un32::Floor => self.un(to, a, m, float(f32::floor)),
            Un32::Low8 => self.un(to, a, m, |a| a & 0xff),
            Un32::Low16 => self.un(to, a, m, |a| a & 0xffff),
            Un32::S8 => self.un(to, a, m, |a| i32::from(a as i8).cast_unsigned()),
            Un32::S16 => self.un(to, a, m, |a| i32::from(a as i16).cast_unsigned()),
            Un32::S8To16 => self.un(to, a, m, |a| i32::from(a as i8).cast_unsigned() & 0xffff),
        }
    }

    #[inline(always)]
    fn integer32(&mut self, kind: Bin32, to: Row, ab: (Row, Row), m: u32) {
        match kind {
            Bin32::Add => self.bin(to, ab, m, u32::wrapping_add),
            Bin32::Sub => self.bin(to, ab, m, u32::wrapping_sub),
            Bin32::Mul => self.bin(to, ab, m, u32::wrapping_mul),
            Bin32::MulHiU => {
                self.bin(to, ab, m, |a, b| {
                    ((u64::from(a) * u64::from(b)) >> 32) as u32
                });
            }
            Bin32::MulHiS => self.bin(to, ab, m, |a, b| (wide_signed(a, b) >> 32) as u32),
            Bin32::DivU => self.bin(to, ab, m, |a, b| a.checked_div(b).unwrap_or(u32::MAX)),
            Bin32::DivS => {
                let div = |a: i32, b: i32| if b == 0 { -1 } else { a.wrapping_div(b) };
                self.bin(to, ab, m, signed(div));
            }
            Bin32::RemU => self.bin(to, ab, m, |a, b| a.checked_rem(b).unwrap_or(a)),
            Bin32::RemS => {
                let rem = |a: i32, b: i32| if b == 0 { a } else { a.wrapping_rem(b) };
                self.bin(to, ab, m, signed(rem));
            }
            Bin32::MinU => self.bin(to, ab, m, Ord::min),
            Bin32::MinS => self.bin(to, ab, m, signed(Ord::min)),
            Bin32::MaxU => self.bin(to, ab, m, Ord::max),
            Bin32::MaxS => self.bin(to, ab, m, signed(Ord::max)),
            Bin32::And => self.bin(to, ab, m, |a, b| a & b),
            Bin32::Or => self.bin(to, ab, m, |a, b| a | b),
            Bin32::Xor => self.bin(to, ab, m, |a, b| a ^ b),
            Bin32::Shl => self.bin(to, ab, m, |a, b| if b > 31 { 0 } else { a << (b & 31) }),
            Bin32::ShrU => self.bin(to, ab, m, |a, b| if b > 31 { 0 } else { a >> (b & 31) }),
            _ => {
                let shift = |a: u32, b: u32| (a.cast_signed() >> b.min(31)).cast_unsigned();
                self.bin(to, ab, m, shift);
            }
        }
    }

    #[inline(always)]
    fn other32(&mut self, kind: Bin32, to: Row, ab: (Row, Row), m: u32) {
        match kind {
            Bin32::Add16 => self.bin(to, ab, m, |a, b| a.wrapping_add(b) & 0xffff),
            Bin32::Sub16 => self.bin(to, ab, m, |a, b| a.wrapping_sub(b) & 0xffff),
            Bin32::Mul16 => self.bin(to, ab, m, |a, b| a.wrapping_mul(b) & 0xffff),
            Bin32::Shl16 => {
                self.bin(
                    to,
                    ab,
                    m,
                    |a, b| if b > 15 { 0 } else { a << (b & 15) & 0xffff },
                );
            }
            Bin32::ShrS16 => {
                let shift = |a: u32, b: u32| (i32::from(a as i16) >> b.min(15)).cast_unsigned();
                self.bin(to, ab, m, |a, b| shift(a, b) & 0xffff);
            }
            Bin32::WideU16 => {
                self.bin(to, ab, m, |a, b| (a & 0xffff).wrapping_mul(b & 0xffff));
            }
            Bin32::WideS16 => {
                let wide = |a: u32, b: u32| i32::from(a as i16) * i32::from(b as i16);
                self.bin(to, ab, m, |a, b| wide(a, b).cast_unsigned());
            }
            Bin32::FAdd => self.bin(to, ab, m, float2(|a, b| a + b)),
            Bin32::FSub => self.bin(to, ab, m, float2(|a, b| a - b)),
            Bin32::FMul => self.bin(to, ab, m, float2(|a, b| a * b)),
            Bin32::FDiv => self.bin(to, ab, m, float2(|a, b| a / b)),
            Bin32::FMin => self.bin(to, ab, m, min),
            Bin32::FMax => self.bin(to, ab, m, max),
            Bin32::HAdd => self.bin(to, ab, m, |a, b| pair(a, b, |a, b| a + b)),
            Bin32::HSub => self.bin(to, ab, m, |a, b| pair(a, b, |a, b| a - b)),
            Bin32::HMul => self.bin(to, ab, m, |a, b| pair(a, b, |a, b| a * b)),
            Bin32::CvtPair => {
                let half = |a| float_to_half(f32::from_bits(a));
                self.bin(to, ab, m, |high, low| half(high) << 16 | half(low));
            }
            _ => self.bin(to, ab, m, |low, high| high << 16 | low & 0xffff),
        }
    }

    #[inline(always)]
    fn tri32(&mut self, kind: Tri32, to: Row, abc: [Row; 3], m: u32) {
        let f = f32::from_bits;
        match kind {
            Tri32::Mad => self.tri(to, abc, m, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
            Tri32::Fma => self.tri(to, abc, m, |a, b, c| f(a).mul_add(f(b), f(c)).to_bits()),
            Tri32::FmaDown => {
                self.tri(to, abc, m, |a, b, c| fma_down(f(a), f(b), f(c)).to_bits());
            }
            Tri32::HFma => self.tri(to, abc, m, fma_pair),
            Tri32::Prmt => self.tri(to, abc, m, prmt),
            Tri32::BfeU => self.tri(to, abc, m, |a, b, c| bfe(a, b, c, false)),
            Tri32::BfeS => self.tri(to, abc, m, |a, b, c| bfe(a, b, c, true)),
            Tri32::ShfLWrap => self.tri(to, abc, m, |a, b, c| shf(a, b, c & 31, true)),
            Tri32::ShfRWrap => self.tri(to, abc, m, |a, b, c| shf(a, b, c & 31, false)),
            Tri32::ShfLClamp => self.tri(to, abc, m, |a, b, c| shf(a, b, c.min(32), true)),
            Tri32::ShfRClamp => self.tri(to, abc, m, |a, b, c| shf(a, b, c.min(32), false)),
            Tri32::Lop3(table) => self.tri(to, abc, m, |a, b, c| {
                (0..8)
                    .filter(|i| table >> i & 1 != 0)
                    .fold(0, |found, i: u32| {
                        let pick = |x: u32, bit: u32| if i >> bit & 1 != 0 { x } else { !x };
                        found | pick(a, 2) & pick(b, 1) & pick(c, 0)
                    })
            }),
        }
    }

    #[inline(always)]
    fn integer64(&mut self, kind: Bin64, to: Row, ab: (Row, Row), m: u32) {
        let signed = |f: fn(i64, i64) -> i64| {
            move |a: u64, b: u64| f(a.cast_signed(), b.cast_signed()).cast_unsigned()
        };
        match kind {
            Bin64::Add => self.bin64(to, ab, m, u64::wrapping_add),
            Bin64::Sub => self.bin64(to, ab, m, u64::wrapping_sub),
            Bin64::Mul => self.bin64(to, ab, m, u64::wrapping_mul),
            Bin64::MulHiU => {
                self.bin64(to, ab, m, |a, b| {
                    ((u128::from(a) * u128::from(b)) >> 64) as u64
                });
            }
            Bin64::DivU => self.bin64(to, ab, m, |a, b| a.checked_div(b).unwrap_or(u64::MAX)),
            Bin64::RemU => self.bin64(to, ab, m, |a, b| a.checked_rem(b).unwrap_or(a)),
            Bin64::MinU => self.bin64(to, ab, m, Ord::min),
            Bin64::MinS => self.bin64(to, ab, m, signed(Ord::min)),
            Bin64::MaxU => self.bin64(to, ab, m, Ord::max),
            Bin64::MaxS => self.bin64(to, ab, m, signed(Ord::max)),
            Bin64::And => self.bin64(to, ab, m, |a, b| a & b),
            Bin64::Or => self.bin64(to, ab, m, |a, b| a | b),
            Bin64::Xor => self.bin64(to, ab, m, |a, b| a ^ b),
        }
    }

    #[inline(always)]
    fn narrowed(&mut self, kind: Narrow, to: Row, a: Row, m: u32) {
        match kind {
            Narrow::Low => self.narrow(to, a, m, |a| a as u32),
            Narrow::Low16 => self.narrow(to, a, m, |a| a as u32 & 0xffff),
            Narrow::FromU => self.narrow(to, a, m, |a| (a as f32).to_bits()),
            Narrow::FromS => self.narrow(to, a, m, |a| (a.cast_signed() as f32).to_bits()),
            Narrow::Clz => self.narrow(to, a, m, u64::leading_zeros),
            Narrow::Popc => self.narrow(to, a, m, u64::count_ones),
        }
    }

    #[inline(always)]
    fn widened(&mut self, kind: Widen, to: Row, a: Row, m: u32) {
        match kind {
            Widen::Zero => self.widen(to, a, m, u64::from),
            Widen::Sign => self.widen(to, a, m, |a| i64::from(a.cast_signed()).cast_unsigned()),
            Widen::Sign16 => self.widen(to, a, m, |a| i64::from(a as i16).cast_unsigned()),
            Widen::ToU => self.widen(to, a, m, |a| f32::from_bits(a) as u64),
            Widen::ToS => self.widen(to, a, m, |a| (f32::from_bits(a) as i64).cast_unsigned()),
        }
    }
}

#[inline(always)]
fn wide_signed(a: u32, b: u32) -> u64 {
    (i64::from(a.cast_signed()) * i64::from(b.cast_signed())).cast_unsigned()
}

/// The upper word of `b:a` shifted left, or the lower one shifted right.
#[inline(always)]
fn shf(a: u32, b: u32, by: u32, left: bool) -> u32 {
    let both = u64::from(b) << 32 | u64::from(a);
    if left {
        (both << by >> 32) as u32
    } else {
        (both >> by) as u32
    }
}
