//! Rows along an axis: gathered where they do not lie so, and results put back.

use std::borrow::Cow;

use bytemuck::Pod;

use super::{NoMemory, Order, Shape, zeroed};

/// Why an array has no rows along an axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AxisError {
    /// An array of no axes.
    #[error("the array has no axes (a single number): give one with at least one axis")]
    Scalar,
    /// No such axis.
    #[error("there is no axis {axis} in shape {}: use -{} to {}", Shape(shape), shape.len(),
            shape.len() - 1)]
    NoSuchAxis {
        /// The axis given.
        axis: i64,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// Several axes, and none was named.
    #[error(
        "the array has {} axes (shape {}): say which to select along with --axis (--axis -1 is \
         the last)",
        shape.len(), Shape(shape)
    )]
    AxisNeeded {
        /// The array's shape.
        shape: Vec<usize>,
    },
}

/// An array seen as rows along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLayout {
    shape: Vec<usize>,
    /// The axis selected along.
    pub axis: usize,
    /// The product of all other axes.
    pub rows: usize,
    /// The length of the axis.
    pub cols: usize,
}

impl RowLayout {
    /// Rows along `axis` (negative: from the last); by default the last of one or two axes.
    /// The shape must be one that [`element_count`](super::element_count) accepts.
    ///
    /// # Errors
    /// No axes, no such axis, or more than two axes and none named.
    pub fn new(shape: &[usize], axis: Option<i64>) -> Result<Self, AxisError> {
        let n = shape.len();
        if n == 0 {
            return Err(AxisError::Scalar);
        }
        let axis = match axis {
            None if n > 2 => return Err(AxisError::AxisNeeded { shape: shape.to_vec() }),
            None => n - 1,
            Some(given) => {
                let from_first = if given < 0 { given.checked_add(n as i64) } else { Some(given) };
                from_first
                    .and_then(|a| usize::try_from(a).ok())
                    .filter(|&a| a < n)
                    .ok_or_else(|| AxisError::NoSuchAxis { axis: given, shape: shape.to_vec() })?
            }
        };
        let mut layout = Self { shape: shape.to_vec(), axis, rows: 0, cols: shape[axis] };
        layout.rows = layout.others().map(|a| shape[a]).product();
        Ok(layout)
    }

    /// Every axis but the one selected along.
    fn others(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.shape.len()).filter(|&a| a != self.axis)
    }

    /// The shape of the result: k in place of the axis.
    #[must_use]
    pub fn result_shape(&self, k: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis] = k;
        shape
    }

    /// Where that row lies: its place along every other axis.
    #[must_use]
    pub fn row_position(&self, mut row: usize) -> Vec<usize> {
        let mut at: Vec<usize> = self.others().map(|a| self.shape[a]).collect();
        for n in at.iter_mut().rev() {
            (*n, row) = (row % *n, row / *n);
        }
        at
    }

    /// Where rank `j` of a row is in a result of k for each row.
    #[must_use]
    pub fn result_place(&self, row: usize, j: usize, k: usize) -> usize {
        let mut at = self.row_position(row);
        at.insert(self.axis, j);
        at.iter().zip(self.result_shape(k)).fold(0, |place, (i, n)| place * n + i)
    }

    /// The rows one after another, without a copy where they lie so already.
    ///
    /// # Errors
    /// No memory for a copy.
    pub fn rows_of<'t, T: Pod>(
        &self,
        elements: Cow<'t, [T]>,
        order: Order,
    ) -> Result<Cow<'t, [T]>, NoMemory> {
        let strides = strides(&self.shape, order);
        let axes = || self.others().chain([self.axis]);
        let shape: Vec<usize> = axes().map(|a| self.shape[a]).collect();
        let from: Vec<usize> = axes().map(|a| strides[a]).collect();
        if lies_in_order(&shape, &from) {
            return Ok(elements);
        }
        gather(&elements, &shape, &from).map(Cow::Owned)
    }

    /// Puts a result of `k` for each row back into the array's order of axes.
    ///
    /// # Errors
    /// No memory for a copy.
    pub fn restore<T: Pod>(&self, result: Vec<T>, k: usize) -> Result<Vec<T>, NoMemory> {
        // Without rows, k is not bounded by anything that was tested.
        if result.is_empty() {
            return Ok(result);
        }
        let by_row: Vec<usize> = self.others().map(|a| self.shape[a]).chain([k]).collect();
        let mut from = strides(&by_row, Order::C);
        if let Some(last) = from.pop() {
            from.insert(self.axis, last);
        }
        let shape = self.result_shape(k);
        if lies_in_order(&shape, &from) { Ok(result) } else { gather(&result, &shape, &from) }
    }
}

