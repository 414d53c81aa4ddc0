//! Instructions of a whole warp: exchanges between its lanes, and matrix products.

use crate::block::{Fault, Shared, Warp};
use crate::code::{Address, Redux, Row, Shuffle, Together, Vote};
use crate::float::half_to_float;
use crate::rows::{Rows, lanes};

impl Warp {
    /// What lanes do together, all of which are there.
    #[inline(always)]
    pub(crate) fn exchange(
        &mut self,
        what: &Together,
        m: u32,
        shared: &Shared<'_>,
    ) -> Result<(), Fault> {
        match *what {
            Together::Sync => {}
            Together::Shuffle {
                kind,
                to,
                valid,
                from,
                lane,
                clamp,
            } => {
                let [from, lane, clamp] = [from, lane, clamp].map(|row| self.rows.w[row as usize]);
                let mut bits = 0;
                lanes(m, |i| {
                    let (source, ok) = shuffle(kind, i as u32, lane[i], clamp[i]);
                    bits |= u32::from(ok) << i;
                    self.rows.w[to as usize][i] = from[source as usize];
                });
                if let Some(valid) = valid {
                    self.rows.set_p(valid, m, bits);
                }
            }
            Together::Vote {
                kind,
                to,
                from,
                negated,
            } => {
                let votes = (self.rows.p[from as usize] ^ if negated { u32::MAX } else { 0 }) & m;
                match kind {
                    Vote::Ballot => lanes(m, |i| self.rows.w[to as usize][i] = votes),
                    Vote::Any => self.rows.set_p(to, m, if votes != 0 { m } else { 0 }),
                    Vote::All => self.rows.set_p(to, m, if votes == m { m } else { 0 }),
                }
            }
            Together::Redux { kind, to, from } => {
                let from = self.rows.w[from as usize];
                let values = (0..32).filter(|i| m >> i & 1 != 0).map(|i| from[i]);
                let total = values.reduce(|a, b| match kind {
                    Redux::Add => a.wrapping_add(b),
                    Redux::MinU => a.min(b),
                    Redux::MaxU => a.max(b),
                    Redux::MinS => a.cast_signed().min(b.cast_signed()).cast_unsigned(),
                    Redux::MaxS => a.cast_signed().max(b.cast_signed()).cast_unsigned(),
                    Redux::And => a & b,
                    Redux::Or => a | b,
                    Redux::Xor => a ^ b,
                });
                let total = total.unwrap_or(0);
                lanes(m, |i| self.rows.w[to as usize][i] = total);
            }
            Together::Mma { d, a, b, c } => self.rows.mma(d, a, b, c),
            Together::LoadMatrix { to, at } => self.rows.load_matrix(to, &at, shared)?,
        }
        Ok(())
    }
}

impl Rows {
    /// Lane l names row l % 8 of block l / 8; lane l gets the pair l % 4 of row l / 4 of each.
    fn load_matrix(
        &mut self,
        to: [Row; 4],
        at: &Address,
        shared: &Shared<'_>,
    ) -> Result<(), Fault> {
        let mut loaded = [[0; 32]; 4];
        for (block, rows) in loaded.iter_mut().enumerate() {
            for (lane, value) in rows.iter_mut().enumerate() {
                let row = self.address(at, 8 * block + lane / 4);
                // Rows are at multiples of their 16 bytes.
                shared.range(row, 16)?;
                *value = shared.load_shared(row + 4 * (lane as u64 % 4), 4)? as u32;
            }
        }
        for (row, values) in to.into_iter().zip(loaded) {
            self.w[row as usize] = values;
        }
        Ok(())
    }

    /// The product of 16 x 16 and 16 x 8 halves, added in the order of the inner index.
    #[inline(always)]
    fn mma(&mut self, d: [Row; 4], a: [Row; 4], b: [Row; 2], c: [Row; 4]) {
        let mut left = [[0.0_f32; 16]; 16];
        let mut right = [[0.0_f32; 8]; 16];
        let mut sum = [[0.0_f32; 8]; 16];
        for lane in 0..32 {
            let (row, pair) = (lane / 4, lane % 4 * 2);
            for (i, &reg) in a.iter().enumerate() {
                let word = self.w[reg as usize][lane];
                let (row, k) = (row + i % 2 * 8, pair + i / 2 * 8);
                left[row][k] = half_to_float(word & 0xffff);
                left[row][k + 1] = half_to_float(word >> 16);
            }
            for (i, &reg) in b.iter().enumerate() {
                let word = self.w[reg as usize][lane];
                right[pair + i * 8][row] = half_to_float(word & 0xffff);
                right[pair + i * 8 + 1][row] = half_to_float(word >> 16);
            }
            for (i, &reg) in c.iter().enumerate() {
                sum[row + i / 2 * 8][pair + i % 2] = f32::from_bits(self.w[reg as usize][lane]);
            }
        }
        for (sum, left) in sum.iter_mut().zip(&left) {
            for (right, &factor) in right.iter().zip(left) {
                for (sum, &right) in sum.iter_mut().zip(right) {
                    *sum = factor.mul_add(right, *sum);
                }
            }
        }
        for lane in 0..32 {
            let (row, pair) = (lane / 4, lane % 4 * 2);
            for (i, &reg) in d.iter().enumerate() {
                self.w[reg as usize][lane] = sum[row + i / 2 * 8][pair + i % 2].to_bits();
            }
        }
    }
}

/// The lane that is read, and whether it is another's to read.
#[inline(always)]
fn shuffle(kind: Shuffle, lane: u32, by: u32, clamp: u32) -> (u32, bool) {
    let (bound, segment) = (clamp & 31, clamp >> 8 & 31);
    let by = by & 31;
    let most = lane & segment | bound & !segment;
    let least = lane & segment;
    let (source, ok) = match kind {
        Shuffle::Up => {
            let source = lane.wrapping_sub(by);
            (source, source.cast_signed() >= most.cast_signed())
        }
        Shuffle::Down => (lane + by, lane + by <= most),
        Shuffle::Bfly => (lane ^ by, lane ^ by <= most),
        Shuffle::Idx => {
            let source = least | by & !segment;
            (source, source <= most)
        }
    };
    if ok {
        (source & 31, true)
    } else {
        (lane, false)
    }
}
