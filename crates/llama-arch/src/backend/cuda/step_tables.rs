//! Positions and block tables of the current step, where the device reads them.

use cuda_kernels::launch::Paging;
use cuda_kernels::{Buffer, Device};

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
            batch: Batch::new(),
        })
    }

    /// The tables of a batch, which are copied unless they are there already.
    pub(super) fn of(&mut self, device: &Device, batch: &Batch) -> Outcome<Paging<'_>> {
        let is_known = batch.positions() == self.batch.positions()
            && batch.sequences() == self.batch.sequences();
        if !is_known {
            // Not before the copy: if it fails, these are nobody's tables.
            self.batch.clear();
            self.copy(device, batch)?;
            self.batch.clone_from(batch);
        }
        let (all, n_rows) = (self.values.view(), batch.positions().len());
        Ok(Paging {
            positions: all.range(0..n_rows)?,
            row_tables: all.range(n_rows..2 * n_rows)?,
            block_tables: all.range(2 * n_rows..self.packed.len())?,
        })
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
        self.values.write(0, packed)
    }
}
