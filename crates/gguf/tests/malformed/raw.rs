//! Files written field by field, with no check at all.

pub const U8: u32 = 0;
pub const I8: u32 = 1;
pub const U32: u32 = 4;
pub const I32: u32 = 5;
pub const F32: u32 = 6;
pub const BOOL: u32 = 7;
pub const STR: u32 = 8;
pub const ARRAY: u32 = 9;
pub const U64: u32 = 10;
pub const F64: u32 = 12;

/// A file as far as it is written.
#[derive(Clone)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// Magic, version and the two counts.
    pub fn new(version: u32, n_tensors: u64, n_pairs: u64) -> Raw {
        Raw(b"GGUF".to_vec())
            .u32(version)
            .u64(n_tensors)
            .u64(n_pairs)
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Raw {
        self.0.extend(bytes);
        self
    }

    pub fn u32(self, value: u32) -> Raw {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u64(self, value: u64) -> Raw {
        self.bytes(&value.to_le_bytes())
    }

    pub fn string(self, text: impl AsRef<[u8]>) -> Raw {
        let text = text.as_ref();
        self.u64(text.len() as u64).bytes(text)
    }

    /// Key and type of a pair; the value is to follow.
    pub fn key(self, key: impl AsRef<[u8]>, value_type: u32) -> Raw {
        self.string(key).u32(value_type)
    }

    /// The head of an array: to follow a key of type `ARRAY`.
    pub fn array(self, element_type: u32, len: u64) -> Raw {
        self.u32(element_type).u64(len)
    }

    /// A whole pair of a `u32`.
    pub fn pair(self, key: &str, value: u32) -> Raw {
        self.key(key, U32).u32(value)
    }

    /// A whole description of a tensor.
    pub fn info(self, name: impl AsRef<[u8]>, dims: &[u64], tensor_type: u32, offset: u64) -> Raw {
        let raw = self.string(name).u32(dims.len() as u32);
        dims.iter()
            .fold(raw, |raw, &dim| raw.u64(dim))
            .u32(tensor_type)
            .u64(offset)
    }

    pub fn zeros(self, count: usize) -> Raw {
        self.bytes(&vec![0; count])
    }

    /// Zeros up to the next multiple of `alignment`.
    pub fn align(self, alignment: usize) -> Raw {
        let missing = self.0.len().next_multiple_of(alignment) - self.0.len();
        self.zeros(missing)
    }
}

/// A file with one tensor description and `data` bytes of tensor data.
pub fn one_tensor(dims: &[u64], tensor_type: u32, offset: u64, data: usize) -> Raw {
    Raw::new(3, 1, 0)
        .info("t", dims, tensor_type, offset)
        .align(32)
        .zeros(data)
}

/// A file with one pair, whose value is to follow.
pub fn one_pair(key: impl AsRef<[u8]>, value_type: u32) -> Raw {
    Raw::new(3, 0, 1).key(key, value_type)
}
