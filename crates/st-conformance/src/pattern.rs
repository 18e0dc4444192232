//! What the numbers look like: everyday data, and all that a kernel might stumble over.

use crate::rng::Rng;
use crate::value::Value;

/// A distribution of values over a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Independent normal numbers.
    Normal,
    /// One value.
    AllEqual,
    /// Never falling: every element passes a running threshold.
    Ascending,
    /// Never rising.
    Descending,
    /// Eight values: ties everywhere.
    EightValues,
    /// Numbers, and NaN of both signs, quiet and signalling, with payloads.
    NanMix,
    /// Nothing but `-0.0` and `+0.0` (integers: 0 and 1).
    SignedZeros,
    /// Zeros of both signs among the least denormals.
    ZerosAndDenormals,
    /// Numbers and infinities (integers: the ends of the type).
    Infinities,
    /// Any bits.
    RandomBits,
    /// One value but for columns 128 apart, which all fall to one lane: the greatest stand at
    /// multiples of 128, the least 64 later.
    Stride128,
    /// One value but for the last 64 columns.
    LastBlock,
    /// One value, a few greater and a few less at random columns.
    Plateau,
    /// Blocks of 64 that ascend within.
    BlockAscending,
    /// Ascends 37 columns, falls back, and so on.
    Sawtooth,
    /// Nothing but NaN, all different (integers: the ends of the type).
    AllNan,
    /// Negative numbers only (unsigned: the lower half).
    AllNegative,
    /// Half zeros, half positive.
    Relu,
    /// Up, then down.
    OrganPipe,
    /// The special values of the type at random.
    Specials,
    /// Numbers of all magnitudes, each beside some that differ from it in the last bits alone, in any order: what orders
    /// by upper bits meets ties at every rank.
    Neighbours,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Normal,
        Self::AllEqual,
        Self::Ascending,
        Self::Descending,
        Self::EightValues,
        Self::NanMix,
        Self::SignedZeros,
        Self::ZerosAndDenormals,
        Self::Infinities,
        Self::RandomBits,
        Self::Stride128,
        Self::LastBlock,
        Self::Plateau,
        Self::BlockAscending,
        Self::Sawtooth,
        Self::AllNan,
        Self::AllNegative,
        Self::Relu,
        Self::OrganPipe,
        Self::Specials,
        Self::Neighbours,
    ];

    /// `rows x cols` values, row after row.
    #[must_use]
    pub fn matrix<T: Value>(self, rows: usize, cols: usize, rng: &mut Rng) -> Vec<T> {
        let mut x = Vec::with_capacity(rows * cols);
        for _ in 0..rows {
            x.extend(self.row::<T>(cols, rng));
        }
        x
    }

    fn row<T: Value>(self, cols: usize, rng: &mut Rng) -> Vec<T> {
        let zeros =
            if T::FLOAT { [T::scaled(-0.0), T::scaled(0.0)] } else { [0, 1].map(T::from_bits) };
        let ramp = |i: usize, n: usize| T::scaled(8.0 * i as f64 / n.max(1) as f64 - 4.0);
        // The level that most of a row is at, and values above and below it.
        let level = rng.normal() / 2.0;
        let few = rng.below(12) + 1;
        let mut apart = |i: usize| match i % 2 {
            0 => T::scaled(level + 1.0 + rng.unit()),
            _ => T::scaled(level - 1.0 - rng.unit()),
        };
        match self {
            Self::AllEqual => vec![T::scaled(level); cols],
            Self::Ascending => (0..cols).map(|i| ramp(i, cols)).collect(),
            Self::Descending => (0..cols).map(|i| ramp(cols - i, cols)).collect(),
            Self::OrganPipe => (0..cols).map(|i| ramp(i.min(cols - i), cols / 2)).collect(),
            Self::Sawtooth => (0..cols).map(|i| ramp(i % 37, 37)).collect(),
            Self::Stride128 => {
                let mut x = vec![T::scaled(level); cols];
                for i in (0..cols).step_by(64) {
                    x[i] = apart(i / 64);
                }
                x
            }
            Self::LastBlock => {
                let mut x = vec![T::scaled(level); cols];
                for (i, x) in x.iter_mut().rev().take(64).enumerate() {
                    *x = apart(i);
                }
                x
            }
            Self::Plateau => {
                let values: Vec<T> = (0..few).map(apart).collect();
                let mut x = vec![T::scaled(level); cols];
                for v in values {
                    if cols > 0 {
                        x[rng.below(cols)] = v;
                    }
                }
                x
            }
            Self::BlockAscending => {
                let mut bases = 0.0;
                (0..cols)
                    .map(|i| {
                        if i % 64 == 0 {
                            bases = rng.normal();
                        }
                        T::scaled(bases + (i % 64) as f64 / 64.0)
                    })
                    .collect()
            }
            Self::Normal
            | Self::EightValues
            | Self::NanMix
            | Self::SignedZeros
            | Self::ZerosAndDenormals
            | Self::Infinities
            | Self::RandomBits
            | Self::AllNan
            | Self::AllNegative
            | Self::Relu
            | Self::Specials
            | Self::Neighbours => {
                let mut draw = self.independent(zeros, rng);
                (0..cols).map(|_| draw(rng)).collect()
            }
        }
    }

    /// How to draw one element of the patterns in which columns do not matter.
    fn independent<T: Value>(self, zeros: [T; 2], rng: &mut Rng) -> Box<dyn FnMut(&mut Rng) -> T> {
        let specials = T::specials();
        match self {
            Self::EightValues => {
                let values: [T; 8] = core::array::from_fn(|_| T::scaled(rng.normal()));
                Box::new(move |rng| rng.pick(&values))
            }
            Self::NanMix => {
                Box::new(|rng| if rng.one_in(4) { any_nan(rng) } else { T::scaled(rng.normal()) })
            }
            Self::AllNan => Box::new(any_nan),
            Self::SignedZeros => Box::new(move |rng| rng.pick(&zeros)),
            Self::ZerosAndDenormals => {
                // The sign bit on or off, and a magnitude of 0 to 3: denormals of floats.
                let sign = T::scaled(-0.0).bits();
                let sign = if T::FLOAT { sign } else { 0 };
                Box::new(move |rng| {
                    let magnitude = rng.bits() & 3;
                    T::from_bits(magnitude | if rng.one_in(2) { sign } else { 0 })
                })
            }
            Self::Infinities => {
                let ends = [T::scaled(f64::NEG_INFINITY), T::scaled(f64::INFINITY)];
                Box::new(
                    move |rng| {
                        if rng.one_in(3) { rng.pick(&ends) } else { T::scaled(rng.normal()) }
                    },
                )
            }
            Self::RandomBits => Box::new(|rng| T::from_bits(rng.bits())),
            Self::AllNegative => Box::new(|rng| T::scaled(-rng.normal().abs() - 0.001)),
            Self::Relu => Box::new(|rng| T::scaled(rng.normal().max(0.0))),
            Self::Specials => Box::new(move |rng| rng.pick(&specials)),
            Self::Neighbours => {
                let magnitude = |rng: &mut Rng| 0.5f64.powi(rng.below(24) as i32);
                let bases: [T; 40] =
                    core::array::from_fn(|_| T::scaled(rng.normal() * magnitude(rng)));
                Box::new(move |rng| T::from_bits(rng.pick(&bases).bits() ^ rng.bits() & 7))
            }
            _ => Box::new(|rng| T::scaled(rng.normal())),
        }
    }
}

