//! How the work of `matvec.cu` is spread over a device. No choice here changes a result's bits.

/// Shared memory of the weights under way in a block: two such blocks fit a multiprocessor.
const QUEUE_BYTES: usize = 112 << 10;
/// Stages under way for one row where warps are many: memory beyond that would keep the blocks of
/// the next kernel from beginning.
const WIDE_STAGES: usize = 4;
/// Shared memory of the sums of groups that wait to be added up, where two blocks share a
/// multiprocessor or the rows are few, and of several rows in a block that is alone.
const PARTS_BYTES: usize = 24 << 10;
const WIDE_PARTS_BYTES: usize = 48 << 10;
/// Shared memory of activations, beyond which a warp packs its groups again for each batch.
const KEPT_BYTES: usize = 96 << 10;
/// The same for more than eight rows, which only few warps take.
const KEPT_BYTES_OF_MANY: usize = 72 << 10;
/// Units of a block, beyond which more warps pay more than an early begin of the next kernel, for
/// one row and for several.
const WIDE_UNITS: usize = 30;
const WIDE_UNITS_OF_ROWS: usize = 100;
/// Fewest warps that multiply, since they also add up.
const MIN_TAKERS: usize = 3;
/// Groups of a row that one block takes without the help of another.
const UNSPLIT_GROUPS: usize = 15;

/// What is multiplied.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Tiles of 16 outputs of the whole stack.
    pub(super) n_tiles: usize,
    /// Groups of 128 channels of a row.
    pub(super) n_groups: usize,
    /// Of the largest format of the stack.
    pub(super) unit_bytes: usize,
    /// Rows of activations.
    pub(super) n_rows: usize,
    pub(super) is_normed: bool,
}

/// With what.
#[derive(Clone, Copy)]
pub(super) struct Means {
    pub(super) n_multiprocessors: usize,
    /// Of a block.
    pub(super) shared_bytes: usize,
    pub(super) has_clusters: bool,
}

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// Eight warps.
    Narrow,
    /// Sixteen.
    Wide,
    /// Eight, for one row up to sixteen, in each of two blocks that share tiles.
    Split,
}

impl Width {
    /// Blocks that share tiles.
    pub(super) fn n_ranks(self) -> usize {
        match self {
            Self::Split => 2,
            Self::Narrow | Self::Wide => 1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) width: Width,
    pub(super) n_blocks: usize,
    /// Warps that multiply; one more asks for weights.
    pub(super) takers: usize,
    /// Stages under way, and bytes of one.
    pub(super) depth: usize,
    pub(super) stage_bytes: usize,
    /// Groups of a stage, and stages that are taken at the same time.
    pub(super) chunk: usize,
    pub(super) tile_warps: usize,
    /// Tiles of a block; the first `larger_blocks` have one more.
    pub(super) block_tiles: usize,
    pub(super) larger_blocks: usize,
    /// Tiles whose sums are kept.
    pub(super) batch: usize,
    /// Groups that a warp takes, and how many of them it keeps packed: all, or one at a time.
    warp_groups: usize,
    pub(super) keep: usize,
    pub(super) shared_bytes: usize,
}

impl Plan {
    /// The best that fits, if anything does.
    pub(super) fn new(shape: &Shape, means: &Means) -> Option<Self> {
        let best = Self::of_width(Self::width(shape, means), shape, means);
        best.or_else(|| Self::of_width(Width::Narrow, shape, means))
    }

    /// Whether no warp packs a group twice.
    pub(super) fn packs_once(&self) -> bool {
        let most_tiles = self.block_tiles + usize::from(self.larger_blocks > 0);
        self.batch >= most_tiles || self.keep == self.warp_groups
    }

    fn of_width(width: Width, shape: &Shape, means: &Means) -> Option<Self> {
        let n_ranks = width.n_ranks();
        let n_pairs = shape
            .n_tiles
            .min((means.n_multiprocessors / n_ranks).max(1));
        let most_tiles = shape.n_tiles.div_ceil(n_pairs);
        let n_groups = shape.n_groups.div_ceil(n_ranks);
        let most_takers = match width {
            Width::Wide => 15,
            Width::Split if shape.n_rows == 1 => 15,
            Width::Narrow | Width::Split => 7,
        };
        let takers = most_takers.min((n_groups * most_tiles).max(MIN_TAKERS));
        let mut chunk = n_groups.div_ceil(n_groups.div_ceil(takers));
        loop {
            let tile_warps = (takers / chunk).min(most_tiles);
            let mut plan = Self {
                width,
                n_blocks: n_pairs * n_ranks,
                takers: if shape.n_rows == 1 {
                    // Idle warps would keep the next kernel's from beginning.
                    (chunk * tile_warps).max(MIN_TAKERS)
                } else {
                    takers
                },
                depth: 1,
                stage_bytes: chunk * shape.unit_bytes,
                chunk,
                tile_warps,
                block_tiles: shape.n_tiles / n_pairs,
                larger_blocks: shape.n_tiles % n_pairs,
                batch: most_tiles,
                warp_groups: n_groups.div_ceil(chunk),
                keep: n_groups.div_ceil(chunk),
                shared_bytes: 0,
            };
            if plan.fit(shape, means, most_tiles) {
                return Some(plan);
            }
            (plan.tile_warps, plan.keep) = (1, 1);
            if plan.fit(shape, means, most_tiles) {
                return Some(plan);
            }
            if chunk == 1 {
                return None;
            }
            chunk = chunk.div_ceil(2);
        }
    }

