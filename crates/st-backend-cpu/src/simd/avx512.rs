//! Vectors of 64 bytes: AVX-512 F, BW, DQ and VL.

use core::arch::x86_64::*;

use super::{Job, Simd, Vectors};

/// Proof that the processor and the system have AVX-512 F, BW, DQ, VL, BMI1, BMI2 and POPCNT.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn new() -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        there.then_some(Self(()))
    }
}

impl Simd for Avx512 {
    #[inline]
    fn run<J: Job>(self, job: J) -> J::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,popcnt")]
        fn run<J: Job>(s: Avx512, job: J) -> J::Out {
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

/// Packing in registers: 16 codes and indices become two vectors of words, whose hits are moved
/// together and stored as whole vectors. (Compressing to memory is slow on some processors.) The
/// words behind the hits are written too, and overwritten by what comes next.
macro_rules! compress_append {
    () => {
        #[inline(always)]
        unsafe fn append(self, mask: u64, codes: __m512i, base: u32, out: *mut i64) -> usize {
            // SAFETY: `self` proves the features; the caller made LANES words writable, and the
            // second store begins after at most half of them.
            unsafe {
                let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let index = _mm512_add_epi32(lanes, _mm512_set1_epi32(base.cast_signed()));
                let inverted = _mm512_xor_si512(codes, _mm512_set1_epi32(-1));
                let codes = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(inverted));
                let low = _mm512_or_si512(
                    _mm512_slli_epi64::<32>(codes),
                    _mm512_cvtepu32_epi64(_mm512_castsi512_si256(index)),
                );
                let codes = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(inverted));
                let high = _mm512_or_si512(
                    _mm512_slli_epi64::<32>(codes),
                    _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(index)),
                );
                // Merge-masked: the zero-masked form waits for its old target on some processors.
                let low = _mm512_mask_compress_epi64(low, mask as u8, low);
                let high = _mm512_mask_compress_epi64(high, (mask >> 8) as u8, high);
                let n = (mask & 0xFF).count_ones() as usize;
                _mm512_storeu_si512(out.cast(), low);
                _mm512_storeu_si512(out.add(n).cast(), high);
            }
            mask.count_ones() as usize
        }
    };
}

macro_rules! avx512 {
    (
        $lane:ty, $n:literal, $splat:ident, $add:ident, |$sa:ident| $sign:expr, $max:ident, $gt:ident,
        $eq:ident, $blend:ident $(, append = $append:ident)?
    ) => {
        impl Vectors<$lane> for Avx512 {
            type V = __m512i;
            const LANES: usize = $n;

            #[inline(always)]
            fn splat(self, x: $lane) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $lane) -> __m512i {
                // SAFETY: `self` proves the features; the caller made LANES elements readable.
                unsafe { _mm512_loadu_si512(p.cast()) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $lane, v: __m512i) {
                // SAFETY: `self` proves the features; the caller made LANES elements writable.
                unsafe { _mm512_storeu_si512(p.cast(), v) }
            }
            #[inline(always)]
            fn and(self, a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { _mm512_and_si512(a, b) }
            }
            #[inline(always)]
            fn xor(self, a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { _mm512_xor_si512(a, b) }
            }
            #[inline(always)]
            fn add(self, a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sign(self, $sa: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $sign }
            }
            #[inline(always)]
            fn max(self, a: __m512i, b: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            fn gt(self, a: __m512i, b: __m512i) -> u64 {
                // SAFETY: `self` proves the features.
                u64::from(unsafe { $gt(a, b) })
            }
            #[inline(always)]
            fn gt_select(self, a: __m512i, b: __m512i, x: __m512i, y: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $blend($gt(a, b), y, x) }
            }
            #[inline(always)]
            fn eq_select(self, a: __m512i, b: __m512i, x: __m512i, y: __m512i) -> __m512i {
                // SAFETY: `self` proves the features.
                unsafe { $blend($eq(a, b), y, x) }
            }
            $(
                $append!();
            )?
        }
    };
}

avx512!(
    i8,
    64,
    _mm512_set1_epi8,
    _mm512_add_epi8,
    |a| _mm512_movm_epi8(_mm512_movepi8_mask(a)),
    _mm512_max_epi8,
    _mm512_cmpgt_epi8_mask,
    _mm512_cmpeq_epi8_mask,
    _mm512_mask_blend_epi8
);
avx512!(
    i16,
    32,
    _mm512_set1_epi16,
    _mm512_add_epi16,
    |a| _mm512_srai_epi16::<15>(a),
    _mm512_max_epi16,
    _mm512_cmpgt_epi16_mask,
    _mm512_cmpeq_epi16_mask,
    _mm512_mask_blend_epi16
);
avx512!(
    i32,
    16,
    _mm512_set1_epi32,
    _mm512_add_epi32,
    |a| _mm512_srai_epi32::<31>(a),
    _mm512_max_epi32,
    _mm512_cmpgt_epi32_mask,
    _mm512_cmpeq_epi32_mask,
    _mm512_mask_blend_epi32,
    append = compress_append
);
avx512!(
    i64,
    8,
    _mm512_set1_epi64,
    _mm512_add_epi64,
    |a| _mm512_srai_epi64::<63>(a),
    _mm512_max_epi64,
    _mm512_cmpgt_epi64_mask,
    _mm512_cmpeq_epi64_mask,
    _mm512_mask_blend_epi64
);
