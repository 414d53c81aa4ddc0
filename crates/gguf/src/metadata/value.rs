//! The types a metadata value can have, and views of values in the file.

use crate::cursor::{Cursor, MAX_STRING_BYTES, text};
use crate::error::Error;

/// The type of a metadata value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Str,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// Every type, by ascending id.
    pub const ALL: [ValueType; 13] = [
        ValueType::U8,
        ValueType::I8,
        ValueType::U16,
        ValueType::I16,
        ValueType::U32,
        ValueType::I32,
        ValueType::F32,
        ValueType::Bool,
        ValueType::Str,
        ValueType::Array,
        ValueType::U64,
        ValueType::I64,
        ValueType::F64,
    ];

    /// The type with this id in a file.
    pub fn from_id(id: u32) -> Option<ValueType> {
        ValueType::ALL.get(id as usize).copied()
    }

    /// The id that stands for this type in a file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// The name that messages use, such as `u32` or `string`.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::U8 => "u8",
            ValueType::I8 => "i8",
            ValueType::U16 => "u16",
            ValueType::I16 => "i16",
            ValueType::U32 => "u32",
            ValueType::I32 => "i32",
            ValueType::F32 => "f32",
            ValueType::Bool => "bool",
            ValueType::Str => "string",
            ValueType::Array => "array",
            ValueType::U64 => "u64",
            ValueType::I64 => "i64",
            ValueType::F64 => "f64",
        }
    }

    /// The bytes of a value: exactly, if it is a number; at least, if it is a string or an array,
    /// which begin with a length, or with a type and a length.
    fn min_size(self) -> usize {
        match self {
            ValueType::U8 | ValueType::I8 | ValueType::Bool => 1,
            ValueType::U16 | ValueType::I16 => 2,
            ValueType::U32 | ValueType::I32 | ValueType::F32 => 4,
            ValueType::U64 | ValueType::I64 | ValueType::F64 | ValueType::Str => 8,
            ValueType::Array => 4 + 8,
        }
    }
}

/// A metadata value. Strings and arrays are borrowed from the file.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Value<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(&'a str),
    Array(ArrayValue<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl<'a> Value<'a> {
    /// The type of the value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::U8(_) => ValueType::U8,
            Value::I8(_) => ValueType::I8,
            Value::U16(_) => ValueType::U16,
            Value::I16(_) => ValueType::I16,
            Value::U32(_) => ValueType::U32,
            Value::I32(_) => ValueType::I32,
            Value::F32(_) => ValueType::F32,
            Value::Bool(_) => ValueType::Bool,
            Value::Str(_) => ValueType::Str,
            Value::Array(_) => ValueType::Array,
            Value::U64(_) => ValueType::U64,
            Value::I64(_) => ValueType::I64,
            Value::F64(_) => ValueType::F64,
        }
    }

    /// The value as an integer, if its type is one of the eight integer types.
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Value::U8(n) => Some(n.into()),
            Value::I8(n) => Some(n.into()),
            Value::U16(n) => Some(n.into()),
            Value::I16(n) => Some(n.into()),
            Value::U32(n) => Some(n.into()),
            Value::I32(n) => Some(n.into()),
            Value::U64(n) => Some(n.into()),
            Value::I64(n) => Some(n.into()),
            _ => None,
        }
    }

    /// The value whose bytes `check` accepted at open; `None` if they changed since.
    pub(crate) fn read(value_type: ValueType, bytes: &'a [u8]) -> Option<Value<'a>> {
        match value_type {
            ValueType::Str => Some(Value::Str(text(bytes.get(8..)?))),
            ValueType::Array => ArrayValue::read(bytes).map(Value::Array),
            _ => Value::read_number(value_type, bytes),
        }
    }

    /// A value of fixed size from exactly its bytes.
    fn read_number(value_type: ValueType, bytes: &[u8]) -> Option<Value<'a>> {
        fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
            bytes.try_into().ok()
        }
        Some(match value_type {
            ValueType::U8 => Value::U8(u8::from_le_bytes(array(bytes)?)),
            ValueType::I8 => Value::I8(i8::from_le_bytes(array(bytes)?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(array(bytes)?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(array(bytes)?)),
            ValueType::U32 => Value::U32(u32::from_le_bytes(array(bytes)?)),
            ValueType::I32 => Value::I32(i32::from_le_bytes(array(bytes)?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(array(bytes)?)),
            ValueType::Bool => Value::Bool(array(bytes)? == [1]),
            ValueType::U64 => Value::U64(u64::from_le_bytes(array(bytes)?)),
            ValueType::I64 => Value::I64(i64::from_le_bytes(array(bytes)?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(array(bytes)?)),
            ValueType::Str | ValueType::Array => return None,
        })
    }
}

/// An array among the metadata. All elements have one type, never `Array`.
#[derive(Clone, Copy)]
pub struct ArrayValue<'a> {
    element_type: ValueType,
    len: usize,
    /// The elements, without type and count.
    bytes: &'a [u8],
}

impl<'a> ArrayValue<'a> {
    /// The type of every element.
    pub fn element_type(&self) -> ValueType {
        self.element_type
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements, if they are strings.
    pub fn strings(&self) -> Option<StrArray<'a>> {
        let strings = StrArray {
            len: self.len,
            bytes: self.bytes,
        };
        (self.element_type == ValueType::Str).then_some(strings)
    }

    /// The elements, if they are numbers or booleans; nothing if they are strings.
    pub fn numbers(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let element_type = self.element_type;
        let elements = self.bytes.chunks_exact(element_type.min_size());
        elements.filter_map(move |bytes| Value::read_number(element_type, bytes))
    }

    fn read(bytes: &'a [u8]) -> Option<ArrayValue<'a>> {
        let mut cursor = Cursor::new(bytes);
        let element_type = ValueType::from_id(cursor.u32("array").ok()?)?;
        let len = cursor.count(element_type.min_size() as u64, "array").ok()?;
        Some(ArrayValue {
            element_type,
            len,
            bytes: cursor.rest(),
        })
    }
}

impl std::fmt::Debug for ArrayValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}; {}]", self.element_type.name(), self.len)
    }
}

