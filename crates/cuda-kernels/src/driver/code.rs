//! What driver calls return.

use std::fmt;

/// A `CUresult` other than success.
///
/// Kept as a number: a driver newer than this crate may return one without a name here.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultCode(pub i32);

macro_rules! codes {
    ($($constant:ident = $value:literal, $is_sticky:literal;)*) => {
        impl ResultCode {
            $(
                #[doc = concat!("`CUDA_ERROR_", stringify!($constant), "`")]
                pub const $constant: Self = Self($value);
            )*

            /// The driver's name without its prefix.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some(stringify!($constant)),)*
                    _ => None,
                }
            }

            /// Whether the context is lost with it.
            pub fn is_sticky(self) -> bool {
                match self {
                    $(Self::$constant => $is_sticky,)*
                    _ => false,
                }
            }
        }
    };
}

codes! {
    INVALID_VALUE = 1, false;
    OUT_OF_MEMORY = 2, false;
    NOT_INITIALIZED = 3, false;
    DEINITIALIZED = 4, true;
    STUB_LIBRARY = 34, false;
    DEVICE_UNAVAILABLE = 46, false;
    NO_DEVICE = 100, false;
    INVALID_DEVICE = 101, false;
    INVALID_IMAGE = 200, false;
    INVALID_CONTEXT = 201, false;
    NO_BINARY_FOR_GPU = 209, false;
    ECC_UNCORRECTABLE = 214, true;
    INVALID_PTX = 218, false;
    NVLINK_UNCORRECTABLE = 220, true;
    JIT_COMPILER_NOT_FOUND = 221, false;
    UNSUPPORTED_PTX_VERSION = 222, false;
    CONTAINED = 226, true;
    INVALID_HANDLE = 400, false;
    NOT_FOUND = 500, false;
    NOT_READY = 600, false;
    ILLEGAL_ADDRESS = 700, true;
    LAUNCH_OUT_OF_RESOURCES = 701, false;
    LAUNCH_TIMEOUT = 702, true;
    CONTEXT_IS_DESTROYED = 709, true;
    ASSERT = 710, true;
    HARDWARE_STACK_ERROR = 714, true;
    ILLEGAL_INSTRUCTION = 715, true;
    MISALIGNED_ADDRESS = 716, true;
    INVALID_ADDRESS_SPACE = 717, true;
    INVALID_PC = 718, true;
    LAUNCH_FAILED = 719, true;
    NOT_SUPPORTED = 801, false;
    SYSTEM_NOT_READY = 802, false;
    SYSTEM_DRIVER_MISMATCH = 803, false;
    COMPAT_NOT_SUPPORTED_ON_DEVICE = 804, false;
    STREAM_CAPTURE_UNSUPPORTED = 900, false;
    STREAM_CAPTURE_INVALIDATED = 901, false;
    UNKNOWN = 999, true;
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "CUDA_ERROR_{name} ({})", self.0),
            None => write!(f, "CUDA error {}", self.0),
        }
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_contexts() {
        for code in [700, 714, 716, 719, 999] {
            assert!(ResultCode(code).is_sticky(), "{code}");
        }
        for code in [1, 2, 34, 100, 222, 701, 803, 12345] {
            assert!(!ResultCode(code).is_sticky(), "{code}");
        }
    }

    #[test]
    fn codes_without_a_name_are_printed() {
        assert_eq!(ResultCode(12345).to_string(), "CUDA error 12345");
        assert_eq!(
            ResultCode::ILLEGAL_ADDRESS.to_string(),
            "CUDA_ERROR_ILLEGAL_ADDRESS (700)"
        );
    }
}
