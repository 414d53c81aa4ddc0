//! What one rendering may build: a count of bytes, taken down as values are made.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// What a value takes besides its text.
const VALUE_BYTES: i64 = 16;
/// Lists within lists; the engine frees them recursively.
const MAX_DEPTH: usize = 64;

/// Shared by all filters of one rendering.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<AtomicI64>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        Budget {
            left: Arc::new(AtomicI64::new(bytes)),
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }

    /// Takes `bytes` off, or fails and stays spent.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Error> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 2);
        let left = self.left.fetch_sub(bytes, Ordering::Relaxed);
        if left >= bytes {
            Ok(())
        } else {
            Err(self.spend())
        }
    }

    /// Charges a value and all it holds.
    pub(super) fn charge(&self, value: &Value) -> Result<(), Error> {
        self.charge_at(value, 0)
    }

    fn charge_at(&self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.spend());
        }
        let held = value.as_str().map_or(0, str::len);
        self.take(held.saturating_add(VALUE_BYTES as usize))?;
        match value.kind() {
            ValueKind::Seq => value
                .try_iter()?
                .try_for_each(|v| self.charge_at(&v, depth + 1)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| {
                self.charge_at(&key, depth + 1)?;
                self.charge_at(&value.get_item(&key)?, depth + 1)
            }),
            // It may be lazy: only its length is known, and must not be walked to.
            ValueKind::Iterable => self.take(
                value
                    .len()
                    .unwrap_or(0)
                    .saturating_mul(VALUE_BYTES as usize),
            ),
            _ => Ok(()),
        }
    }

    fn spend(&self) -> Error {
        self.left.store(-1, Ordering::Relaxed);
        Error::new(
            ErrorKind::InvalidOperation,
            "the template builds too much text",
        )
    }
}
