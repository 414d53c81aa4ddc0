//! How weights are stored.

/// A format of GGUF tensors that the kernels decode.
///
/// In the order of the entry points in [`crate::Kernels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names of the formats")]
pub enum WeightType {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl WeightType {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// The format of a tensor type's number in a GGUF file.
    pub fn from_gguf(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.layout().0 == number)
    }

    /// Values of a block.
    pub fn block_len(self) -> usize {
        self.layout().1
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.layout().2
    }

    /// Bytes of a row, if it is whole blocks.
    pub fn row_bytes(self, row_len: usize) -> Option<usize> {
        let is_whole = row_len.is_multiple_of(self.block_len());
        (row_len / self.block_len())
            .checked_mul(self.block_bytes())
            .filter(|_| is_whole)
    }

    /// Bytes of a packed unit, 16 rows of 128 values; `None` for the types that are not packed.
    pub fn unit_bytes(self) -> Option<usize> {
        Some(match self {
            Self::F32 | Self::Bf16 => return None,
            Self::F16 => 4096,
            Self::Q8_0 => 2176,
            Self::Q4_0 => 1152,
            Self::Q4_1 => 1280,
            Self::Q5_0 => 1408,
            Self::Q5_1 => 1536,
            Self::Q2K => 704,
            Self::Q3K => 928,
            Self::Q4K => 1216,
            Self::Q5K => 1472,
            Self::Q6K => 1696,
        })
    }

    /// Its place among the types that are packed.
    pub(crate) fn packed_index(self) -> Option<usize> {
        let mut packed = Self::ALL.into_iter().filter(|t| t.unit_bytes().is_some());
        packed.position(|t| t == self)
    }

    /// Whether its blocks have a minimum beside the scale.
    pub fn has_minima(self) -> bool {
        matches!(
            self,
            Self::Q4_1 | Self::Q5_1 | Self::Q2K | Self::Q4K | Self::Q5K
        )
    }

    /// Number in GGUF files, values and bytes of a block.
    fn layout(self) -> (u32, usize, usize) {
        match self {
            Self::F32 => (0, 1, 4),
            Self::F16 => (1, 1, 2),
            Self::Bf16 => (30, 1, 2),
            Self::Q8_0 => (8, 32, 34),
            Self::Q4_0 => (2, 32, 18),
            Self::Q4_1 => (3, 32, 20),
            Self::Q5_0 => (6, 32, 22),
            Self::Q5_1 => (7, 32, 24),
            Self::Q2K => (10, 256, 84),
            Self::Q3K => (11, 256, 110),
            Self::Q4K => (12, 256, 144),
            Self::Q5K => (13, 256, 176),
            Self::Q6K => (14, 256, 210),
        }
    }
}
