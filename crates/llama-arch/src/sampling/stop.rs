//! Stop sequences, matched on the bytes of the output, across token borders.

/// What a [`StopMatcher`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Index of the sequence that matched.
    pub index: usize,
}

/// Holds back bytes that may be the beginning of a stop sequence.
#[derive(Clone, Debug, Default)]
pub struct StopMatcher {
    sequences: Vec<Vec<u8>>,
    held: Vec<u8>,
}

impl StopMatcher {
    /// A matcher for these sequences; empty ones are ignored.
    pub fn new<S: AsRef<[u8]>>(sequences: impl IntoIterator<Item = S>) -> Self {
        let sequences = sequences.into_iter().map(|s| s.as_ref().to_vec());
        Self {
            sequences: sequences.collect(),
            held: Vec::new(),
        }
    }

    /// Takes the bytes of one more token. Appends to `out` what is surely not part of a stop
    /// sequence. Once this returns a match, the output has ended before the sequence that starts
    /// first (of those, the longest).
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Option<Stopped> {
        self.held.extend_from_slice(bytes);
        if let Some((start, index)) = self.first_match() {
            out.extend_from_slice(&self.held[..start]);
            self.held.clear();
            return Some(Stopped { index });
        }
        let keep = self.longest_partial();
        let free = self.held.len() - keep;
        out.extend(self.held.drain(..free));
        None
    }

    /// The output has ended without a match: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    fn first_match(&self) -> Option<(usize, usize)> {
        (0..self.held.len()).find_map(|start| {
            let rest = &self.held[start..];
            let matches = self.sequences.iter().enumerate();
            matches
                .filter(|(_, sequence)| !sequence.is_empty() && rest.starts_with(sequence))
                .max_by_key(|(_, sequence)| sequence.len())
                .map(|(index, _)| (start, index))
        })
    }

    /// Length of the longest end of `held` that begins a stop sequence.
    fn longest_partial(&self) -> usize {
        let starts = 0..self.held.len();
        starts
            .map(|start| &self.held[start..])
            .find(|tail| {
                self.sequences
                    .iter()
                    .any(|sequence| sequence.starts_with(tail))
            })
            .map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes the tokens one by one; returns the output and which sequence matched.
    fn run(stops: &[&str], tokens: &[&str]) -> (String, Option<usize>) {
        let mut matcher = StopMatcher::new(stops);
        let mut out = Vec::new();
        for token in tokens {
            if let Some(stopped) = matcher.push(token.as_bytes(), &mut out) {
                return (String::from_utf8(out).unwrap(), Some(stopped.index));
            }
        }
        matcher.finish(&mut out);
        (String::from_utf8(out).unwrap(), None)
    }

    #[test]
    fn matches_across_token_borders() {
        // "\n" must fire although the tokenizer writes "\n\n" as one token.
        assert_eq!(run(&["\n"], &["a", "b\n\n", "c"]), ("ab".into(), Some(0)));
        assert_eq!(
            run(&["</s>"], &["x<", "/", "s", ">y"]),
            ("x".into(), Some(0))
        );
        assert_eq!(run(&["ab", "abcd"], &["xabcd"]), ("x".into(), Some(1)));
        assert_eq!(run(&["zz", "b"], &["ab"]), ("a".into(), Some(1)));
    }

    #[test]
    fn partial_matches_are_given_back() {
        assert_eq!(run(&["</s>"], &["a</", "b"]), ("a</b".into(), None));
        assert_eq!(run(&["aab"], &["a", "a", "a", "b"]), ("a".into(), Some(0)));
        assert_eq!(run(&["END"], &["the EN"]), ("the EN".into(), None));
        assert_eq!(run(&["", "q"], &["abc"]), ("abc".into(), None));
    }

    #[test]
    fn holds_back_no_more_than_needed() {
        let mut matcher = StopMatcher::new(["stop"]);
        let mut out = Vec::new();
        assert_eq!(matcher.push(b"nonst", &mut out), None);
        assert_eq!(out, b"non");
    }
}
