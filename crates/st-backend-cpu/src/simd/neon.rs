//! Vectors of 16 bytes: NEON.

use core::arch::aarch64::*;

use super::{Job, Simd, Vectors};

/// Proof that the processor has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    pub(crate) fn new() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Simd for Neon {
    #[inline]
    fn run<J: Job>(self, job: J) -> J::Out {
        #[target_feature(enable = "neon")]
        fn run<J: Job>(s: Neon, job: J) -> J::Out {
            job.run(s)
        }
        // SAFETY: `self` proves the feature.
        unsafe { run(self, job) }
    }
}

macro_rules! neon {
    (
        $lane:ty, $n:literal, $v:ty, $splat:ident, $load:ident, $store:ident, $and:ident,
        $xor:ident, $add:ident, |$sa:ident| $sign:expr, |$ma:ident, $mb:ident| $max:expr, $gt:ident, $eq:ident, $select:ident,
        |$mm:ident| $mask:expr
    ) => {
        #[allow(unused_unsafe, reason = "most aarch64 targets always have NEON")]
        impl Vectors<$lane> for Neon {
            type V = $v;
            const LANES: usize = $n;

            #[inline(always)]
            fn splat(self, x: $lane) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $lane) -> $v {
                // SAFETY: `self` proves the feature; the caller made LANES elements readable.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $lane, v: $v) {
                // SAFETY: `self` proves the feature; the caller made LANES elements writable.
                unsafe { $store(p, v) }
            }
            #[inline(always)]
            fn and(self, a: $v, b: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $and(a, b) }
            }
            #[inline(always)]
            fn xor(self, a: $v, b: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $xor(a, b) }
            }
            #[inline(always)]
            fn add(self, a: $v, b: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sign(self, $sa: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $sign }
            }
            #[inline(always)]
            fn max(self, $ma: $v, $mb: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $max }
            }
            #[inline(always)]
            fn gt(self, a: $v, b: $v) -> u64 {
                // SAFETY: `self` proves the feature.
                unsafe {
                    // SAFETY: `self` proves the feature.
                    unsafe {
                        let $mm = $gt(a, b);
                        $mask
                    }
                }
            }
            #[inline(always)]
            fn gt_select(self, a: $v, b: $v, x: $v, y: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $select($gt(a, b), x, y) }
            }
            #[inline(always)]
            fn eq_select(self, a: $v, b: $v, x: $v, y: $v) -> $v {
                // SAFETY: `self` proves the feature.
                unsafe { $select($eq(a, b), x, y) }
            }
        }
    };
}

/// One bit for each lane of a byte mask: each half's bits are summed across.
#[inline]
#[target_feature(enable = "neon")]
fn mask8(m: uint8x16_t) -> u64 {
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the array has the 16 bytes that are read.
    let bits = vandq_u8(m, unsafe { vld1q_u8(BITS.as_ptr()) });
    u64::from(vaddv_u8(vget_low_u8(bits))) | u64::from(vaddv_u8(vget_high_u8(bits))) << 8
}

#[inline]
#[target_feature(enable = "neon")]
fn mask16(m: uint16x8_t) -> u64 {
    const BITS: [u16; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the array has the 8 elements that are read.
    u64::from(vaddvq_u16(vandq_u16(m, unsafe { vld1q_u16(BITS.as_ptr()) })))
}

#[inline]
#[target_feature(enable = "neon")]
fn mask32(m: uint32x4_t) -> u64 {
    const BITS: [u32; 4] = [1, 2, 4, 8];
    // SAFETY: the array has the 4 elements that are read.
    u64::from(vaddvq_u32(vandq_u32(m, unsafe { vld1q_u32(BITS.as_ptr()) })))
}

#[inline]
#[target_feature(enable = "neon")]
fn mask64(m: uint64x2_t) -> u64 {
    (vgetq_lane_u64::<0>(m) & 1) | (vgetq_lane_u64::<1>(m) & 2)
}

neon!(
    i8,
    16,
    int8x16_t,
    vdupq_n_s8,
    vld1q_s8,
    vst1q_s8,
    vandq_s8,
    veorq_s8,
    vaddq_s8,
    |a| vshrq_n_s8::<7>(a),
    |a, b| vmaxq_s8(a, b),
    vcgtq_s8,
    vceqq_s8,
    vbslq_s8,
    |m| mask8(m)
);
neon!(
    i16,
    8,
    int16x8_t,
    vdupq_n_s16,
    vld1q_s16,
    vst1q_s16,
    vandq_s16,
    veorq_s16,
    vaddq_s16,
    |a| vshrq_n_s16::<15>(a),
    |a, b| vmaxq_s16(a, b),
    vcgtq_s16,
    vceqq_s16,
    vbslq_s16,
    |m| mask16(m)
);
neon!(
    i32,
    4,
    int32x4_t,
    vdupq_n_s32,
    vld1q_s32,
    vst1q_s32,
    vandq_s32,
    veorq_s32,
    vaddq_s32,
    |a| vshrq_n_s32::<31>(a),
    |a, b| vmaxq_s32(a, b),
    vcgtq_s32,
    vceqq_s32,
    vbslq_s32,
    |m| mask32(m)
);
neon!(
    i64,
    2,
    int64x2_t,
    vdupq_n_s64,
    vld1q_s64,
    vst1q_s64,
    vandq_s64,
    veorq_s64,
    vaddq_s64,
    |a| vshrq_n_s64::<63>(a),
    |a, b| vbslq_s64(vcgtq_s64(a, b), a, b),
    vcgtq_s64,
    vceqq_s64,
    vbslq_s64,
    |m| mask64(m)
);
