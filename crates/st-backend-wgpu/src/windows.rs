//! Rows in windows: what a binding cannot hold as a whole is bound piece by piece, each piece with
//! dispatches of its own. Nothing here touches a device.

use st_rank::{Error, Result};

/// A matrix and its results in their buffers, in bytes, and what a device can bind of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) rows: u64,
    pub(crate) cols: u64,
    pub(crate) k: u64,
    /// Bytes of an element.
    pub(crate) element: u64,
    /// Elements from row to row.
    pub(crate) stride: u64,
    /// Bytes of lists that a row needs.
    pub(crate) lists: u64,
    /// Where the matrix begins.
    pub(crate) input: u64,
    pub(crate) values: u64,
    pub(crate) indices: u64,
    pub(crate) lengths: Option<u64>,
    /// Greatest binding, a multiple of 16.
    pub(crate) most: u64,
    /// What bindings begin at multiples of.
    pub(crate) align: u64,
}

/// A part of a buffer, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: u64,
    pub(crate) bytes: u64,
}

/// Rows that are bound together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) rows: u64,
    pub(crate) input: Span,
    /// Elements of the binding before the first row.
    pub(crate) first: u64,
    /// Rows of the bindings of results and lengths before the first.
    pub(crate) skip: u64,
    pub(crate) values: Span,
    pub(crate) indices: Span,
    pub(crate) lengths: Option<Span>,
}

impl Matrix {
    /// The windows that its rows are bound in, in order.
    ///
    /// # Errors
    /// A row that no binding can hold; results or lengths at places that cannot be bound.
    pub(crate) fn windows(&self) -> Result<Vec<Window>> {
        let mut windows = Vec::new();
        let mut row = 0;
        while row < self.rows {
            let window = self.window(row)?;
            row += window.rows;
            windows.push(window);
        }
        Ok(windows)
    }

    /// Rows that fit a binding whatever is bound before them: what scratch memory is made for.
    pub(crate) fn rows_of_lists(&self) -> u64 {
        self.most.checked_div(self.lists).unwrap_or(self.rows).min(self.rows)
    }

    fn window(&self, row: u64) -> Result<Window> {
        let &Self { k, element, stride, most, align, .. } = self;
        let begin = self.input + row * stride * element;
        let before = begin % align;
        let row_bytes = self.cols * element;
        let by_input = match most.checked_sub(before + row_bytes) {
            None => 0,
            Some(rest) => rest.checked_div(stride * element).unwrap_or(u64::MAX - 1) + 1,
        };
        let skip = self.skip(row)?;
        let by_output = (most / (k * 4).max(4)).saturating_sub(skip);
        let fit = by_input.min(by_output).min(self.rows_of_lists()).min(u32::MAX.into());
        let left = self.rows - row;
        // Windows that end at a whole number of alignments of words let the next begin at one.
        let whole = align / 4;
        let rows = if fit < left && fit > whole { fit - fit % whole } else { fit.min(left) };
        if rows == 0 {
            let per_row = usize::try_from(self.cols.max(k)).unwrap_or(usize::MAX);
            return Err(Error::TooLarge { what: "a binding of this device", rows: 1, per_row });
        }
        let bytes = before + (rows - 1) * stride * element + row_bytes;
        let of = |at: u64, row_bytes: u64| Span {
            begin: at + row * row_bytes - skip * row_bytes,
            bytes: (skip + rows) * row_bytes,
        };
        Ok(Window {
            rows,
            input: Span { begin: begin - before, bytes },
            first: before / element,
            skip,
            values: of(self.values, k * 4),
            indices: of(self.indices, k * 4),
            lengths: self.lengths.map(|at| of(at, 4)),
        })
    }

