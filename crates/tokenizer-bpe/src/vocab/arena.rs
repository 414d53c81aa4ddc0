//! Many short byte strings in one allocation.

use crate::Error;

/// Strings by number. Bytes and ends are 32 bits wide: a vocabulary is far below 4 GiB.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Arena {
    pub(super) fn new<'t>(strings: impl Iterator<Item = &'t [u8]>) -> Result<Arena, Error> {
        let mut arena = Arena {
            bytes: Vec::new(),
            ends: Vec::with_capacity(strings.size_hint().0),
        };
        for string in strings {
            arena.push(string)?;
        }
        Ok(arena)
    }

    /// An empty arena with room for as much as `like` holds.
    pub(super) fn with_capacity(like: &Arena) -> Arena {
        Arena {
            bytes: Vec::with_capacity(like.bytes.len()),
            ends: Vec::with_capacity(like.ends.len()),
        }
    }

    pub(super) fn push(&mut self, string: &[u8]) -> Result<(), Error> {
        let found = self.bytes.len() + string.len();
        // Ids, and code points put above them, must fit 32 bits too.
        let limit = u32::MAX as usize / 2;
        let end = u32::try_from(found)
            .ok()
            .filter(|end| *end as usize <= limit);
        let full = Error::LimitExceeded {
            what: "vocabulary",
            found,
            limit,
        };
        self.ends.push(end.ok_or(full)?);
        self.bytes.extend_from_slice(string);
        Ok(())
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// The string with this number; empty if there is none.
    pub(super) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = number
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .unwrap_or(&0);
        let end = self.ends.get(number).unwrap_or(start);
        self.bytes
            .get(*start as usize..*end as usize)
            .unwrap_or_default()
    }

    /// The string with this number, which was pushed as text.
    pub(super) fn str(&self, number: u32) -> &str {
        std::str::from_utf8(self.get(number)).unwrap_or_default()
    }

    pub(super) fn iter_str(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|number| self.str(number))
    }
}
