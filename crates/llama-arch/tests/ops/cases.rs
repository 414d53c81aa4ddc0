//! Seeded data and sizes: the same on every run and every machine.

/// SplitMix64.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in `low..high`.
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: f64 = (0..6).map(|_| self.uniform(-1.0, 1.0)).sum();
        (sum / 2.0_f64.sqrt()) as f32
    }

    pub(crate) fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }

    /// `n` picks: shuffled copies of the list one after the other, so that every element comes up
    /// as often as the others, beside ever other elements of a second list.
    pub(crate) fn picks<T: Copy>(&mut self, list: &[T], n: usize) -> Vec<T> {
        let mut picks = Vec::new();
        while picks.len() < n {
            let mut copy = list.to_vec();
            self.shuffle(&mut copy);
            picks.extend(copy);
        }
        picks.truncate(n);
        picks
    }
}

/// 1, 2, 3 and the neighbours of the powers of two up to `2^max_power + 1`.
pub(crate) fn sizes(max_power: u32) -> Vec<usize> {
    let around = (2..=max_power).flat_map(|k| {
        let power = 1 << k;
        [power - 1, power, power + 1]
    });
    let mut sizes: Vec<usize> = [1, 2, 3].into_iter().chain(around).collect();
    sizes.dedup();
    sizes
}

/// What the values of a row are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Normal,
    /// One value of 1e5 among ordinary ones.
    Outlier,
    /// Pairs of +-16 that cancel, and ordinary values on top of them.
    Cancelling,
    /// From the smallest subnormal to the smallest normal numbers.
    Subnormal,
    /// Magnitudes of 1e15, both signs.
    Large,
    /// One value all along.
    Constant,
    Zeros,
}

impl Pattern {
    pub(crate) const ALL: [Self; 7] = [
        Self::Normal,
        Self::Outlier,
        Self::Cancelling,
        Self::Subnormal,
        Self::Large,
        Self::Constant,
        Self::Zeros,
    ];

    fn row(self, rng: &mut Rng, width: usize) -> Vec<f32> {
        let mut row = rng.normals(width);
        match self {
            Self::Normal => {}
            Self::Outlier => row[rng.below(width)] = if rng.below(2) == 0 { 1e5 } else { -1e5 },
            Self::Cancelling => {
                for (i, value) in row.iter_mut().enumerate() {
                    // The last value of an odd row has no partner.
                    if i ^ 1 < width {
                        *value += if i % 2 == 0 { 16.0 } else { -16.0 };
                    }
                }
            }
            Self::Subnormal => row.fill_with(|| {
                let magnitude = 10_f64.powf(rng.uniform(-44.0, -36.0));
                (if rng.below(2) == 0 {
                    magnitude
                } else {
                    -magnitude
                }) as f32
            }),
            Self::Large => row.iter_mut().for_each(|value| *value *= 1e15),
            Self::Constant => row.fill(rng.uniform(-3.0, 3.0) as f32),
            Self::Zeros => row.fill(0.0),
        }
        row
    }

    /// `[rows][width]`. Between two rows of the pattern stands an ordinary one, which must not
    /// notice its neighbours.
    pub(crate) fn rows(self, rng: &mut Rng, rows: usize, width: usize) -> Vec<f32> {
        let row = |row| match row % 2 {
            0 => self.row(rng, width),
            _ => Self::Normal.row(rng, width),
        };
        (0..rows).flat_map(row).collect()
    }
}
