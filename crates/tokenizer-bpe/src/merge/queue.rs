//! The merge loop that both tokenizers share: join the best pair of neighbours until none joins.
//!
//! "Best" is the lowest priority number, and of equals the leftmost. Short words are searched
//! anew after each merge. Long ones keep the places of each priority in a queue of their own:
//! places mostly arrive from left to right, so a word of `n` symbols takes near `n` steps where
//! one heap over all places would take `n log n` steps all over the memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::hash::KeyedState;

/// What two neighbours become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Merge {
    /// Lower goes first.
    pub(crate) priority: u32,
    /// The symbol that replaces both.
    pub(crate) symbol: u32,
}

/// The merges of a vocabulary, by pair of symbols.
#[derive(Debug)]
pub(crate) struct MergeTable {
    merges: HashMap<u64, Merge, KeyedState>,
}

impl MergeTable {
    pub(crate) fn with_capacity(capacity: usize) -> MergeTable {
        MergeTable {
            merges: HashMap::with_capacity_and_hasher(capacity, KeyedState::default()),
        }
    }

    /// Adds a merge unless the pair has a better one.
    pub(crate) fn insert(&mut self, left: u32, right: u32, merge: Merge) {
        let held = self.merges.entry(pair(left, right)).or_insert(merge);
        if merge.priority < held.priority {
            *held = merge;
        }
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        self.merges.get(&pair(left, right)).copied()
    }

    /// Merges `symbols` in place as far as they go.
    pub(crate) fn merge(&self, symbols: &mut Vec<u32>) {
        /// Above this many symbols searching anew costs more than keeping queues.
        const LONG: usize = 64;
        if symbols.len() > LONG {
            LongWord::new(self, symbols).merge(symbols);
        } else {
            self.merge_short(symbols);
        }
    }

    fn merge_short(&self, symbols: &mut Vec<u32>) {
        let look_up = |symbols: &[u32], at: usize| {
            let (left, right) = (symbols.get(at)?, symbols.get(at + 1)?);
            self.get(*left, *right)
        };
        let mut merges: Vec<Option<Merge>> =
            (0..symbols.len()).map(|at| look_up(symbols, at)).collect();
        loop {
            let candidates = merges
                .iter()
                .enumerate()
                .filter_map(|(at, merge)| merge.map(|merge| (at, merge)));
            // The first of equals, which is the leftmost.
            let Some((at, merge)) = candidates.min_by_key(|(_, merge)| merge.priority) else {
                return;
            };
            symbols[at] = merge.symbol;
            symbols.remove(at + 1);
            merges.remove(at + 1);
            merges[at] = look_up(symbols, at);
            if at > 0 {
                merges[at - 1] = look_up(symbols, at - 1);
            }
        }
    }
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// No neighbour, or no merge.
const NONE: u32 = u32::MAX;

/// A place in a long word: a symbol, its neighbours and what it becomes with the right one.
#[derive(Clone, Copy)]
struct Place {
    symbol: u32,
    left: u32,
    right: u32,
    merge: Merge,
}

const NO_MERGE: Merge = Merge {
    priority: NONE,
    symbol: NONE,
};

struct LongWord<'t> {
    table: &'t MergeTable,
    places: Vec<Place>,
    queues: Queues,
}

impl LongWord<'_> {
    fn new<'t>(table: &'t MergeTable, symbols: &[u32]) -> LongWord<'t> {
        let number = |at: usize| u32::try_from(at).unwrap_or(NONE);
        let place = |(at, symbol): (usize, &u32)| Place {
            symbol: *symbol,
            left: at.checked_sub(1).map_or(NONE, number),
            right: if at + 1 < symbols.len() {
                number(at + 1)
            } else {
                NONE
            },
            merge: NO_MERGE,
        };
        let places: Vec<Place> = symbols.iter().enumerate().map(place).collect();
        LongWord {
            table,
            places,
            queues: Queues::default(),
        }
    }

    fn merge(mut self, symbols: &mut Vec<u32>) {
        for at in 0..self.places.len() {
            self.find_merge(at as u32);
        }
        while let Some((priority, at)) = self.queues.pop() {
            let place = self.places[at as usize];
            // What was queued may have been merged away, or into something else.
            if place.merge.priority == priority {
                self.join(at, place);
            }
        }
        symbols.clear();
        let mut at = 0;
        while let Some(place) = self.places.get(at as usize) {
            symbols.push(place.symbol);
            at = place.right;
        }
    }

    /// Replaces the symbol at `at` and its right neighbour by what they become.
    fn join(&mut self, at: u32, place: Place) {
        let gone = &mut self.places[place.right as usize];
        gone.merge = NO_MERGE;
        let right = gone.right;
        self.places[at as usize] = Place {
            symbol: place.merge.symbol,
            right,
            ..place
        };
        if let Some(next) = self.places.get_mut(right as usize) {
            next.left = at;
        }
        if place.left != NONE {
            self.find_merge(place.left);
        }
        self.find_merge(at);
    }

    /// Looks up what the place becomes with its right neighbour, and queues it.
    fn find_merge(&mut self, at: u32) {
        let place = self.places[at as usize];
        let next = self.places.get(place.right as usize);
        let merge = next.and_then(|next| self.table.get(place.symbol, next.symbol));
        self.places[at as usize].merge = merge.unwrap_or(NO_MERGE);
        if let Some(merge) = merge {
            self.queues.push(merge.priority, at);
        }
    }
}

