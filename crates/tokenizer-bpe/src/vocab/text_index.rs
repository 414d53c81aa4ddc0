//! From a token's text to its id without a second copy of the texts.

use std::hash::{BuildHasher, Hasher};

use crate::hash::KeyedState;

const EMPTY: u32 = u32::MAX;

/// An open-addressing table of ids whose keys are the texts the caller holds.
///
/// Hashing is keyed at random: a file cannot be made so that all its tokens collide.
#[derive(Debug)]
pub(super) struct TextIndex {
    slots: Vec<u32>,
    state: KeyedState,
}

impl TextIndex {
    /// Indexes `n_tokens` texts. Of equal texts `prefer(new, old)` decides which id is found.
    pub(super) fn new<'t>(
        n_tokens: u32,
        text: impl Fn(u32) -> &'t [u8],
        prefer: impl Fn(u32, u32) -> bool,
    ) -> TextIndex {
        let capacity = (n_tokens as usize * 2).next_power_of_two();
        let mut index = TextIndex {
            slots: vec![EMPTY; capacity],
            state: KeyedState::default(),
        };
        for id in 0..n_tokens {
            let slot = index.slot(text(id), &text);
            let held = &mut index.slots[slot];
            if *held == EMPTY || prefer(id, *held) {
                *held = id;
            }
        }
        index
    }

    /// The id of `wanted`, whose texts `text` gives.
    pub(super) fn find<'t>(&self, wanted: &[u8], text: impl Fn(u32) -> &'t [u8]) -> Option<u32> {
        self.slots
            .get(self.slot(wanted, text))
            .copied()
            .filter(|id| *id != EMPTY)
    }

    /// Where `wanted` is, or the free slot where it would be. At most half the slots are taken.
    fn slot<'t>(&self, wanted: &[u8], text: impl Fn(u32) -> &'t [u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut hasher = self.state.build_hasher();
        hasher.write(wanted);
        let mut slot = hasher.finish() as usize & mask;
        while let Some(id) = self.slots.get(slot).filter(|id| **id != EMPTY) {
            if text(*id) == wanted {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }
}
