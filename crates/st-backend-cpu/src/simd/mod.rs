//! The vector operations the kernels are written in, and who offers them.
//!
//! A value of a type that implements [`Simd`] proves that its instruction set is there: its
//! constructor returns `None` otherwise. Kernels are [`Job`]s, generic over it and inlined into
//! the one function per instruction set that is compiled with its features.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

use st_rank::order::CodeMap;

use crate::packed::Packs;

/// A proof that an instruction set is there.
pub(crate) trait Simd:
    Copy + Vectors<i8> + Vectors<i16> + Vectors<i32> + Vectors<i64>
{
    /// Runs a job compiled for this instruction set.
    fn run<J: Job>(self, job: J) -> J::Out;

    /// Asks for the cache line of an address that will be read soon, where that can be asked. The
    /// address may be anything.
    #[inline(always)]
    fn prefetch<T>(self, _p: *const T) {}
}

/// Work that is compiled once for each instruction set. `run` and all it calls in its hot loops
/// must be `inline(always)`: code that is not inlined into [`Simd::run`] is compiled without the
/// instruction set's features.
pub(crate) trait Job {
    type Out;
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Vectors of lanes of type `L`.
pub(crate) trait Vectors<L: Packs>: Copy {
    type V: Copy;
    /// Lanes of a vector; at most 64, so that a mask fits 64 bits.
    const LANES: usize;

    /// All lanes `x`.
    fn splat(self, x: L) -> Self::V;
    /// # Safety
    /// `LANES` elements must be readable at `p` (no alignment is needed).
    unsafe fn load(self, p: *const L) -> Self::V;
    /// # Safety
    /// `LANES` elements must be writable at `p` (no alignment is needed).
    unsafe fn store(self, p: *mut L, v: Self::V);
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// Wrapping.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// All ones where negative, else zero.
    fn sign(self, a: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bit i: lane i of `a` is greater than lane i of `b`.
    fn gt(self, a: Self::V, b: Self::V) -> u64;
    /// Lanes of `x` where `a > b`, else of `y`.
    fn gt_select(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// Lanes of `x` where `a == b`, else of `y`.
    fn eq_select(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;

    /// Packs the lanes of `codes` whose bit is set in `mask`, in lane order, with the indices
    /// `base + lane`, to `out`; returns how many.
    ///
    /// # Safety
    /// `LANES` packed elements must be writable at `out`, however many bits are set.
    #[inline(always)]
    unsafe fn append(self, mask: u64, codes: Self::V, base: u32, out: *mut L::Packed) -> usize {
        let mut lanes = [L::MIN; 64];
        // SAFETY: the array has room for the lanes of any vector.
        unsafe { self.store(lanes.as_mut_ptr(), codes) };
        let (mut left, mut n) = (mask, 0);
        while left != 0 {
            let lane = left.trailing_zeros();
            // SAFETY: a mask has no bit at or above LANES, so n stays below LANES, which the
            // caller made writable.
            unsafe { out.add(n).write(lanes[lane as usize & 63].pack(base.wrapping_add(lane))) };
            n += 1;
            left &= left - 1;
        }
        n
    }
}

/// A [`CodeMap`] in vector registers.
#[derive(Clone, Copy)]
pub(crate) struct VectorMap<V> {
    and: V,
    xor: V,
    add: V,
    nan_shift: V,
    nan_above: V,
    nan_high: V,
    zero_low: V,
    zero_high: V,
}

impl<V: Copy> VectorMap<V> {
    #[inline(always)]
    pub(crate) fn new<L: Packs, S: Vectors<L, V = V>>(s: S, map: &CodeMap<L>) -> Self {
        // Moved so that the NaN class ends at the greatest lane, the class is one comparison.
        // Types without NaN get one that no lane passes, and a zero that is left alone.
        let (shift, above, zero_high) = if map.float {
            let span = map.nan_high.sub(map.nan_low).add(L::from_i64(1));
            let one = L::from_i64(1);
            (L::MAX.sub(map.nan_high), L::MAX.sub(span), map.zero_low.add(one))
        } else {
            (L::default(), L::MAX, map.zero_low)
        };
        Self {
            and: s.splat(map.and),
            xor: s.splat(map.xor),
            add: s.splat(map.add),
            nan_shift: s.splat(shift),
            nan_above: s.splat(above),
            nan_high: s.splat(map.nan_high),
            zero_low: s.splat(map.zero_low),
            zero_high: s.splat(zero_high),
        }
    }

    /// [`CodeMap::code`] of each lane.
    #[inline(always)]
    pub(crate) fn code<L: Packs, S: Vectors<L, V = V>>(&self, s: S, bits: V) -> V {
        s.add(s.xor(s.xor(bits, s.and(s.sign(bits), self.and)), self.xor), self.add)
    }

    /// [`CodeMap::canon`] of each lane.
    #[inline(always)]
    pub(crate) fn canon<L: Packs, S: Vectors<L, V = V>>(&self, s: S, code: V) -> V {
        let code = s.eq_select(code, self.zero_low, self.zero_high, code);
        s.gt_select(s.add(code, self.nan_shift), self.nan_above, self.nan_high, code)
    }
}

/// `N` vectors at `p`.
///
/// # Safety
/// `N * LANES` elements must be readable at `p`.
// Loops, not closures over arrays: a closure that is not inlined loses the instruction set.
#[inline(always)]
pub(crate) unsafe fn load_vectors<L: Packs, S: Vectors<L>, const N: usize>(
    s: S,
    p: *const L,
) -> [S::V; N] {
    let mut vectors = [s.splat(L::MIN); N];
    for (i, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: vector i ends at element (i + 1) * LANES, which the caller made readable.
        *vector = unsafe { s.load(p.add(i * S::LANES)) };
    }
    vectors
}

/// The codes of `N` vectors' worth of elements at `p`.
///
/// # Safety
/// As [`load_vectors`].
#[inline(always)]
pub(crate) unsafe fn load_codes<L: Packs, S: Vectors<L>, const N: usize>(
    s: S,
    map: &VectorMap<S::V>,
    p: *const L,
) -> [S::V; N] {
    // SAFETY: the caller's.
    let mut codes = unsafe { load_vectors(s, p) };
    for code in &mut codes {
        *code = map.code(s, *code);
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, dispatch};
    use st_rank::{Direction, Element, NanOrder, bf16, f16};

    struct Codes<'a, L> {
        map: CodeMap<L>,
        bits: &'a [L],
    }

    impl<L: Packs> Job for Codes<'_, L> {
        type Out = (Vec<L>, Vec<L>);
        fn run<S: Simd>(self, s: S) -> Self::Out {
            L::with(s, self)
        }
    }

    impl<L: Packs> crate::packed::LaneJob<L> for Codes<'_, L> {
        type Out = (Vec<L>, Vec<L>);
        fn run<S: Vectors<L> + Simd>(self, s: S) -> Self::Out {
            self.codes(s)
        }
    }

