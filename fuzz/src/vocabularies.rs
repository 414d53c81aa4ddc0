//! Small vocabularies of both families, made once, and their parts for targets that vary them.

use std::sync::LazyLock;

use gguf::GgufFile;
use tokenizer_bpe::Tokenizer;

use crate::file_bytes::{FileBytes, value};

/// What a vocabulary file says besides its tokens.
#[derive(Clone)]
pub struct Vocabulary {
    pub model: &'static str,
    pub pre: &'static str,
    pub architecture: &'static str,
    /// Text, type and score of each.
    pub tokens: Vec<(String, i32, f32)>,
    pub merges: Vec<String>,
    pub flags: Vec<(&'static str, bool)>,
    pub ids: Vec<(&'static str, u32)>,
}

const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const BYTE: i32 = 6;

/// Names of pre-tokenizers, one for each list of stages.
pub const PRE: [&str; 8] = [
    "qwen2",
    "llama-bpe",
    "gpt-2",
    "default",
    "smollm",
    "deepseek-llm",
    "deepseek-coder",
    "tekken",
];

/// Characters that stand for the 256 bytes.
pub static BYTE_CHARS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut next = 0x100;
    let mut spell = |byte: u32| {
        let visible = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if visible { byte } else { next };
        next += u32::from(!visible);
        char::from_u32(code).map(String::from).unwrap_or_default()
    };
    (0..256).map(&mut spell).collect()
});

/// Tokenizers for text: byte-level ones of every pre-tokenizer, then SentencePiece-style ones.
pub static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let byte_level = PRE.iter().map(|pre| Vocabulary::byte_level(pre));
    let llama = Vocabulary::sentence_piece("llama");
    let mut plain = llama.clone();
    plain.flags.push(("add_space_prefix", false));
    let others = [llama, plain, Vocabulary::sentence_piece("phi3")];
    byte_level
        .chain(others)
        .map(|vocabulary| vocabulary.tokenizer())
        .collect()
});

impl Vocabulary {
    /// 256 bytes, some merges, four control tokens and a user-defined one.
    pub fn byte_level(pre: &'static str) -> Self {
        let merges = [
            ("h", "e"),
            ("l", "l"),
            ("he", "ll"),
            ("hell", "o"),
            ("Ġ", "a"),
            ("1", "2"),
            ("Ã", "©"),
            ("Ġ", "Ġ"),
            ("ĠĠ", "ĠĠ"),
            ("Ċ", "Ċ"),
            ("'", "s"),
            ("a", "a"),
            ("aa", "a"),
        ];
        let products = merges.map(|(left, right)| format!("{left}{right}"));
        let mut tokens: Vec<_> = BYTE_CHARS.iter().cloned().chain(products).collect();
        tokens.dedup();
        let mut tokens: Vec<_> = tokens.into_iter().map(|text| (text, NORMAL, 0.0)).collect();
        let first_control = tokens.len() as u32;
        let special = |text: &str, kind| (text.to_owned(), kind, 0.0);
        tokens.extend(["<s>", "</s>", "<|a|>", "<|a|><|"].map(|text| special(text, CONTROL)));
        tokens.push(special("<t>", USER_DEFINED));
        Self {
            model: "gpt2",
            pre,
            architecture: "llama",
            tokens,
            merges: merges
                .map(|(left, right)| format!("{left} {right}"))
                .to_vec(),
            flags: Vec::new(),
            ids: vec![
                ("bos_token_id", first_control),
                ("eos_token_id", first_control + 1),
            ],
        }
    }

    /// `<unk>`, `<s>`, `</s>`, 256 byte tokens, some text, a control and a user-defined token.
    pub fn sentence_piece(architecture: &'static str) -> Self {
        let special = |text: &str, kind| (text.to_owned(), kind, 0.0);
        let mut tokens = vec![
            special("<unk>", 2),
            special("<s>", CONTROL),
            special("</s>", CONTROL),
        ];
        tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), BYTE, 0.0)));
        let texts = [
            "▁", "h", "e", "l", "o", "é", "he", "ll", "▁he", "▁hell", "▁hello", "▁▁", "llo",
        ];
        let normal = texts.iter().enumerate();
        tokens.extend(normal.map(|(i, text)| (text.to_string(), NORMAL, -(i as f32))));
        tokens.push(("hel".to_owned(), 5, -3.5));
        tokens.extend([special("<|a|>", CONTROL), special("<t>", USER_DEFINED)]);
        Self {
            model: "llama",
            pre: "default",
            architecture,
            tokens,
            merges: Vec::new(),
            flags: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// The bytes of a file with this vocabulary and no tensor.
    pub fn to_file(&self) -> FileBytes {
        let n_pairs = 7 + self.flags.len() + self.ids.len();
        let mut file = FileBytes::new(3, 0, n_pairs as u64);
        file.str_pair("general.architecture", self.architecture);
        file.str_pair("tokenizer.ggml.model", self.model);
        file.str_pair("tokenizer.ggml.pre", self.pre);
        file.array("tokenizer.ggml.tokens", value::STR, self.tokens.len());
        self.tokens.iter().for_each(|(text, ..)| file.string(text));
        file.array("tokenizer.ggml.token_type", value::I32, self.tokens.len());
        self.tokens
            .iter()
            .for_each(|token| file.bytes.extend(token.1.to_le_bytes()));
        file.array("tokenizer.ggml.scores", value::F32, self.tokens.len());
        self.tokens
            .iter()
            .for_each(|token| file.bytes.extend(token.2.to_le_bytes()));
        file.array("tokenizer.ggml.merges", value::STR, self.merges.len());
        self.merges.iter().for_each(|rule| file.string(rule));
        for (name, flag) in &self.flags {
            file.bool_pair(&format!("tokenizer.ggml.{name}"), *flag);
        }
        for (name, id) in &self.ids {
            file.u32_pair(&format!("tokenizer.ggml.{name}"), *id);
        }
        file
    }

    /// The tokenizer.
    ///
    /// # Panics
    /// If it is refused.
    pub fn tokenizer(&self) -> Tokenizer {
        let file = GgufFile::from_bytes(self.to_file().bytes);
        let made = file
            .map_err(Into::into)
            .and_then(|file| Tokenizer::from_gguf(&file));
        match made {
            Ok(tokenizer) => tokenizer,
            Err(error) => panic!("{error}"),
        }
    }
}
