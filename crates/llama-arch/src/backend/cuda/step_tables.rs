//! Positions and block tables of the current step, where the device reads them.

use cuda_kernels::launch::{Paging, prefill_tiles};
use cuda_kernels::{Buffer, Device, View};

use super::Outcome;
use crate::batch::Batch;
use crate::kv_cache::{BLOCK_POSITIONS, KvLayout};

/// Rows that a step has room for from the start.
const EXPECTED_ROWS: usize = 4096;

/// Every layer of a step reads the same tables: they go to the device once, in one copy.
pub(super) struct StepTables {
    /// Positions, where each row's block table begins, block tables: one after the other.
    values: Buffer<u32>,
    /// The same on the host.
    packed: Vec<u32>,
    /// Tiles of the rows for attention, in room for one each.
    tiles: Buffer<u32>,
    n_tiles: usize,
    head_dim: usize,
    /// The batch that they are of.
    batch: Batch,
}

impl StepTables {
    /// Tables that no step of ordinary size outgrows.
    pub(super) fn new(device: &Device, layout: &KvLayout) -> Outcome<Self> {
        let rows = EXPECTED_ROWS.min(layout.n_blocks * BLOCK_POSITIONS);
        Ok(Self {
            values: device.zeroed(2 * rows + layout.n_blocks)?,
            packed: Vec::new(),
            tiles: device.zeroed(2 * rows)?,
            n_tiles: 0,
            head_dim: layout.head_dim,
            batch: Batch::new(),
        })
    }

    /// The tables of a batch, which are copied unless they are there already.
    pub(super) fn of(&mut self, device: &Device, batch: &Batch) -> Outcome<Paging<'_>> {
        Ok(self.with_tiles(device, batch)?.0)
    }

    /// Likewise, with the tiles of its rows and how many they are.
    pub(super) fn with_tiles(
        &mut self,
        device: &Device,
        batch: &Batch,
    ) -> Outcome<(Paging<'_>, (View<'_, u32>, usize))> {
        let is_known = batch.positions() == self.batch.positions()
            && batch.sequences() == self.batch.sequences();
        if !is_known {
            // Not before the copy: if it fails, these are nobody's tables.
            self.batch.clear();
            self.copy(device, batch)?;
            self.batch.clone_from(batch);
        }
        let (all, n_rows) = (self.values.view(), batch.positions().len());
        let paging = Paging {
            positions: all.range(0..n_rows)?,
            row_tables: all.range(n_rows..2 * n_rows)?,
            block_tables: all.range(2 * n_rows..self.packed.len())?,
        };
        Ok((paging, (self.tiles.view(), self.n_tiles)))
    }

    fn copy(&mut self, device: &Device, batch: &Batch) -> Outcome<()> {
        let packed = &mut self.packed;
        packed.clear();
        packed.extend_from_slice(batch.positions());
        let mut table = 0;
        for sequence in batch.sequences() {
            packed.extend(sequence.rows.clone().map(|_| table));
            table += sequence.blocks.len() as u32;
        }
        for sequence in batch.sequences() {
            packed.extend_from_slice(&sequence.blocks);
        }
        // Sequences that share blocks name them more than once.
        if packed.len() > self.values.len() {
            self.values = device.zeroed(packed.len().next_power_of_two())?;
        }
        self.values.write(0, packed)?;
        let (positions, rest) = packed.split_at(batch.positions().len());
        let tiles = prefill_tiles(positions, rest, self.head_dim);
        if tiles.len() > self.tiles.len() {
            self.tiles = device.zeroed(tiles.len().next_power_of_two())?;
        }
        self.n_tiles = tiles.len() / 2;
        self.tiles.write(0, &tiles)
    }
}
