//! Filters and methods that must do as Python does, or must not build more than the budget.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::budget::Budget;
use super::instrument::{CHARGE, CHARGE_TEXT, TIMES};
use super::json::to_json;
use super::white_space::{self, Side};

/// Filters that can make much out of little and that no chat template needs.
const REMOVED: [&str; 6] = ["batch", "slice", "format", "pprint", "urlencode", "indent"];

/// Replaces what the engine has by what a chat template expects.
pub(super) fn add_filters(env: &mut Environment<'_>, mark: char, budget: &Budget) {
    for name in REMOVED {
        env.remove_filter(name);
    }
    let held = budget.clone();
    env.add_filter(CHARGE, move |value: Value| {
        held.charge(&value).map(|()| value)
    });
    let held = budget.clone();
    env.add_filter(CHARGE_TEXT, move |bytes: usize| {
        held.take(bytes).map(|()| "")
    });
    let held = budget.clone();
    env.add_filter(TIMES, move |left: Value, right: Value| {
        times(&left, &right, &held)
    });
    let held = budget.clone();
    env.add_filter(
        "tojson",
        move |value: Value, indent: Option<Value>, options: Kwargs| {
            to_json(&value, indent, &options, mark, &held)
        },
    );
    env.add_filter("trim", |text: &str, chars: Option<&str>| {
        white_space::strip(text, Side::Both, chars).to_owned()
    });
    let held = budget.clone();
    env.add_filter("string", move |value: Value| python_string(&value, &held));
    let held = budget.clone();
    env.add_filter(
        "replace",
        move |text: &str, from: &str, to: &str, count: Option<usize>| {
            replace(text, from, to, count, &held)
        },
    );
    let held = budget.clone();
    env.add_filter(
        "join",
        move |items: Value, separator: Option<String>, attribute: Option<String>| {
            let separator = separator.unwrap_or_default();
            join(&items, &separator, attribute.as_deref(), &held)
        },
    );
    let held = budget.clone();
    env.set_formatter(move |out, _, value| {
        let text = python_string(value, &held)?;
        let text = text.as_str().unwrap_or_default();
        held.take(text.len())?;
        out.write_str(text).map_err(Error::from)
    });
    let held = budget.clone();
    env.set_unknown_method_callback(move |state, value, name, args| {
        method(state, value, name, args, &held)
    });
}

/// Python's methods of strings and dictionaries.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
    budget: &Budget,
) -> Result<Value, Error> {
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    match (name, value.as_str(), text(0), text(1)) {
        ("replace", Some(string), Some(from), Some(to)) => {
            let count = args
                .get(2)
                .map(|count| i64::try_from(count.clone()))
                .transpose()?;
            // A negative count replaces all.
            replace(
                string,
                from,
                to,
                count.and_then(|count| usize::try_from(count).ok()),
                budget,
            )
        }
        ("join", Some(separator), ..) => join(
            args.first().unwrap_or(&Value::UNDEFINED),
            separator,
            None,
            budget,
        ),
        ("format", Some(_), ..) => Err(Error::new(
            ErrorKind::UnknownMethod,
            "format is not offered",
        )),
        (_, Some(string), ..) => match white_space::method(string, name, args) {
            Some(found) => Ok(found),
            None => unknown_method_callback(state, value, name, args),
        },
        _ => unknown_method_callback(state, value, name, args),
    }
}

fn replace(
    text: &str,
    from: &str,
    to: &str,
    count: Option<usize>,
    budget: &Budget,
) -> Result<Value, Error> {
    let count = count.unwrap_or(usize::MAX);
    let found = text.matches(from).take(count).count();
    budget.take(text.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(Value::from(text.replacen(from, to, count)))
}

fn join(
    items: &Value,
    separator: &str,
    attribute: Option<&str>,
    budget: &Budget,
) -> Result<Value, Error> {
    let mut out = String::new();
    for (at, item) in items.try_iter()?.enumerate() {
        let item = match attribute {
            Some(attribute) => item.get_attr(attribute)?,
            None => item,
        };
        let text = python_string(&item, budget)?;
        let text = text.as_str().unwrap_or_default();
        budget.take(separator.len() + text.len())?;
        out.push_str(if at > 0 { separator } else { "" });
        out.push_str(text);
    }
    Ok(Value::from(out))
}

/// `left * right`: numbers, or a text or list repeated.
fn times(left: &Value, right: &Value, budget: &Budget) -> Result<Value, Error> {
    let refuse = || Error::new(ErrorKind::InvalidOperation, "these cannot be multiplied");
    let (repeated, count) = match (left.kind(), right.kind()) {
        (ValueKind::Number | ValueKind::Bool, ValueKind::Number | ValueKind::Bool) => {
            let integers = i128::try_from(left.clone())
                .ok()
                .zip(i128::try_from(right.clone()).ok());
            if let Some(product) = integers.and_then(|(a, b)| a.checked_mul(b)) {
                return Ok(i64::try_from(product).map_or(Value::from(product), Value::from));
            }
            return Ok(Value::from(
                f64::try_from(left.clone())? * f64::try_from(right.clone())?,
            ));
        }
        (ValueKind::Number, _) => (right, left),
        _ => (left, right),
    };
    let count = usize::try_from(i64::try_from(count.clone())?.max(0)).unwrap_or(usize::MAX);
    budget.charge(repeated)?;
    if let Some(text) = repeated.as_str() {
        budget.take(text.len().saturating_mul(count))?;
        return Ok(Value::from(text.repeat(count)));
    }
    if repeated.kind() != ValueKind::Seq {
        return Err(refuse());
    }
    let items: Vec<Value> = repeated.try_iter()?.collect();
    budget.take(items.len().saturating_mul(count).saturating_mul(16))?;
    Ok(std::iter::repeat_n(items, count).flatten().collect())
}

/// `str(value)`.
fn python_string(value: &Value, budget: &Budget) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        return Ok(value.clone());
    }
    let mut out = String::new();
    write_python(value, 0, budget, &mut out)?;
    Ok(Value::from(out))
}

fn write_python(
    value: &Value,
    depth: usize,
    budget: &Budget,
    out: &mut String,
) -> Result<(), Error> {
    const MAX_DEPTH: usize = 64;
    budget.take(if depth > MAX_DEPTH { usize::MAX } else { 4 })?;
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            budget.take(2 * text.len())?;
            let quote = if text.contains('\'') && !text.contains('"') {
                '"'
            } else {
                '\''
            };
            out.push(quote);
            for c in text.chars() {
                match c {
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    _ => {
                        out.extend((c == '\\' || c == quote).then_some('\\'));
                        out.push(c);
                    }
                }
            }
            out.push(quote);
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_python(&item, depth + 1, budget, out)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_python(&key, depth + 1, budget, out)?;
                out.push_str(": ");
                write_python(&value.get_item(&key)?, depth + 1, budget, out)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}
