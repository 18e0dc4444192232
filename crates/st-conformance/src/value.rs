//! Elements as the values they are.
//!
//! The contract's order is stated on values: NaN apart, zeros equal, the usual order otherwise.
//! Here it is evaluated with the types' own comparisons and nothing of `st_rank::order`.

use core::cmp::Ordering;

use st_rank::{Direction, Element, NanOrder, bf16, f16};

/// The twelve types under one path, for the [`suite!`](crate::suite!) macro.
#[allow(missing_docs, reason = "they are the types")]
pub mod types {
    pub use core::primitive::{f32, f64, i8, i16, i32, i64, u8, u16, u32, u64};
    pub use st_rank::{bf16, f16};
}

/// An element that the oracle can compare and the generators can make.
pub trait Value: Element {
    /// Whether the type has NaN, infinities and two zeros.
    const FLOAT: bool;
    /// Whether this is a NaN.
    fn is_nan(self) -> bool;
    /// How two elements compare of which none is NaN.
    fn compare(self, other: Self) -> Ordering;
    /// The element's bits, zero-extended.
    fn bits(self) -> u64;
    /// The element of these bits, of which the upper ones are dropped.
    fn from_bits(bits: u64) -> Self;
    /// A number of everyday size: itself for floats; for integers stretched so that -8..8 fills
    /// the type, beyond which it saturates. Monotone.
    fn scaled(x: f64) -> Self;
    /// The values at which code for this type goes wrong: zeros, the ends, NaN of both signs.
    fn specials() -> Vec<Self>;
}

/// How two elements compare in the order of the search: `Less` comes first.
#[must_use]
pub fn in_search<T: Value>(a: T, b: T, direction: Direction, nan: NanOrder) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (false, false) => match direction {
            Direction::Ascending => a.compare(b),
            Direction::Descending => b.compare(a),
        },
        (a_is_nan, _) => {
            // Greatest: first when searching for the greatest. Last: never first.
            let nan_first = nan == NanOrder::Greatest && direction == Direction::Descending;
            if a_is_nan == nan_first { Ordering::Less } else { Ordering::Greater }
        }
    }
}

macro_rules! floats {
    ($($t:ty, $bits:ty, $wide:expr, $narrow:expr, $inf:expr, $quiet:expr;)*) => {$(
        impl Value for $t {
            const FLOAT: bool = true;
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
            fn compare(self, other: Self) -> Ordering {
                // Widening is exact, and equal for the two zeros.
                ($wide)(self).partial_cmp(&($wide)(other)).expect("no NaN here")
            }
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
            fn from_bits(bits: u64) -> Self {
                <$t>::from_bits(bits as $bits)
            }
            fn scaled(x: f64) -> Self {
                ($narrow)(x)
            }
            fn specials() -> Vec<Self> {
                let (inf, quiet, all): ($bits, $bits, $bits) = ($inf, $quiet, <$bits>::MAX >> 1);
                let least_normal = (inf ^ all) + 1;
                // Zero, the least and greatest denormal, the least normal, one and its
                // neighbours, the greatest finite, infinity; NaN: quiet, signalling with the
                // least and some payload, all ones.
                let one = <$t>::to_bits(($narrow)(1.0));
                let bits = [
                    0, 1, least_normal - 1, least_normal, one, one + 1, one - 1, inf - 1, inf,
                    quiet, inf + 1, inf | (quiet >> 1) & !inf | 1, all,
                ];
                bits.iter()
                    .flat_map(|&b| [b, b | !all])
                    .map(<$t>::from_bits)
                    .collect()
            }
        }
    )*};
}

floats! {
    f32, u32, |x: f32| x, |x: f64| x as f32, 0x7F80_0000, 0x7FC0_0000;
    f64, u64, |x: f64| x, |x: f64| x, 0x7FF0 << 48, 0x7FF8 << 48;
    f16, u16, |x: f16| x.to_f32(), f16::from_f64, 0x7C00, 0x7E00;
    bf16, u16, |x: bf16| x.to_f32(), bf16::from_f64, 0x7F80, 0x7FC0;
}

macro_rules! integers {
    ($($t:ty, $bits:ty;)*) => {$(
        impl Value for $t {
            const FLOAT: bool = false;
            fn is_nan(self) -> bool {
                false
            }
            fn compare(self, other: Self) -> Ordering {
                self.cmp(&other)
            }
            fn bits(self) -> u64 {
                (self as $bits).into()
            }
            fn from_bits(bits: u64) -> Self {
                bits as $t
            }
            fn scaled(x: f64) -> Self {
                let (low, high) = (<$t>::MIN as f64, <$t>::MAX as f64);
                // `as` saturates.
                (low / 2.0 + high / 2.0 + x * (high / 16.0 - low / 16.0)) as $t
            }
            fn specials() -> Vec<Self> {
                let (low, high) = (<$t>::MIN, <$t>::MAX);
                let half = 1 << (<$t>::BITS / 2);
                vec![0, 1, low, high, low + 1, high - 1, !0, half, half - 1, low / 2, high / 2]
            }
        }
    )*};
}

integers! {
    i8, u8; i16, u16; i32, u32; i64, u64;
    u8, u8; u16, u16; u32, u32; u64, u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn agrees_with_the_keys<T: Value>() {
        let mut rng = Rng::new(7);
        let mut values = T::specials();
        values.extend((0..200).map(|_| T::from_bits(rng.bits())));
        for &a in &values {
            assert_eq!(T::from_bits(a.bits()).to_lane(), a.to_lane(), "bits go there and back");
            for &b in &values {
                for direction in [Direction::Ascending, Direction::Descending] {
                    for nan in [NanOrder::Greatest, NanOrder::Last] {
                        let key = |x| st_rank::order::key(x, direction, nan);
                        let by_key = match direction {
                            Direction::Ascending => key(a).cmp(&key(b)),
                            Direction::Descending => key(b).cmp(&key(a)),
                        };
                        let by_value = in_search(a, b, direction, nan);
                        assert_eq!(by_value, by_key, "{a:?} {b:?} {direction:?} {nan:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_two_definitions_of_the_order_agree() {
        for dtype in st_rank::DType::ALL {
            crate::for_dtype!(dtype, T => agrees_with_the_keys::<T>());
        }
    }

    #[test]
    fn scaled_is_monotone_and_fills_the_type() {
        assert_eq!((i8::scaled(-9.0), i8::scaled(9.0)), (i8::MIN, i8::MAX));
        assert_eq!((u64::scaled(-9.0), u64::scaled(9.0)), (0, u64::MAX));
        assert!(u8::scaled(-1.0) < u8::scaled(0.0) && u8::scaled(0.0) < u8::scaled(1.0));
    }
}