/// A NaN of either sign with any payload; of an integer type, one of its ends.
fn any_nan<T: Value>(rng: &mut Rng) -> T {
    let infinity = T::scaled(f64::INFINITY);
    if !T::FLOAT {
        return if rng.one_in(2) { infinity } else { T::scaled(f64::NEG_INFINITY) };
    }
    let sign = T::scaled(-0.0).bits();
    let payload = match rng.below(3) {
        0 => 1,
        1 => !0,
        _ => rng.bits() | 1,
    };
    let magnitude = infinity.bits() | payload & (sign - 1) & !infinity.bits();
    T::from_bits(magnitude | if rng.one_in(2) { sign } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_what_they_say_and_repeat() {
        let make = |p: Pattern| p.matrix::<f32>(2, 300, &mut Rng::new(5));
        for p in Pattern::ALL {
            let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(make(p)), bits(make(p)), "{p:?}");
        }
        assert!(make(Pattern::AllNan).iter().all(|x| x.is_nan()));
        let mixed = make(Pattern::NanMix);
        for sign in [false, true] {
            for quiet in [false, true] {
                let is = |x: &&f32| {
                    x.is_nan()
                        && x.is_sign_negative() == sign
                        && (x.to_bits() & 0x40_0000 != 0) == quiet
                };
                assert!(mixed.iter().find(is).is_some(), "negative {sign}, quiet {quiet}");
            }
        }
        assert!(make(Pattern::Ascending).is_sorted() || make(Pattern::Ascending).len() > 300);
        assert!(make(Pattern::Ascending)[..300].is_sorted());
        assert!(make(Pattern::SignedZeros).iter().all(|x| *x == 0.0));
        assert!(make(Pattern::AllNegative).iter().all(|x| *x < 0.0));
        let x = make(Pattern::Stride128);
        assert!(x[0] > x[1] && x[64] < x[1] && x[128] > x[1] && x[2] == x[1]);
        assert_eq!(Pattern::Sawtooth.matrix::<u8>(3, 0, &mut Rng::new(1)).len(), 0);
    }
}
