//! A tape: what was computed, so that derivatives can be carried back through it.
//!
//! An operation is one entry whatever its length: an inner product has an edge for each factor, a
//! matrix product holds the matrix. The tape owns all of it; numbers on it are indices. Reverse
//! accumulation as in Griewank and Walther, *Evaluating Derivatives*, 2nd ed., chapter 3.

mod ops;

use std::cell::RefCell;

use crate::{Matrix, Scalar};

/// How the results of one entry depend on earlier variables.
#[derive(Debug)]
enum Entry<S> {
    /// One result; edges from `first_edge` to the next entry's.
    Edges,
    /// As many results as inputs: the shares of a softmax. The edges name the inputs.
    Softmax(Vec<S>),
    /// As many results as the matrix has rows. The edges name the inputs.
    Matvec(Matrix),
}

#[derive(Debug)]
struct Inner<S> {
    entries: Vec<Entry<S>>,
    /// Of each entry, its first edge and its first result.
    first: Vec<(u32, u32)>,
    /// The variable depended on, and the slope (which softmax and matvec do not use).
    edges: Vec<(u32, S)>,
    inputs: u32,
    variables: u32,
}

/// A tape of operations on numbers `S`.
///
/// ```
/// use st_grad::{Scalar, Tape};
///
/// let tape = Tape::<f64>::new();
/// let x = tape.inputs(&[3.0, 4.0]);
/// let y = Scalar::norm(&x);
/// assert_eq!(y.value(), 5.0);
/// assert_eq!(tape.gradient(y), [0.6, 0.8]);
/// ```
#[derive(Debug)]
pub struct Tape<S> {
    inner: RefCell<Inner<S>>,
}

/// A number on a tape, or a constant.
#[derive(Clone, Copy, Debug)]
pub struct Var<'t, S> {
    place: Option<(&'t Tape<S>, u32)>,
    primal: S,
}

impl<S> Var<'_, S> {
    /// Its place on the tape; `None` for a constant.
    pub(crate) fn index(&self) -> Option<u32> {
        self.place.map(|(_, index)| index)
    }
}

impl<S: Copy> Var<'_, S> {
    /// The number itself.
    pub fn primal(&self) -> S {
        self.primal
    }
}

impl<S: Scalar> Default for Tape<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Scalar> Tape<S> {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        let (entries, first, edges) = (Vec::new(), Vec::new(), Vec::new());
        Self { inner: RefCell::new(Inner { entries, first, edges, inputs: 0, variables: 0 }) }
    }

    /// Puts numbers on the tape that derivatives are wanted for. Only what is put on it before
    /// anything is computed counts as an input of [`Tape::gradient`].
    pub fn inputs(&self, x: &[S]) -> Vec<Var<'_, S>> {
        let mut inner = self.inner.borrow_mut();
        let first = inner.variables;
        inner.variables += x.len() as u32;
        if inner.entries.is_empty() {
            inner.inputs = inner.variables;
        }
        let var = |(i, &primal)| Var { place: Some((self, first + i as u32)), primal };
        x.iter().enumerate().map(var).collect()
    }

    /// Entries on the tape: one for each operation, whatever its length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.borrow().entries.len()
    }

    /// Whether nothing was computed on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The derivatives of `y` by the tape's inputs.
    #[must_use]
    pub fn gradient(&self, y: Var<'_, S>) -> Vec<S> {
        self.pull_back(&[(y.index(), S::constant(1.0))])
    }

    /// The sum of the seeds' weights times the derivatives of their variables, by the inputs. A
    /// seed without an index is a constant and adds nothing.
    pub(crate) fn pull_back(&self, seeds: &[(Option<u32>, S)]) -> Vec<S> {
        let inner = self.inner.borrow();
        let mut bars = vec![S::constant(0.0); inner.variables as usize];
        for &(index, weight) in seeds {
            if let Some(index) = index {
                bars[index as usize] += weight;
            }
        }
        let mut end = (inner.edges.len() as u32, inner.variables);
        for (entry, &(first_edge, first)) in inner.entries.iter().zip(&inner.first).rev() {
            let edges = &inner.edges[first_edge as usize..end.0 as usize];
            // Inputs may stand behind an entry's results, so its number of results is its own.
            match entry {
                Entry::Edges => {
                    let bar = bars[first as usize];
                    for &(from, slope) in edges {
                        bars[from as usize] += slope * bar;
                    }
                }
                Entry::Softmax(shares) => {
                    let own = &bars[first as usize..first as usize + shares.len()];
                    let mean = S::dot(own, shares);
                    let back: Vec<S> =
                        own.iter().zip(shares).map(|(&bar, &share)| share * (bar - mean)).collect();
                    for (&(from, _), back) in edges.iter().zip(back) {
                        bars[from as usize] += back;
                    }
                }
                Entry::Matvec(matrix) => {
                    for i in 0..matrix.rows() {
                        let bar = bars[first as usize + i];
                        for (&(from, _), &m) in edges.iter().zip(matrix.row(i)) {
                            bars[from as usize] += bar * m;
                        }
                    }
                }
            }
            end = (first_edge, first);
        }
        bars.truncate(inner.inputs as usize);
        bars
    }

    /// Adds an entry; gives the index of its first result.
    fn push(&self, entry: Entry<S>, edges: impl Iterator<Item = (u32, S)>, results: usize) -> u32 {
        let mut inner = self.inner.borrow_mut();
        let first = inner.variables;
        let first_edge = inner.edges.len() as u32;
        inner.edges.extend(edges);
        inner.entries.push(entry);
        inner.first.push((first_edge, first));
        inner.variables += results as u32;
        first
    }
}
