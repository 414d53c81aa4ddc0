//! The two word patterns behind most vocabularies, as scanners.
//!
//! Each function is given the rest of the text and returns how many bytes the next word has. The
//! alternatives are tried in the pattern's order, and where the pattern would backtrack the place
//! it would back up to is computed instead.

use super::stage::{Letters, run_length};
use crate::unicode::{Class, class, is_letter, is_number, is_symbol};

/// Cuts `text` into words by `word`, which must take at least one byte of a non-empty rest.
pub(super) fn split<'t>(text: &'t str, out: &mut Vec<&'t str>, word: impl Fn(&str) -> usize) {
    let mut rest = text;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(word(rest));
        out.push(head);
        rest = tail;
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
pub(super) fn gpt2(rest: &str) -> usize {
    if let Some(length) = contraction(rest, false) {
        return length;
    }
    let space = usize::from(rest.starts_with(' '));
    let body = &rest[space..];
    let belongs = match body.chars().next() {
        Some(c) if is_letter(c) => is_letter,
        Some(c) if is_number(c) => is_number,
        Some(c) if is_symbol(c) => is_symbol,
        _ => return white_space(rest),
    };
    space + run_length(body, belongs)
}

/// The pattern of cl100k with its variations:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|`
/// `\s*[\r\n]+|\s+(?!\S)|\s+`
pub(super) struct Cl100k {
    /// With [`Letters::Cased`] words are cut by case and contractions are no words of their own.
    pub(super) letters: Letters,
    /// Longest run of numbers in one word.
    pub(super) max_digits: usize,
    /// Whether `/` may follow symbols as line ends may.
    pub(super) slash: bool,
}

impl Cl100k {
    pub(super) fn word(&self, rest: &str) -> usize {
        let letters = match self.letters {
            Letters::Plain => contraction(rest, true).or_else(|| plain_letters(rest)),
            Letters::Cased => cased_letters(rest),
        };
        if let Some(length) = letters {
            return length;
        }
        let numbers: usize = rest
            .chars()
            .take(self.max_digits)
            .take_while(|c| is_number(*c))
            .map(char::len_utf8)
            .sum();
        if numbers > 0 {
            return numbers;
        }
        let space = usize::from(rest.starts_with(' '));
        let symbols = run_length(&rest[space..], is_symbol);
        if symbols > 0 {
            let tail = &rest[space + symbols..];
            let ends = tail.find(|c| !(matches!(c, '\r' | '\n') || self.slash && c == '/'));
            return space + symbols + ends.unwrap_or(tail.len());
        }
        let run = &rest[..run_length(rest, char::is_whitespace)];
        match run.rfind(['\r', '\n']) {
            Some(last) => last + 1,
            None => white_space(rest),
        }
    }
}

/// `\s+(?!\S)|\s+`: a run of white space, without its last character if a word follows.
fn white_space(rest: &str) -> usize {
    let run = run_length(rest, char::is_whitespace);
    let last = rest[..run].chars().next_back().map_or(0, char::len_utf8);
    match run {
        // Not white space at all cannot happen: the other alternatives take every other character.
        0 => rest.chars().next().map_or(0, char::len_utf8),
        _ if run == rest.len() || run == last => run,
        _ => run - last,
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`; with `fold_case` in either case.
fn contraction(rest: &str, fold_case: bool) -> Option<usize> {
    let tail = rest.strip_prefix('\'')?;
    let fold = |c: char| match c {
        // The long s folds to s in every regex engine that knows Unicode.
        'ſ' if fold_case => 's',
        _ if fold_case => c.to_ascii_lowercase(),
        _ => c,
    };
    let mut chars = tail.chars();
    let first = chars.next()?;
    match (fold(first), chars.next().map(fold)) {
        ('s' | 't' | 'm' | 'd', _) => Some(1 + first.len_utf8()),
        ('r' | 'v', Some('e')) | ('l', Some('l')) => Some(3),
        _ => None,
    }
}

/// The character that `[^\r\n\p{L}\p{N}]?` takes, in bytes.
fn prefix(rest: &str) -> usize {
    let first = rest.chars().next();
    let taken = first.filter(|c| !matches!(c, '\r' | '\n') && !is_letter(*c) && !is_number(*c));
    taken.map_or(0, char::len_utf8)
}

/// `[^\r\n\p{L}\p{N}]?\p{L}+`
fn plain_letters(rest: &str) -> Option<usize> {
    let prefix = prefix(rest);
    let letters = run_length(&rest[prefix..], is_letter);
    (letters > 0).then_some(prefix + letters)
}

/// With `U` = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, `W` = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]` and
/// `P` = `[^\r\n\p{L}\p{N}]`: `P?U*W+|P?U+W*`.
fn cased_letters(rest: &str) -> Option<usize> {
    let prefix = prefix(rest);
    // A mark may be the prefix or belong to the word: the pattern tries it as the prefix first.
    let starts = if prefix > 0 {
        [Some(prefix), Some(0)]
    } else {
        [Some(0), None]
    };
    let starts = || starts.into_iter().flatten();
    let ends_low = |start: usize| {
        let body = &rest[start..];
        let high = run_length(body, is_high);
        let low = run_length(&body[high..], is_low);
        if low > 0 {
            return Some(start + high + low);
        }
        // Give back capitals until a character that counts as low remains.
        let kept = body[..high].trim_end_matches(|c| !is_low(c)).len();
        (kept > 0).then_some(start + kept)
    };
    let begins_high = |start: usize| {
        let body = &rest[start..];
        let high = run_length(body, is_high);
        (high > 0).then(|| start + high + run_length(&body[high..], is_low))
    };
    starts()
        .find_map(ends_low)
        .or_else(|| starts().find_map(begins_high))
}

fn is_high(c: char) -> bool {
    use Class::{Mark, Modifier, OtherLetter, Title, Upper};
    matches!(class(c), Upper | Title | Modifier | OtherLetter | Mark)
}

fn is_low(c: char) -> bool {
    use Class::{Lower, Mark, Modifier, OtherLetter};
    matches!(class(c), Lower | Modifier | OtherLetter | Mark)
}
