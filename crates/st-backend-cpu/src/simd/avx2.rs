//! Vectors of 32 bytes: AVX2.

use core::arch::x86_64::*;

use super::{Job, Simd, Vectors};

/// Proof that the processor and the system have AVX2, BMI1, BMI2 and POPCNT.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        let there = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        there.then_some(Self(()))
    }
}

impl Simd for Avx2 {
    #[inline]
    fn run<J: Job>(self, job: J) -> J::Out {
        #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
        fn run<J: Job>(s: Avx2, job: J) -> J::Out {
            job.run(s)
        }
        // SAFETY: `self` proves the features.
        unsafe { run(self, job) }
    }

    #[inline(always)]
    fn prefetch<T>(self, p: *const T) {
        // SAFETY: a prefetch of any address is harmless; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
}

macro_rules! avx2 {
    (
        $lane:ty, $n:literal, $splat:ident, $add:ident, |$sa:ident| $sign:expr, |$ma:ident, $mb:ident| $max:expr, $gt:ident,
        $eq:ident, |$mm:ident| $mask:expr
    ) => {
        impl Vectors<$lane> for Avx2 {
            type V = __m256i;
            const LANES: usize = $n;

            #[inline(always)]
            fn splat(self, x: $lane) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $lane) -> __m256i {
                // SAFETY: `self` proves the features; the caller made LANES elements readable.
                unsafe { _mm256_loadu_si256(p.cast()) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $lane, v: __m256i) {
                // SAFETY: `self` proves the features; the caller made LANES elements writable.
                unsafe { _mm256_storeu_si256(p.cast(), v) }
            }
            #[inline(always)]
            fn and(self, a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { _mm256_and_si256(a, b) }
            }
            #[inline(always)]
            fn xor(self, a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { _mm256_xor_si256(a, b) }
            }
            #[inline(always)]
            fn add(self, a: __m256i, b: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sign(self, $sa: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { $sign }
            }
            #[inline(always)]
            fn max(self, $ma: __m256i, $mb: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { $max }
            }
            #[inline(always)]
            fn gt(self, a: __m256i, b: __m256i) -> u64 {
                // SAFETY: `self` proves the features.
                unsafe {
                    let $mm = $gt(a, b);
                    $mask
                }
            }
            #[inline(always)]
            fn gt_select(self, a: __m256i, b: __m256i, x: __m256i, y: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { _mm256_blendv_epi8(y, x, $gt(a, b)) }
            }
            #[inline(always)]
            fn eq_select(self, a: __m256i, b: __m256i, x: __m256i, y: __m256i) -> __m256i {
                // SAFETY: `self` proves the features.
                unsafe { _mm256_blendv_epi8(y, x, $eq(a, b)) }
            }
        }
    };
}

avx2!(
    i8,
    32,
    _mm256_set1_epi8,
    _mm256_add_epi8,
    |a| _mm256_cmpgt_epi8(_mm256_setzero_si256(), a),
    |a, b| _mm256_max_epi8(a, b),
    _mm256_cmpgt_epi8,
    _mm256_cmpeq_epi8,
    |m| u64::from(_mm256_movemask_epi8(m).cast_unsigned())
);
avx2!(
    i16,
    16,
    _mm256_set1_epi16,
    _mm256_add_epi16,
    |a| _mm256_srai_epi16::<15>(a),
    |a, b| _mm256_max_epi16(a, b),
    _mm256_cmpgt_epi16,
    _mm256_cmpeq_epi16,
    // Saturating to bytes keeps all ones and zero as they are.
    |m| u64::from(
        _mm_movemask_epi8(_mm_packs_epi16(
            _mm256_castsi256_si128(m),
            _mm256_extracti128_si256::<1>(m),
        ))
        .cast_unsigned()
    )
);
avx2!(
    i32,
    8,
    _mm256_set1_epi32,
    _mm256_add_epi32,
    |a| _mm256_srai_epi32::<31>(a),
    |a, b| _mm256_max_epi32(a, b),
    _mm256_cmpgt_epi32,
    _mm256_cmpeq_epi32,
    |m| u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(m)).cast_unsigned())
);
avx2!(
    i64,
    4,
    _mm256_set1_epi64x,
    _mm256_add_epi64,
    |a| _mm256_cmpgt_epi64(_mm256_setzero_si256(), a),
    |a, b| _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi64(a, b)),
    _mm256_cmpgt_epi64,
    _mm256_cmpeq_epi64,
    |m| u64::from(_mm256_movemask_pd(_mm256_castsi256_pd(m)).cast_unsigned())
);
