//! Instructions that compute.

use super::{Decoder, Words, ty};
use crate::code::{Bin32, Bin64, BinP, Compare, Kind, Narrow, Op, Shift64, Tri32, Un32, Widen};
use crate::text::{Wrong, literal};

impl Decoder {
    /// The instruction, if it is of this kind.
    pub(super) fn arithmetic(&mut self, words: &Words<'_>) -> Result<Option<Op>, Wrong> {
        Ok(Some(match words.parts[0] {
            "mov" => self.mov(words)?,
            "cvt" => self.convert(words)?,
            "cvta" => Op::Mov64(self.double(words.arg(0)?)?, self.double(words.arg(1)?)?),
            "setp" => self.compare(words)?,
            "selp" => self.select(words)?,
            "neg" | "not" | "abs" | "clz" | "popc" | "brev" | "ex2" | "lg2" | "rcp" | "rsqrt"
            | "sqrt" | "sin" | "cos" => self.unary(words)?,
            "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" | "and" | "or" | "xor"
            | "shl" | "shr" => self.binary(words)?,
            "mad" | "fma" | "prmt" | "bfe" | "shf" | "lop3" | "bfi" => self.ternary(words)?,
            _ => return Ok(None),
        }))
    }

    fn mov(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, from) = (words.arg(0)?, words.arg(1)?);
        let pair = |text: &str| -> Option<(String, String)> {
            let (a, b) = text.strip_prefix('{')?.strip_suffix('}')?.split_once(',')?;
            Some((a.trim().to_owned(), b.trim().to_owned()))
        };
        let (_, bits) = words.ty()?;
        if let Some((a, b)) = pair(from) {
            let (a, b) = (self.word(&a, 32)?, self.word(&b, 32)?);
            return Ok(match bits {
                64 => Op::Pack64(self.double(to)?, a, b),
                _ => Op::Bin32(Bin32::Pack16, self.word(to, 32)?, a, b),
            });
        }
        if let Some((a, b)) = pair(to) {
            let (a, b) = (self.word(&a, 32)?, self.word(&b, 32)?);
            return Ok(match bits {
                64 => Op::Unpack64(a, b, self.double(from)?),
                _ => Op::Unpack32(a, b, self.word(from, 32)?),
            });
        }
        Ok(match words.ty()? {
            ('p', _) => Op::MovP(self.plain_predicate(to)?, self.plain_predicate(from)?),
            (_, 64) if from.starts_with("%clock") => return words.refused(),
            (_, 64) => match self.double(from) {
                Ok(from) => Op::Mov64(self.double(to)?, from),
                Err(_) => Op::Widen(Widen::Zero, self.double(to)?, self.word(from, 32)?),
            },
            _ if from.starts_with("%clock") => Op::Clock(self.word(to, 32)?),
            (_, bits) => Op::Un32(Un32::Mov, self.word(to, bits)?, self.word(from, bits)?),
        })
    }

    fn convert(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, from) = (words.arg(0)?, words.arg(1)?);
        let mut types = words.parts[1..].iter().filter_map(|part| ty(part));
        let (Some(t), Some(f)) = (types.next(), types.next()) else {
            return words.refused();
        };
        if t == ('h', 32) {
            let (high, low) = (self.word(from, 32)?, self.word(words.arg(2)?, 32)?);
            return Ok(Op::Bin32(Bin32::CvtPair, self.word(to, 32)?, high, low));
        }
        let narrow = |kind| (Some(kind), None, None);
        let widen = |kind| (None, Some(kind), None);
        let un = |kind| (None, None, Some(kind));
        let chosen = match (t, f) {
            (('f', 32), ('f', 16)) => un(Un32::HalfToF),
            (('f', 16), ('f', 32)) if words.has("rn") => un(Un32::FToHalf),
            (('f', 32), ('f', 32)) if words.has("sat") => un(Un32::FSat),
            (('f', 32), ('f', 32)) if words.has("rni") => un(Un32::RoundInt),
            (('f', 32), ('f', 32)) if words.has("rmi") => un(Un32::Floor),
            (('f', 32), ('u', 64)) => narrow(Narrow::FromU),
            (('f', 32), ('s', 64)) => narrow(Narrow::FromS),
            (('f', 32), ('u', _)) => un(Un32::FromU),
            (('f', 32), ('s', 32)) => un(Un32::FromS),
            (('u', 64), ('f', 32)) if words.has("rzi") => widen(Widen::ToU),
            (('s', 64), ('f', 32)) if words.has("rzi") => widen(Widen::ToS),
            (('u', 32), ('f', 32)) if words.has("rzi") => un(Un32::ToU),
            (('s', 32), ('f', 32)) if words.has("rzi") => un(Un32::ToS),
            (('f', 32), ('s', 16)) => {
                let to = self.word(to, 32)?;
                let from = self.word(from, 16)?;
                self.push(Op::Un32(Un32::S16, to, from), 0, 0);
                return Ok(Op::Un32(Un32::FromS, to, to));
            }
            (('f', _), _) | (_, ('f', _)) => return words.refused(),
            ((_, 64), ('s', 16)) => widen(Widen::Sign16),
            ((_, 64), ('s', 32)) => widen(Widen::Sign),
            ((_, 64), (_, 16 | 32)) => widen(Widen::Zero),
            ((_, 32), (_, 64)) => narrow(Narrow::Low),
            ((_, 16), (_, 64)) => narrow(Narrow::Low16),
            ((_, 32), ('s', 16)) => un(Un32::S16),
            ((_, 16), ('s', 8)) => un(Un32::S8To16),
            ((_, 32), ('s', 8)) => un(Un32::S8),
            ((_, 16 | 32), (_, 8)) | ((_, 8), _) => un(Un32::Low8),
            ((_, 16), _) => un(Un32::Low16),
            ((_, 32), (_, 16 | 32)) => un(Un32::Mov),
            _ => return words.refused(),
        };
        Ok(match chosen {
            (Some(kind), ..) => Op::Narrow(kind, self.word(to, 32)?, self.double(from)?),
            (_, Some(kind), _) => Op::Widen(kind, self.double(to)?, self.word(from, 32)?),
            (.., Some(kind)) => Op::Un32(kind, self.word(to, 32)?, self.word(from, 32)?),
            _ => return words.refused(),
        })
    }

    fn compare(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let compare = match words.parts[1] {
            "eq" => Compare::Eq,
            "ne" => Compare::Ne,
            "lt" | "lo" => Compare::Lt,
            "le" | "ls" => Compare::Le,
            "gt" | "hi" => Compare::Gt,
            "ge" | "hs" => Compare::Ge,
            "equ" => Compare::Equ,
            "neu" => Compare::Neu,
            "ltu" => Compare::Ltu,
            "leu" => Compare::Leu,
            "gtu" => Compare::Gtu,
            "geu" => Compare::Geu,
            "num" => Compare::Num,
            "nan" => Compare::Nan,
            _ => return words.refused(),
        };
        if words.parts.len() != 3 || words.arg(0)?.contains('|') {
            return words.refused();
        }
        let to = self.plain_predicate(words.arg(0)?)?;
        let (a, b) = (words.arg(1)?, words.arg(2)?);
        let kind = match words.ty()? {
            (kind @ ('s' | 'u' | 'b'), 64) => {
                let (a, b) = (self.double(a)?, self.double(b)?);
                return Ok(Op::Cmp64(compare, kind == 's', to, a, b));
            }
            ('f', 32) => Kind::F,
            ('s', 32) => Kind::S,
            ('s', 16) => Kind::S16,
            ('u' | 'b', 16 | 32) => Kind::U,
            _ => return words.refused(),
        };
        let (_, bits) = words.ty()?;
        Ok(Op::Cmp32(
            compare,
            kind,
            to,
            self.word(a, bits)?,
            self.word(b, bits)?,
        ))
    }

    fn select(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, a, b) = (words.arg(0)?, words.arg(1)?, words.arg(2)?);
        let p = self.plain_predicate(words.arg(3)?)?;
        Ok(match words.ty()? {
            (_, 64) => Op::Sel64(self.double(to)?, self.double(a)?, self.double(b)?, p),
            (_, bits) => {
                let (a, b) = (self.word(a, bits)?, self.word(b, bits)?);
                Op::Sel32(self.word(to, bits)?, a, b, p)
            }
        })
    }

    fn unary(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, from) = (words.arg(0)?, words.arg(1)?);
        let kind = match (words.parts[0], words.ty()?) {
            ("not", ('p', _)) => {
                return Ok(Op::NotP(
                    self.plain_predicate(to)?,
                    self.plain_predicate(from)?,
                ));
            }
            ("neg", ('s', 64)) => return Ok(Op::Neg64(self.double(to)?, self.double(from)?)),
            ("not", (_, 64)) => return Ok(Op::Not64(self.double(to)?, self.double(from)?)),
            ("clz", (_, 64)) => {
                return Ok(Op::Narrow(
                    Narrow::Clz,
                    self.word(to, 32)?,
                    self.double(from)?,
                ));
            }
            ("popc", (_, 64)) => {
                return Ok(Op::Narrow(
                    Narrow::Popc,
                    self.word(to, 32)?,
                    self.double(from)?,
                ));
            }
            ("neg", ('f', 32)) => Un32::FNeg,
            ("neg", ('s', 32)) => Un32::Neg,
            ("not", (_, 32)) => Un32::Not,
            ("abs", ('f', 32)) => Un32::FAbs,
            ("abs", ('s', 32)) => Un32::Abs,
            ("clz", _) => Un32::Clz,
            ("popc", _) => Un32::Popc,
            ("brev", (_, 32)) => Un32::Brev,
            ("ex2", ('f', 32)) => Un32::Ex2,
            ("lg2", ('f', 32)) => Un32::Lg2,
            ("rcp", ('f', 32)) => Un32::Rcp,
            ("rsqrt", ('f', 32)) => Un32::Rsqrt,
            ("sqrt", ('f', 32)) => Un32::Sqrt,
            ("sin", ('f', 32)) => Un32::Sin,
            ("cos", ('f', 32)) => Un32::Cos,
            _ => return words.refused(),
        };
        Ok(Op::Un32(kind, self.word(to, 32)?, self.word(from, 32)?))
    }

    fn binary(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, a, b) = (words.arg(0)?, words.arg(1)?, words.arg(2)?);
        let (name, ty) = (words.parts[0], words.ty()?);
        if ["rm", "rp", "rz", "sat", "cc"]
            .iter()
            .any(|part| words.has(part))
        {
            return words.refused();
        }
        if ty.0 == 'p' {
            let kind = match name {
                "and" => BinP::And,
                "or" => BinP::Or,
                "xor" => BinP::Xor,
                _ => return words.refused(),
            };
            let to = self.plain_predicate(to)?;
            return Ok(Op::BinP(
                kind,
                to,
                self.plain_predicate(a)?,
                self.plain_predicate(b)?,
            ));
        }
        if words.has("wide") {
            let to_is_wide = self.is_double(to);
            let (a, b) = (self.word(a, ty.1)?, self.word(b, ty.1)?);
            return Ok(match (ty, to_is_wide) {
                ((kind, 32), true) => Op::Wide(kind == 's', self.double(to)?, a, b),
                (('u', 16), false) => Op::Bin32(Bin32::WideU16, self.word(to, 32)?, a, b),
                (('s', 16), false) => Op::Bin32(Bin32::WideS16, self.word(to, 32)?, a, b),
                _ => return words.refused(),
            });
        }
        if ty.1 == 64 {
            return self.binary64(words);
        }
        let Some(kind) = bin32(words, ty) else {
            return words.refused();
        };
        // The amount of a shift has 32 bits whatever is shifted.
        let bits = if name.starts_with("sh") { 32 } else { ty.1 };
        Ok(Op::Bin32(
            kind,
            self.word(to, 32)?,
            self.word(a, ty.1)?,
            self.word(b, bits)?,
        ))
    }

    fn binary64(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, a, b) = (words.arg(0)?, words.arg(1)?, words.arg(2)?);
        let signed = match words.ty()?.0 {
            's' => true,
            'u' | 'b' => false,
            _ => return words.refused(),
        };
        let (to, a) = (self.double(to)?, self.double(a)?);
        let shift = match (words.parts[0], signed) {
            ("shl", _) => Some(Shift64::Shl),
            ("shr", false) => Some(Shift64::ShrU),
            ("shr", true) => Some(Shift64::ShrS),
            _ => None,
        };
        if let Some(shift) = shift {
            return Ok(Op::Shift64(shift, to, a, self.word(b, 32)?));
        }
        let kind = match (words.parts[0], signed) {
            ("add", _) => Bin64::Add,
            ("sub", _) => Bin64::Sub,
            ("mul", _) if words.has("lo") => Bin64::Mul,
            ("mul", false) if words.has("hi") => Bin64::MulHiU,
            ("div", false) => Bin64::DivU,
            ("rem", false) => Bin64::RemU,
            ("min", false) => Bin64::MinU,
            ("min", true) => Bin64::MinS,
            ("max", false) => Bin64::MaxU,
            ("max", true) => Bin64::MaxS,
            ("and", _) => Bin64::And,
            ("or", _) => Bin64::Or,
            ("xor", _) => Bin64::Xor,
            _ => return words.refused(),
        };
        Ok(Op::Bin64(kind, to, a, self.double(b)?))
    }

    fn ternary(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let (to, a, b, c) = (words.arg(0)?, words.arg(1)?, words.arg(2)?, words.arg(3)?);
        let (name, ty) = (words.parts[0], words.ty()?);
        if name == "bfi" {
            let (pos, len) = (self.word(c, 32)?, self.word(words.arg(4)?, 32)?);
            return Ok(match ty.1 {
                64 => Op::Bfi64(
                    self.double(to)?,
                    [self.double(a)?, self.double(b)?, pos, len],
                ),
                _ => Op::Bfi32(
                    self.word(to, 32)?,
                    [self.word(a, 32)?, self.word(b, 32)?, pos, len],
                ),
            });
        }
        if name == "mad" && words.has("wide") && ty.1 == 32 {
            let rows = [self.word(a, 32)?, self.word(b, 32)?, self.double(c)?];
            return Ok(Op::MadWide(ty.0 == 's', self.double(to)?, rows));
        }
        if name == "mad" && words.has("lo") && ty.1 == 64 {
            let rows = [self.double(a)?, self.double(b)?, self.double(c)?];
            return Ok(Op::Mad64(self.double(to)?, rows));
        }
        let kind = match (name, ty) {
            ("mad", ('u' | 's', 32)) if words.has("lo") => Tri32::Mad,
            ("fma", ('f', 32)) if words.has("rn") => Tri32::Fma,
            ("fma", ('f', 32)) if words.has("rm") => Tri32::FmaDown,
            ("fma", ('h', 32)) if words.has("rn") && words.parts.len() == 3 => Tri32::HFma,
            ("prmt", _) if words.parts.len() == 2 => Tri32::Prmt,
            ("bfe", ('u', 32)) => Tri32::BfeU,
            ("bfe", ('s', 32)) => Tri32::BfeS,
            ("shf", _) => match (words.has("l"), words.has("wrap")) {
                (true, true) => Tri32::ShfLWrap,
                (false, true) => Tri32::ShfRWrap,
                (true, false) => Tri32::ShfLClamp,
                (false, false) => Tri32::ShfRClamp,
            },
            ("lop3", _) => {
                let table = literal(words.arg(4)?, 8).ok_or("no table")?;
                Tri32::Lop3(table as u8)
            }
            _ => return words.refused(),
        };
        let rows = [self.word(a, 32)?, self.word(b, 32)?, self.word(c, 32)?];
        Ok(Op::Tri32(kind, self.word(to, 32)?, rows))
    }
}

