//! Metadata values that own what they hold, to be written.

use super::{ArrayValue, Error, Value, ValueType};
use crate::cursor::MAX_STRING_BYTES;

/// A metadata value to be written.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum MetadataValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(String),
    U64(u64),
    I64(i64),
    F64(f64),
    U8Array(Vec<u8>),
    I8Array(Vec<i8>),
    U16Array(Vec<u16>),
    I16Array(Vec<i16>),
    U32Array(Vec<u32>),
    I32Array(Vec<i32>),
    F32Array(Vec<f32>),
    BoolArray(Vec<bool>),
    StrArray(Vec<String>),
    U64Array(Vec<u64>),
    I64Array(Vec<i64>),
    F64Array(Vec<f64>),
}

impl From<&str> for MetadataValue {
    fn from(value: &str) -> MetadataValue {
        MetadataValue::Str(value.to_owned())
    }
}

impl From<&[&str]> for MetadataValue {
    fn from(values: &[&str]) -> MetadataValue {
        MetadataValue::StrArray(values.iter().map(|&value| value.to_owned()).collect())
    }
}

impl From<Value<'_>> for MetadataValue {
    fn from(value: Value<'_>) -> MetadataValue {
        match value {
            Value::Str(value) => MetadataValue::from(value),
            Value::Array(array) => MetadataValue::from(array),
            Value::U8(value) => MetadataValue::U8(value),
            Value::I8(value) => MetadataValue::I8(value),
            Value::U16(value) => MetadataValue::U16(value),
            Value::I16(value) => MetadataValue::I16(value),
            Value::U32(value) => MetadataValue::U32(value),
            Value::I32(value) => MetadataValue::I32(value),
            Value::F32(value) => MetadataValue::F32(value),
            Value::Bool(value) => MetadataValue::Bool(value),
            Value::U64(value) => MetadataValue::U64(value),
            Value::I64(value) => MetadataValue::I64(value),
            Value::F64(value) => MetadataValue::F64(value),
        }
    }
}

/// For each type of number: its scalar, its array, and how both are made and written.
macro_rules! numbers {
    ($($scalar:ident $array:ident $type:ty, $to_bytes:expr;)*) => {
        $(
            impl From<$type> for MetadataValue {
                fn from(value: $type) -> MetadataValue {
                    MetadataValue::$scalar(value)
                }
            }

            impl From<Vec<$type>> for MetadataValue {
                fn from(values: Vec<$type>) -> MetadataValue {
                    MetadataValue::$array(values)
                }
            }
        )*

        impl From<ArrayValue<'_>> for MetadataValue {
            fn from(array: ArrayValue<'_>) -> MetadataValue {
                match array.element_type() {
                    $(ValueType::$scalar => {
                        MetadataValue::$array(array.numbers().filter_map(|value| match value {
                            Value::$scalar(number) => Some(number),
                            _ => None,
                        }).collect())
                    })*
                    ValueType::Str | ValueType::Array => {
                        let strings = array.strings();
                        let strings = strings.iter().flat_map(|strings| strings.iter());
                        MetadataValue::StrArray(strings.map(str::to_owned).collect())
                    }
                }
            }
        }

        impl MetadataValue {
            /// The type of the value in a file.
            pub fn value_type(&self) -> ValueType {
                match self {
                    $(MetadataValue::$scalar(_) => ValueType::$scalar,)*
                    MetadataValue::Str(_) => ValueType::Str,
                    _ => ValueType::Array,
                }
            }

            /// Appends type and value.
            pub(super) fn push(&self, out: &mut Vec<u8>) {
                out.extend(self.value_type().id().to_le_bytes());
                match self {
                    $(
                        MetadataValue::$scalar(value) => out.extend($to_bytes(*value)),
                        MetadataValue::$array(values) => {
                            push_array_head(out, ValueType::$scalar, values.len());
                            out.extend(values.iter().flat_map(|&value| $to_bytes(value)));
                        }
                    )*
                    MetadataValue::Str(value) => push_string(out, value),
                    MetadataValue::StrArray(values) => {
                        push_array_head(out, ValueType::Str, values.len());
                        values.iter().for_each(|value| push_string(out, value));
                    }
                }
            }
        }
    };
}

numbers! {
    U8 U8Array u8, u8::to_le_bytes;
    I8 I8Array i8, i8::to_le_bytes;
    U16 U16Array u16, u16::to_le_bytes;
    I16 I16Array i16, i16::to_le_bytes;
    U32 U32Array u32, u32::to_le_bytes;
    I32 I32Array i32, i32::to_le_bytes;
    F32 F32Array f32, f32::to_le_bytes;
    Bool BoolArray bool, |flag| [u8::from(flag)];
    U64 U64Array u64, u64::to_le_bytes;
    I64 I64Array i64, i64::to_le_bytes;
    F64 F64Array f64, f64::to_le_bytes;
}

impl From<String> for MetadataValue {
    fn from(value: String) -> MetadataValue {
        MetadataValue::Str(value)
    }
}

impl From<Vec<String>> for MetadataValue {
    fn from(values: Vec<String>) -> MetadataValue {
        MetadataValue::StrArray(values)
    }
}

impl MetadataValue {
    /// Refuses strings that the reader would refuse.
    pub(super) fn check(&self) -> Result<(), Error> {
        let longest = match self {
            MetadataValue::Str(value) => value.len(),
            MetadataValue::StrArray(values) => values.iter().map(String::len).max().unwrap_or(0),
            _ => 0,
        };
        let (len, limit) = (longest as u64, MAX_STRING_BYTES);
        if len > limit {
            return Err(Error::StringTooLong {
                what: "a string value",
                len,
                limit,
                offset: 0,
            });
        }
        Ok(())
    }
}

pub(super) fn push_string(out: &mut Vec<u8>, string: &str) {
    out.extend((string.len() as u64).to_le_bytes());
    out.extend(string.as_bytes());
}

fn push_array_head(out: &mut Vec<u8>, element_type: ValueType, len: usize) {
    out.extend(element_type.id().to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}
