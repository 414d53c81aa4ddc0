//! Stages that isolate runs of one kind of character and leave the rest as it stands.

use crate::unicode;

/// One cut of a pre-tokenizer.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The GPT-2 word pattern.
    Gpt2,
    /// The word pattern of cl100k and its kin, numbers in groups of at most `max_digits`.
    Cl100k {
        /// Longest run of numbers in one word.
        max_digits: usize,
    },
    /// The cl100k pattern with words cut where lower case turns to upper.
    Tekken,
    /// `[\r\n]`, each alone.
    EachNewline,
    /// `\p{N}`, each alone.
    EachNumber,
    /// `[0-9][0-9][0-9]`
    DigitTriples,
    /// `\s?[..]+`
    SpacedRun(fn(char) -> bool),
    /// `[..]+`
    Run(fn(char) -> bool),
    /// `\s+$`
    TrailingSpace,
}

/// What a word's letters are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// `\p{L}+`
    Plain,
    /// Upper then lower, marks counting as both.
    Cased,
}

/// `[\p{P}$+<=>^~|]`
pub(super) fn is_default_punctuation(c: char) -> bool {
    unicode::is_punctuation(c) || "$+<=>^~|".contains(c)
}

impl Stage {
    /// Cuts `text` into the stage's matches and the gaps between them.
    pub(super) fn isolate<'t>(&self, text: &'t str, out: &mut Vec<&'t str>) {
        if matches!(self, Stage::TrailingSpace) {
            let (body, space) = text.split_at(text.trim_end().len());
            out.extend([body, space].into_iter().filter(|piece| !piece.is_empty()));
            return;
        }
        let mut gap = 0;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let length = self.match_length(rest);
            if length == 0 {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
            if gap < at {
                out.push(&text[gap..at]);
            }
            out.push(&rest[..length]);
            at += length;
            gap = at;
        }
        if gap < text.len() {
            out.push(&text[gap..]);
        }
    }

    /// Bytes of `rest` that the stage's pattern matches at its start; 0 is no match.
    fn match_length(&self, rest: &str) -> usize {
        match self {
            Stage::EachNewline => usize::from(rest.starts_with(['\r', '\n'])),
            Stage::EachNumber => rest
                .chars()
                .next()
                .filter(|c| unicode::is_number(*c))
                .map_or(0, char::len_utf8),
            Stage::DigitTriples => {
                let triple = rest.as_bytes().get(..3);
                if triple.is_some_and(|t| t.iter().all(u8::is_ascii_digit)) {
                    3
                } else {
                    0
                }
            }
            Stage::Run(belongs) => run_length(rest, *belongs),
            Stage::SpacedRun(belongs) => {
                let space = rest.chars().next().filter(|c| c.is_whitespace());
                let space = space.map_or(0, char::len_utf8);
                match run_length(&rest[space..], *belongs) {
                    // A white-space character may itself belong to the run.
                    0 => run_length(rest, *belongs),
                    length => space + length,
                }
            }
            // Cut in one step by `isolate`, or by the scanners in `word`.
            Stage::TrailingSpace | Stage::Gpt2 | Stage::Cl100k { .. } | Stage::Tekken => 0,
        }
    }
}

/// Bytes of the leading characters of `text` that belong.
pub(super) fn run_length(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}
