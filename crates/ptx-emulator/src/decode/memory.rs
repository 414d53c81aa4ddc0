//! Instructions that touch memory, or other lanes.

use super::{Class, Decoder, Words};
use crate::code::{Access, Atomic, Element, Op, Redux, Rmw, Row, Shuffle, Space, Together, Vote};
use crate::text::{Wrong, literal};

impl Decoder {
    /// The instruction, which must be of this kind.
    pub(super) fn other(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        match words.parts[0] {
            "ld" if words.has("param") => self.param(words),
            "ld" | "st" => self.access(words),
            "atom" | "red" => self.atomic(words),
            "ret" | "exit" => Ok(Op::Exit),
            "trap" => Ok(Op::Trap),
            "membar" | "fence" => Ok(Op::Fence),
            "nanosleep" | "prefetch" | "prefetchu" => Ok(Op::Nothing),
            "bar" | "barrier" => self.barrier(words),
            "cp" => self.copy(words),
            "mbarrier" => self.mbarrier(words),
            "ldmatrix" => self.load_matrix(words),
            "shfl" | "vote" | "redux" | "mma" => self.together(words),
            _ => words.refused(),
        }
    }

    fn param(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let name = words.arg(1)?.trim_matches(['[', ']']);
        let index = self.code.params.iter().position(|(param, _)| param == name);
        let index = index.ok_or("a parameter that is not known")? as u32;
        Ok(match words.ty()? {
            (_, 64) => Op::Param64(self.double(words.arg(0)?)?, index),
            (_, 32) => Op::Param32(self.word(words.arg(0)?, 32)?, index),
            _ => return words.refused(),
        })
    }

    fn space(words: &Words<'_>) -> Result<Space, Wrong> {
        let shared = words.parts.iter().any(|p| p.starts_with("shared"));
        match (words.has("global"), shared) {
            (true, _) => Ok(Space::Global),
            (_, true) if !words.has("shared::cluster") => Ok(Space::Shared),
            _ => words.refused(),
        }
    }

    fn access(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let is_load = words.parts[0] == "ld";
        let (at, values) = match is_load {
            true => (words.arg(1)?, words.arg(0)?),
            false => (words.arg(0)?, words.arg(1)?),
        };
        let names = values.trim_matches(['{', '}']).split(',').map(str::trim);
        let ty = words.ty()?;
        let (mut rows, mut count, mut is_half) = ([0; 4], 0, false);
        let mut is_wide = ty.1 == 64;
        for name in names {
            is_half |= matches!(self.register(name), Some((Class::Half, _)));
            let row = rows.get_mut(count).ok_or("too many values")?;
            is_wide |= self.is_double(name);
            *row = match is_wide {
                true => self.double(name)?,
                false => self.word(name, ty.1)?,
            };
            count += 1;
        }
        if is_wide && ty.0 == 's' && ty.1 < 64 {
            return words.refused();
        }
        let element = match ty {
            (_, 64) => Element::Double,
            (_, 32) => Element::Word,
            ('s', 16) if !is_half => Element::S16,
            (_, 16) => Element::Half,
            ('s', 8) if is_half => Element::S8To16,
            ('s', 8) => Element::S8,
            _ => Element::U8,
        };
        let space = Self::space(words)?;
        let at = self.address(at)?;
        let access = Access {
            space,
            element,
            is_wide,
            count: count as u8,
            rows,
            at,
        };
        Ok(if is_load {
            Op::Load(access)
        } else {
            Op::Store(access)
        })
    }

    fn atomic(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let ty = words.ty()?;
        let kind = match words.parts.iter().rev().nth(1).copied() {
            Some("add") if ty.0 != 'f' => Rmw::Add,
            Some("inc") if ty.1 == 32 => Rmw::Inc,
            Some("min") if ty.0 == 's' => Rmw::MinS,
            Some("min") => Rmw::MinU,
            Some("max") if ty.0 == 's' => Rmw::MaxS,
            Some("max") => Rmw::MaxU,
            Some("and") => Rmw::And,
            Some("or") => Rmw::Or,
            Some("xor") => Rmw::Xor,
            Some("exch") => Rmw::Exch,
            Some("cas") => Rmw::Cas,
            _ => return words.refused(),
        };
        let first = usize::from(words.parts[0] == "atom");
        let is_wide = ty.1 == 64;
        let mut value = |i: usize| match is_wide {
            true => self.double(words.arg(i)?),
            false => self.word(words.arg(i)?, 32),
        };
        let to = if first == 1 { Some(value(0)?) } else { None };
        let by = value(first + 1)?;
        let swap = if kind == Rmw::Cas {
            value(first + 2)?
        } else {
            by
        };
        let (space, at) = (Self::space(words)?, self.address(words.arg(first)?)?);
        Ok(Op::Atomic(Atomic {
            space,
            op: kind,
            is_wide,
            to,
            at,
            by,
            swap,
        }))
    }

    fn barrier(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        if words.has("warp") {
            return Ok(Op::Together(Together::Sync, self.word(words.arg(0)?, 32)?));
        }
        if words.has("red") && words.has("popc") && words.args.len() == 3 {
            let (p, flip) = self.predicate(words.arg(2)?)?;
            let to = self.word(words.arg(0)?, 32)?;
            return Ok(Op::BarPopc(to, self.word(words.arg(1)?, 32)?, p, flip != 0));
        }
        if !words.has("sync") || words.has("cluster") {
            return words.refused();
        }
        let threads = match words.args.get(1) {
            Some(threads) => Some(self.word(threads, 32)?),
            None => None,
        };
        Ok(Op::Bar(self.word(words.arg(0)?, 32)?, threads))
    }

