//! `tojson` as transformers has it: Python's `json.dumps`, without HTML escaping.

use std::fmt::Write;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::budget::Budget;

const MAX_DEPTH: usize = 64;

/// The options of `tojson`, named and meant as in Python.
struct Layout {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    /// Stands in texts where a control token is only text; never escaped, because it is no part
    /// of the text.
    mark: char,
    budget: Budget,
}

/// `value` as JSON. `indent` may come first or by name, the others by name.
pub(super) fn to_json(
    value: &Value,
    indent: Option<Value>,
    options: &Kwargs,
    mark: char,
    budget: &Budget,
) -> Result<Value, Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<Value>>("indent")?,
    };
    let indent = match indent.filter(|indent| !indent.is_none() && !indent.is_undefined()) {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => {
                let width = usize::try_from(indent)?;
                budget.take(width)?;
                " ".repeat(width)
            }
        }),
    };
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    // Python drops the space after items when each has a line of its own.
    let default_item = if indent.is_some() { "," } else { ", " };
    let mut separators = separators.into_iter().flatten();
    let layout = Layout {
        ensure_ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent,
        item_separator: separators.next().unwrap_or_else(|| default_item.to_owned()),
        key_separator: separators.next().unwrap_or_else(|| ": ".to_owned()),
        mark,
        budget: budget.clone(),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    layout.write(value, 0, &mut out)?;
    Ok(Value::from(out))
}

impl Layout {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        let refuse = |what| Err(Error::new(ErrorKind::BadSerialization, what));
        if depth > MAX_DEPTH {
            return refuse("tojson: the value is nested too deeply");
        }
        self.budget
            .take(8 + value.as_str().map_or(0, |text| 2 * text.len()))?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => write_number(value, out)?,
            ValueKind::String => self.write_string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item));
                self.write_items(items, ('[', ']'), depth, out)?;
            }
            ValueKind::Map => {
                let mut entries = Vec::new();
                for key in value.try_iter()? {
                    let item = value.get_item(&key)?;
                    entries.push((Some(key.to_string()), item));
                }
                if self.sort_keys {
                    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                self.write_items(entries.into_iter(), ('{', '}'), depth, out)?;
            }
            _ => return refuse("tojson: the value has no form in JSON"),
        }
        Ok(())
    }

    fn write_items(
        &self,
        items: impl Iterator<Item = (Option<String>, Value)>,
        (open, close): (char, char),
        depth: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        out.push(open);
        let mut is_empty = true;
        for (key, item) in items {
            if !is_empty {
                out.push_str(&self.item_separator);
            }
            is_empty = false;
            self.new_line(depth + 1, out)?;
            if let Some(key) = key {
                self.budget.take(2 * key.len())?;
                self.write_string(&key, out);
                out.push_str(&self.key_separator);
            }
            self.write(&item, depth + 1, out)?;
        }
        if !is_empty {
            self.new_line(depth, out)?;
        }
        out.push(close);
        Ok(())
    }

    fn new_line(&self, depth: usize, out: &mut String) -> Result<(), Error> {
        self.budget
            .take(self.item_separator.len() + self.key_separator.len())?;
        if let Some(indent) = &self.indent {
            self.budget.take(indent.len() * depth)?;
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
        Ok(())
    }

    fn write_string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                _ if c < ' ' => push_escape(u16::try_from(c).unwrap_or(0), out),
                '\u{7f}' if self.ensure_ascii => out.push(c),
                _ if self.ensure_ascii && !c.is_ascii() && c != self.mark => {
                    c.encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| push_escape(*unit, out));
                }
                _ => out.push(c),
            }
        }
        out.push('"');
    }
}

fn push_escape(unit: u16, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\u{unit:04x}");
}

fn write_number(value: &Value, out: &mut String) -> Result<(), Error> {
    if value.is_integer() {
        out.push_str(&value.to_string());
        return Ok(());
    }
    let number = f64::try_from(value.clone())?;
    out.push_str(&match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned(),
        // Python switches to exponents where the shortest digits would need many zeros.
        _ if number != 0.0 && !(1e-4..1e16).contains(&number.abs()) => {
            let text = format!("{number:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        _ => format!("{number:?}"),
    });
    Ok(())
}
