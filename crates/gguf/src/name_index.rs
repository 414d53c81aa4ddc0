//! Finding an item by name: the positions of all items, sorted by name.
//!
//! Sorting finds duplicates in O(n log n) however the names were chosen, needs no copies of them,
//! and takes eight bytes per item.

#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    order: Vec<usize>,
}

impl NameIndex {
    /// An index of `count` items. If two have one name, the position of the second is the error.
    pub(crate) fn new<'a>(
        count: usize,
        name: impl Fn(usize) -> &'a [u8],
    ) -> Result<NameIndex, usize> {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_unstable_by(|&a, &b| name(a).cmp(name(b)));
        match order.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            Some(pair) => Err(pair[0].max(pair[1])),
            None => Ok(NameIndex { order }),
        }
    }

    /// The position of the item called `wanted`.
    pub(crate) fn find<'a>(&self, wanted: &str, name: impl Fn(usize) -> &'a [u8]) -> Option<usize> {
        let found = self
            .order
            .binary_search_by(|&at| name(at).cmp(wanted.as_bytes()))
            .ok()?;
        self.order.get(found).copied()
    }
}
