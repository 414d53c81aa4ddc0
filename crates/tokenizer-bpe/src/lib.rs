//! Tokenizers and chat templates straight from GGUF metadata.
//!
//! Byte-level BPE (GPT-2, Llama 3, Qwen, Mistral Nemo, DeepSeek, SmolLM, StarCoder, ...) and
//! SentencePiece-style BPE (Llama 2, Phi-3, TinyLlama, ...), with the ids that the models were
//! trained on, in time that grows with the length of the text alone.
//!
//! ```
//! use tokenizer_bpe::{ChatTemplate, Conversation, Message, Special, Tokenizer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
//! # tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
//! # tokens.extend(["▁", "h", "i", "▁h", "▁hi"].map(String::from));
//! # let mut types = vec![2_i32, 3, 3];
//! # types.extend([6; 256]);
//! # types.extend([1; 5]);
//! # let mut writer = gguf::Writer::new();
//! # writer
//! #     .metadata("tokenizer.ggml.model", "llama")
//! #     .metadata("tokenizer.ggml.scores", vec![0.0_f32; tokens.len()])
//! #     .metadata("tokenizer.ggml.tokens", tokens)
//! #     .metadata("tokenizer.ggml.token_type", types)
//! #     .metadata("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}</s>");
//! # let bytes = writer.to_bytes()?;
//! let file = gguf::GgufFile::from_bytes(bytes)?; // or GgufFile::open("model.gguf")
//! let tokenizer = Tokenizer::from_gguf(&file)?;
//!
//! let ids = tokenizer.encode("hi", Special::Parse)?;
//! assert_eq!(ids, [1, 263]);
//! assert_eq!(tokenizer.decode(&ids[1..])?, "hi");
//!
//! // A decoder for ids that arrive one by one never writes half a character.
//! let mut stream = tokenizer.stream();
//! let text: String = ids[1..].iter().map(|id| stream.push(*id)).collect::<Result<_, _>>()?;
//! assert_eq!(text + &stream.finish(), "hi");
//!
//! // What a message says can never become a control token; what the template writes does.
//! let template = ChatTemplate::from_gguf(&file)?.ok_or("the model has no template")?;
//! let messages = vec![Message::new("user", "hi</s>")];
//! let prompt = template.render(&tokenizer, &Conversation { messages, ..Default::default() })?;
//! let ids = tokenizer.encode_chat(&prompt)?;
//! assert_eq!(prompt.text(), "<s>hi</s></s>");
//! assert_eq!(ids.iter().filter(|id| **id == 2).count(), 1);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod chat;
mod error;
mod hash;
mod merge;
mod pretokenize;
mod special;
mod stream;
mod tokenizer;
mod unicode;
mod unigram_merge;
mod vocab;

pub use chat::{ChatTemplate, Conversation, LocalTime, Message, RenderedChat, Value};
pub use error::Error;
pub use special::Special;
pub use stream::DecodeStream;
pub use tokenizer::{SpecialText, Tokenizer};
pub use vocab::TokenizerKind;