/// Elements from one place to the next along each axis. Empty axes count as one: there is nothing
/// to step over, and products stay within what [`element_count`] has tested.
fn strides(shape: &[usize], order: Order) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1;
    let mut set = |a: usize| {
        strides[a] = step;
        step *= shape[a].max(1);
    };
    match order {
        Order::C => (0..shape.len()).rev().for_each(&mut set),
        Order::Fortran => (0..shape.len()).for_each(&mut set),
    }
    strides
}

/// Whether those strides are the ones of C order. Axes of one place are never stepped along.
fn lies_in_order(shape: &[usize], from: &[usize]) -> bool {
    shape.contains(&0)
        || (shape.iter().zip(from).zip(strides(shape, Order::C)))
            .all(|((&n, &s), c)| n == 1 || s == c)
}

/// Side of the squares in which [`gather`] goes through the last axis and the rows above it, so
/// that a transposition uses every cache line it loads.
const SQUARE: usize = 64;

/// Copies an array with those strides into C order. `shape` has at least one axis, none empty.
fn gather<T: Pod>(elements: &[T], shape: &[usize], from: &[usize]) -> Result<Vec<T>, NoMemory> {
    let last = shape.len() - 1;
    let (cols, step) = (shape[last], from[last]);
    let rows: usize = shape[..last].iter().product();
    let mut out: Vec<T> = zeroed(rows * cols)?;
    let mut at = vec![0; last];
    let mut base = 0;
    let mut bases = Vec::with_capacity(SQUARE);
    for block in out.chunks_mut(SQUARE * cols) {
        bases.clear();
        for _ in 0..block.len() / cols {
            bases.push(base);
            for a in (0..last).rev() {
                at[a] += 1;
                base += from[a];
                if at[a] < shape[a] {
                    break;
                }
                base -= from[a] * shape[a];
                at[a] = 0;
            }
        }
        for first in (0..cols).step_by(SQUARE) {
            let end = (first + SQUARE).min(cols);
            for (row, &base) in block.chunks_mut(cols).zip(&bases) {
                for (col, to) in row[first..end].iter_mut().enumerate() {
                    *to = elements[base + (first + col) * step];
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_and_order_gives_the_rows_and_back() {
        let shape = [3, 70, 5];
        let c: Vec<u32> = (0..1050).collect();
        for order in [Order::C, Order::Fortran] {
            let strides = strides(&shape, order);
            let at = |i: [usize; 3]| -> u32 {
                (i[0] * strides[0] + i[1] * strides[1] + i[2] * strides[2]) as u32
            };
            for axis in 0..3 {
                let layout = RowLayout::new(&shape, Some(axis as i64 - 3)).unwrap();
                let rows = layout.rows_of(Cow::Borrowed(&c), order).unwrap();
                for row in 0..layout.rows {
                    let place = layout.row_position(row);
                    for col in 0..layout.cols {
                        let mut i = place.clone();
                        i.insert(axis, col);
                        let got = rows[row * layout.cols + col];
                        assert_eq!(got, at([i[0], i[1], i[2]]), "{order:?} axis {axis}");
                    }
                }
                let back = layout.restore(rows.into_owned(), layout.cols).unwrap();
                let mut want = Vec::new();
                for i in 0..3 {
                    for j in 0..70 {
                        want.extend((0..5).map(|l| at([i, j, l])));
                    }
                }
                assert_eq!(back, want);
            }
        }
    }

    #[test]
    fn rows_that_lie_in_order_are_not_copied() {
        let c: Vec<u32> = (0..12).collect();
        let borrowed = |shape: &[usize], axis, order| {
            let layout = RowLayout::new(shape, Some(axis)).unwrap();
            matches!(layout.rows_of(Cow::Borrowed(&c), order), Ok(Cow::Borrowed(_)))
        };
        assert!(borrowed(&[3, 4], 1, Order::C));
        assert!(borrowed(&[3, 4], 0, Order::Fortran));
        assert!(borrowed(&[1, 12], 1, Order::Fortran));
        assert!(borrowed(&[12, 1], 0, Order::C));
        assert!(!borrowed(&[3, 4], 0, Order::C));
    }
}
