//! The order. Nothing else in the project compares keys.
//!
//! Selection works on pairs `(key, index)`, a strict total order: equal keys go to the lower
//! index, whether the largest or the smallest are looked for. The key of an element is an unsigned
//! integer made from its bits ([`key`]): every NaN has one key, `-0.0` and `+0.0` have one key,
//! all else keeps its usual order. This is not IEEE totalOrder.
//!
//! Kernels need something cheaper than the key: a *code* ([`CodeMap`]), made from the bits by
//!
//! ```text
//! code(x) = ((x ^ ((x >> sign) & and)) ^ xor) + add        (arithmetic shift, wrapping add)
//! ```
//!
//! and compared as a signed integer. The greater code comes first in the direction of the search,
//! so one kernel serves both directions, both NaN orders and every type of its width. All NaN
//! codes are contiguous at one end, and the codes of the two zeros are neighbours; two codes are
//! the same key exactly when [`CodeMap::canon`] of them is the same, and canon is the greatest
//! code of its class. So `raw > canon(t)` is an exact "comes strictly before t" on raw codes.

use core::fmt::Debug;
use core::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::dtype::{Element, Encoding};

/// Where NaN stands. Only the key map differs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum NanOrder {
    /// NaN is greater than every number (torch, ONNX, JAX).
    #[default]
    Greatest,
    /// NaN comes after every number in the direction of the search (NumPy `top_k`, Array API).
    Last,
}

/// What is looked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The greatest first (`TopK`).
    Descending,
    /// The least first (`BottomK`, `MidK`, `Range`).
    Ascending,
}

/// A signed integer of a vector lane: the bits of an element, or its code.
pub trait Lane: Copy + Default + Ord + Eq + Hash + Debug + Send + Sync + 'static {
    /// Width in bits.
    const BITS: u32;
    /// The least value.
    const MIN: Self;
    /// The greatest value.
    const MAX: Self;
    /// Truncates to this width.
    fn from_i64(x: i64) -> Self;
    /// Sign-extends.
    fn to_i64(self) -> i64;
    /// `self + o`, wrapping.
    fn add(self, o: Self) -> Self;
    /// `self - o`, wrapping.
    fn sub(self, o: Self) -> Self;
    /// Bitwise xor.
    fn xor(self, o: Self) -> Self;
    /// Bitwise and.
    fn and(self, o: Self) -> Self;
    /// All ones if negative, else zero.
    fn sign(self) -> Self;
}

macro_rules! lanes {
    ($($t:ty),*) => {$(
        impl Lane for $t {
            const BITS: u32 = <$t>::BITS;
            const MIN: Self = <$t>::MIN;
            const MAX: Self = <$t>::MAX;
            #[inline(always)]
            fn from_i64(x: i64) -> Self { x as Self }
            #[inline(always)]
            fn to_i64(self) -> i64 { i64::from(self) }
            #[inline(always)]
            fn add(self, o: Self) -> Self { self.wrapping_add(o) }
            #[inline(always)]
            fn sub(self, o: Self) -> Self { self.wrapping_sub(o) }
            #[inline(always)]
            fn xor(self, o: Self) -> Self { self ^ o }
            #[inline(always)]
            fn and(self, o: Self) -> Self { self & o }
            #[inline(always)]
            fn sign(self) -> Self { self >> (<$t>::BITS - 1) }
        }
    )*};
}
lanes!(i8, i16, i32, i64);

/// The map from bits to codes for one type, direction and NaN order, with its two classes of
/// codes that are one key: NaN, and the zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMap<L> {
    /// Mask of the bits that a set sign bit inverts.
    pub and: L,
    /// All ones to reverse the order; the sign bit for unsigned types.
    pub xor: L,
    /// Moves NaN to the end it belongs to.
    pub add: L,
    /// Codes `nan_low..=nan_high` are NaN (`nan_low > nan_high`: the type has none).
    pub nan_low: L,
    /// See `nan_low`.
    pub nan_high: L,
    /// The lower of the two neighbouring codes of zero; the upper is this plus one.
    pub zero_low: L,
    /// Whether the type has two zeros (and NaN).
    pub float: bool,
}

impl<L: Lane> CodeMap<L> {
    /// The map for elements of type `T`.
    #[must_use]
    pub fn new<T: Element<Lane = L>>(direction: Direction, nan: NanOrder) -> Self {
        Self::for_encoding(T::ENCODING, direction, nan)
    }

