//! Checked, borrowed views of GGUF files.
//!
//! A file is mapped and checked once, when it is opened; after that every accessor is a plain
//! read. Nothing is copied: strings and tensors are borrowed from the map. The crate knows no
//! model and no device.
//!
//! ```
//! use gguf::{GgufFile, TensorType, Writer, quantize};
//!
//! # fn main() -> Result<(), gguf::Error> {
//! let row: Vec<f32> = (64..128).map(|i| i as f32).collect();
//! let mut writer = Writer::new();
//! writer
//!     .metadata("general.architecture", "llama")
//!     .metadata("llama.block_count", 22_u32)
//!     .tensor("token_embd.weight", &[32, 2], TensorType::Q8_0, quantize(TensorType::Q8_0, &row)?);
//!
//! let file = GgufFile::from_bytes(writer.to_bytes()?)?; // or GgufFile::open("model.gguf")
//! assert_eq!(file.metadata().str("general.architecture")?, "llama");
//! assert_eq!(file.metadata().find_f32("llama.rope.freq_base")?, None);
//!
//! let tensor = file.tensor("token_embd.weight")?;
//! assert_eq!((tensor.row_len(), tensor.n_rows()), (32, 2));
//! assert_eq!(tensor.to_f32()?[63], 127.0);
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_pointer_width = "64"))]
compile_error!("models exceed the address space of a 32-bit target");

mod block;
mod cursor;
pub mod dequant;
mod error;
mod file;
mod layout;
mod metadata;
mod name_index;
mod quant;
mod shared_bytes;
mod tensor;
mod writer;

pub use block::TensorType;
pub use dequant::{dequantize, f16_to_f32};
pub use error::Error;
pub use file::{GgufFile, LOST_PAGE_EXIT_CODE, Warnings, exit_on_lost_page};
pub use metadata::{ArrayValue, Metadata, StrArray, Value, ValueType};
pub use quant::{f32_to_f16, quantize};
pub use shared_bytes::SharedBytes;
pub use tensor::TensorView;
pub use writer::{MetadataValue, Writer};
