//! A candidate in one integer: its code and index, so that the order of the contract is the
//! integers' ascending order.

use st_rank::Result;
use st_rank::order::Lane;

use crate::call::{Call, RowsOut};
use crate::compact::{CompactCall, Values};
use crate::isa::Isa;
use crate::scratch::{Arena, Scratch};
use crate::simd::{Simd, Vectors};
use crate::team::Team;
use crate::workspace::Workspace;

/// Bits of a digit of the sorts and histograms: 2048 counters stay in the first-level cache.
pub(crate) const DIGIT_BITS: u32 = 11;
/// Values of a digit.
pub(crate) const DIGITS: usize = 1 << DIGIT_BITS;

/// A lane type with its packed candidates.
pub(crate) trait Packs: Lane {
    /// The code inverted, above the index: what comes first is least.
    type Packed: Copy + Ord + Default + Send + Sync + core::fmt::Debug + 'static;

    /// Digits of a code.
    const PLACES: u32 = Self::BITS.div_ceil(DIGIT_BITS);

    fn pack(self, index: u32) -> Self::Packed;
    fn code(packed: Self::Packed) -> Self;
    fn index(packed: Self::Packed) -> u32;

    /// The code as an unsigned number that is least for what comes first.
    fn place(self) -> u64;

    /// Digit `d` of [`place`](Self::place), counted from the least significant.
    #[inline(always)]
    fn digit(self, d: u32) -> usize {
        (self.place() >> (d * DIGIT_BITS)) as usize & (DIGITS - 1)
    }

    /// The packed candidates as plain words, if they are that.
    fn words(packed: &mut Vec<Self::Packed>) -> Option<&mut Vec<i64>>;
    /// The candidate of such a word.
    fn of_word(word: i64) -> Self::Packed;

    /// This type's buffers.
    fn scratch(arena: &mut Arena) -> &mut Scratch<Self>;

    /// [`crate::call::select`] for this type. A method, so that the kernels are compiled here, once,
    /// and not in every crate that calls them with an element type.
    fn select(
        isa: Isa,
        team: &Team,
        call: &Call<'_, Self>,
        out: &RowsOut<'_, Self>,
        space: &mut Workspace,
    );

    /// [`crate::compact::compact`] for this type; a method for the same reason.
    fn compact(
        isa: Isa,
        team: &Team,
        call: &CompactCall<'_, Self>,
        offsets: &mut Vec<usize>,
        indices: &mut Vec<u32>,
        values: &mut dyn Values<Self>,
    ) -> Result<()>;

    /// Runs a job with the vectors of this type.
    fn with<S: Simd, J: LaneJob<Self>>(s: S, job: J) -> J::Out;
}

/// A [`crate::simd::Job`] over the vectors of one lane type.
pub(crate) trait LaneJob<L: Packs> {
    type Out;
    fn run<S: Vectors<L> + Simd>(self, s: S) -> Self::Out;
}

macro_rules! packs {
    ($lane:ident, $word:ty, $words:expr) => {
        impl Packs for $lane {
            type Packed = $word;
            #[inline(always)]
            fn pack(self, index: u32) -> $word {
                <$word>::from(!self) << 32 | <$word>::from(index)
            }
            #[inline(always)]
            fn code(packed: $word) -> Self {
                !((packed >> 32) as Self)
            }
            #[inline(always)]
            fn index(packed: $word) -> u32 {
                packed as u32
            }
            #[inline(always)]
            fn place(self) -> u64 {
                u64::from((!self ^ Self::MIN).cast_unsigned())
            }
            #[inline(always)]
            fn words(packed: &mut Vec<$word>) -> Option<&mut Vec<i64>> {
                ($words)(packed)
            }
            #[inline(always)]
            fn of_word(word: i64) -> $word {
                <$word>::from(word)
            }
            fn scratch(arena: &mut Arena) -> &mut Scratch<Self> {
                &mut arena.$lane
            }
            fn select(
                isa: Isa,
                team: &Team,
                call: &Call<'_, Self>,
                out: &RowsOut<'_, Self>,
                space: &mut Workspace,
            ) {
                crate::call::select(isa, team, call, out, space);
            }
            fn compact(
                isa: Isa,
                team: &Team,
                call: &CompactCall<'_, Self>,
                offsets: &mut Vec<usize>,
                indices: &mut Vec<u32>,
                values: &mut dyn Values<Self>,
            ) -> Result<()> {
                crate::compact::compact(isa, team, call, offsets, indices, values)
            }
            #[inline(always)]
            fn with<S: Simd, J: LaneJob<Self>>(s: S, job: J) -> J::Out {
                job.run(s)
            }
        }
    };
}
packs!(i8, i64, Some);
packs!(i16, i64, Some);
packs!(i32, i64, Some);
packs!(i64, i128, |_| None);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Packs>(codes: &[L]) {
        for &a in codes {
            for &b in codes {
                for (i, j) in [(0, 1), (7, 7), (u32::MAX, 0)] {
                    let (p, q) = (a.pack(i), b.pack(j));
                    assert_eq!(L::code(p), a);
                    assert_eq!(L::index(p), i);
                    assert_eq!(p.cmp(&q), b.cmp(&a).then(i.cmp(&j)), "{a:?} {b:?}");
                    assert_eq!(a.place().cmp(&b.place()), b.cmp(&a));
                }
            }
            let joined = (0..L::PLACES).fold(0, |x, d| x | (a.digit(d) as u64) << (d * DIGIT_BITS));
            assert_eq!(joined, a.place());
        }
    }

    #[test]
    fn packed_order_is_greater_code_first_then_lower_index() {
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[i16::MIN, -1, 0, 1, i16::MAX]);
        check(&[i32::MIN, -1, 0, 1, i32::MAX]);
        check(&[i64::MIN, -1, 0, 1, i64::MAX]);
    }
}
