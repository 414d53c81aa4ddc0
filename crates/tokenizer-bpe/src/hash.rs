//! A fast hash for small keys, keyed at random so that no file can choose keys that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers of one key.
#[derive(Clone, Debug)]
pub(crate) struct KeyedState {
    key: u64,
}

impl Default for KeyedState {
    fn default() -> KeyedState {
        KeyedState {
            key: RandomState::new().hash_one(0),
        }
    }
}

impl BuildHasher for KeyedState {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.key }
    }
}

/// One widening multiplication for each eight bytes; see [`KeyedState`].
pub(crate) struct KeyedHasher {
    state: u64,
}

impl Hasher for KeyedHasher {
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * 0x9E37_79B9_7F4A_7C15;
        // The middle bits depend on every bit of the word.
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length tells a rest from the same rest with zeros after it.
        self.write_u64(u64::from_le_bytes(last));
        self.write_u64(bytes.len() as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
