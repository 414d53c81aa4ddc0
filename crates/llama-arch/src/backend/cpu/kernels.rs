//! Instruction sets: what this machine has, and code compiled for each.

/// Instruction sets with a build of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// What every processor of the target has.
    Portable,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON, with its fused products.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Isa {
    /// The best instruction set that processor and operating system both offer.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            // These macros ask the operating system (XGETBV) and not the processor alone.
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            return Self::Neon;
        }
        Self::Portable
    }

    /// Every instruction set usable here, for tests that must hold on each.
    pub(super) fn available() -> Vec<Self> {
        match Self::detect() {
            Self::Portable => vec![Self::Portable],
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => vec![Self::Portable, Self::Avx2],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => vec![Self::Portable, Self::Avx2, Self::Avx512],
            #[cfg(target_arch = "aarch64")]
            Self::Neon => vec![Self::Portable, Self::Neon],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
        }
    }
}

/// Compiles a generic function for every instruction set and calls the build for `isa`. Its
/// parameters are the [`Vector`] and how many activation rows the registers hold accumulators for,
/// beside four weight rows.
macro_rules! for_isa {
    ($isa:expr, $generic:ident, ($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2($($arg: $type),*) {
            // SAFETY: AVX2 and FMA are there.
            unsafe { $generic::<std::arch::x86_64::__m256, 3>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn avx512($($arg: $type),*) {
            // SAFETY: AVX-512 is there.
            unsafe { $generic::<std::arch::x86_64::__m512, 6>($($arg),*) }
        }
        #[cfg(target_arch = "aarch64")]
        #[target_feature(enable = "neon")]
        fn neon($($arg: $type),*) {
            // SAFETY: NEON is there.
            unsafe { $generic::<std::arch::aarch64::float32x4x2_t, 2>($($arg),*) }
        }
        match $isa {
            // SAFETY: needs nothing.
            Isa::Portable => unsafe { $generic::<Portable, 1>($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::detect` and `Isa::available` name only what this machine has.
            Isa::Avx2 => unsafe { avx2($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe { avx512($($arg),*) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Isa::Neon => unsafe { neon($($arg),*) },
        }
    }};
}
pub(super) use for_isa;
