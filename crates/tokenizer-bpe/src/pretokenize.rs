//! Pre-tokenizers: how text is cut into the words that byte-level BPE merges within.
//!
//! The published definitions are regular expressions. Here each is a hand-written scanner that
//! looks at every character a bounded number of times, so no input makes it slow. A definition is
//! a list of [`Stage`]s: each cuts every piece the stage before left, and nothing is ever dropped.

mod deepseek;
mod stage;
mod word;

pub(crate) use stage::Stage;

use crate::Error;
use stage::Letters;

/// A pre-tokenizer named by `tokenizer.ggml.pre`, with what else the name implies.
#[derive(Debug)]
pub(crate) struct PreTokenizer {
    stages: &'static [Stage],
    /// A word that is a token is that token, whatever the merges would make of it.
    pub(crate) ignore_merges: bool,
    /// Whether bos is added when `tokenizer.ggml.add_bos_token` does not say.
    pub(crate) add_bos: bool,
}

const CL100K_1: &[Stage] = &[Stage::Cl100k { max_digits: 1 }];
const CL100K_3: &[Stage] = &[Stage::Cl100k { max_digits: 3 }];
const GPT2: &[Stage] = &[Stage::Gpt2];
const DIGITS_GPT2: &[Stage] = &[Stage::EachNumber, Stage::Gpt2];
const TEKKEN: &[Stage] = &[Stage::Tekken];
const DEEPSEEK_LLM: &[Stage] = &[
    Stage::EachNewline,
    Stage::SpacedRun(deepseek::is_cased_letter),
    Stage::SpacedRun(deepseek::is_llm_punctuation),
    Stage::TrailingSpace,
    Stage::Run(deepseek::is_cjk),
    Stage::EachNumber,
];
const DEEPSEEK_CODER: &[Stage] = &[
    Stage::EachNewline,
    Stage::SpacedRun(crate::unicode::is_letter),
    Stage::SpacedRun(crate::unicode::is_punctuation),
    Stage::Run(deepseek::is_cjk),
    Stage::EachNumber,
];
/// What llama.cpp does with a file that says `default`.
const DEFAULT: &[Stage] = &[
    Stage::Run(stage::is_default_punctuation),
    Stage::Gpt2,
    Stage::Run(crate::unicode::is_number),
    Stage::DigitTriples,
];

impl PreTokenizer {
    /// The pre-tokenizer that `tokenizer.ggml.pre` names; names that mean the same share one.
    pub(crate) fn from_name(name: &str) -> Result<PreTokenizer, Error> {
        let (stages, ignore_merges, add_bos) = match name {
            "qwen2" | "deepseek-r1-qwen" | "kormo" | "stablelm2" => (CL100K_1, false, false),
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "pixtral" | "lfm2" => {
                (CL100K_3, true, true)
            }
            "dbrx" | "smaug-bpe" => (CL100K_3, false, false),
            "gpt-2" | "phi-2" | "mpt" | "olmo" => (GPT2, false, false),
            "default" => (DEFAULT, false, false),
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" => {
                (DIGITS_GPT2, false, false)
            }
            "deepseek-llm" => (DEEPSEEK_LLM, false, false),
            "deepseek-coder" => (DEEPSEEK_CODER, false, false),
            "tekken" => (TEKKEN, true, true),
            _ => {
                return Err(Error::UnknownPreTokenizer {
                    name: name.to_owned(),
                });
            }
        };
        Ok(PreTokenizer {
            stages,
            ignore_merges,
            add_bos,
        })
    }

    /// The words of `text` in order; joined they are `text`.
    pub(crate) fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut pieces = vec![text];
        for stage in self.stages {
            let mut finer = Vec::with_capacity(pieces.len());
            for piece in pieces {
                stage.split(piece, &mut finer);
            }
            pieces = finer;
        }
        pieces
    }
}

impl Stage {
    fn split<'t>(&self, text: &'t str, out: &mut Vec<&'t str>) {
        match self {
            Stage::Gpt2 => word::split(text, out, word::gpt2),
            Stage::Cl100k { max_digits } => {
                let rules = word::Cl100k {
                    letters: Letters::Plain,
                    max_digits: *max_digits,
                    slash: false,
                };
                word::split(text, out, |rest| rules.word(rest));
            }
            Stage::Tekken => {
                let rules = word::Cl100k {
                    letters: Letters::Cased,
                    max_digits: 1,
                    slash: true,
                };
                word::split(text, out, |rest| rules.word(rest));
            }
            _ => self.isolate(text, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, want: &[&str]) {
        let words = PreTokenizer::from_name(name).unwrap().split(text);
        assert_eq!(words, want, "{name}: {text:?}");
    }

    #[test]
    fn qwen2() {
        check("qwen2", "Hello, y'all!", &["Hello", ",", " y", "'all", "!"]);
        check("qwen2", "I'LL we'Ve", &["I", "'LL", " we", "'Ve"]);
        check("qwen2", "x 1234", &["x", " ", "1", "2", "3", "4"]);
        check("qwen2", "a   b", &["a", "  ", " b"]);
        check("qwen2", "a \n\n  b\n", &["a", " \n\n", " ", " b", "\n"]);
        check("qwen2", "f(x);\n\n", &["f", "(x", ");\n\n"]);
        check("qwen2", "\tfoo  ", &["\tfoo", "  "]);
    }

    #[test]
    fn llama3_takes_three_digits() {
        check("llama-bpe", "12345", &["123", "45"]);
        check("llama-bpe", "'s'ſ'x", &["'s", "'ſ", "'x"]);
    }

    #[test]
    fn gpt2_and_its_digit_splitting_kin() {
        check(
            "gpt-2",
            "I'll 'LL 123  x",
            &["I", "'ll", " '", "LL", " 123", " ", " x"],
        );
        check("smollm", "a  12 b", &["a", "  ", "1", "2", " b"]);
        check("starcoder", "x=10", &["x", "=", "1", "0"]);
    }

    #[test]
    fn tekken_splits_before_capitals() {
        check(
            "tekken",
            "helloWorld HTTPServer",
            &["hello", "World", " HTTPServer"],
        );
        check("tekken", "aB/\n//c", &["a", "B", "/\n//", "c"]);
        // A modifier letter is upper and lower at once.
        check("tekken", "ʰAAʰAA", &["ʰAAʰ", "AA"]);
        check("tekken", "\u{301}AB", &["\u{301}", "AB"]);
    }

    #[test]
    fn deepseek_stages() {
        check(
            "deepseek-llm",
            "Hi  你好12\r\n ",
            &["Hi", "  ", "你好", "1", "2", "\r", "\n", " "],
        );
        check(
            "deepseek-coder",
            "x = 12;\n",
            &["x", " = ", "1", "2", ";", "\n"],
        );
    }

    #[test]
    fn unknown_names_are_refused() {
        let error = PreTokenizer::from_name("gpt-99").unwrap_err();
        assert!(error.to_string().contains("gpt-99"), "{error}");
    }
}
