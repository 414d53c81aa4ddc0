//! The inner loops, written once over [`Vector`] and compiled for each instruction set.
//!
//! Every sum has one accumulator per lane, filled in order of the index, and the lanes are added
//! in one fixed tree: a result depends on the instruction set, never on how many rows were
//! computed together.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

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

/// A register of f32 lanes.
///
/// Safety: every function needs the instruction set of its type on this machine, and a pointer
/// must be good for [`Vector::LANES`] values.
pub(super) trait Vector: Copy {
    /// Values in one register.
    const LANES: usize;
    /// Whether `a * b + c` is rounded once.
    const FUSED: bool;
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// `self * b + c`.
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
    /// The lanes, added pairwise: half onto half until one is left.
    unsafe fn sum(self) -> f32;
}

/// Eight lanes for any processor; compilers make registers of them.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Vector for Portable {
    const LANES: usize = 8;
    const FUSED: bool = false;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; 8]>().read() })
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, mut c: Self) -> Self {
        for lane in 0..8 {
            c.0[lane] += self.0[lane] * b.0[lane];
        }
        c
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        add_lanes(self.0)
    }
}

/// Implements [`Vector`] over the intrinsics of one register width.
#[cfg(target_arch = "x86_64")]
macro_rules! vector {
    ($type:ident, $lanes:literal, $zero:ident, $load:ident, $store:ident, $multiply_add:ident) => {
        impl Vector for $type {
            const LANES: usize = $lanes;
            const FUSED: bool = true;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller's promise.
                unsafe { $zero() }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller's promise.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the caller's promise.
                unsafe { $multiply_add(self, b, c) }
            }

            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller's promise, and room for every lane.
                unsafe { $store(lanes.as_mut_ptr(), self) };
                add_lanes(lanes)
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector!(
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps
);
#[cfg(target_arch = "x86_64")]
vector!(
    __m512,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps
);

/// `W x X` dot products of rows of `w` with rows of `x`, all of one length.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn dot_tile<V: Vector, const W: usize, const X: usize>(
    w: [&[f32]; W],
    x: [&[f32]; X],
) -> [[f32; X]; W] {
    let len = w[0].len();
    assert!(w.iter().all(|row| row.len() == len) && x.iter().all(|row| row.len() == len));
    let whole = len / V::LANES * V::LANES;
    // SAFETY: every load ends at `whole` or before, within all rows by the assertion; the
    // instruction set is the caller's promise.
    let sums = unsafe {
        let mut sums = [[V::zero(); X]; W];
        let mut at = 0;
        while at < whole {
            let w = w.map(|row| V::load(row.as_ptr().add(at)));
            for (j, row) in x.iter().enumerate() {
                let x = V::load(row.as_ptr().add(at));
                for (sums, w) in sums.iter_mut().zip(w) {
                    sums[j] = w.multiply_add(x, sums[j]);
                }
            }
            at += V::LANES;
        }
        sums.map(|sums| sums.map(|sum| sum.sum()))
    };
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let rest = w[i][whole..].iter().zip(&x[j][whole..]);
            rest.fold(sums[i][j], |sum, (&w, &x)| multiply_add::<V>(w, x, sum))
        })
    })
}

/// `out[i] += scale * v[i]`.
#[inline(always)]
pub(super) fn add_scaled<V: Vector>(scale: f32, v: &[f32], out: &mut [f32]) {
    for (out, &v) in out.iter_mut().zip(v) {
        *out = multiply_add::<V>(scale, v, *out);
    }
}

/// `a * b + c`, rounded as `V` rounds.
#[inline(always)]
fn multiply_add<V: Vector>(a: f32, b: f32, c: f32) -> f32 {
    if V::FUSED { a.mul_add(b, c) } else { a * b + c }
}

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
        match $isa {
            // SAFETY: needs nothing.
            Isa::Portable => unsafe { $generic::<Portable, 1>($($arg),*) },
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
