//! All size arithmetic of the format, checked, in one place.
//!
//! The bug class that rules GGUF parsers is a product, a sum or an align-up that wraps. Nothing
//! else in this crate computes a size from numbers found in a file. The functions are generic over
//! [`Word`] so that the tests can run the very same code on every input of an 8-bit word.

/// An unsigned integer that sizes are computed in: `u64`, or `u8` in the exhaustive tests.
pub(crate) trait Word: Copy + Ord {
    const ZERO: Self;
    const ONE: Self;
    /// The largest size: that of the signed integer of this width, because other readers of the
    /// format keep sizes in `int64_t`.
    const LIMIT: Self;

    fn plus(self, other: Self) -> Option<Self>;
    fn minus(self, other: Self) -> Option<Self>;
    fn times(self, other: Self) -> Option<Self>;
    fn divided(self, by: Self) -> Option<Self>;
    fn remainder(self, by: Self) -> Option<Self>;
}

macro_rules! impl_word {
    ($word:ty, $signed:ty) => {
        impl Word for $word {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const LIMIT: Self = <$signed>::MAX.unsigned_abs();

            fn plus(self, other: Self) -> Option<Self> {
                self.checked_add(other)
            }
            fn minus(self, other: Self) -> Option<Self> {
                self.checked_sub(other)
            }
            fn times(self, other: Self) -> Option<Self> {
                self.checked_mul(other)
            }
            fn divided(self, by: Self) -> Option<Self> {
                self.checked_div(by)
            }
            fn remainder(self, by: Self) -> Option<Self> {
                self.checked_rem(by)
            }
        }
    };
}
impl_word!(u64, i64);

/// Why a shape has no size in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ShapeFault {
    /// A dimension is 0.
    Zero,
    /// The rows are not a whole number of blocks.
    Misaligned,
    /// Elements or bytes exceed [`Word::LIMIT`].
    Overflow,
}

/// The number of elements of a shape.
pub(crate) fn element_count<W: Word>(dims: &[W]) -> Result<W, ShapeFault> {
    let mut count = W::ONE;
    for &dim in dims {
        if dim == W::ZERO {
            return Err(ShapeFault::Zero);
        }
        count = limited(count.times(dim)).ok_or(ShapeFault::Overflow)?;
    }
    Ok(count)
}

/// The bytes of a tensor whose rows (`dims[0]` long) are blocks of `block_len` elements in
/// `block_bytes` bytes each.
pub(crate) fn tensor_bytes<W: Word>(
    dims: &[W],
    block_len: W,
    block_bytes: W,
) -> Result<W, ShapeFault> {
    let elements = element_count(dims)?;
    let row = dims.first().copied().unwrap_or(W::ONE);
    if row.remainder(block_len) != Some(W::ZERO) {
        return Err(ShapeFault::Misaligned);
    }
    let blocks = elements.divided(block_len).ok_or(ShapeFault::Misaligned)?;
    limited(blocks.times(block_bytes)).ok_or(ShapeFault::Overflow)
}

/// The smallest multiple of `alignment` that is at least `offset`.
pub(crate) fn align_up<W: Word>(offset: W, alignment: W) -> Option<W> {
    let past = offset.remainder(alignment)?;
    if past == W::ZERO {
        Some(offset)
    } else {
        offset.plus(alignment.minus(past)?)
    }
}

/// The end of the range of `len` units from `start`, if it lies within `total` units.
pub(crate) fn range_end<W: Word>(start: W, len: W, total: W) -> Option<W> {
    start.plus(len).filter(|&end| end <= total)
}

/// Whether `count` items of at least `min_size` units each can stand in `remaining` units.
pub(crate) fn count_fits<W: Word>(count: W, min_size: W, remaining: W) -> bool {
    count.times(min_size).is_some_and(|size| size <= remaining)
}

fn limited<W: Word>(size: Option<W>) -> Option<W> {
    size.filter(|&size| size <= W::LIMIT)
}

#[cfg(test)]
mod tests {
    //! Every input of an 8-bit word against arithmetic in a wider one.
    use super::*;

    impl_word!(u8, i8);

    fn all() -> impl Iterator<Item = u8> {
        // An interpreter has no time for all.
        (0..=u8::MAX).step_by(if cfg!(miri) { 15 } else { 1 })
    }

    fn pairs() -> impl Iterator<Item = (u8, u8)> {
        all().flat_map(|a| all().map(move |b| (a, b)))
    }

    fn wide_limited(size: u32) -> Option<u8> {
        u8::try_from(size).ok().filter(|&size| size <= 127)
    }

    #[test]
    fn element_count_of_every_shape_of_three_dimensions() {
        for (a, b) in pairs() {
            for c in all() {
                let expected = if a == 0 || b == 0 || c == 0 {
                    None
                } else {
                    wide_limited(u32::from(a) * u32::from(b) * u32::from(c))
                };
                assert_eq!(element_count(&[a, b, c]).ok(), expected, "{a} {b} {c}");
            }
        }
    }

    #[test]
    fn a_zero_after_an_overflow_is_no_way_around_it() {
        assert_eq!(element_count(&[200_u8, 200, 0]), Err(ShapeFault::Overflow));
        assert_eq!(element_count(&[0_u8, 200, 200]), Err(ShapeFault::Zero));
    }

    #[test]
    fn tensor_bytes_of_every_matrix_and_block() {
        for block_len in [0_u8, 1, 2, 3, 32, 64, 127, 128, 255] {
            for block_bytes in [0_u8, 1, 2, 34, 127, 128, 255] {
                for (rows, row) in pairs() {
                    let expected = (|| {
                        let elements = wide_limited(u32::from(row) * u32::from(rows))?;
                        if elements == 0 || block_len == 0 || row % block_len != 0 {
                            return None;
                        }
                        let blocks = u32::from(row / block_len) * u32::from(rows);
                        wide_limited(blocks * u32::from(block_bytes))
                    })();
                    let found = tensor_bytes(&[row, rows], block_len, block_bytes).ok();
                    assert_eq!(found, expected, "{row}x{rows} in {block_bytes}/{block_len}");
                }
            }
        }
    }

    #[test]
    fn align_up_of_every_offset_to_every_alignment() {
        for (offset, alignment) in pairs() {
            let expected = (u16::from(offset)..512)
                .find(|&at| alignment != 0 && at % u16::from(alignment) == 0)
                .and_then(|at| u8::try_from(at).ok());
            assert_eq!(
                align_up(offset, alignment),
                expected,
                "{offset} to {alignment}"
            );
        }
    }

    #[test]
    fn range_end_and_count_fits_of_every_input() {
        for (a, b) in pairs() {
            for total in all() {
                let end = u32::from(a) + u32::from(b);
                let inside = (end <= u32::from(total)).then(|| a.wrapping_add(b));
                assert_eq!(range_end(a, b, total), inside, "{a} + {b} in {total}");
                let fits = u32::from(a) * u32::from(b) <= u32::from(total);
                assert_eq!(count_fits(a, b, total), fits, "{a} * {b} in {total}");
            }
        }
    }
}
