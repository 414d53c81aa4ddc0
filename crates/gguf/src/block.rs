//! The tensor types of ggml and how each packs elements into blocks.

use crate::error::Error;
use crate::layout::{self, ShapeFault};

macro_rules! tensor_types {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $id:literal, $name:literal, $len:literal in $bytes:literal;
    )*) => {
        /// How the elements of a tensor are stored. Every type id that ggml knows has a name here;
        /// [`can_dequantize`](TensorType::can_dequantize) says which this crate can decode.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TensorType {
            $(#[doc = concat!("`", $name, "`: ", $len, " elements in ", $bytes, " bytes.")]
              $variant,)*
        }

        impl TensorType {
            /// Every type, by ascending id.
            pub const ALL: &[TensorType] = &[$(TensorType::$variant,)*];

            /// The type with this id in a file, if ggml has one.
            pub fn from_id(id: u32) -> Option<TensorType> {
                match id {
                    $($id => Some(TensorType::$variant),)*
                    _ => None,
                }
            }

            /// The id that stands for this type in a file.
            pub fn id(self) -> u32 {
                match self {
                    $(TensorType::$variant => $id,)*
                }
            }

            /// The name other tools print, such as `Q4_K`.
            pub fn name(self) -> &'static str {
                match self {
                    $(TensorType::$variant => $name,)*
                }
            }

            /// Elements in one block. Rows are whole numbers of blocks.
            pub fn block_len(self) -> usize {
                match self {
                    $(TensorType::$variant => $len,)*
                }
            }

            /// Bytes of one block.
            pub fn block_bytes(self) -> usize {
                match self {
                    $(TensorType::$variant => $bytes,)*
                }
            }
        }
    };
}

// The gaps are ids of types that were removed from the format: 4, 5, 31 to 33 and 36 to 38.
tensor_types! {
    F32 = 0, "F32", 1 in 4;
    F16 = 1, "F16", 1 in 2;
    Q4_0 = 2, "Q4_0", 32 in 18;
    Q4_1 = 3, "Q4_1", 32 in 20;
    Q5_0 = 6, "Q5_0", 32 in 22;
    Q5_1 = 7, "Q5_1", 32 in 24;
    Q8_0 = 8, "Q8_0", 32 in 34;
    Q8_1 = 9, "Q8_1", 32 in 36;
    Q2K = 10, "Q2_K", 256 in 84;
    Q3K = 11, "Q3_K", 256 in 110;
    Q4K = 12, "Q4_K", 256 in 144;
    Q5K = 13, "Q5_K", 256 in 176;
    Q6K = 14, "Q6_K", 256 in 210;
    Q8K = 15, "Q8_K", 256 in 292;
    Iq2Xxs = 16, "IQ2_XXS", 256 in 66;
    Iq2Xs = 17, "IQ2_XS", 256 in 74;
    Iq3Xxs = 18, "IQ3_XXS", 256 in 98;
    Iq1S = 19, "IQ1_S", 256 in 50;
    Iq4Nl = 20, "IQ4_NL", 32 in 18;
    Iq3S = 21, "IQ3_S", 256 in 110;
    Iq2S = 22, "IQ2_S", 256 in 82;
    Iq4Xs = 23, "IQ4_XS", 256 in 136;
    I8 = 24, "I8", 1 in 1;
    I16 = 25, "I16", 1 in 2;
    I32 = 26, "I32", 1 in 4;
    I64 = 27, "I64", 1 in 8;
    F64 = 28, "F64", 1 in 8;
    Iq1M = 29, "IQ1_M", 256 in 56;
    Bf16 = 30, "BF16", 1 in 2;
    Tq1_0 = 34, "TQ1_0", 256 in 54;
    Tq2_0 = 35, "TQ2_0", 256 in 66;
    Mxfp4 = 39, "MXFP4", 32 in 17;
    Nvfp4 = 40, "NVFP4", 64 in 36;
    Q1_0 = 41, "Q1_0", 128 in 18;
    Q2_0 = 42, "Q2_0", 64 in 18;
}

impl TensorType {
    /// Whether [`dequantize`](crate::dequantize) decodes this type.
    pub fn can_dequantize(self) -> bool {
        use TensorType::{Bf16, F16, F32, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
        matches!(
            self,
            F32 | F16 | Bf16 | Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q2K | Q3K | Q4K | Q5K | Q6K
        )
    }

    /// Whether [`quantize`](crate::quantize) encodes this type.
    pub fn can_quantize(self) -> bool {
        // Of each type that is decoded there is an encoder too.
        self.can_dequantize()
    }

    /// The bytes of a row of `n` elements. An `n` that is no whole number of blocks is an error.
    pub fn row_bytes(self, n: usize) -> Result<usize, Error> {
        let bytes = self.tensor_bytes("row", &[n as u64])?;
        usize::try_from(bytes).map_err(|_| self.overflow("row", &[n as u64]))
    }

    /// The bytes of a whole tensor; the errors name it.
    pub(crate) fn tensor_bytes(self, tensor: &str, dims: &[u64]) -> Result<u64, Error> {
        let (len, bytes) = (self.block_len() as u64, self.block_bytes() as u64);
        layout::tensor_bytes(dims, len, bytes).map_err(|fault| match fault {
            ShapeFault::Zero => Error::ZeroDim {
                tensor: tensor.to_owned(),
                dims: dims.to_vec(),
            },
            ShapeFault::Misaligned => Error::BlockMisaligned {
                tensor: tensor.to_owned(),
                tensor_type: self,
                row_len: dims.first().copied().unwrap_or(1),
            },
            ShapeFault::Overflow => self.overflow(tensor, dims),
        })
    }

    fn overflow(self, tensor: &str, dims: &[u64]) -> Error {
        Error::ShapeOverflow {
            tensor: tensor.to_owned(),
            tensor_type: self,
            dims: dims.to_vec(),
        }
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_types_are_one_to_one_and_removed_ids_are_unknown() {
        for &tensor_type in TensorType::ALL {
            assert_eq!(TensorType::from_id(tensor_type.id()), Some(tensor_type));
        }
        let known = (0..1000)
            .filter(|&id| TensorType::from_id(id).is_some())
            .count();
        assert_eq!(known, TensorType::ALL.len());
        for removed in [4, 5, 31, 32, 33, 36, 37, 38] {
            assert_eq!(TensorType::from_id(removed), None);
        }
    }

    #[test]
    fn row_bytes_are_whole_blocks() {
        assert_eq!(TensorType::Q4K.row_bytes(512).ok(), Some(288));
        assert_eq!(TensorType::Q5_0.row_bytes(896).ok(), Some(616));
        assert!(matches!(
            TensorType::Q4K.row_bytes(896),
            Err(Error::BlockMisaligned { .. })
        ));
        assert!(matches!(
            TensorType::F64.row_bytes(usize::MAX),
            Err(Error::ShapeOverflow { .. })
        ));
    }
}
