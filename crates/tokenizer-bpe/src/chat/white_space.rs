//! Methods of strings that look at white space, with what Python takes for it: the white space of
//! Unicode and the four separators U+001C to U+001F.

use minijinja::Value;

/// Which end of a text is stripped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    Both,
}

/// `text` without the characters of `chars` at its ends, or without white space if there are none.
pub(super) fn strip<'t>(text: &'t str, side: Side, chars: Option<&str>) -> &'t str {
    let belongs = |c: char| chars.map_or(is_space(c), |chars| chars.contains(c));
    let text = match side {
        Side::Right => text,
        Side::Left | Side::Both => text.trim_start_matches(belongs),
    };
    match side {
        Side::Left => text,
        Side::Right | Side::Both => text.trim_end_matches(belongs),
    }
}

/// What the method gives, if it is one of these and its arguments are plain.
pub(super) fn method(text: &str, name: &str, args: &[Value]) -> Option<Value> {
    let side = match name {
        "strip" => Side::Both,
        "lstrip" => Side::Left,
        "rstrip" => Side::Right,
        "split" if args.is_empty() => {
            let words = text.split(is_space).filter(|word| !word.is_empty());
            return Some(words.map(Value::from).collect());
        }
        "splitlines" if args.is_empty() => return Some(lines(text).map(Value::from).collect()),
        "isspace" if args.is_empty() => {
            return Some((!text.is_empty() && text.chars().all(is_space)).into());
        }
        _ => return None,
    };
    match args {
        [] => Some(strip(text, side, None).into()),
        [chars] if chars.is_none() => Some(strip(text, side, None).into()),
        [chars] => Some(strip(text, side, Some(chars.as_str()?)).into()),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// The lines of `text` without their ends, of which Python knows ten.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c| matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, tail) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        let one = tail.chars().next().map_or(0, char::len_utf8);
        let end = if tail.starts_with("\r\n") { 2 } else { one };
        rest = &tail[end..];
        Some(line)
    })
}
