//! Reading little-endian numbers and strings off a slice, each step checked against its end.

use crate::error::Error;
use crate::layout;

/// No string in a file may be longer. The longest real ones are chat templates of some 20 KiB.
pub(crate) const MAX_STRING_BYTES: u64 = 16 << 20;

/// A position in a file.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes from the start of the file.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn offset(&self) -> u64 {
        self.at as u64
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn remaining(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next `len` bytes, which are (part of) `what`.
    pub(crate) fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], Error> {
        let end = layout::range_end(self.offset(), len, self.bytes.len() as u64);
        // An end within the slice fits its index type.
        let taken = end
            .map(|end| end as usize)
            .and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return Err(Error::Truncated {
                what,
                offset: self.offset(),
                needed: len,
                remaining: self.remaining(),
            });
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of items that follow, each at least `min_size` bytes long. After this check a
    /// buffer for `count` items is bounded by the size of the file.
    pub(crate) fn count(&mut self, min_size: u64, what: &'static str) -> Result<usize, Error> {
        let offset = self.offset();
        let count = self.u64(what)?;
        self.check_count(count, min_size, what, offset)
    }

    /// Checks a count read at `offset` against the bytes that remain.
    pub(crate) fn check_count(
        &self,
        count: u64,
        min_size: u64,
        what: &'static str,
        offset: u64,
    ) -> Result<usize, Error> {
        let remaining = self.remaining();
        let fits = layout::count_fits(count, min_size, remaining);
        usize::try_from(count)
            .ok()
            .filter(|_| fits)
            .ok_or(Error::CountExceedsFile {
                what,
                count,
                offset,
                remaining,
            })
    }

    /// A string of at most `limit` bytes.
    pub(crate) fn string(&mut self, limit: u64, what: &'static str) -> Result<&'a str, Error> {
        let offset = self.offset();
        let len = self.u64(what)?;
        if len > limit {
            return Err(Error::StringTooLong {
                what,
                len,
                limit,
                offset,
            });
        }
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map_err(|_| Error::InvalidUtf8 { what, offset })
    }
}

/// The text of bytes that were UTF-8 when the file was opened. They are checked again rather than
/// trusted, because a mapped file may have been changed since; text that broke reads as empty.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
