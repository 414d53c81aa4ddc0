//! The character classes that pre-tokenizers split by: `\p{L}` and its parts, `\p{M}`, `\p{N}`,
//! `\p{P}` and `\s`, as of Unicode 16 (the version of the regex engine in HF `tokenizers`).

mod table;

/// General category, as coarse as the pre-tokenizers need it. The numbers are those of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Everything without a class of its own: symbols, separators, controls, unassigned.
    Other,
    /// `\p{Lu}`
    Upper,
    /// `\p{Ll}`
    Lower,
    /// `\p{Lt}`
    Title,
    /// `\p{Lm}`
    Modifier,
    /// `\p{Lo}`
    OtherLetter,
    /// `\p{M}`
    Mark,
    /// `\p{N}`
    Number,
    /// `\p{P}`
    Punctuation,
}

impl Class {
    const fn from_table(number: u32) -> Class {
        match number {
            1 => Class::Upper,
            2 => Class::Lower,
            3 => Class::Title,
            4 => Class::Modifier,
            5 => Class::OtherLetter,
            6 => Class::Mark,
            7 => Class::Number,
            8 => Class::Punctuation,
            _ => Class::Other,
        }
    }
}

/// Most text is ASCII, and a lookup is cheaper than a search.
static ASCII: [Class; 128] = {
    let mut classes = [Class::Other; 128];
    let mut run = 0;
    let mut point = 0;
    while point < 128 {
        while run + 1 < table::RUNS.len() && table::RUNS[run + 1] >> 4 <= point {
            run += 1;
        }
        classes[point as usize] = Class::from_table(table::RUNS[run] & 15);
        point += 1;
    }
    classes
};

pub(crate) fn class(c: char) -> Class {
    let point = u32::from(c);
    if let Some(class) = ASCII.get(point as usize) {
        return *class;
    }
    // The class bits are the low ones, so `point << 4 | 15` is at or after the run `point` is in.
    let after = table::RUNS.partition_point(|run| *run <= point << 4 | 15);
    Class::from_table(
        table::RUNS
            .get(after.wrapping_sub(1))
            .map_or(0, |run| run & 15),
    )
}

pub(crate) fn is_letter(c: char) -> bool {
    matches!(
        class(c),
        Class::Upper | Class::Lower | Class::Title | Class::Modifier | Class::OtherLetter
    )
}

pub(crate) fn is_number(c: char) -> bool {
    class(c) == Class::Number
}

pub(crate) fn is_punctuation(c: char) -> bool {
    class(c) == Class::Punctuation
}

/// `[^\s\p{L}\p{N}]`
pub(crate) fn is_symbol(c: char) -> bool {
    !c.is_whitespace() && !is_letter(c) && !is_number(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_known_characters() {
        for (c, want) in [
            ('A', Class::Upper),
            ('z', Class::Lower),
            ('ǅ', Class::Title),
            ('ʰ', Class::Modifier),
            ('い', Class::OtherLetter),
            ('中', Class::OtherLetter),
            ('\u{301}', Class::Mark),
            ('7', Class::Number),
            ('½', Class::Number),
            ('Ⅳ', Class::Number),
            ('!', Class::Punctuation),
            ('。', Class::Punctuation),
            ('$', Class::Other),
            (' ', Class::Other),
            ('\0', Class::Other),
            ('🦙', Class::Other),
            ('\u{10FFFF}', Class::Other),
            // Assigned in Unicode 16.
            ('\u{1C89}', Class::Upper),
        ] {
            assert_eq!(class(c), want, "{c:?}");
        }
    }

    #[test]
    fn runs_ascend() {
        assert!(
            table::RUNS
                .windows(2)
                .all(|pair| pair[0] >> 4 < pair[1] >> 4)
        );
        assert_eq!(table::RUNS[0] >> 4, 0);
    }

    #[test]
    fn counts_are_those_of_unicode_16() {
        let count = |of: fn(char) -> bool| ('\0'..=char::MAX).filter(|c| of(*c)).count();
        assert_eq!(count(is_letter), 141_028);
        assert_eq!(count(is_number), 1_911);
    }
}
