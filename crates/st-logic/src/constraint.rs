//! Hard constraints: predicates over scopes, and the table of short tuples.

use crate::domain::{Domains, MAX_VARIABLES, Pattern, Var};
use crate::error::Error;
use crate::path::{MEMO_LIMIT, MEMO_TOTAL};

/// A test of the values of a scope, given in the scope's order.
pub(crate) type Predicate<'a> = Box<dyn Fn(&[i64]) -> bool + 'a>;

/// The variables that a predicate reads, in the order that it reads them.
#[derive(Clone, Copy, Debug)]
struct Scope {
    vars: [u8; MAX_VARIABLES],
    len: u8,
    /// Bit `v` for variable `v`.
    set: u16,
    /// Size of the domain of each of `vars`.
    sizes: [u8; MAX_VARIABLES],
}

/// A predicate with its scope.
pub(crate) struct Scoped<'a> {
    scope: Scope,
    predicate: Predicate<'a>,
    /// Where a search keeps the answers for its tuples, if these are few.
    answers: Option<usize>,
}

impl<'a> Scoped<'a> {
    /// Makes room for its answers behind the `answers` of others.
    pub(crate) fn new(
        domains: &Domains,
        vars: &[Var],
        predicate: Predicate<'a>,
        answers: &mut usize,
    ) -> Result<Self, Error> {
        let mut scope =
            Scope { vars: [0; MAX_VARIABLES], len: 0, set: 0, sizes: [0; MAX_VARIABLES] };
        let mut tuples = 1_usize;
        for &var in vars {
            let index = domains.check(var)?;
            if scope.set & 1 << index != 0 {
                return Err(Error::DuplicateInScope { var: index });
            }
            scope.set |= 1 << index;
            scope.vars[usize::from(scope.len)] = index as u8;
            scope.sizes[usize::from(scope.len)] = domains.range(index).len() as u8;
            tuples = tuples.saturating_mul(domains.range(index).len());
            scope.len += 1;
        }
        let first = *answers;
        let few = tuples <= MEMO_LIMIT && first + tuples <= MEMO_TOTAL;
        if few {
            *answers += tuples;
        }
        Ok(Self { scope, predicate, answers: few.then_some(first) })
    }

    /// Where the answer for the tuple with these domain indices is kept, if it is.
    #[inline]
    pub(crate) fn place(&self, indices: &[u8; MAX_VARIABLES]) -> Option<usize> {
        let first = self.answers?;
        let Scope { vars, sizes, len, .. } = &self.scope;
        let places = vars.iter().zip(sizes).take(usize::from(*len));
        let tuple = places.fold(0, |place, (&var, &size)| {
            place * usize::from(size) + usize::from(indices[usize::from(var) % MAX_VARIABLES])
        });
        Some(first + tuple)
    }

    /// Whether the scope lies within a set of variables.
    #[inline]
    pub(crate) fn within(&self, assigned: u16) -> bool {
        self.scope.set & !assigned == 0
    }

    /// Whether the scope lies within `assigned` and did not before `var` joined.
    #[inline]
    pub(crate) fn completed_by(&self, var: usize, assigned: u16) -> bool {
        self.scope.set >> var & 1 == 1 && self.within(assigned)
    }

    /// The one variable of the scope that is not `assigned`, if there is only one and the
    /// scope has one of `new`.
    #[inline]
    pub(crate) fn one_left(&self, new: u16, assigned: u16) -> Option<usize> {
        let left = self.scope.set & !assigned;
        let one = left.is_power_of_two() && self.scope.set & new != 0;
        one.then(|| left.trailing_zeros() as usize)
    }

    /// Whether two variables of the scope or more are not `assigned`.
    #[inline]
    pub(crate) fn many_left(&self, assigned: u16) -> bool {
        let left = self.scope.set & !assigned;
        left & left.wrapping_sub(1) != 0
    }

    /// Whether the predicate holds; all variables of the scope have their value in `values`.
    #[inline]
    pub(crate) fn holds(&self, values: &[i64; MAX_VARIABLES]) -> bool {
        let mut tuple = [0; MAX_VARIABLES];
        let len = usize::from(self.scope.len);
        for (slot, &var) in tuple.iter_mut().zip(&self.scope.vars[..len]) {
            *slot = values[usize::from(var) % MAX_VARIABLES];
        }
        (self.predicate)(&tuple[..len])
    }
}

/// A row of the table: a short tuple, and the score of the assignments that match it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) pattern: Pattern,
    pub(crate) score: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_keep_their_order_and_know_when_they_are_complete() {
        let mut domains = Domains::default();
        let x = domains.push(&[1]).unwrap();
        let y = domains.push(&[2]).unwrap();
        let scoped = Scoped::new(&domains, &[y, x], Box::new(|v| v == [2, 1]), &mut 0).unwrap();
        let mut values = [0; MAX_VARIABLES];
        (values[0], values[1]) = (1, 2);
        assert!(scoped.holds(&values));
        assert!(!scoped.within(0b01));
        assert!(scoped.completed_by(1, 0b11));
        assert!(!scoped.completed_by(2, 0b111));
        let twice = Scoped::new(&domains, &[x, x], Box::new(|_| true), &mut 0);
        assert_eq!(twice.err(), Some(Error::DuplicateInScope { var: 0 }));
    }
}