/// The places of one priority, popped from left to right.
#[derive(Default)]
struct Queue {
    /// Places that arrived in order, from `next` on.
    ascending: Vec<u32>,
    next: usize,
    /// Places that arrived late.
    late: BinaryHeap<Reverse<u32>>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.next == self.ascending.len() && self.late.is_empty()
    }

    fn push(&mut self, at: u32) {
        if self.ascending.last().is_none_or(|last| *last <= at) {
            self.ascending.push(at);
        } else {
            self.late.push(Reverse(at));
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let first = self.ascending.get(self.next).copied();
        let late = self.late.peek().map(|Reverse(at)| *at);
        if late.is_some_and(|late| first.is_none_or(|first| late < first)) {
            return self.late.pop().map(|Reverse(at)| at);
        }
        let first = first?;
        self.next += 1;
        if self.next == self.ascending.len() {
            self.next = 0;
            self.ascending.clear();
        }
        Some(first)
    }
}

/// A queue for each priority seen.
#[derive(Default)]
struct Queues {
    queues: Vec<Queue>,
    number_of: HashMap<u64, u32, KeyedState>,
    /// The priority pushed last and its queue: pushes come in runs.
    last: Option<(u32, u32)>,
    /// Priorities with places, and their queues, the lowest first.
    waiting: BinaryHeap<Reverse<(u32, u32)>>,
}

impl Queues {
    fn push(&mut self, priority: u32, at: u32) {
        let number = match self.last {
            Some((last, number)) if last == priority => number,
            _ => self.number(priority),
        };
        self.last = Some((priority, number));
        let queue = &mut self.queues[number as usize];
        if queue.is_empty() {
            self.waiting.push(Reverse((priority, number)));
        }
        queue.push(at);
    }

    fn number(&mut self, priority: u32) -> u32 {
        let queues = &mut self.queues;
        *self
            .number_of
            .entry(u64::from(priority))
            .or_insert_with(|| {
                queues.push(Queue::default());
                u32::try_from(queues.len() - 1).unwrap_or(NONE)
            })
    }

    /// A place of the lowest priority, and the priority.
    fn pop(&mut self) -> Option<(u32, u32)> {
        let Reverse((priority, number)) = *self.waiting.peek()?;
        let queue = &mut self.queues[number as usize];
        let at = queue.pop()?;
        if queue.is_empty() {
            self.waiting.pop();
        }
        Some((priority, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(table: &MergeTable, symbols: &[u32]) -> Vec<u32> {
        let mut out = symbols.to_vec();
        LongWord::new(table, symbols).merge(&mut out);
        out
    }

    #[test]
    fn lowest_priority_first_then_leftmost() {
        let mut table = MergeTable::with_capacity(0);
        table.insert(
            1,
            2,
            Merge {
                priority: 5,
                symbol: 12,
            },
        );
        table.insert(
            2,
            3,
            Merge {
                priority: 1,
                symbol: 23,
            },
        );
        table.insert(
            1,
            1,
            Merge {
                priority: 9,
                symbol: 11,
            },
        );
        for (symbols, want) in [
            (vec![1, 2, 3], vec![1, 23]),
            (vec![1, 2, 1], vec![12, 1]),
            (vec![1, 1, 1], vec![11, 1]),
        ] {
            let mut short = symbols.clone();
            table.merge_short(&mut short);
            assert_eq!(short, want);
            assert_eq!(long(&table, &symbols), want);
        }
    }

    proptest! {
        /// Any merges at all, also such as no vocabulary has: equal priorities, and products that
        /// go before what made them.
        #[test]
        fn queues_agree_with_search(
            merges in proptest::collection::vec((0_u32..12, 0_u32..12, 0_u32..8, 0_u32..12), 0..60),
            symbols in proptest::collection::vec(0_u32..12, 0..120),
        ) {
            let mut table = MergeTable::with_capacity(merges.len());
            for (left, right, priority, symbol) in merges {
                table.insert(left, right, Merge { priority, symbol });
            }
            let mut short = symbols.clone();
            table.merge_short(&mut short);
            prop_assert_eq!(long(&table, &symbols), short);
        }
    }
}
