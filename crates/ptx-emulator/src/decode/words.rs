//! An opcode in its parts.

use crate::text::Wrong;

/// An opcode with its operands.
pub(super) struct Words<'a> {
    pub(super) parts: Vec<&'a str>,
    pub(super) args: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }

    pub(super) fn arg(&self, i: usize) -> Result<&'a str, Wrong> {
        let arg = self.args.get(i).copied();
        arg.ok_or_else(|| format!("`{}` lacks an operand", self.parts.join(".")))
    }

    /// The last type in the opcode.
    pub(super) fn ty(&self) -> Result<(char, u32), Wrong> {
        let ty = self.parts.iter().rev().find_map(|part| ty(part));
        ty.ok_or_else(|| format!("`{}` has no type", self.parts.join(".")))
    }

    pub(super) fn refused<T>(&self) -> Result<T, Wrong> {
        Err(format!("`{}` is not known", self.parts.join(".")))
    }
}

/// Kind and bits of a type.
pub(super) fn ty(part: &str) -> Option<(char, u32)> {
    if part == "pred" {
        return Some(('p', 1));
    }
    if part == "f16x2" {
        return Some(('h', 32));
    }
    let kind = part.chars().next().filter(|c| "usbf".contains(*c))?;
    let bits = part[1..].parse().ok()?;
    [8, 16, 32, 64].contains(&bits).then_some((kind, bits))
}