    fn copy(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        if words.parts.get(1) != Some(&"async") || words.has("bulk") {
            return words.refused();
        }
        if words.has("mbarrier") {
            return match words.has("noinc") {
                true => Ok(Op::CopyArrive(self.address(words.arg(0)?)?)),
                false => words.refused(),
            };
        }
        Ok(match words.parts[2] {
            "commit_group" => Op::CopyCommit,
            "wait_group" => Op::CopyWait(literal(words.arg(0)?, 32).ok_or("no count")? as u32),
            "wait_all" => Op::CopyWait(u32::MAX),
            "ca" | "cg" => {
                let bytes = literal(words.arg(2)?, 8).ok_or("no size")? as u8;
                let read = match words.args.get(3) {
                    Some(read) => Some(self.word(read, 32)?),
                    None => None,
                };
                let to = self.address(words.arg(0)?)?;
                Op::CopyAsync(to, self.address(words.arg(1)?)?, bytes, read)
            }
            _ => return words.refused(),
        })
    }

    fn mbarrier(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let plain = ![
            "expect_tx",
            "noComplete",
            "shared::cluster",
            "release",
            "acquire",
        ]
        .iter()
        .any(|part| words.has(part));
        match words.parts[1] {
            "init" if plain => Ok(Op::BarrierInit(
                self.address(words.arg(0)?)?,
                self.word(words.arg(1)?, 32)?,
            )),
            "arrive" if plain && words.args.len() == 2 => {
                Ok(Op::BarrierArrive(self.address(words.arg(1)?)?))
            }
            "test_wait" | "try_wait" if words.has("parity") => {
                let to = self.plain_predicate(words.arg(0)?)?;
                let at = self.address(words.arg(1)?)?;
                Ok(Op::BarrierTest(to, at, self.word(words.arg(2)?, 32)?))
            }
            _ => words.refused(),
        }
    }

    fn rows<const N: usize>(&mut self, text: &str) -> Result<[Row; N], Wrong> {
        let mut rows = [0; N];
        let names: Vec<&str> = text.trim_matches(['{', '}']).split(',').collect();
        if names.len() != N {
            return Err(format!("`{text}` is not of {N} registers"));
        }
        for (row, name) in rows.iter_mut().zip(names) {
            *row = self.word(name.trim(), 32)?;
        }
        Ok(rows)
    }

    fn load_matrix(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let kind = words.parts.join(".");
        if kind != "ldmatrix.sync.aligned.m8n8.x4.shared.b16" {
            return words.refused();
        }
        let (to, at) = (self.rows(words.arg(0)?)?, self.address(words.arg(1)?)?);
        let load = Together::LoadMatrix { to, at };
        Ok(Op::Together(load, self.constant32(u32::MAX)))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each instruction")]
    fn together(&mut self, words: &Words<'_>) -> Result<Op, Wrong> {
        let kind = words.parts.get(2).copied().unwrap_or_default();
        let to = words.arg(0)?;
        Ok(match words.parts[0] {
            "mma" => {
                if !words
                    .parts
                    .join(".")
                    .ends_with("m16n8k16.row.col.f32.f16.f16.f32")
                {
                    return words.refused();
                }
                let (d, a) = (self.rows(to)?, self.rows(words.arg(1)?)?);
                let (b, c) = (self.rows(words.arg(2)?)?, self.rows(words.arg(3)?)?);
                Op::Together(Together::Mma { d, a, b, c }, self.constant32(u32::MAX))
            }
            "shfl" => {
                let (to, valid) = match to.split_once('|') {
                    Some((to, valid)) => (to, Some(self.plain_predicate(valid)?)),
                    None => (to, None),
                };
                let kind = match kind {
                    "idx" => Shuffle::Idx,
                    "up" => Shuffle::Up,
                    "down" => Shuffle::Down,
                    "bfly" => Shuffle::Bfly,
                    _ => return words.refused(),
                };
                let (to, from) = (self.word(to, 32)?, self.word(words.arg(1)?, 32)?);
                let (lane, clamp) = (self.word(words.arg(2)?, 32)?, self.word(words.arg(3)?, 32)?);
                let members = self.word(words.arg(4)?, 32)?;
                let shuffle = Together::Shuffle {
                    kind,
                    to,
                    valid,
                    from,
                    lane,
                    clamp,
                };
                Op::Together(shuffle, members)
            }
            "vote" => {
                let (from, flip) = self.predicate(words.arg(1)?)?;
                let (kind, to) = match kind {
                    "all" => (Vote::All, self.plain_predicate(to)?),
                    "any" => (Vote::Any, self.plain_predicate(to)?),
                    "ballot" => (Vote::Ballot, self.word(to, 32)?),
                    _ => return words.refused(),
                };
                let vote = Together::Vote {
                    kind,
                    to,
                    from,
                    negated: flip != 0,
                };
                Op::Together(vote, self.word(words.arg(2)?, 32)?)
            }
            _ => {
                let kind = match (kind, words.ty()?.0) {
                    ("add", _) => Redux::Add,
                    ("min", 'u') => Redux::MinU,
                    ("max", 'u') => Redux::MaxU,
                    ("min", 's') => Redux::MinS,
                    ("max", 's') => Redux::MaxS,
                    ("and", _) => Redux::And,
                    ("or", _) => Redux::Or,
                    ("xor", _) => Redux::Xor,
                    _ => return words.refused(),
                };
                let (to, from) = (self.word(to, 32)?, self.word(words.arg(1)?, 32)?);
                Op::Together(
                    Together::Redux { kind, to, from },
                    self.word(words.arg(2)?, 32)?,
                )
            }
        })
    }
}
