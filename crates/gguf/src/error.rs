//! Every way a file can lie, one variant each. A message says what, where and what to do.

use std::path::PathBuf;

use crate::block::TensorType;

/// What is wrong with a file, or with what a caller asked of it. `offset` counts bytes from the
/// start of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot open {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file that was to be opened.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The path names a directory, a pipe or a device.
    #[error("{} is not a regular file; name the .gguf file itself", path.display())]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The file changed on disk after it was opened.
    #[error(
        "{} changed on disk while it was open; what was read from it cannot be trusted: \
         open it again, and replace model files by renaming, never by overwriting",
        path.display()
    )]
    FileChanged {
        /// The file that changed.
        path: PathBuf,
    },
    /// Writing the file failed.
    #[error("cannot write the file: {0}")]
    Write(#[source] std::io::Error),
    /// An error in one part of a split set.
    #[error("in {}: {source}", path.display())]
    InPart {
        /// The part.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },

    /// The file does not begin with `GGUF`.
    #[error("not a GGUF file: it begins with {found:02x?}, not with \"GGUF\"; {hint}")]
    BadMagic {
        /// The first bytes, four at most.
        found: Vec<u8>,
        /// What the file probably is.
        hint: &'static str,
    },
    /// The file is big-endian.
    #[error("the file is big-endian (version field {found:#010x}); convert it to little-endian")]
    BigEndian {
        /// The version field as read.
        found: u32,
    },
    /// The format version is not 2 or 3.
    #[error(
        "GGUF version {version} is not supported, only 2 and 3 are; \
         convert the model again with a current converter"
    )]
    UnsupportedVersion {
        /// The version the file declares.
        version: u32,
    },
    /// The file ends inside something.
    #[error(
        "the file ends inside {what}: {needed} bytes are needed at offset {offset}, \
         {remaining} remain; download it again"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        offset: u64,
        /// Its length in bytes.
        needed: u64,
        /// Bytes from there to the end of the file.
        remaining: u64,
    },
    /// A count is larger than the rest of the file can hold.
    #[error(
        "{what} at offset {offset} is {count}, but the {remaining} bytes that follow \
         cannot hold so many; the file is damaged"
    )]
    CountExceedsFile {
        /// What is counted.
        what: &'static str,
        /// The count the file declares.
        count: u64,
        /// Where the count stands.
        offset: u64,
        /// Bytes after the count.
        remaining: u64,
    },
    /// A string is longer than any this crate accepts.
    #[error("{what} at offset {offset} is {len} bytes long; the limit is {limit}")]
    StringTooLong {
        /// What the string is.
        what: &'static str,
        /// Its declared length in bytes.
        len: u64,
        /// The longest accepted.
        limit: u64,
        /// Where its length stands.
        offset: u64,
    },
    /// A string is not UTF-8.
    #[error("{what} at offset {offset} is not UTF-8")]
    InvalidUtf8 {
        /// What the string is.
        what: &'static str,
        /// Where its length stands.
        offset: u64,
    },

    /// A metadata key has no characters.
    #[error("the metadata key at offset {offset} is empty")]
    EmptyKey {
        /// Where its length stands.
        offset: u64,
    },
    /// A metadata key holds a NUL byte, which other readers take for its end.
    #[error("the metadata key {key:?} at offset {offset} holds a NUL byte")]
    NulInKey {
        /// The key.
        key: String,
        /// Where its length stands.
        offset: u64,
    },
    /// A metadata key stands twice in the file.
    #[error("the metadata key `{key}` stands twice in the file")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A metadata value has a type id that the format does not define.
    #[error("the value of `{key}` at offset {offset} has the unknown type {id}")]
    UnknownValueType {
        /// The key.
        key: String,
        /// The type id in the file.
        id: u32,
        /// Where the type id stands.
        offset: u64,
    },
    /// A metadata value is an array of arrays, which no model uses.
    #[error("the value of `{key}` at offset {offset} is an array of arrays; no model has such")]
    NestedArray {
        /// The key.
        key: String,
        /// Where the element type stands.
        offset: u64,
    },
    /// A boolean is neither 0 nor 1.
    #[error("the value of `{key}` at offset {offset} is the boolean {found}; only 0 and 1 exist")]
    BadBool {
        /// The key.
        key: String,
        /// The byte found.
        found: u8,
        /// Where it stands.
        offset: u64,
    },
    /// `general.alignment` is no alignment.
    #[error("`general.alignment` is {alignment}; it must be a power of two from 8 to 65536")]
    BadAlignment {
        /// The value found.
        alignment: u64,
    },
    /// A key that is needed is not in the file.
    #[error("the file has no `{key}`; convert the model again with a current converter")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A value has another type than the one needed.
    #[error("`{key}` must be {expected}, but the file has {found}")]
    WrongType {
        /// The key.
        key: String,
        /// The type needed, in words.
        expected: &'static str,
        /// The type found, in words.
        found: String,
    },
    /// An integer does not fit the width needed.
    #[error("`{key}` is {value}, which is no {expected}")]
    ValueOutOfRange {
        /// The key.
        key: String,
        /// The value in the file.
        value: i128,
        /// The width needed.
        expected: &'static str,
    },

    /// A tensor has no name.
    #[error("the tensor name at offset {offset} is empty")]
    EmptyName {
        /// Where its length stands.
        offset: u64,
    },
    /// A tensor name holds a NUL byte, which other readers take for its end.
    #[error("the tensor name {name:?} at offset {offset} holds a NUL byte")]
    NulInName {
        /// The name.
        name: String,
        /// Where its length stands.
        offset: u64,
    },
    /// Two tensors have one name.
    #[error("two tensors are called `{name}`")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// A tensor has no dimensions or more than four.
    #[error("tensor `{tensor}` has {n_dims} dimensions; 1 to 4 are possible")]
    BadNDims {
        /// The tensor.
        tensor: String,
        /// The number of dimensions declared.
        n_dims: u32,
    },
    /// A tensor has a dimension of 0.
    #[error("tensor `{tensor}` has the shape {dims:?}: no dimension may be 0")]
    ZeroDim {
        /// The tensor.
        tensor: String,
        /// Its dimensions, contiguous axis first.
        dims: Vec<u64>,
    },
    /// A tensor has more elements or bytes than any file can hold.
    #[error("tensor `{tensor}` of type {tensor_type} and shape {dims:?} exceeds 2^63 bytes")]
    ShapeOverflow {
        /// The tensor.
        tensor: String,
        /// Its type.
        tensor_type: TensorType,
        /// Its dimensions, contiguous axis first.
        dims: Vec<u64>,
    },
    /// A tensor has a type id that ggml does not define.
    #[error(
        "tensor `{tensor}` has the unknown type {id}; it may be newer than this reader, \
         and 4, 5, 31 to 33 and 36 to 38 were removed from the format: quantise the model again"
    )]
    UnknownTensorType {
        /// The tensor.
        tensor: String,
        /// The type id in the file.
        id: u32,
    },
    /// The rows of a tensor are not whole numbers of blocks.
    #[error(
        "tensor `{tensor}` has rows of {row_len} elements, no multiple of the {} that \
         {tensor_type} packs together",
        tensor_type.block_len()
    )]
    BlockMisaligned {
        /// The tensor.
        tensor: String,
        /// Its type.
        tensor_type: TensorType,
        /// The length of its rows in elements.
        row_len: u64,
    },
    /// A tensor does not begin at a multiple of the alignment.
    #[error("tensor `{tensor}` begins at {offset} in the data, no multiple of {alignment}")]
    UnalignedOffset {
        /// The tensor.
        tensor: String,
        /// Its offset from the start of the tensor data.
        offset: u64,
        /// The alignment of the file.
        alignment: u64,
    },
    /// A tensor does not lie within the file.
    #[error(
        "tensor `{tensor}` needs {len} bytes at {offset} in the tensor data, but the data has \
         {data_bytes} bytes; the file is cut short: download it again"
    )]
    TensorOutOfFile {
        /// The tensor.
        tensor: String,
        /// Its offset from the start of the tensor data.
        offset: u64,
        /// Its bytes.
        len: u64,
        /// The bytes of tensor data in the file.
        data_bytes: u64,
    },
    /// Two tensors share bytes.
    #[error("tensors `{first}` and `{second}` overlap in the file")]
    Overlap {
        /// The tensor that begins first.
        first: String,
        /// The one that begins inside it.
        second: String,
    },
    /// A tensor that is needed is not in the file.
    #[error(
        "the file has no tensor `{name}`: it is incomplete or badly converted; download or \
         convert it again"
    )]
    MissingTensor {
        /// The name.
        name: String,
    },

    /// The file is one part of a split set, but not one the set can be opened by.
    #[error(
        "this is part {} of a set of {count} files; open the first part, \
         `<name>-00001-of-{count:05}.gguf`, with all parts beside it",
        number + 1
    )]
    NotFirstPart {
        /// The number of this part, from 0.
        number: u64,
        /// The number of parts.
        count: u64,
    },
    /// The parts of a split set do not belong together.
    #[error("the split set is inconsistent: {what} is {found}, expected {expected}")]
    BadSplit {
        /// What does not agree.
        what: &'static str,
        /// What the file says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// The file name of the first part does not follow the pattern by which the others are found.
    #[error(
        "{} is the first of {count} files, but its name does not end in \
         `-00001-of-{count:05}.gguf`, so the others cannot be found; give the files their \
         original names",
        path.display()
    )]
    BadSplitName {
        /// The first part.
        path: PathBuf,
        /// The number of parts.
        count: u64,
    },

    /// This crate does not decode tensors of that type.
    #[error("tensors of type {tensor_type} cannot be decoded; quantise the model to another type")]
    CannotDequantize {
        /// The type.
        tensor_type: TensorType,
    },
    /// This crate does not encode tensors of that type.
    #[error("tensors of type {tensor_type} cannot be encoded")]
    CannotQuantize {
        /// The type.
        tensor_type: TensorType,
    },
    /// A value cannot be encoded.
    #[error("value {value} at index {index} cannot be encoded as {tensor_type}")]
    UnquantizableValue {
        /// The type.
        tensor_type: TensorType,
        /// The index of the value.
        index: usize,
        /// The value: not finite, or beyond the range of the block's f16 scale.
        value: f32,
    },
    /// A buffer has another length than its contents need.
    #[error("{what} is {found} long, expected {expected}")]
    SizeMismatch {
        /// The buffer.
        what: String,
        /// Its length.
        found: u64,
        /// The length needed.
        expected: u64,
    },
}