    /// Kernels count rows of results and lengths alike: so many rows before this one, all three can
    /// be bound.
    fn skip(&self, row: u64) -> Result<u64> {
        let &Self { k, align, .. } = self;
        let places = [
            ("values", self.values + row * k * 4, k * 4),
            ("indices", self.indices + row * k * 4, k * 4),
            ("lengths", self.lengths.map_or(0, |at| at + row * 4), 4),
        ];
        let fits = |skip: u64, &(what, at, row_bytes): &(&str, u64, u64)| {
            (what == "lengths" && self.lengths.is_none())
                || at.checked_sub(skip * row_bytes).is_some_and(|at| at.is_multiple_of(align))
        };
        let found = (0..=align / 2).find(|&skip| places.iter().all(|place| fits(skip, place)));
        found.ok_or_else(|| {
            let (what, at, _) =
                places.into_iter().find(|place| !fits(0, place)).unwrap_or(places[0]);
            Error::DeviceBuffer {
                what,
                given: format!("begins at byte {at}"),
                needed: format!(
                    "begin at a multiple of {align} bytes, or values, indices and lengths at the \
                     same row of matrices that do"
                ),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Matrix = Matrix {
        rows: 1000,
        cols: 100,
        k: 7,
        element: 4,
        stride: 100,
        lists: 0,
        input: 0,
        values: 0,
        indices: 0,
        lengths: None,
        most: 1 << 20,
        align: 256,
    };

    /// Every row is bound once, at its place, within what can be bound.
    fn sound(matrix: &Matrix) -> Vec<Window> {
        let windows = matrix.windows().expect("it can be bound");
        let mut row = 0;
        for w in &windows {
            let spans = [Some(w.input), Some(w.values), Some(w.indices), w.lengths];
            for span in spans.into_iter().flatten() {
                assert!(span.begin % matrix.align == 0 && span.bytes <= matrix.most, "{w:?}");
            }
            let first = w.input.begin + w.first * matrix.element;
            assert_eq!(first, matrix.input + row * matrix.stride * matrix.element, "{w:?}");
            let last = first + ((w.rows - 1) * matrix.stride + matrix.cols) * matrix.element;
            assert_eq!(w.input.begin + w.input.bytes, last, "{w:?}");
            for (span, at, bytes) in [
                (Some(w.values), matrix.values, matrix.k * 4),
                (Some(w.indices), matrix.indices, matrix.k * 4),
                (w.lengths, matrix.lengths.unwrap_or(0), 4),
            ] {
                let Some(span) = span else { continue };
                assert_eq!(span.begin + w.skip * bytes, at + row * bytes, "{w:?}");
                assert_eq!(span.bytes, (w.skip + w.rows) * bytes, "{w:?}");
            }
            assert!(w.rows * matrix.lists <= matrix.most && w.rows > 0, "{w:?}");
            row += w.rows;
        }
        assert_eq!(row, matrix.rows, "every row");
        windows
    }

    #[test]
    fn what_fits_is_one_window() {
        let windows = sound(&PLAIN);
        assert_eq!((windows.len(), windows[0].first, windows[0].skip), (1, 0, 0));
        let off = sound(&Matrix { input: 4 * 67, ..PLAIN });
        assert_eq!((off.len(), off[0].first), (1, 3));
    }

    #[test]
    fn windows_are_sound_whatever_the_sizes() {
        let mut seed = 1u64;
        let mut below = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        let mut several = 0;
        for _ in 0..20_000 {
            let element = [2, 4][below(2) as usize];
            let cols = below(300) + 1;
            // A row of results fits behind all that may have to be skipped.
            let k = below(cols.min(15)) + 1;
            let align = [4, 16, 32, 256][below(4) as usize];
            let row = below(50);
            let matrix = Matrix {
                rows: below(3000) + 1,
                cols,
                k,
                element,
                stride: cols + below(20),
                lists: below(2) * 8 * below(500),
                input: below(1000) * element,
                values: align * below(5) + row * k * 4,
                indices: align * below(5) + row * k * 4,
                lengths: (below(2) == 1).then(|| align * below(3) + row * 4),
                most: (8192 + below(1 << 14)) / 16 * 16,
                align,
            };
            several += u32::from(sound(&matrix).len() > 1);
        }
        assert!(several > 5000, "{several} were split");
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        let wide = Matrix { cols: 1 << 20, stride: 1 << 20, ..PLAIN };
        assert!(matches!(wide.windows(), Err(Error::TooLarge { rows: 1, .. })));
        let lists = Matrix { lists: (1 << 20) + 8, ..PLAIN };
        assert!(matches!(lists.windows(), Err(Error::TooLarge { .. })));
        let odd = Matrix { values: 4, ..PLAIN };
        let error = odd.windows().expect_err("7 words a row never make 1 word");
        assert!(matches!(error, Error::DeviceBuffer { what: "values", .. }), "{error:?}");
        assert!(error.to_string().contains("multiple of 256 bytes"), "{error}");
    }
}
