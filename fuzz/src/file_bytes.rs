//! GGUF files written field by field, with every size, count and type id remembered, so that a
//! target can make exactly one of them lie.

use arbitrary::{Result, Unstructured};

/// Values that have broken parsers: limits of integer types and their neighbours.
const HOSTILE: [u64; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    13,
    31,
    33,
    255,
    256,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    (1 << 42) + 1,
    1 << 61,
    1 << 62,
    0x7fff_ffff_ffff_ffc0,
    0x7fff_ffff_ffff_ffff,
    1 << 63,
    u64::MAX - 31,
    u64::MAX - 1,
    u64::MAX,
];

/// A file that grows, and where its numbers stand.
#[derive(Default)]
pub struct FileBytes {
    pub bytes: Vec<u8>,
    /// Offset and width of each number that a parser trusts at its peril.
    pub fields: Vec<(usize, usize)>,
}

/// Ids of value types.
pub mod value {
    pub const U8: u32 = 0;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const STR: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
}

impl FileBytes {
    /// The fixed part of a header.
    pub fn new(version: u32, n_tensors: u64, n_pairs: u64) -> Self {
        let mut file = Self {
            bytes: Vec::with_capacity(1024),
            fields: Vec::new(),
        };
        file.bytes.extend_from_slice(b"GGUF");
        file.u32(version);
        file.u64(n_tensors);
        file.u64(n_pairs);
        file
    }

    pub fn u32(&mut self, number: u32) {
        self.fields.push((self.bytes.len(), 4));
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub fn u64(&mut self, number: u64) {
        self.fields.push((self.bytes.len(), 8));
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub fn string(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A key and the id of its value's type.
    pub fn key(&mut self, key: &str, type_id: u32) {
        self.string(key);
        self.u32(type_id);
    }

    pub fn str_pair(&mut self, key: &str, text: &str) {
        self.key(key, value::STR);
        self.string(text);
    }

    pub fn u32_pair(&mut self, key: &str, number: u32) {
        self.key(key, value::U32);
        self.u32(number);
    }

    pub fn bool_pair(&mut self, key: &str, flag: bool) {
        self.key(key, value::BOOL);
        self.bytes.push(flag.into());
    }

    /// A key and the beginning of an array of `len` elements, which are to follow.
    pub fn array(&mut self, key: &str, type_id: u32, len: usize) {
        self.key(key, value::ARRAY);
        self.u32(type_id);
        self.u64(len as u64);
    }

    /// The description of a tensor.
    pub fn tensor(&mut self, name: &str, dims: &[u64], type_id: u32, offset: u64) {
        self.string(name);
        self.u32(dims.len() as u32);
        for &dim in dims {
            self.u64(dim);
        }
        self.u32(type_id);
        self.u64(offset);
    }

    pub fn pad(&mut self, alignment: usize) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(alignment), 0);
    }

    /// Makes up to `most` numbers lie, and perhaps cuts the file. Returns whether it is as it was.
    pub fn mutate(&mut self, u: &mut Unstructured<'_>, most: usize) -> Result<bool> {
        let n = u.int_in_range(0..=most)?;
        for _ in 0..n {
            let &(at, width) = u.choose(&self.fields)?;
            let mut old = [0; 8];
            old[..width].copy_from_slice(&self.bytes[at..at + width]);
            let old = u64::from_le_bytes(old);
            let new = match u.int_in_range(0..=5_u8)? {
                0 => old.wrapping_add(1),
                1 => old.wrapping_sub(1),
                2 => (self.bytes.len() - at) as u64,
                3 => u64::from(u.arbitrary::<u8>()?),
                _ => *u.choose(&HOSTILE)?,
            };
            self.bytes[at..at + width].copy_from_slice(&new.to_le_bytes()[..width]);
        }
        let cut = u.ratio(1_u8, 8)?;
        if cut {
            let keep = u.choose_index(self.bytes.len() + 1)?;
            self.bytes.truncate(keep);
        }
        Ok(n == 0 && !cut)
    }
}