    /// The map for elements of that encoding, in lanes of their width.
    #[must_use]
    pub fn for_encoding(encoding: Encoding, direction: Direction, nan: NanOrder) -> Self {
        let ones = L::from_i64(-1);
        let flip = match direction {
            Direction::Descending => L::default(),
            Direction::Ascending => ones,
        };
        let plain = |xor| Self {
            and: L::default(),
            xor,
            add: L::default(),
            nan_low: L::MAX,
            nan_high: L::MIN,
            zero_low: L::default(),
            float: false,
        };
        match encoding {
            Encoding::Signed => plain(flip),
            Encoding::Unsigned => plain(flip.xor(L::MIN)),
            Encoding::Float { inf } => {
                // How many NaN patterns each sign has. In sign-magnitude order they stand at both
                // ends; adding or subtracting this many wraps one end onto the other.
                let nans = L::MAX.sub(L::from_i64(inf.cast_signed()));
                // Ascending: NaN is last in both NaN orders, and the order is reversed, so
                // that the wrapped block lands at the bottom.
                let nan_first = direction == Direction::Descending && nan == NanOrder::Greatest;
                let add = if nan_first { L::default().sub(nans) } else { nans };
                let mut map = plain(flip);
                map.and = L::MAX;
                map.add = add;
                map.float = true;
                let span = L::from_i64(2 * nans.to_i64() - 1);
                (map.nan_low, map.nan_high) =
                    if nan_first { (L::MAX.sub(span), L::MAX) } else { (L::MIN, L::MIN.add(span)) };
                let (plus, minus) = (map.code(L::default()), map.code(L::MIN));
                map.zero_low = plus.min(minus);
                map
            }
        }
    }

    /// The raw code of an element's bits. Greater comes first.
    #[inline(always)]
    #[must_use]
    pub fn code(&self, bits: L) -> L {
        bits.xor(bits.sign().and(self.and)).xor(self.xor).add(self.add)
    }

    /// The bits whose raw code this is. Exact also for NaN payloads and signed zeros, as long as
    /// the code is raw and not [canonical](Self::canon).
    #[inline(always)]
    #[must_use]
    pub fn bits(&self, code: L) -> L {
        let y = code.sub(self.add).xor(self.xor);
        y.xor(y.sign().and(self.and))
    }

    /// The greatest code that is the same key: equal for equal keys.
    #[inline(always)]
    #[must_use]
    pub fn canon(&self, code: L) -> L {
        if !self.float {
            return code;
        }
        if code >= self.nan_low && code <= self.nan_high {
            self.nan_high
        } else if code == self.zero_low {
            code.add(L::from_i64(1))
        } else {
            code
        }
    }

    /// The least code that is the same key.
    #[inline(always)]
    #[must_use]
    pub fn least(&self, code: L) -> L {
        let canon = self.canon(code);
        if self.float && canon == self.nan_high {
            self.nan_low
        } else if self.float && canon.sub(self.zero_low) == L::from_i64(1) {
            self.zero_low
        } else {
            canon
        }
    }

    /// Whether other bits share this canonical code's key, so that [`bits`](Self::bits) does not
    /// tell which of them the element had.
    #[inline(always)]
    #[must_use]
    pub fn is_shared(&self, canon: L) -> bool {
        self.float && (canon == self.nan_high || canon.sub(self.zero_low) == L::from_i64(1))
    }
}

