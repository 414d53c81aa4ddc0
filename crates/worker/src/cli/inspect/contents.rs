//! Metadata and tensors of a file.

use std::collections::BTreeMap;

use gguf::{GgufFile, TensorView, Value};
use serde::Serialize;

use crate::cli::table::{Table, bytes};

/// Longer arrays are cut to so many elements.
const MAX_ELEMENTS: usize = 16;

/// Longer values are cut to so many characters in tables.
const MAX_CHARS: usize = 60;

/// A key and its value.
#[derive(Serialize)]
pub(super) struct MetadataDocument {
    pub(super) key: String,
    #[serde(rename = "type")]
    value_type: &'static str,
    /// Of an array: its elements' type.
    element_type: Option<&'static str>,
    /// Of an array: its elements, of which `value` has the first 16.
    length: Option<usize>,
    value: serde_json::Value,
}

impl MetadataDocument {
    fn new(key: &str, value: Value<'_>) -> Self {
        let array = match value {
            Value::Array(array) => Some(array),
            _ => None,
        };
        Self {
            key: key.to_owned(),
            value_type: value.value_type().name(),
            element_type: array.map(|array| array.element_type().name()),
            length: array.map(|array| array.len()),
            value: json(value),
        }
    }

    /// The type in words.
    pub(super) fn kind(&self) -> String {
        match (self.element_type, self.length) {
            (Some(element), Some(length)) => format!("{length} x {element}"),
            _ => self.value_type.to_owned(),
        }
    }

    /// The value in one short line.
    pub(super) fn short_value(&self) -> String {
        let text = self.value.to_string();
        match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => format!("{} ...", &text[..end]),
            None => text,
        }
    }
}

fn json(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Str(text) => text.into(),
        Value::Bool(flag) => flag.into(),
        // As short as it can be written, not as the f64 next to it.
        Value::F32(number) => number.to_string().parse::<f64>().ok().into(),
        Value::F64(number) => number.into(),
        Value::U64(number) => number.into(),
        Value::Array(array) => match array.strings() {
            Some(strings) => strings.iter().take(MAX_ELEMENTS).collect(),
            None => array.numbers().take(MAX_ELEMENTS).map(json).collect(),
        },
        // Every other type is an integer of at most 64 bits with a sign.
        other => other
            .as_integer()
            .and_then(|number| i64::try_from(number).ok())
            .into(),
    }
}

/// All metadata.
pub(super) fn metadata(file: &GgufFile) -> Vec<MetadataDocument> {
    let entries = file.metadata().iter();
    entries
        .map(|(key, value)| MetadataDocument::new(key, value))
        .collect()
}

/// A tensor.
#[derive(Serialize)]
pub(super) struct TensorDocument {
    name: String,
    #[serde(rename = "type")]
    tensor_type: &'static str,
    /// The contiguous axis first.
    shape: Vec<u64>,
    bytes: u64,
}

impl TensorDocument {
    pub(super) fn new(tensor: TensorView<'_>) -> Self {
        Self {
            name: tensor.name().to_owned(),
            tensor_type: tensor.tensor_type().name(),
            shape: tensor.dims().to_vec(),
            bytes: tensor.bytes().len() as u64,
        }
    }

    /// The name with the number of the layer left out.
    fn role(&self) -> String {
        let number = self
            .name
            .strip_prefix("blk.")
            .and_then(|rest| rest.split_once('.'));
        match number {
            Some((layer, role)) if layer.parse::<u32>().is_ok() => format!("blk.*.{role}"),
            _ => self.name.clone(),
        }
    }
}

/// The weights in all tensors.
pub(super) fn parameters(file: &GgufFile) -> u64 {
    file.tensors()
        .map(|tensor| tensor.dims().iter().product::<u64>())
        .sum()
}

/// Tensors of one type, together.
#[derive(Serialize)]
pub(super) struct TypeDocument {
    #[serde(rename = "type")]
    name: &'static str,
    tensors: usize,
    bytes: u64,
    share: f64,
}

/// The types of all tensors, those with the most bytes first.
pub(super) fn types(file: &GgufFile) -> Vec<TypeDocument> {
    let mut by_name: BTreeMap<&'static str, (usize, u64)> = BTreeMap::new();
    for tensor in file.tensors() {
        let (count, sum) = by_name.entry(tensor.tensor_type().name()).or_default();
        *count += 1;
        *sum += tensor.bytes().len() as u64;
    }
    let total = file.data_bytes().max(1) as f64;
    let mut types: Vec<_> = by_name
        .into_iter()
        .map(|(name, (tensors, bytes))| TypeDocument {
            name,
            tensors,
            bytes,
            share: bytes as f64 / total,
        })
        .collect();
    types.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    types
}

/// The types as a table.
pub(super) fn type_table(types: &[TypeDocument]) -> Table {
    let mut table = Table::new(&["type", "tensors", "size", "share"], 1);
    for entry in types {
        table.row([
            entry.name.to_owned(),
            entry.tensors.to_string(),
            bytes(entry.bytes),
            format!("{:.1} %", entry.share * 100.0),
        ]);
    }
    table
}

/// The tensors as a table, those of all layers that are alike in one row.
pub(super) fn tensor_table(tensors: &[TensorDocument]) -> Table {
    let mut rows: Vec<(String, &'static str, &[u64], usize, u64)> = Vec::new();
    for tensor in tensors {
        let role = tensor.role();
        let alike = |row: &&mut (String, &'static str, &[u64], usize, u64)| {
            (&row.0, row.1, row.2) == (&role, tensor.tensor_type, tensor.shape.as_slice())
        };
        match rows.iter_mut().find(alike) {
            Some(row) => {
                row.3 += 1;
                row.4 += tensor.bytes;
            }
            None => rows.push((role, tensor.tensor_type, &tensor.shape, 1, tensor.bytes)),
        }
    }
    let mut table = Table::new(&["tensor", "type", "shape", "count", "size"], 3);
    for (role, tensor_type, shape, count, sum) in rows {
        let shape: Vec<String> = shape.iter().map(u64::to_string).collect();
        let cells = [shape.join(" x "), count.to_string(), bytes(sum)];
        table.row([role, tensor_type.to_owned()].into_iter().chain(cells));
    }
    table
}
