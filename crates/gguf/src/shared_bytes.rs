//! Bytes that many owners share: a mapped file, a buffer, or data inside the binary.

use std::ops::{Bound, Deref, Range, RangeBounds};
use std::sync::Arc;

/// A slice of bytes that keeps what it lies in alive. Cloning and slicing copy no bytes.
#[derive(Clone)]
pub struct SharedBytes {
    backing: Arc<Backing>,
    range: Range<usize>,
}

pub(crate) enum Backing {
    Mapped(memmap2::Mmap),
    Owned(Vec<u8>),
    Static(&'static [u8]),
}

impl Deref for Backing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Backing::Mapped(map) => map,
            Backing::Owned(bytes) => bytes,
            Backing::Static(bytes) => bytes,
        }
    }
}

impl SharedBytes {
    pub(crate) fn new(backing: Backing) -> SharedBytes {
        let range = 0..backing.len();
        SharedBytes {
            backing: Arc::new(backing),
            range,
        }
    }

    /// Bytes that live as long as the program, such as a model inside the binary.
    pub fn from_static(bytes: &'static [u8]) -> SharedBytes {
        SharedBytes::new(Backing::Static(bytes))
    }

    /// The part of these bytes in `range`.
    ///
    /// # Panics
    ///
    /// As slicing does, if the range is not within the bytes.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> SharedBytes {
        let bounds: (Bound<usize>, Bound<usize>) =
            (range.start_bound().cloned(), range.end_bound().cloned());
        let start = match bounds.0 {
            Bound::Included(at) => at,
            Bound::Excluded(at) => at + 1,
            Bound::Unbounded => 0,
        };
        let len = self[bounds].len();
        let start = self.range.start + start;
        SharedBytes {
            backing: Arc::clone(&self.backing),
            range: start..start + len,
        }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.backing[self.range.clone()]
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> SharedBytes {
        SharedBytes::new(Backing::Owned(bytes))
    }
}

/// Copies the bytes.
impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> SharedBytes {
        SharedBytes::from(bytes.to_vec())
    }
}

impl std::fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_slices_see_the_right_bytes_and_keep_them_alive() {
        let all = SharedBytes::from((0..100).collect::<Vec<u8>>());
        let middle = all.slice(10..=50);
        let inner = middle.slice(5..).slice(..3);
        drop((all, middle));
        assert_eq!(&*inner, &[15, 16, 17]);
        assert_eq!(inner.slice(3..).len(), 0);
        let behind_the_second = (Bound::Excluded(1), Bound::Unbounded);
        assert_eq!(inner.slice(behind_the_second).as_ref(), &[17]);
    }
}