/// An array of strings, borrowed from the file.
#[derive(Clone, Copy, Debug)]
pub struct StrArray<'a> {
    len: usize,
    bytes: &'a [u8],
}

impl<'a> StrArray<'a> {
    /// The number of strings.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The strings in order. All `len` of them, unless the file was changed after it was opened:
    /// then the iteration ends at the first that is no string any more.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.bytes;
        let next = move || {
            let (len, tail) = rest.split_first_chunk()?;
            let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
            let (string, tail) = tail.split_at_checked(len)?;
            rest = tail;
            std::str::from_utf8(string).ok()
        };
        std::iter::from_fn(next).take(self.len)
    }

    /// The string at `index`. Walks over those before it: to visit many, use [`iter`](Self::iter).
    pub fn get(&self, index: usize) -> Option<&'a str> {
        self.iter().nth(index)
    }
}

/// Checks the value of `key` at the cursor and moves behind it.
pub(crate) fn check(cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, Error> {
    let value_type = check_type(cursor, key)?;
    match value_type {
        ValueType::Str => drop(cursor.string(MAX_STRING_BYTES, "a string value")?),
        ValueType::Array => check_array(cursor, key)?,
        _ => check_numbers(cursor, key, value_type, 1)?,
    }
    Ok(value_type)
}

fn check_type(cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, Error> {
    let offset = cursor.offset();
    let id = cursor.u32("a value type")?;
    ValueType::from_id(id).ok_or_else(|| Error::UnknownValueType {
        key: key.to_owned(),
        id,
        offset,
    })
}

fn check_array(cursor: &mut Cursor<'_>, key: &str) -> Result<(), Error> {
    let offset = cursor.offset();
    let element_type = check_type(cursor, key)?;
    if element_type == ValueType::Array {
        return Err(Error::NestedArray {
            key: key.to_owned(),
            offset,
        });
    }
    let len = cursor.count(element_type.min_size() as u64, "the length of an array")?;
    if element_type != ValueType::Str {
        return check_numbers(cursor, key, element_type, len);
    }
    for _ in 0..len {
        cursor.string(MAX_STRING_BYTES, "a string in an array")?;
    }
    Ok(())
}

fn check_numbers(
    cursor: &mut Cursor<'_>,
    key: &str,
    value_type: ValueType,
    len: usize,
) -> Result<(), Error> {
    let offset = cursor.offset();
    // No overflow: the count was checked against the bytes that remain, and one fits anywhere.
    let bytes = cursor.take((len * value_type.min_size()) as u64, "a value")?;
    if value_type == ValueType::Bool
        && let Some(at) = bytes.iter().position(|&byte| byte > 1)
    {
        let (key, found) = (key.to_owned(), bytes[at]);
        return Err(Error::BadBool {
            key,
            found,
            offset: offset + at as u64,
        });
    }
    Ok(())
}
