//! The inner loops, written once and compiled for each instruction set.
//!
//! Loops run over arrays of `L` lanes that the compiler keeps in registers; `FMA` says whether
//! the instruction set multiplies and adds in one rounding. Every sum has one accumulator per
//! lane, filled in order of the index, and the lanes are added in one fixed tree: a result
//! depends on the instruction set, never on how many rows were computed together.

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
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
        }
    }
}

/// `a * b + c`.
#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `W x X` dot products of rows of `w` with rows of `x`, all of one length.
#[inline(always)]
pub(super) fn dot_tile<const L: usize, const FMA: bool, const W: usize, const X: usize>(
    w: [&[f32]; W],
    x: [&[f32]; X],
) -> [[f32; X]; W] {
    let len = w[0].len();
    let w = w.map(|row| &row[..len]);
    let x = x.map(|row| &row[..len]);
    let mut sums = [[[0.0_f32; L]; X]; W];
    let whole = len / L * L;
    let mut at = 0;
    while at < whole {
        let wv: [[f32; L]; W] = std::array::from_fn(|i| load(w[i], at));
        for (j, row) in x.iter().enumerate() {
            let xv: [f32; L] = load(row, at);
            for (i, wv) in wv.iter().enumerate() {
                for lane in 0..L {
                    let sum = &mut sums[i][j][lane];
                    *sum = multiply_add::<FMA>(wv[lane], xv[lane], *sum);
                }
            }
        }
        at += L;
    }
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let mut sum = add_lanes(sums[i][j]);
            for k in whole..len {
                sum = multiply_add::<FMA>(w[i][k], x[j][k], sum);
            }
            sum
        })
    })
}

/// `out[i] += scale * v[i]`.
#[inline(always)]
pub(super) fn add_scaled<const FMA: bool>(scale: f32, v: &[f32], out: &mut [f32]) {
    for (out, &v) in out.iter_mut().zip(v) {
        *out = multiply_add::<FMA>(scale, v, *out);
    }
}

#[inline(always)]
fn load<const L: usize>(row: &[f32], at: usize) -> [f32; L] {
    let mut lanes = [0.0; L];
    lanes.copy_from_slice(&row[at..at + L]);
    lanes
}

/// Adds lanes pairwise: half onto half until one is left.
#[inline(always)]
fn add_lanes<const L: usize>(mut lanes: [f32; L]) -> f32 {
    let mut half = L / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Compiles a generic function for every instruction set and calls the build for `isa`.
macro_rules! for_isa {
    ($isa:expr, $generic:ident, ($($arg:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2($($arg: $type),*) {
            $generic::<8, true>($($arg),*);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn avx512($($arg: $type),*) {
            $generic::<16, true>($($arg),*);
        }
        match $isa {
            Isa::Portable => $generic::<8, false>($($arg),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::detect` and `Isa::available` name only what this machine has.
            Isa::Avx2 => unsafe { avx2($($arg),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe { avx512($($arg),*) },
        }
    }};
}
pub(super) use for_isa;
