//! From token ids to text as it is shown: whole characters, up to a stop sequence.

use llama_arch::StopMatcher;
use tokenizer_bpe::{DecodeStream, SpecialText, Tokenizer};

use crate::error::Result;

/// The visible text of a growing output.
pub(crate) struct TextStream<'a> {
    decoder: DecodeStream<'a>,
    matcher: StopMatcher,
    stops: &'a [String],
}

/// What one more token adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Text to show.
    pub(crate) text: String,
    /// The stop sequence that ended the output.
    pub(crate) stop: Option<String>,
}

impl<'a> TextStream<'a> {
    /// A stream that goes on after `prompt` and ends before any of `stops`. Control tokens are no
    /// text.
    pub(crate) fn new(
        tokenizer: &'a Tokenizer,
        prompt: &[u32],
        stops: &'a [String],
    ) -> Result<Self> {
        Ok(Self {
            decoder: tokenizer.stream_with(SpecialText::Hide).after(prompt)?,
            matcher: StopMatcher::new(stops),
            stops,
        })
    }

    /// Takes one more token.
    pub(crate) fn push(&mut self, id: u32) -> Result<Piece> {
        let text = self.decoder.push(id)?;
        Ok(matched(&mut self.matcher, self.stops, &text))
    }

    /// The output has ended: gives what was held back.
    pub(crate) fn finish(self) -> Piece {
        let Self {
            decoder,
            mut matcher,
            stops,
        } = self;
        let mut piece = matched(&mut matcher, stops, &decoder.finish());
        if piece.stop.is_none() {
            let mut held = Vec::new();
            matcher.finish(&mut held);
            piece.text.push_str(&text_of(&held));
        }
        piece
    }
}

fn matched(matcher: &mut StopMatcher, stops: &[String], text: &str) -> Piece {
    let mut free = Vec::new();
    let stopped = matcher.push(text.as_bytes(), &mut free);
    Piece {
        text: text_of(&free),
        stop: stopped.map(|stopped| stops[stopped.index].clone()),
    }
}

/// A stop sequence begins with a whole character, so text is never cut within one.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use gguf::{GgufFile, MetadataValue, Writer};
    use tokenizer_bpe::Special;

    use super::*;

    /// A byte-level vocabulary of all bytes, `he`, and the control token `<end>`, whose id is 257.
    fn bytes_tokenizer() -> Tokenizer {
        let is_visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let mut next = 0x100..;
        let symbols = (0..=u8::MAX).map(|byte| match is_visible(byte) {
            true => char::from(byte).to_string(),
            false => char::from_u32(next.next().unwrap()).unwrap().to_string(),
        });
        let tokens: Vec<String> = symbols.chain(["he".into(), "<end>".into()]).collect();
        let mut types = vec![1_i32; tokens.len()];
        types[257] = 3;
        let mut writer = Writer::new();
        writer
            .metadata("general.architecture", "llama")
            .metadata("tokenizer.ggml.model", "gpt2")
            .metadata("tokenizer.ggml.pre", "gpt-2")
            .metadata("tokenizer.ggml.tokens", MetadataValue::from(tokens))
            .metadata("tokenizer.ggml.token_type", types)
            .metadata("tokenizer.ggml.merges", vec!["h e".to_owned()]);
        let file = GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap();
        Tokenizer::from_gguf(&file).unwrap()
    }

    /// Streams the tokens of `text`; the pieces, and the stop sequence that was met.
    fn stream(text: &str, stops: &[&str]) -> (Vec<String>, Option<String>) {
        let tokenizer = bytes_tokenizer();
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let ids = tokenizer.encode_fragment(text, Special::Parse).unwrap();
        let mut stream = TextStream::new(&tokenizer, &[], &stops).unwrap();
        let mut pieces = Vec::new();
        for id in ids {
            let piece = stream.push(id).unwrap();
            pieces.push(piece.text);
            if piece.stop.is_some() {
                return (pieces, piece.stop);
            }
        }
        let last = stream.finish();
        pieces.push(last.text);
        (pieces, last.stop)
    }

    #[test]
    fn characters_are_never_cut() {
        let text = "he said い, é and \u{1f600}";
        let (pieces, stop) = stream(text, &["\u{1f601}"]);
        assert_eq!((pieces.concat().as_str(), stop), (text, None));
        assert_eq!(pieces[0], "he");
        // One token a byte: the character comes with its last one.
        let at = pieces.iter().position(|piece| piece == "い").unwrap();
        assert_eq!(pieces[at - 2..at], ["", ""]);
    }

    #[test]
    fn output_ends_before_a_stop_and_without_control_tokens() {
        let rows = [
            ("a\nb\nc", vec!["\n"], "a", Some("\n")),
            ("say END now", vec!["now", "END"], "say ", Some("END")),
            ("the EN", vec!["END"], "the EN", None),
            ("いろは", vec!["ろ"], "い", Some("ろ")),
            ("x<end>y", vec![], "xy", None),
            ("x<en<end>d>", vec!["<end>"], "x", Some("<end>")),
        ];
        for (text, stops, expected, stop) in rows {
            let (pieces, stopped) = stream(text, &stops);
            assert_eq!(pieces.concat(), expected, "{text}");
            assert_eq!(stopped.as_deref(), stop, "{text}");
        }
    }
}
