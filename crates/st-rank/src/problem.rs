//! What is asked: a [`Problem`]. The only place that refuses shapes.

use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::dtype::DType;
use crate::error::Error;
use crate::order::{Direction, NanOrder};

/// Which ranks of each row are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RankKind {
    /// The k greatest, in descending order.
    TopK,
    /// The k least, in ascending order.
    BottomK,
    /// Ranks `s..s+k` of the ascending order, with `s = (n - k) / 2` rounded down. With k = 1 the
    /// lower median.
    MidK,
    /// Ranks `start..start+k` of the ascending order.
    Range {
        /// The first rank, counted from the least.
        start: usize,
    },
}

impl RankKind {
    /// The name used in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopK => "topk",
            Self::BottomK => "bottomk",
            Self::MidK => "midk",
            Self::Range { .. } => "range",
        }
    }

    /// The direction of the search, which is also that of the output.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::TopK => Direction::Descending,
            Self::BottomK | Self::MidK | Self::Range { .. } => Direction::Ascending,
        }
    }

    /// The ranks wanted of a row of `n` elements, counted in the [direction](Self::direction) of
    /// the search. Shorter than `k` only where the row does not have so many.
    #[must_use]
    pub fn ranks(self, n: usize, k: usize) -> Range<usize> {
        let start = match self {
            Self::TopK | Self::BottomK => 0,
            Self::MidK => n.saturating_sub(k) / 2,
            Self::Range { start } => start.min(n),
        };
        start..start.saturating_add(k).min(n)
    }
}

impl fmt::Display for RankKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether rows have lengths of their own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lengths {
    /// Every row has `cols` elements.
    #[default]
    Full,
    /// A length for each row is bound with the input; a row with fewer than the ranks wanted is an
    /// error.
    Ragged,
    /// As `Ragged`, but what a short row lacks is filled at its end with zero values and the index
    /// `u32::MAX`.
    Padded,
}

impl Lengths {
    /// Whether lengths must be bound with the input.
    #[must_use]
    pub const fn is_ragged(self) -> bool {
        !matches!(self, Self::Full)
    }
}

/// A rank selection over the rows of a matrix: all that decides the result, and all that a planner
/// sees of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// Which ranks.
    pub kind: RankKind,
    /// Rows of the input.
    pub rows: usize,
    /// Elements of a row; at most `2^32 - 1`.
    pub cols: usize,
    /// Ranks wanted of each row.
    pub k: usize,
    /// Element type.
    pub dtype: DType,
    /// Where NaN stands.
    pub nan: NanOrder,
    /// True: in the order of the search. False: by ascending index.
    pub sorted: bool,
    /// Elements from the start of a row to the start of the next; at least `cols`.
    pub row_stride: usize,
    /// Whether rows have lengths of their own.
    pub lengths: Lengths,
}

impl Problem {
    /// A contiguous f32 matrix, sorted result, NaN greatest.
    #[must_use]
    pub const fn new(kind: RankKind, rows: usize, cols: usize, k: usize) -> Self {
        Self {
            kind,
            rows,
            cols,
            k,
            dtype: DType::F32,
            nan: NanOrder::Greatest,
            sorted: true,
            row_stride: cols,
            lengths: Lengths::Full,
        }
    }

    /// The same with another element type.
    #[must_use]
    pub const fn with_dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The same with another NaN order.
    #[must_use]
    pub const fn with_nan(mut self, nan: NanOrder) -> Self {
        self.nan = nan;
        self
    }

    /// The same, sorted by rank (true) or by index (false).
    #[must_use]
    pub const fn with_sorted(mut self, sorted: bool) -> Self {
        self.sorted = sorted;
        self
    }

    /// The same with `row_stride` elements from row to row.
    #[must_use]
    pub const fn with_row_stride(mut self, row_stride: usize) -> Self {
        self.row_stride = row_stride;
        self
    }

    /// The same with row lengths bound to the input.
    #[must_use]
    pub const fn with_lengths(mut self, lengths: Lengths) -> Self {
        self.lengths = lengths;
        self
    }

