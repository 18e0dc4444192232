//! Random problems in a form that a property test can shrink and a fuzzer can make from bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use st_rank::{CompactProblem, DType, Lengths, NanOrder, Problem, RankKind};

use crate::rng::Rng;
use crate::value::Value;

/// One element, of whatever type.
#[derive(Clone, Copy, Debug)]
pub enum Cell {
    /// One of the type's special values, counted around.
    Special(u8),
    /// A small number, in quarters.
    Small(i8),
    /// Any bits.
    Bits(u64),
}

impl Cell {
    /// The element.
    #[must_use]
    pub fn value<T: Value>(self) -> T {
        match self {
            Self::Special(i) => {
                let all = T::specials();
                all[i as usize % all.len()]
            }
            Self::Small(x) => T::scaled(f64::from(x) / 4.0),
            Self::Bits(bits) => T::from_bits(bits),
        }
    }
}

/// How a matrix is filled from a few cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Over and over.
    Cycle,
    /// At random.
    Scatter,
    /// At random, every other one replaced by random bits.
    Noise,
}

/// A problem over any type with its data. Numbers out of range are brought into it when it is
/// built, so that any bytes make a problem.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of Problem")]
pub struct Raw {
    pub dtype: DType,
    /// 0 TopK, 1 BottomK, 2 MidK, else Range.
    pub kind: u8,
    pub rows: usize,
    pub cols: usize,
    pub k: usize,
    pub start: usize,
    pub nan: NanOrder,
    pub sorted: bool,
    /// Elements between the rows.
    pub gap: usize,
    pub lengths: Lengths,
    pub cells: Vec<Cell>,
    pub fill: Fill,
    /// What all that is random about it comes from.
    pub seed: u64,
}

/// Bytes to be used up one after the other; zeros follow the last.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// All of these.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub const fn u8(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    /// The next two bytes.
    pub const fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    /// The next byte as a number below `n`.
    ///
    /// # Panics
    /// For n = 0.
    pub const fn below(&mut self, n: usize) -> usize {
        self.u8() as usize % n
    }

    /// The next element: most bytes are one, a few open eight bytes of bits.
    fn cell(&mut self) -> Option<Cell> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.u8() {
            x @ 0..64 => Cell::Special(x),
            x @ 64..224 => Cell::Small(x.wrapping_sub(144).cast_signed()),
            _ => Cell::Bits(u64::from_le_bytes(core::array::from_fn(|_| self.u8()))),
        })
    }
}

impl Raw {
    /// A problem from any bytes.
    #[must_use]
    pub fn from_bytes(bytes: &mut Bytes<'_>) -> Self {
        let dtype = DType::ALL[bytes.below(DType::ALL.len())];
        let kind = bytes.below(4) as u8;
        let rows = bytes.below(5);
        let flags = bytes.u8();
        // Most lengths are small, so that most runs are quick.
        let cols = if flags & 1 == 0 { bytes.u8().into() } else { bytes.u16() as usize % 3000 };
        let (k, start) = (bytes.u16().into(), bytes.u16().into());
        let pick = |shift: u8| usize::from(flags >> shift) % 4;
        let lengths = [Lengths::Full, Lengths::Full, Lengths::Ragged, Lengths::Padded][pick(1)];
        let fill = [Fill::Cycle, Fill::Scatter, Fill::Noise, Fill::Cycle][pick(3)];
        let nan = [NanOrder::Greatest, NanOrder::Last][pick(5) % 2];
        let sorted = flags & 64 == 0;
        let gap = if flags & 128 == 0 { 0 } else { bytes.below(80) };
        let seed = bytes.u16().into();
        let cells = core::iter::from_fn(|| bytes.cell()).collect();
        Self { dtype, kind, rows, cols, k, start, nan, sorted, gap, lengths, cells, fill, seed }
    }

