//! Seeded values as weights have them, to measure encoders with.

/// Of each tensor.
pub(crate) const ROWS: usize = 512;
/// Of each tensor.
pub(crate) const COLUMNS: usize = 2048;

/// Counter-based random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 to 1, without the ends.
    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t with three degrees of freedom: heavy tails, but a variance.
    fn heavy_tailed(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.gaussian().powi(2)).sum();
        self.gaussian() / (squares / 3.0).sqrt()
    }
}

/// Values by distribution, with a standard deviation of about 0.02 as weights have.
pub(crate) fn tensors() -> Vec<(&'static str, Vec<f32>)> {
    let mut random = Random(20_261_121);
    let n = ROWS * COLUMNS;
    let gaussian = (0..n).map(|_| (0.02 * random.gaussian()) as f32).collect();
    let heavy = (0..n)
        .map(|_| (0.012 * random.heavy_tailed()) as f32)
        .collect();
    // Rows and columns of trained matrices differ in scale, some columns by much, and values are
    // not quite centred.
    let row_scale: Vec<f64> = (0..ROWS).map(|_| (0.3 * random.gaussian()).exp()).collect();
    let column = |random: &mut Random| {
        let outlier = if random.uniform() < 0.005 { 8.0 } else { 1.0 };
        (
            outlier * (0.4 * random.gaussian()).exp(),
            0.15 * random.gaussian(),
        )
    };
    let columns: Vec<(f64, f64)> = (0..COLUMNS).map(|_| column(&mut random)).collect();
    let real_like = (0..n).map(|i| {
        let (scale, shift) = columns[i % COLUMNS];
        (0.02 * row_scale[i / COLUMNS] * scale * (random.gaussian() + shift)) as f32
    });
    let real_like = real_like.collect();
    let uniform = (0..n)
        .map(|_| (0.07 * (random.uniform() - 0.5)) as f32)
        .collect();
    vec![
        ("gaussian", gaussian),
        ("heavy_tailed", heavy),
        ("real_like", real_like),
        ("uniform", uniform),
    ]
}

/// Root mean square of the difference, relative to that of the values.
pub(crate) fn relative_error(values: &[f32], found: &[f32]) -> f64 {
    let pairs = values.iter().zip(found);
    let error: f64 = pairs.map(|(a, b)| f64::from(b - a).powi(2)).sum();
    let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (error / squares).sqrt()
}