    /// Values written: `rows x k`.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.rows.saturating_mul(self.k)
    }

    /// Bytes of the elements that must be read.
    #[must_use]
    pub const fn input_bytes(&self) -> u64 {
        (self.rows as u64).saturating_mul(self.cols as u64).saturating_mul(self.dtype.size() as u64)
    }

    /// The shape of the input alone.
    const fn input(&self) -> InputShape {
        InputShape {
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            dtype: self.dtype,
            lengths: self.lengths,
        }
    }

    /// Refuses an impossible shape.
    ///
    /// # Errors
    /// k (or the range) beyond the columns of a full row, more than 2^32 - 1 columns, a row stride
    /// below cols, or sizes that overflow.
    pub fn check(&self) -> Result<()> {
        self.input().check()?;
        // First: where both are wrong it is k that is to be changed.
        if self.rows > 0 && self.lengths == Lengths::Full {
            self.check_row(0, self.cols)?;
        }
        let most = isize::MAX as usize / self.dtype.size().max(4);
        if self.rows.checked_mul(self.k).is_none_or(|n| n > most) {
            return Err(Error::TooLarge { what: "the output", rows: self.rows, per_row: self.k });
        }
        Ok(())
    }

    /// Refuses an input that is not the one this problem describes. `lengths` are the row lengths
    /// bound with it. Call after [`check`](Self::check).
    ///
    /// # Errors
    /// Another element type, too few or too many elements, lengths missing or not expected, a
    /// length above cols, or a row shorter than the ranks wanted (unless padded).
    pub fn check_input(&self, dtype: DType, len: usize, lengths: Option<&[u32]>) -> Result<()> {
        self.input().check_bound(dtype, len, lengths)?;
        if self.lengths == Lengths::Ragged {
            for (row, &n) in lengths.unwrap_or_default().iter().enumerate() {
                self.check_row(row, n as usize)?;
            }
        }
        Ok(())
    }

    fn check_row(&self, row: usize, len: usize) -> Result<()> {
        let k = self.k;
        match self.kind {
            RankKind::Range { start } if start.checked_add(k).is_none_or(|end| end > len) => {
                if k == 0 {
                    return Ok(());
                }
                Err(Error::RangeTooLong { start, end: start.saturating_add(k), len, row })
            }
            _ if k > len => Err(Error::KTooLarge { k, len, row }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} k={} of {}x{} {}", self.kind, self.k, self.rows, self.cols, self.dtype)?;
        if let RankKind::Range { start } = self.kind {
            write!(f, " from rank {start}")?;
        }
        if self.row_stride != self.cols {
            write!(f, " stride {}", self.row_stride)?;
        }
        if !self.sorted {
            f.write_str(" by index")?;
        }
        Ok(())
    }
}

/// A compaction: of each row, the elements `lo <= x <= hi` in column order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CompactProblem {
    /// Rows of the input.
    pub rows: usize,
    /// Elements of a row; at most `2^32 - 1`.
    pub cols: usize,
    /// Element type.
    pub dtype: DType,
    /// Elements from row to row; at least `cols`.
    pub row_stride: usize,
    /// Whether rows have lengths of their own (`Padded` is the same as `Ragged` here).
    pub lengths: Lengths,
}

impl CompactProblem {
    /// A contiguous f32 matrix.
    #[must_use]
    pub const fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols, dtype: DType::F32, row_stride: cols, lengths: Lengths::Full }
    }

    const fn input(&self) -> InputShape {
        InputShape {
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            dtype: self.dtype,
            lengths: self.lengths,
        }
    }

    /// Refuses an impossible shape; see [`Problem::check`].
    ///
    /// # Errors
    /// More than 2^32 - 1 columns, a row stride below cols, or sizes that overflow.
    pub fn check(&self) -> Result<()> {
        self.input().check()
    }

    /// Refuses an input that is not the one described; see [`Problem::check_input`].
    ///
    /// # Errors
    /// As there, but for the ranks.
    pub fn check_input(&self, dtype: DType, len: usize, lengths: Option<&[u32]>) -> Result<()> {
        self.input().check_bound(dtype, len, lengths)
    }
}

/// What every problem knows of its input.
struct InputShape {
    rows: usize,
    cols: usize,
    row_stride: usize,
    dtype: DType,
    lengths: Lengths,
}

impl InputShape {
    fn check(&self) -> Result<()> {
        let &Self { rows, cols, row_stride, dtype, .. } = self;
        if u32::try_from(cols).is_err() {
            return Err(Error::TooManyCols { cols });
        }
        if row_stride < cols {
            return Err(Error::StrideTooSmall { row_stride, cols });
        }
        let bytes = rows.checked_mul(row_stride).and_then(|n| n.checked_mul(dtype.size()));
        if bytes.is_none_or(|b| b > isize::MAX as usize) {
            return Err(Error::TooLarge { what: "an input", rows, per_row: row_stride });
        }
        Ok(())
    }

