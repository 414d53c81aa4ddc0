//! The key-value metadata of a file: checked at open, read in place.

mod value;

use std::ops::Range;

pub use value::{ArrayValue, StrArray, Value, ValueType};

use crate::cursor::{Cursor, text};
use crate::error::Error;
use crate::name_index::NameIndex;
use crate::shared_bytes::SharedBytes;

/// The longest key that the format allows.
const MAX_KEY_BYTES: u64 = u16::MAX as u64;

/// The fewest bytes a pair can take: length, one byte of key, type, one byte of value.
pub(crate) const MIN_PAIR_BYTES: u64 = 8 + 1 + 4 + 1;

/// The metadata of a file. The keys are in file order; values stay in the file and are borrowed.
///
/// The getters come in pairs: `u32` requires the key, `find_u32` gives `None` where it is absent.
/// Both refuse a value of another type. The integer getters accept every integer type whose value
/// fits, because writers differ; no getter converts between integers, floats and strings.
#[derive(Debug)]
pub struct Metadata {
    bytes: SharedBytes,
    entries: Vec<Entry>,
    index: NameIndex,
}

#[derive(Debug)]
struct Entry {
    key_start: usize,
    key_len: u16,
    value_type: ValueType,
    value: Range<usize>,
}

impl Entry {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.key_start..][..usize::from(self.key_len)]
    }
}

impl Metadata {
    /// Reads and checks `count` pairs at the cursor, which stands in `bytes`.
    pub(crate) fn read(
        bytes: &SharedBytes,
        cursor: &mut Cursor<'_>,
        count: usize,
    ) -> Result<Metadata, Error> {
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(read_entry(cursor)?);
        }
        let key = |at: usize| entries[at].key(bytes);
        let index = NameIndex::new(entries.len(), key).map_err(|at| Error::DuplicateKey {
            key: text(key(at)).to_owned(),
        })?;
        Ok(Metadata {
            bytes: bytes.clone(),
            entries,
            index,
        })
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys in file order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .map(|entry| text(entry.key(&self.bytes)))
    }

    /// The keys and values in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((text(entry.key(&self.bytes)), self.value_of(entry)?)))
    }

    /// Whether the file has this key.
    pub fn contains(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key, whatever its type.
    pub fn value(&self, key: &str) -> Option<Value<'_>> {
        self.entry(key).and_then(|entry| self.value_of(entry))
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        let at = self
            .index
            .find(key, |at| self.entries[at].key(&self.bytes))?;
        self.entries.get(at)
    }

    fn value_of(&self, entry: &Entry) -> Option<Value<'_>> {
        Value::read(entry.value_type, &self.bytes[entry.value.clone()])
    }

    fn find<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        convert(value)
            .map(Some)
            .ok_or_else(|| wrong_type(key, expected, value))
    }

    fn find_integer<T: TryFrom<i128>>(
        &self,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Error> {
        let integer = self.find(key, expected, |value| value.as_integer())?;
        integer.map(|value| fit(key, expected, value)).transpose()
    }

    fn find_array<'a>(
        &'a self,
        key: &str,
        expected: &'static str,
        accept: impl Fn(ValueType) -> bool,
    ) -> Result<Option<ArrayValue<'a>>, Error> {
        self.find(key, expected, |value| match value {
            Value::Array(array) if accept(array.element_type()) => Some(array),
            _ => None,
        })
    }

    fn find_numbers<T>(
        &self,
        key: &str,
        expected: &'static str,
        element_type: ValueType,
        convert: impl Fn(Value<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let array = self.find_array(key, expected, |found| found == element_type)?;
        Ok(array.map(|array| array.numbers().filter_map(convert).collect()))
    }

    fn find_integers<T: TryFrom<i128>>(
        &self,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<Vec<T>>, Error> {
        use ValueType::{I8, I16, I32, I64, U8, U16, U32, U64};
        let is_integer = |found| matches!(found, U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64);
        let Some(array) = self.find_array(key, expected, is_integer)? else {
            return Ok(None);
        };
        let integers = array.numbers().filter_map(|value| value.as_integer());
        integers
            .map(|value| fit(key, expected, value))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

macro_rules! getters {
    ($($what:literal: $name:ident, $find:ident -> $type:ty,
        |$metadata:ident, $key:ident, $expected:ident| $body:expr;)*) => {
        impl Metadata {
            $(
                #[doc = concat!("The value of `key`, which must be there and be ", $what, ".")]
                pub fn $name(&self, key: &str) -> Result<$type, Error> {
                    self.$find(key)?.ok_or_else(|| Error::MissingKey { key: key.to_owned() })
                }

                #[doc = concat!("The value of `key`, which must be ", $what, " if it is there.")]
                pub fn $find(&self, key: &str) -> Result<Option<$type>, Error> {
                    let ($metadata, $key, $expected) = (self, key, $what);
                    $body
                }
            )*
        }
    };
}

getters! {
    "an unsigned 32-bit integer": u32, find_u32 -> u32,
        |metadata, key, what| metadata.find_integer(key, what);
    "an unsigned 64-bit integer": u64, find_u64 -> u64,
        |metadata, key, what| metadata.find_integer(key, what);
    "a signed 32-bit integer": i32, find_i32 -> i32,
        |metadata, key, what| metadata.find_integer(key, what);
    "a signed 64-bit integer": i64, find_i64 -> i64,
        |metadata, key, what| metadata.find_integer(key, what);
    "a 32-bit float": f32, find_f32 -> f32,
        |metadata, key, what| metadata.find(key, what, as_f32);
    "a boolean": bool, find_bool -> bool,
        |metadata, key, what| metadata.find(key, what, as_bool);
    "a string": str, find_str -> &str,
        |metadata, key, what| metadata.find(key, what, |value| match value {
            Value::Str(string) => Some(string),
            _ => None,
        });
    "an array of strings": str_array, find_str_array -> StrArray<'_>,
        |metadata, key, what| metadata.find(key, what, |value| match value {
            Value::Array(array) => array.strings(),
            _ => None,
        });
    "an array of unsigned 32-bit integers": u32_array, find_u32_array -> Vec<u32>,
        |metadata, key, what| metadata.find_integers(key, what);
    "an array of signed 32-bit integers": i32_array, find_i32_array -> Vec<i32>,
        |metadata, key, what| metadata.find_integers(key, what);
    "an array of 32-bit floats": f32_array, find_f32_array -> Vec<f32>,
        |metadata, key, what| metadata.find_numbers(key, what, ValueType::F32, as_f32);
    "an array of booleans": bool_array, find_bool_array -> Vec<bool>,
        |metadata, key, what| metadata.find_numbers(key, what, ValueType::Bool, as_bool);
}

fn as_f32(value: Value<'_>) -> Option<f32> {
    match value {
        Value::F32(number) => Some(number),
        _ => None,
    }
}

fn as_bool(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(flag),
        _ => None,
    }
}

fn fit<T: TryFrom<i128>>(key: &str, expected: &'static str, value: i128) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::ValueOutOfRange {
        key: key.to_owned(),
        value,
        expected,
    })
}

