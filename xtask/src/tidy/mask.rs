//! Rust text with comments and literals blanked, so that a search finds code alone.

/// Replaces comments and what follows the opening quote of a literal with spaces. Line breaks
/// stay: every character keeps its line and column.
pub(super) fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        match literal(&chars, i) {
            Some((open, end)) => {
                out.extend(&chars[i..i + open]);
                out.extend(chars[i + open..end].iter().map(|&c| blank(c)));
                i = end;
            }
            None => {
                out.push(chars[i]);
                i += 1;
            }
        }
    }
    out
}

fn blank(c: char) -> char {
    if c == '\n' { c } else { ' ' }
}

/// If a comment or literal begins at `i`: how many characters open it, and where it ends.
fn literal(chars: &[char], i: usize) -> Option<(usize, usize)> {
    match chars[i..] {
        ['/', '/', ..] => Some((0, line_end(chars, i))),
        ['/', '*', ..] => Some((0, block_comment_end(chars, i))),
        ['"', ..] => Some((1, quoted_end(chars, i))),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => Some((1, quoted_end(chars, i))),
        ['r', '"' | '#', ..] if !continues_word(chars, i) => raw_string(chars, i),
        _ => None,
    }
}

fn line_end(chars: &[char], i: usize) -> usize {
    chars[i..]
        .iter()
        .position(|&c| c == '\n')
        .map_or(chars.len(), |n| i + n)
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        match chars[i..] {
            ['/', '*', ..] => (i, depth) = (i + 2, depth + 1),
            ['*', '/', ..] => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i.min(chars.len())
}

/// The end of a literal that closes with the quote it opens with.
fn quoted_end(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != chars[start] {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// `r"..."`, `r#"..."#`; but `r#type` is a name.
fn raw_string(chars: &[char], i: usize) -> Option<(usize, usize)> {
    let hashes = chars[i + 1..].iter().take_while(|&&c| c == '#').count();
    let open = hashes + 2;
    if chars.get(i + open - 1) != Some(&'"') {
        return None;
    }
    let mut close = vec!['"'];
    close.resize(hashes + 1, '#');
    let inside = &chars[i + open..];
    let end = inside
        .windows(close.len())
        .position(|window| window == close);
    Some((
        open,
        end.map_or(chars.len(), |n| i + open + n + close.len()),
    ))
}

/// Whether the character before `i` makes `chars[i]` the end of a longer name; the prefixes of
/// byte and C strings do not.
fn continues_word(chars: &[char], i: usize) -> bool {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let before = |n: usize| i.checked_sub(n).map(|at| &chars[at]);
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(is_word),
        other => other.is_some_and(is_word),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn blanks_what_is_no_code() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x\\\"y\") + 1", "f(\"     ) + 1"),
            ("'a: loop { 'b' }", "'a: loop { '   }"),
            ("'\\'' x", "'    x"),
            ("r#\"a\"b\"# x", "r#\"      x"),
            ("br\"a\\\" x", "br\"    x"),
            ("r#type = bar\"s\"", "r#type = bar\"  "),
            ("\"two\nlines\" x", "\"   \n       x"),
            ("open \"never closed", "open \"            "),
        ] {
            assert_eq!(mask(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quote_in_a_character_literal_opens_no_string() {
        assert!(mask("let q = '\"'; unsafe_call()").ends_with("; unsafe_call()"));
        assert!(mask("let q = b'\\''; call()").ends_with("; call()"));
    }

    #[test]
    fn keeps_lines_and_columns() {
        let text = "fn é() { \"ü\\n\" } // ß\n/* ö\n */ x\n";
        let masked = mask(text);
        let widths = |s: &str| {
            s.lines()
                .map(|line| line.chars().count())
                .collect::<Vec<_>>()
        };
        assert_eq!(widths(&masked), widths(text));
    }
}
