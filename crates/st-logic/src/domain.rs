//! Variables, their domains, and assignments packed into words.

use crate::error::Error;

/// Most variables of a model: 16 bytes fill one `u128`.
pub const MAX_VARIABLES: usize = 16;
/// Most values of a domain; the 256th index stands for "any value" within the search.
pub const MAX_VALUES: usize = 255;

/// A variable of the model that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var(u8);

impl Var {
    /// Position of the variable in its model, and in every solution.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// An assignment of some variables, as domain indices; the others may take any value.
///
/// A byte for each variable, the first variable in the highest one, so that comparing complete
/// assignments as numbers compares them lexicographically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pattern {
    pub(crate) bits: u128,
    pub(crate) mask: u128,
}

impl Pattern {
    /// The pattern that every assignment matches.
    pub const ANY: Self = Self { bits: 0, mask: 0 };

    /// This pattern with `var` held at the domain index `index`, in place of what held it before.
    #[must_use]
    pub fn with(self, var: Var, index: u8) -> Self {
        let shift = shift(var.index());
        let byte = 0xFF_u128 << shift;
        Self { bits: self.bits & !byte | u128::from(index) << shift, mask: self.mask | byte }
    }

    /// The pattern with an entry for each variable in order; missing ones may take any value.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownVariable`] for more entries than a model can have variables.
    pub fn from_indices(indices: &[Option<u8>]) -> Result<Self, Error> {
        if indices.len() > MAX_VARIABLES {
            return Err(Error::UnknownVariable { var: MAX_VARIABLES, variables: MAX_VARIABLES });
        }
        let held = (0_u8..).zip(indices).filter_map(|(var, index)| Some((Var(var), (*index)?)));
        Ok(held.fold(Self::ANY, |pattern, (var, index)| pattern.with(var, index)))
    }

    /// The domain index that `var` is held at, if it is.
    #[must_use]
    pub fn get(self, var: Var) -> Option<u8> {
        self.at(var.index())
    }

    pub(crate) fn at(self, var: usize) -> Option<u8> {
        let held = self.mask >> shift(var) & 0xFF != 0;
        held.then_some((self.bits >> shift(var)) as u8)
    }

    /// The domain index of each variable, or 255, which is none, where it is free.
    #[inline]
    pub(crate) fn bytes(self) -> [u8; MAX_VARIABLES] {
        (self.bits | !self.mask).to_be_bytes()
    }

    /// Whether some assignment matches both patterns.
    pub(crate) fn compatible(self, other: Self) -> bool {
        (self.bits ^ other.bits) & self.mask & other.mask == 0
    }

    /// The pattern matched by what matches both; they must be compatible.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits, mask: self.mask | other.mask }
    }
}

/// How far a variable's byte is from the low end of a packed assignment.
pub(crate) fn shift(var: usize) -> u32 {
    120 - 8 * var as u32
}

/// The domain indices of a complete assignment of `variables` variables.
pub(crate) fn unpack(bits: u128, variables: usize) -> Vec<u8> {
    bits.to_be_bytes()[..variables].to_vec()
}

/// All domains behind each other in one list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    values: Vec<i64>,
    starts: [usize; MAX_VARIABLES + 1],
    len: usize,
}

impl Domains {
    pub(crate) fn push(&mut self, values: &[i64]) -> Result<Var, Error> {
        if values.is_empty() || values.len() > MAX_VALUES {
            return Err(Error::DomainSize { len: values.len() });
        }
        if self.len == MAX_VARIABLES {
            return Err(Error::TooManyVariables);
        }
        if let Some(value) = first_duplicate(values) {
            return Err(Error::DuplicateValue { value });
        }
        self.values.extend_from_slice(values);
        self.len += 1;
        self.starts[self.len] = self.values.len();
        Ok(Var((self.len - 1) as u8))
    }

    /// Number of variables.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of values of all domains together.
    pub(crate) fn slots(&self) -> usize {
        self.values.len()
    }

    /// Where the values of a variable stand in the common list.
    pub(crate) fn range(&self, var: usize) -> core::ops::Range<usize> {
        self.starts[var]..self.starts[var + 1]
    }

    pub(crate) fn of(&self, var: usize) -> &[i64] {
        &self.values[self.range(var)]
    }

    pub(crate) fn check(&self, var: Var) -> Result<usize, Error> {
        if var.index() < self.len {
            Ok(var.index())
        } else {
            Err(Error::UnknownVariable { var: var.index(), variables: self.len })
        }
    }

    pub(crate) fn index_of(&self, var: Var, value: i64) -> Result<u8, Error> {
        let domain = self.of(self.check(var)?);
        match domain.iter().position(|&v| v == value) {
            Some(index) => Ok(index as u8),
            None => Err(Error::NotInDomain { var: var.index(), value, allowed: domain.to_vec() }),
        }
    }

    /// Whether every index of the pattern is one of its variable's domain.
    pub(crate) fn check_pattern(&self, pattern: Pattern) -> Result<(), Error> {
        let (indices, held) = (pattern.bits.to_be_bytes(), pattern.mask.to_be_bytes());
        let behind = |var: usize| {
            let len = self.starts[var + 1] - self.starts[var];
            (usize::from(indices[var]) >= len) & (held[var] != 0)
        };
        // Without a branch for each variable: this is most of what a table costs.
        if (0..self.len).fold(false, |any, var| any | behind(var)) {
            let var = (0..self.len).find(|&var| behind(var)).unwrap_or_default();
            let (index, len) = (usize::from(indices[var]), self.range(var).len());
            return Err(Error::IndexOutOfDomain { var, index, len });
        }
        let known = match self.len {
            0 => 0,
            len => u128::MAX << shift(len - 1),
        };
        if pattern.mask & !known != 0 {
            let var = ((pattern.mask & !known).leading_zeros() / 8) as usize;
            return Err(Error::UnknownVariable { var, variables: self.len });
        }
        Ok(())
    }
}

fn first_duplicate(values: &[i64]) -> Option<i64> {
    if values.len() <= 32 {
        return (1..values.len()).find(|&i| values[..i].contains(&values[i])).map(|i| values[i]);
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_pack_and_compare() {
        let mut domains = Domains::default();
        let x = domains.push(&[1, 2, 3]).unwrap();
        let y = domains.push(&[7, 8]).unwrap();
        let p = Pattern::ANY.with(x, 2);
        assert_eq!((p.get(x), p.get(y)), (Some(2), None));
        assert_eq!(p.with(x, 1).get(x), Some(1));
        assert_eq!(Pattern::from_indices(&[Some(2)]).unwrap(), p);
        assert!(p.compatible(Pattern::ANY.with(y, 1)));
        assert!(!p.compatible(Pattern::ANY.with(x, 1)));
        let both = p.and(Pattern::ANY.with(y, 1));
        assert_eq!(unpack(both.bits, 2), [2, 1]);
        assert!(Pattern::ANY.with(x, 1).bits > Pattern::ANY.with(x, 0).with(y, 200).bits);
    }

    #[test]
    fn duplicates_are_found_in_short_and_long_domains() {
        assert_eq!(first_duplicate(&[3, 1, 3]), Some(3));
        let mut long: Vec<i64> = (0..255).collect();
        assert_eq!(first_duplicate(&long), None);
        long[254] = 17;
        assert_eq!(first_duplicate(&long), Some(17));
    }
}