    /// The problem, which is always possible.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let padded = self.lengths == Lengths::Padded;
        // Padded rows may be asked for more than there is.
        let most = if padded { self.cols + 3 } else { self.cols };
        let k = self.k.min(most);
        let start = self.start.min(most - k);
        let kind = match self.kind {
            0 => RankKind::TopK,
            1 => RankKind::BottomK,
            2 => RankKind::MidK,
            _ => RankKind::Range { start },
        };
        Problem::new(kind, self.rows, self.cols, k)
            .with_dtype(self.dtype)
            .with_nan(self.nan)
            .with_sorted(self.sorted)
            .with_row_stride(self.cols + self.gap)
            .with_lengths(self.lengths)
    }

    /// The same input, to be compacted.
    #[must_use]
    pub fn compact_problem(&self) -> CompactProblem {
        let Problem { rows, cols, dtype, row_stride, lengths, .. } = self.problem();
        CompactProblem { rows, cols, dtype, row_stride, lengths }
    }

    /// The matrix, with its gaps.
    #[must_use]
    pub fn values<T: Value>(&self) -> Vec<T> {
        let mut rng = Rng::new(self.seed);
        let cells: Vec<T> = self.cells.iter().map(|c| c.value()).collect();
        let cells = if cells.is_empty() { vec![T::default()] } else { cells };
        let n = self.rows * (self.cols + self.gap);
        let mut one = |i: usize| match self.fill {
            Fill::Cycle => cells[i % cells.len()],
            Fill::Noise if rng.one_in(2) => T::from_bits(rng.bits()),
            Fill::Scatter | Fill::Noise => rng.pick(&cells),
        };
        (0..n).map(&mut one).collect()
    }

    /// The rows' lengths, if they are to be bound: long enough for what is asked.
    #[must_use]
    pub fn row_lengths(&self) -> Option<Vec<u32>> {
        let least = match (self.lengths, self.problem()) {
            (Lengths::Full, _) => return None,
            (Lengths::Padded, _) => 0,
            (Lengths::Ragged, Problem { kind: RankKind::Range { start }, k, .. }) => start + k,
            (Lengths::Ragged, Problem { k, .. }) => k,
        };
        let mut rng = Rng::new(!self.seed);
        let mut length = || (least + rng.below(self.cols - least + 1)) as u32;
        Some((0..self.rows).map(|_| length()).collect())
    }
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        3 => any::<u8>().prop_map(Cell::Special),
        3 => any::<i8>().prop_map(Cell::Small),
        2 => any::<u64>().prop_map(Cell::Bits),
    ]
}

/// Problems of these kinds (numbered as in [`Raw`]): few rows, up to `max_cols` columns, hostile
/// data with many duplicates.
pub fn problems(kinds: core::ops::Range<u8>, max_cols: usize) -> impl Strategy<Value = Raw> {
    let cols = prop_oneof![2 => 1..=300usize, 1 => 1..=max_cols];
    let shape = (0..4usize, cols, prop_oneof![3 => Just(0usize), 1 => 1..80usize]);
    let cells = prop_oneof![2 => vec(cell(), 1..12), 1 => vec(cell(), 1..300)];
    let fill = prop_oneof![Just(Fill::Cycle), Just(Fill::Scatter), Just(Fill::Noise)];
    let lengths = prop_oneof![
        3 => Just(Lengths::Full),
        1 => Just(Lengths::Ragged),
        1 => Just(Lengths::Padded),
    ];
    let nan = prop_oneof![Just(NanOrder::Greatest), Just(NanOrder::Last)];
    let dtype = proptest::sample::select(DType::ALL.to_vec());
    let question = (dtype, kinds, nan, any::<bool>(), 0..64usize, 0.0..=1.0, 0.0..=1.0);
    (shape, cells, fill, lengths, question, any::<u64>()).prop_map(
        |((rows, cols, gap), cells, fill, lengths, question, seed)| {
            let (dtype, kind, nan, sorted, small_k, k, start) = question;
            let part = |x: f64| (x * cols as f64) as usize;
            // Small k as a rule, any k now and then.
            let k = if seed % 3 == 0 { part(k) } else { small_k };
            let start = part(start);
            Raw { dtype, kind, rows, cols, k, start, nan, sorted, gap, lengths, cells, fill, seed }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn every_raw_problem_is_possible(raw in problems(0..4, 2000)) {
            let problem = raw.problem();
            problem.check().unwrap();
            let lengths = raw.row_lengths();
            let n = raw.values::<u8>().len();
            problem.check_input(raw.dtype, n, lengths.as_deref()).unwrap();
        }

        #[test]
        fn any_bytes_make_a_possible_problem(bytes in vec(any::<u8>(), 0..100)) {
            let raw = Raw::from_bytes(&mut Bytes::new(&bytes));
            let problem = raw.problem();
            problem.check().unwrap();
            let lengths = raw.row_lengths();
            let n = raw.values::<u64>().len();
            problem.check_input(raw.dtype, n, lengths.as_deref()).unwrap();
        }
    }
}