fn wrong_type(key: &str, expected: &'static str, found: Value<'_>) -> Error {
    let found = match found {
        Value::Array(array) => format!("an array of {}", array.element_type().name()),
        other => format!("a value of type {}", other.value_type().name()),
    };
    Error::WrongType {
        key: key.to_owned(),
        expected,
        found,
    }
}

fn read_entry(cursor: &mut Cursor<'_>) -> Result<Entry, Error> {
    let offset = cursor.offset();
    let key = cursor.string(MAX_KEY_BYTES, "a metadata key")?;
    check_key(key, offset)?;
    let key_end = cursor.position();
    let value_type = value::check(cursor, key)?;
    // The limit on its length makes it fit.
    let key_len = key.len() as u16;
    // Behind the four bytes of the type id.
    let value = key_end + 4..cursor.position();
    Ok(Entry {
        key_start: key_end - key.len(),
        key_len,
        value_type,
        value,
    })
}

/// The rules for keys that reader and writer share. `offset` is where the key stands.
pub(crate) fn check_key(key: &str, offset: u64) -> Result<(), Error> {
    let len = key.len() as u64;
    if key.is_empty() {
        Err(Error::EmptyKey { offset })
    } else if len > MAX_KEY_BYTES {
        Err(Error::StringTooLong {
            what: "a metadata key",
            len,
            limit: MAX_KEY_BYTES,
            offset,
        })
    } else if key.contains('\0') {
        Err(Error::NulInKey {
            key: key.to_owned(),
            offset,
        })
    } else {
        Ok(())
    }
}