    fn width(shape: &Shape, means: &Means) -> Width {
        let n = means.n_multiprocessors;
        let most_narrow_units = if shape.n_rows == 1 {
            WIDE_UNITS
        } else {
            WIDE_UNITS_OF_ROWS
        };
        let is_narrow_matrix = shape.n_tiles * 2 <= n * 3;
        if means.has_clusters
            && !shape.is_normed
            && is_narrow_matrix
            && shape.n_groups > UNSPLIT_GROUPS
        {
            Width::Split
        } else if shape.n_rows <= 8
            && shape.n_tiles.div_ceil(n.max(1)) * shape.n_groups > most_narrow_units
        {
            Width::Wide
        } else {
            Width::Narrow
        }
    }

    /// Chooses how much is kept and under way; whether there is room for it.
    fn fit(&mut self, shape: &Shape, means: &Means, most_tiles: usize) -> bool {
        let n_taking = self.chunk * self.tile_warps;
        let packed = |keep: usize| keep * n_taking * shape.n_rows * (320 + 32);
        let most_kept = if shape.n_rows > 8 {
            KEPT_BYTES_OF_MANY
        } else {
            KEPT_BYTES
        };
        if packed(self.keep) > most_kept.min(means.shared_bytes / 2) {
            self.keep = 1;
        }
        let column = shape.n_groups * shape.n_rows * 80;
        if self.width != Width::Split {
            let is_alone = self.width == Width::Wide && shape.n_rows > 1;
            let parts = if is_alone {
                WIDE_PARTS_BYTES
            } else {
                PARTS_BYTES
            };
            let batch = (parts.min(means.shared_bytes / 4) / column).clamp(1, most_tiles);
            // Batches of one size, nearly.
            self.batch = most_tiles.div_ceil(most_tiles.div_ceil(batch));
        }
        let scales = 2 * shape.n_groups * shape.n_rows * 4;
        let fixed = packed(self.keep) + column * self.batch + scales;
        let barriers = |depth: usize| (depth * 16).next_multiple_of(128);
        let mut most_stages = self.keep.max(shape.n_groups.div_ceil(self.chunk)) * most_tiles;
        if shape.n_rows == 1 && self.width != Width::Narrow {
            most_stages = most_stages.min(WIDE_STAGES);
        }
        let room = means.shared_bytes.saturating_sub(fixed + 1024);
        self.depth = (room.min(QUEUE_BYTES) / self.stage_bytes).clamp(1, most_stages.min(256));
        self.shared_bytes = barriers(self.depth) + self.depth * self.stage_bytes + fixed;
        self.shared_bytes <= means.shared_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Means, Plan, Shape, Width};

    const H200: Means = Means {
        n_multiprocessors: 132,
        shared_bytes: 226 << 10,
        has_clusters: true,
    };

    fn shape(n_tiles: usize, n_groups: usize, n_rows: usize) -> Shape {
        Shape {
            n_tiles,
            n_groups,
            unit_bytes: 4096,
            n_rows,
            is_normed: false,
        }
    }

    #[test]
    fn every_plan_covers_all_tiles_and_fits() {
        let small = Means {
            n_multiprocessors: 6,
            shared_bytes: 99 << 10,
            has_clusters: false,
        };
        for means in [H200, small] {
            for n_tiles in [1, 2, 56, 72, 608, 9497] {
                for n_groups in [1, 2, 7, 24, 38, 64, 112] {
                    for n_rows in [1, 2, 8, 16] {
                        let shape = shape(n_tiles, n_groups, n_rows);
                        let plan = Plan::new(&shape, &means);
                        // Sums and activations of many long rows are more than a small device has.
                        let fits = n_groups * n_rows <= 640 || means.shared_bytes > 200 << 10;
                        // Whether it fits depends on the length of the rows, not on how many
                        // outputs there are.
                        let alike = Shape {
                            n_tiles: means.n_multiprocessors,
                            is_normed: true,
                            ..shape
                        };
                        assert_eq!(Plan::new(&alike, &means).is_some(), plan.is_some());
                        let Some(plan) = plan else {
                            assert!(!fits, "{n_tiles} {n_groups} {n_rows}");
                            continue;
                        };
                        let n_pairs = plan.n_blocks / plan.width.n_ranks();
                        assert_eq!(plan.block_tiles * n_pairs + plan.larger_blocks, n_tiles);
                        assert!(plan.chunk * plan.tile_warps <= plan.takers && plan.tile_warps > 0);
                        assert!(plan.depth > 0 && plan.batch > 0 && plan.keep > 0);
                        assert!(plan.shared_bytes <= means.shared_bytes, "{plan:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn eight_rows_are_packed_once() {
        let packs_once = |n_tiles, n_groups, n_rows, is_normed| {
            let shape = Shape {
                is_normed,
                ..shape(n_tiles, n_groups, n_rows)
            };
            Plan::new(&shape, &H200).unwrap().packs_once()
        };
        for n_rows in [1, 2, 5, 8] {
            for (n_tiles, n_groups) in [(576, 24), (1024, 24), (1024, 32), (9497, 7)] {
                assert!(
                    packs_once(n_tiles, n_groups, n_rows, true),
                    "{n_tiles} {n_groups}"
                );
            }
            assert!(packs_once(192, 64, n_rows, false));
        }
        assert!(packs_once(608, 7, 16, true));
        assert!(!packs_once(1024, 24, 9, true));
        assert!(!packs_once(192, 64, 16, false));
    }

    #[test]
    fn few_tiles_of_long_rows_are_split() {
        assert_eq!(
            Plan::new(&shape(56, 38, 1), &H200).unwrap().width,
            Width::Split
        );
        assert_eq!(
            Plan::new(&shape(56, 7, 1), &H200).unwrap().width,
            Width::Narrow
        );
        assert_eq!(
            Plan::new(&shape(9497, 7, 1), &H200).unwrap().width,
            Width::Wide
        );
    }
}
