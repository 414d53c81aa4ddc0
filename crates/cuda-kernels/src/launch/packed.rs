//! Weights in units of 16 rows and 128 values, as the matrix instructions take them.

use super::{Launch, Weight};
use crate::buffer::View;
use crate::error::CudaError;
use crate::weight_type::WeightType;

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 16;
/// Values of a row in a unit.
pub(crate) const GROUP: usize = 128;

/// Which rows of a weight stand together in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// 16 neighbours.
    Plain,
    /// 8 of the first half of the rows and 8 of the second: what a gate and its up projection
    /// need so that both outputs are found in one place.
    Paired,
}

/// A weight matrix `[n_rows][row_len]`, packed by [`Repack`](super::Repack).
#[derive(Clone, Copy)]
pub struct PackedWeight<'a> {
    /// [`PackedWeight::bytes`] of them.
    pub units: View<'a, u8>,
    /// How the values are stored: a type for which [`WeightType::unit_bytes`] is something.
    pub weight_type: WeightType,
    /// Rows; of a paired weight those of both halves.
    pub n_rows: usize,
    /// Values of a row.
    pub row_len: usize,
    /// Which rows are neighbours.
    pub order: RowOrder,
}

impl PackedWeight<'_> {
    /// Bytes of the units of a weight; `None` if its type cannot be packed, a row is no whole
    /// blocks, or an odd number of rows is to be paired.
    pub fn bytes(
        weight_type: WeightType,
        n_rows: usize,
        row_len: usize,
        order: RowOrder,
    ) -> Option<usize> {
        weight_type.row_bytes(row_len)?;
        let n_tiles = match order {
            RowOrder::Plain => n_rows.div_ceil(TILE_ROWS),
            RowOrder::Paired if n_rows.is_multiple_of(2) => n_rows.div_ceil(TILE_ROWS),
            RowOrder::Paired => return None,
        };
        let n_units = n_tiles.checked_mul(row_len.div_ceil(GROUP))?;
        n_units.checked_mul(weight_type.unit_bytes()?)
    }

    /// Tiles of 16 rows.
    pub(crate) fn n_tiles(&self) -> usize {
        self.n_rows.div_ceil(TILE_ROWS)
    }
}

impl Launch<'_> {
    /// That a packed weight is all there, and where loads of 16 bytes can reach it.
    pub(super) fn packed(&self, weight: &PackedWeight<'_>) -> Result<(), CudaError> {
        let PackedWeight {
            weight_type,
            n_rows,
            row_len,
            order,
            ..
        } = *weight;
        let Some(bytes) = PackedWeight::bytes(weight_type, n_rows, row_len, order) else {
            return self.require(false, || {
                format!("{n_rows} rows of {row_len} {weight_type:?} values cannot be packed")
            });
        };
        self.holds("units", weight.units.len, &[bytes])?;
        self.aligned("units", weight.units.at)
    }

    /// That a weight, as files store it, can be packed.
    pub(super) fn packable(&self, weight: &Weight<'_>) -> Result<(), CudaError> {
        let weight_type = weight.weight_type;
        self.require(weight_type.unit_bytes().is_some(), || {
            format!("{weight_type:?} values cannot be packed")
        })?;
        self.weight(weight)
    }
}
