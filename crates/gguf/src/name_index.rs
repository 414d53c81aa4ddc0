//! Finding an item by name: the positions of all items, sorted by the hash of the name.
//!
//! Sorting finds duplicates in O(n log n) whatever the names are, without copies of them and
//! without a table to be sized. Names whose hashes collide are ordered by themselves.

use std::hash::{DefaultHasher, Hasher};

#[derive(Debug)]
pub(crate) struct NameIndex {
    order: Vec<(u64, usize)>,
}

impl NameIndex {
    /// An index of `count` items. If two have one name, the position of the second is the error.
    pub(crate) fn new<'a>(
        count: usize,
        name: impl Fn(usize) -> &'a [u8],
    ) -> Result<NameIndex, usize> {
        let mut order: Vec<_> = (0..count).map(|at| (hash(name(at)), at)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| name(a.1).cmp(name(b.1))));
        let same =
            |pair: &&[(u64, usize)]| pair[0].0 == pair[1].0 && name(pair[0].1) == name(pair[1].1);
        match order.windows(2).find(same) {
            Some(pair) => Err(pair[0].1.max(pair[1].1)),
            None => Ok(NameIndex { order }),
        }
    }

    /// The position of the item called `wanted`.
    pub(crate) fn find<'a>(&self, wanted: &str, name: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
        let wanted = wanted.as_bytes();
        let hash = hash(wanted);
        let compare =
            |&(other, at): &(u64, usize)| other.cmp(&hash).then_with(|| name(at).cmp(wanted));
        let found = self.order.binary_search_by(compare).ok()?;
        self.order.get(found).map(|&(_, at)| at)
    }
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
