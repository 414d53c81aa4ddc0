//! What every operation of a step produced, in numbers small enough to read and compare.

/// Values kept from the start of each buffer.
const FIRST_VALUES: usize = 8;

/// Statistics of the output of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceEntry {
    /// Layer, if the operation belongs to one.
    pub layer: Option<usize>,
    /// Operation.
    pub op: String,
    /// `[rows, width]`.
    pub shape: [usize; 2],
    /// Smallest finite value.
    pub min: f32,
    /// Largest finite value.
    pub max: f32,
    /// Mean of the finite values.
    pub mean: f64,
    /// Root of the mean square of the finite values.
    pub rms: f64,
    /// Values that are NaN or infinite.
    pub non_finite: usize,
    /// The first values of the last row.
    pub first: Vec<f32>,
}

/// The operations of one step, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    entries: Vec<TraceEntry>,
}

impl Trace {
    /// An empty trace.
    pub fn new() -> Self {
        Self::default()
    }

    /// The operations so far.
    pub fn entries(&self) -> &[TraceEntry] {
        &self.entries
    }

    pub(crate) fn record(&mut self, layer: Option<usize>, op: &str, rows: usize, values: &[f32]) {
        let width = values.len() / rows.max(1);
        let finite = || values.iter().filter(|value| value.is_finite());
        let n_finite = finite().count();
        let sum: f64 = finite().map(|&value| f64::from(value)).sum();
        let squares: f64 = finite().map(|&value| f64::from(value).powi(2)).sum();
        let last_row = &values[values.len() - width..];
        self.entries.push(TraceEntry {
            layer,
            op: op.to_owned(),
            shape: [rows, width],
            min: finite().copied().fold(f32::INFINITY, f32::min),
            max: finite().copied().fold(f32::NEG_INFINITY, f32::max),
            mean: sum / n_finite.max(1) as f64,
            rms: (squares / n_finite.max(1) as f64).sqrt(),
            non_finite: values.len() - n_finite,
            first: last_row.iter().copied().take(FIRST_VALUES).collect(),
        });
    }
}

impl TraceEntry {
    /// How far this entry is from `other`, relative to its rms: the largest difference of the
    /// first values, mean and rms. Infinite when shapes or counts of non-finite values differ.
    pub fn distance(&self, other: &Self) -> f64 {
        if self.shape != other.shape
            || self.non_finite != other.non_finite
            || self.first.len() != other.first.len()
        {
            return f64::INFINITY;
        }
        let scale = self.rms.max(other.rms).max(f64::MIN_POSITIVE);
        let pairs = self.first.iter().zip(&other.first);
        pairs
            .map(|(&a, &b)| if a == b { 0.0 } else { f64::from(a - b).abs() })
            .chain([(self.mean - other.mean).abs(), (self.rms - other.rms).abs()])
            .map(|difference| difference / scale)
            .fold(0.0, f64::max)
    }
}
