//! What trying others may cost.

/// An account of time, in nanoseconds. Calls pay in a share of what they take, and what is done beside them is paid from
/// that.
///
/// Work begins only if what it is estimated to take is there. What was spent is therefore never more than the share of
/// the calls' time, plus what single pieces of work took beyond their estimates; and such a debt is paid off before
/// anything else begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    share: f64,
    calls: f64,
    spent: f64,
}

impl Budget {
    /// An account into which calls pay that share of their time.
    #[must_use]
    pub fn new(share: f64) -> Self {
        // A share that is no number allows nothing.
        Self { share: if share > 0.0 { share } else { 0.0 }, ..Self::default() }
    }

    /// A call took so long by itself.
    pub fn called(&mut self, ns: f64) {
        self.calls += ns;
    }

    /// Whether work that is estimated to take so long may begin.
    #[must_use]
    pub fn allows(&self, ns: f64) -> bool {
        self.spent + ns <= self.share * self.calls
    }

    /// Work beside a call took so long.
    pub fn spend(&mut self, ns: f64) {
        self.spent += ns;
    }

    /// What the calls took, and what was spent beside them.
    #[must_use]
    pub fn totals(&self) -> (f64, f64) {
        (self.calls, self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_spent_than_was_paid_in() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut budget = Budget::new(0.02);
        let mut beyond = 0.0;
        for _ in 0..100_000 {
            let call = 1e3 + 1e6 * rng.f64();
            budget.called(call);
            let estimate = call * (0.5 + 3.0 * rng.f64());
            if budget.allows(estimate) {
                let took = estimate * (0.5 + rng.f64());
                budget.spend(took);
                beyond = f64::max(beyond, took - estimate);
            }
            let (calls, spent) = budget.totals();
            assert!(spent <= 0.02 * calls + beyond, "{spent} of {calls}");
        }
        let (calls, spent) = budget.totals();
        assert!(spent > 0.018 * calls, "and it is used: {spent} of {calls}");
        assert!(!Budget::new(f64::NAN).allows(1.0));
    }
}