fn bin32(words: &Words<'_>, ty: (char, u32)) -> Option<Bin32> {
    Some(match (words.parts[0], ty) {
        ("add", ('f', 32)) => Bin32::FAdd,
        ("sub", ('f', 32)) => Bin32::FSub,
        ("mul", ('f', 32)) => Bin32::FMul,
        ("div", ('f', 32)) => Bin32::FDiv,
        ("min", ('f', 32)) => Bin32::FMin,
        ("max", ('f', 32)) => Bin32::FMax,
        ("add", ('h', _)) => Bin32::HAdd,
        ("sub", ('h', _)) => Bin32::HSub,
        ("mul", ('h', _)) => Bin32::HMul,
        (_, ('f' | 'h', _)) => return None,
        ("add", (_, 16)) => Bin32::Add16,
        ("sub", (_, 16)) => Bin32::Sub16,
        ("mul", (_, 16)) if words.has("lo") => Bin32::Mul16,
        ("shl", (_, 16)) => Bin32::Shl16,
        ("shr", ('s', 16)) => Bin32::ShrS16,
        ("shr", ('u' | 'b', 16)) => Bin32::ShrU,
        ("and", _) => Bin32::And,
        ("or", _) => Bin32::Or,
        ("xor", _) => Bin32::Xor,
        ("min", ('u', _)) => Bin32::MinU,
        ("max", ('u', _)) => Bin32::MaxU,
        (_, (_, 16)) => return None,
        ("add", _) => Bin32::Add,
        ("sub", _) => Bin32::Sub,
        ("mul", _) if words.has("lo") => Bin32::Mul,
        ("mul", ('u', _)) if words.has("hi") => Bin32::MulHiU,
        ("mul", ('s', _)) if words.has("hi") => Bin32::MulHiS,
        ("div", ('u', _)) => Bin32::DivU,
        ("div", ('s', _)) => Bin32::DivS,
        ("rem", ('u', _)) => Bin32::RemU,
        ("rem", ('s', _)) => Bin32::RemS,
        ("min", ('s', _)) => Bin32::MinS,
        ("max", ('s', _)) => Bin32::MaxS,
        ("shl", _) => Bin32::Shl,
        ("shr", ('u' | 'b', _)) => Bin32::ShrU,
        ("shr", ('s', _)) => Bin32::ShrS,
        _ => return None,
    })
}
