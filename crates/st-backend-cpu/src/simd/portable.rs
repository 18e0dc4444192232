//! Vectors of 16 bytes in plain Rust, for any processor. Written so that the compiler can use
//! whatever vectors the target always has.

use core::array::from_fn;

use st_rank::order::Lane;

use super::{Job, Simd, Vectors};

/// Needs nothing.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Simd for Portable {
    #[inline]
    fn run<J: Job>(self, job: J) -> J::Out {
        job.run(self)
    }
}

macro_rules! portable {
    ($lane:ty, $n:literal) => {
        impl Vectors<$lane> for Portable {
            type V = [$lane; $n];
            const LANES: usize = $n;

            #[inline(always)]
            fn splat(self, x: $lane) -> Self::V {
                [x; $n]
            }
            #[inline(always)]
            unsafe fn load(self, p: *const $lane) -> Self::V {
                // SAFETY: the caller made LANES elements readable.
                unsafe { p.cast::<Self::V>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $lane, v: Self::V) {
                // SAFETY: the caller made LANES elements writable.
                unsafe { p.cast::<Self::V>().write_unaligned(v) }
            }
            #[inline(always)]
            fn and(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] & b[i])
            }
            #[inline(always)]
            fn xor(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i] ^ b[i])
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| a[i].wrapping_add(b[i]))
            }
            #[inline(always)]
            fn sign(self, a: Self::V) -> Self::V {
                from_fn(|i| a[i].sign())
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn gt(self, a: Self::V, b: Self::V) -> u64 {
                let hits: [bool; $n] = from_fn(|i| a[i] > b[i]);
                // Most vectors have no hit, and that is cheaper to see than which lanes hit.
                if hits == [false; $n] {
                    return 0;
                }
                hits.iter().enumerate().fold(0, |m, (i, &hit)| m | u64::from(hit) << i)
            }
            #[inline(always)]
            fn gt_select(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
                from_fn(|i| if a[i] > b[i] { x[i] } else { y[i] })
            }
            #[inline(always)]
            fn eq_select(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
                from_fn(|i| if a[i] == b[i] { x[i] } else { y[i] })
            }
        }
    };
}
portable!(i8, 16);
portable!(i16, 8);
portable!(i32, 4);
portable!(i64, 2);