/// The key of an element: the unsigned integer, zero-extended, that the contract's order compares.
/// The greater key is the greater element. With [`NanOrder::Last`] a NaN is below every number
/// when searching downwards and above every number when searching upwards.
#[must_use]
pub fn key<T: Element>(x: T, direction: Direction, nan: NanOrder) -> u64 {
    let map = CodeMap::<T::Lane>::new::<T>(direction, nan);
    let canon = map.canon(map.code(x.to_lane()));
    // Codes put what is searched for first on top; keys put the greatest on top.
    let upward = match direction {
        Direction::Descending => canon,
        Direction::Ascending => canon.xor(T::Lane::from_i64(-1)),
    };
    let unsigned = upward.xor(T::Lane::MIN).to_i64().cast_unsigned();
    unsigned & (u64::MAX >> (64 - T::Lane::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{bf16, f16};
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// The order written the long way, from the values and not from the bits.
    fn expected(a: f64, b: f64, direction: Direction, nan: NanOrder) -> Ordering {
        match (a.is_nan(), b.is_nan()) {
            (true, true) => Ordering::Equal,
            (false, false) => a.partial_cmp(&b).unwrap(),
            (a_is_nan, _) => {
                let nan_is_greater = nan == NanOrder::Greatest || direction == Direction::Ascending;
                if a_is_nan == nan_is_greater { Ordering::Greater } else { Ordering::Less }
            }
        }
    }

    const ORDERS: [(Direction, NanOrder); 4] = [
        (Direction::Descending, NanOrder::Greatest),
        (Direction::Descending, NanOrder::Last),
        (Direction::Ascending, NanOrder::Greatest),
        (Direction::Ascending, NanOrder::Last),
    ];

    fn check_pair<T: Element>(x: T, y: T, a: f64, b: f64) {
        for (direction, nan) in ORDERS {
            let want = expected(a, b, direction, nan);
            let got = key(x, direction, nan).cmp(&key(y, direction, nan));
            assert_eq!(got, want, "{x:?} against {y:?}, {direction:?}, NaN {nan:?}");
            let map = CodeMap::<T::Lane>::new::<T>(direction, nan);
            let (cx, cy) = (map.code(x.to_lane()), map.code(y.to_lane()));
            let first = if direction == Direction::Descending { want } else { want.reverse() };
            assert_eq!(map.canon(cx).cmp(&map.canon(cy)), first, "{x:?} {y:?} codes");
            assert_eq!(cx > map.canon(cy), first == Ordering::Greater, "raw filter {x:?} {y:?}");
            assert_eq!(cx >= map.least(cy), first != Ordering::Less, "raw >= {x:?} {y:?}");
            assert_eq!(map.bits(cx), x.to_lane());
        }
    }

    #[test]
    fn every_pair_of_edge_values_of_every_float_agrees_with_the_long_form() {
        let edges32 = [
            0u32,
            1,
            0x7FFF_FFFF,
            0x7F80_0000,
            0x7F80_0001,
            0x7FC0_0000,
            0x7F7F_FFFF,
            0x3F80_0000,
            0x007F_FFFF,
            0x0080_0000,
        ];
        let edges32 = edges32.iter().flat_map(|&b| [b, b | 0x8000_0000]);
        for x in edges32.clone() {
            for y in edges32.clone() {
                let (a, b) = (f32::from_bits(x), f32::from_bits(y));
                check_pair(a, b, f64::from(a), f64::from(b));
            }
        }
        let edges64 =
            [0u64, 1, 0x7FF0 << 48, (0x7FF0 << 48) | 1, 0x7FF8 << 48, !0 >> 1, 0x3FF << 52];
        let edges64 = edges64.iter().flat_map(|&b| [b, b | 1 << 63]);
        for x in edges64.clone() {
            for y in edges64.clone() {
                check_pair(
                    f64::from_bits(x),
                    f64::from_bits(y),
                    f64::from_bits(x),
                    f64::from_bits(y),
                );
            }
        }
    }

    #[test]
    fn every_16_bit_pattern_against_landmarks() {
        for x in 0..=u16::MAX {
            for y in [0, 0x8000, 0x7C00, 0xFC00, 0x7F80, 0xFF80, 0x7FFF, 0xFFFF, 1, 0x8001, 0x3C00]
            {
                let (a, b) = (f16::from_bits(x), f16::from_bits(y));
                check_pair(a, b, a.to_f64(), b.to_f64());
                let (a, b) = (bf16::from_bits(x), bf16::from_bits(y));
                check_pair(a, b, a.to_f64(), b.to_f64());
            }
        }
    }

    proptest! {
        #[test]
        fn integers_keep_their_order(a: i64, b: i64) {
            for (direction, nan) in ORDERS {
                let k = |x, y| (x, y);
                prop_assert_eq!(key(a, direction, nan).cmp(&key(b, direction, nan)), a.cmp(&b));
                let (x, y) = k(a as u64, b as u64);
                prop_assert_eq!(key(x, direction, nan).cmp(&key(y, direction, nan)), x.cmp(&y));
                let (x, y) = (a as i8, b as i8);
                prop_assert_eq!(key(x, direction, nan).cmp(&key(y, direction, nan)), x.cmp(&y));
                let (x, y) = (a as u16, b as u16);
                prop_assert_eq!(key(x, direction, nan).cmp(&key(y, direction, nan)), x.cmp(&y));
            }
        }

        #[test]
        fn random_f32_bits(x: u32, y: u32) {
            let (a, b) = (f32::from_bits(x), f32::from_bits(y));
            check_pair(a, b, f64::from(a), f64::from(b));
        }
    }

    #[test]
    fn all_nans_are_one_key_at_the_top_and_zero_is_one_key() {
        let nan = [0x7F80_0001, 0x7FFF_FFFF, 0xFF80_0001, 0xFFFF_FFFF].map(f32::from_bits);
        for x in nan {
            let k = |x| key(x, Direction::Descending, NanOrder::Greatest);
            assert_eq!(k(x), u64::from(u32::MAX));
            assert!(k(x) > k(f32::INFINITY));
            assert_eq!(k(-0.0f32), k(0.0f32));
        }
    }
}