    impl<L: Packs> Codes<'_, L> {
        #[inline(always)]
        fn codes<S: Vectors<L>>(&self, s: S) -> (Vec<L>, Vec<L>) {
            let map = VectorMap::new(s, &self.map);
            let (mut raw, mut canon) = (vec![], vec![]);
            let mut buf = [L::MIN; 64];
            for chunk in self.bits.chunks_exact(S::LANES) {
                // SAFETY: the chunk and the buffer have at least LANES elements.
                unsafe {
                    let code = map.code(s, s.load(chunk.as_ptr()));
                    s.store(buf.as_mut_ptr(), code);
                    raw.extend_from_slice(&buf[..S::LANES]);
                    s.store(buf.as_mut_ptr(), map.canon(s, code));
                    canon.extend_from_slice(&buf[..S::LANES]);
                }
            }
            (raw, canon)
        }
    }

    fn check<T: Element<Lane: Packs>>(bits: &[T::Lane]) {
        for isa in Isa::available() {
            for direction in [Direction::Descending, Direction::Ascending] {
                for nan in [NanOrder::Greatest, NanOrder::Last] {
                    let map = CodeMap::new::<T>(direction, nan);
                    let (raw, canon) = dispatch(isa, Codes { map, bits });
                    assert_eq!(raw.len(), bits.len());
                    for ((&b, &r), &c) in bits.iter().zip(&raw).zip(&canon) {
                        assert_eq!(r, map.code(b), "{isa:?} {b:?}");
                        assert_eq!(c, map.canon(map.code(b)), "{isa:?} {b:?} canon");
                    }
                }
            }
        }
    }

    #[test]
    fn vector_codes_are_the_scalar_ones_on_every_instruction_set() {
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        check::<f16>(&all);
        check::<bf16>(&all);
        check::<i16>(&all);
        check::<u16>(&all);
        let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        check::<i8>(&bytes);
        check::<u8>(&bytes);
        // Every exponent and sign, at mantissas around the edges and a few inside.
        let wide: Vec<i32> = (0..=511u32)
            .flat_map(|e| {
                [0, 1, 2, 0x3F_FFFF, 0x40_0000, 0x7F_FFFF, 0x12_3456, 0x7F_FFFE]
                    .map(|m| e << 23 | m)
            })
            .map(u32::cast_signed)
            .collect();
        check::<f32>(&wide);
        check::<i32>(&wide);
        check::<u32>(&wide);
        let wide: Vec<i64> = (0..=4095u64)
            .flat_map(|e| {
                [0, 1, 2, (1 << 52) - 1, 1 << 51, (1 << 51) - 1, 0x1_2345, 3].map(|m| e << 52 | m)
            })
            .map(u64::cast_signed)
            .collect();
        check::<f64>(&wide);
        check::<i64>(&wide);
        check::<u64>(&wide);
    }
}