    fn check_bound(&self, dtype: DType, got: usize, lengths: Option<&[u32]>) -> Result<()> {
        let &Self { rows, cols, row_stride, .. } = self;
        if dtype != self.dtype {
            return Err(Error::DTypeMismatch { plan: self.dtype, input: dtype });
        }
        // The last row of a sliced matrix may end at its last column or at its stride.
        let least = rows.saturating_sub(1) * row_stride + if rows == 0 { 0 } else { cols };
        let most = rows * row_stride;
        if got < least || got > most {
            return Err(Error::InputLength { got, rows, cols, row_stride, least, most });
        }
        if self.lengths.is_ragged() != lengths.is_some() {
            return Err(Error::LengthsMismatch { plan_is_ragged: self.lengths.is_ragged() });
        }
        if let Some(lengths) = lengths {
            if lengths.len() != rows {
                return Err(Error::LengthsCount { got: lengths.len(), rows });
            }
            if let Some(row) = lengths.iter().position(|&n| n as usize > cols) {
                return Err(Error::LengthTooLong { row, len: lengths[row] as usize, cols });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_contract() {
        assert_eq!(RankKind::TopK.ranks(10, 3), 0..3);
        assert_eq!(RankKind::MidK.ranks(10, 3), 3..6);
        assert_eq!(RankKind::MidK.ranks(4, 1), 1..2, "lower median");
        assert_eq!(RankKind::MidK.ranks(5, 1), 2..3);
        assert_eq!(RankKind::Range { start: 4 }.ranks(10, 3), 4..7);
        assert_eq!(RankKind::Range { start: 9 }.ranks(10, 3), 9..10, "padded rows are clipped");
        assert_eq!(RankKind::Range { start: 12 }.ranks(10, 3), 10..10);
    }

    #[test]
    fn shapes_are_refused_with_their_numbers() {
        let p = |kind, rows, cols, k| Problem::new(kind, rows, cols, k).check();
        assert_eq!(p(RankKind::TopK, 3, 4, 5), Err(Error::KTooLarge { k: 5, len: 4, row: 0 }));
        assert_eq!(p(RankKind::MidK, 3, 0, 1), Err(Error::KTooLarge { k: 1, len: 0, row: 0 }));
        let most = usize::MAX;
        assert_eq!(
            p(RankKind::TopK, 4, 10, most),
            Err(Error::KTooLarge { k: most, len: 10, row: 0 })
        );
        let range = |start| RankKind::Range { start };
        assert_eq!(
            p(range(3), 1, 4, 2),
            Err(Error::RangeTooLong { start: 3, end: 5, len: 4, row: 0 })
        );
        assert!(p(range(usize::MAX), 1, 4, 2).is_err(), "overflow is refused, not wrapped");
        assert_eq!(p(RankKind::TopK, 0, 4, 5), Ok(()), "no rows, empty output");
        assert_eq!(p(RankKind::TopK, 3, 0, 0), Ok(()), "k = 0, empty output");
        assert_eq!(p(RankKind::TopK, 1, 1 << 32, 1), Err(Error::TooManyCols { cols: 1 << 32 }));
        assert!(p(RankKind::TopK, usize::MAX, 8, 1).is_err());
        let overlapping = Problem::new(RankKind::TopK, 2, 8, 1).with_row_stride(7);
        assert_eq!(overlapping.check(), Err(Error::StrideTooSmall { row_stride: 7, cols: 8 }));
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let p = Problem::new(RankKind::TopK, 2, 4, 2).with_row_stride(6);
        assert_eq!(p.check_input(DType::F32, 10, None), Ok(()));
        assert_eq!(p.check_input(DType::F32, 12, None), Ok(()));
        assert!(p.check_input(DType::F32, 9, None).is_err());
        assert!(p.check_input(DType::F32, 13, None).is_err());
        assert!(matches!(p.check_input(DType::I32, 10, None), Err(Error::DTypeMismatch { .. })));
        assert!(p.check_input(DType::F32, 10, Some(&[4, 4])).is_err());
        let r = p.with_lengths(Lengths::Ragged);
        assert_eq!(r.check_input(DType::F32, 10, Some(&[4, 2])), Ok(()));
        assert_eq!(
            r.check_input(DType::F32, 10, Some(&[4, 1])),
            Err(Error::KTooLarge { k: 2, len: 1, row: 1 })
        );
        assert_eq!(
            r.check_input(DType::F32, 10, Some(&[5, 4])),
            Err(Error::LengthTooLong { row: 0, len: 5, cols: 4 })
        );
        assert!(r.check_input(DType::F32, 10, Some(&[4])).is_err());
        assert!(r.check_input(DType::F32, 10, None).is_err());
        let padded = p.with_lengths(Lengths::Padded);
        assert_eq!(padded.check_input(DType::F32, 10, Some(&[4, 0])), Ok(()));
    }

    #[test]
    fn messages_say_what_was_given_and_what_to_do() {
        let e = Problem::new(RankKind::TopK, 3, 4, 5).check().unwrap_err().to_string();
        assert!(e.contains("k = 5") && e.contains("length 4") && e.contains("row 0"), "{e}");
    }
}
