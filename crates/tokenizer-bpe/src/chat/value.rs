//! Data of a conversation: what JSON can say, in the order it was said.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};

/// Named values in order, for the template engine.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: HashMap<String, minijinja::Value>,
    names: Vec<minijinja::Value>,
}

impl FromIterator<(String, minijinja::Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, minijinja::Value)>>(entries: I) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in entries {
            let key = minijinja::Value::from(name.as_str());
            // As in JSON the last of equal names counts.
            if fields.values.insert(name, value).is_none() {
                fields.names.push(key);
            }
        }
        fields
    }
}

impl Object for Fields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.values.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.names.clone())
    }
}

/// A value in a message, a tool description or a template variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values in order.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Calls `see` with every text in the value, names too.
    pub(super) fn each_text<'v>(&'v self, see: &mut impl FnMut(&'v str)) {
        match self {
            Value::String(text) => see(text),
            Value::List(items) => items.iter().for_each(|item| item.each_text(see)),
            Value::Map(entries) => entries.iter().for_each(|(name, item)| {
                see(name);
                item.each_text(see);
            }),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }

    /// The template engine's form of the value, each text through `mark`.
    pub(super) fn lower(&self, mark: &impl Fn(&str) -> String) -> minijinja::Value {
        match self {
            Value::Null => minijinja::Value::from(()),
            Value::Bool(value) => minijinja::Value::from(*value),
            Value::Int(value) => i64::try_from(*value)
                .map_or_else(|_| minijinja::Value::from(*value), minijinja::Value::from),
            Value::Float(value) => minijinja::Value::from(*value),
            Value::String(text) => minijinja::Value::from(mark(text)),
            Value::List(items) => items.iter().map(|item| item.lower(mark)).collect(),
            Value::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(name, item)| (mark(name), item.lower(mark)));
                minijinja::Value::from_object(entries.collect::<Fields>())
            }
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Value {
        Value::List(value)
    }
}
