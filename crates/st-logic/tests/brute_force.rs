//! The search against a loop over all assignments, on many small random problems.

use proptest::prelude::*;
use st_logic::{Model, Pattern, Var};

/// A predicate by its truth table over the indices of its scope, first variable slowest.
#[derive(Clone, Debug)]
struct Truth {
    scope: Vec<usize>,
    holds: Vec<bool>,
}

impl Truth {
    fn at(&self, domains: &[Vec<i64>], values: &[i64]) -> bool {
        let place = self.scope.iter().zip(values).fold(0, |place, (&var, value)| {
            let index = domains[var].iter().position(|v| v == value).unwrap();
            place * domains[var].len() + index
        });
        self.holds[place]
    }
}

#[derive(Clone, Debug)]
struct Problem {
    domains: Vec<Vec<i64>>,
    rows: Option<Vec<(Vec<Option<u8>>, f64)>>,
    fixes: Vec<(usize, usize)>,
    requires: Vec<Truth>,
    prefers: Vec<(usize, usize, f64)>,
    whens: Vec<(Truth, f64)>,
}

impl Problem {
    fn model(&self) -> (Model<'_>, Vec<Var>) {
        let mut model = Model::new();
        let vars: Vec<Var> = self.domains.iter().map(|d| model.variable(d).unwrap()).collect();
        if let Some(rows) = &self.rows {
            model
                .table(
                    rows.iter().map(|(row, score)| (Pattern::from_indices(row).unwrap(), *score)),
                )
                .unwrap();
        }
        for &(var, index) in &self.fixes {
            model.fix(vars[var], self.domains[var][index]).unwrap();
        }
        let scope = |truth: &Truth| truth.scope.iter().map(|&v| vars[v]).collect::<Vec<_>>();
        for truth in &self.requires {
            model.require(&scope(truth), |v| truth.at(&self.domains, v)).unwrap();
        }
        for &(var, index, weight) in &self.prefers {
            model.prefer(vars[var], self.domains[var][index], weight).unwrap();
        }
        for (truth, weight) in &self.whens {
            model.when(&scope(truth), |v| truth.at(&self.domains, v), *weight).unwrap();
        }
        (model, vars)
    }

    fn score(&self, indices: &[u8]) -> Option<f64> {
        let values =
            |truth: &Truth| truth.scope.iter().map(|&v| self.value(v, indices)).collect::<Vec<_>>();
        let mut score = match &self.rows {
            None => 0.0,
            Some(rows) => rows
                .iter()
                .filter(|(row, _)| row.iter().zip(indices).all(|(r, i)| r.is_none_or(|r| r == *i)))
                .map(|(_, score)| *score)
                .reduce(f64::max)?,
        };
        if self.fixes.iter().any(|&(var, index)| usize::from(indices[var]) != index)
            || !self.requires.iter().all(|truth| truth.at(&self.domains, &values(truth)))
        {
            return None;
        }
        for (var, &index) in indices.iter().enumerate() {
            let mut unary = 0.0;
            for (_, _, weight) in
                self.prefers.iter().filter(|p| (p.0, p.1) == (var, usize::from(index)))
            {
                unary += weight;
            }
            score += unary;
        }
        for (truth, weight) in &self.whens {
            if truth.at(&self.domains, &values(truth)) {
                score += weight;
            }
        }
        Some(score)
    }

    fn value(&self, var: usize, indices: &[u8]) -> i64 {
        self.domains[var][usize::from(indices[var])]
    }

    /// All allowed assignments, best first; the sort is stable and the loop lexicographic.
    fn ranked(&self) -> Vec<(Vec<u8>, f64)> {
        let mut all = Vec::new();
        let mut indices = vec![0_u8; self.domains.len()];
        loop {
            if let Some(score) = self.score(&indices) {
                all.push((indices.clone(), score));
            }
            let Some(var) = (0..indices.len())
                .rev()
                .find(|&v| usize::from(indices[v]) + 1 < self.domains[v].len())
            else {
                break;
            };
            indices[var] += 1;
            indices[var + 1..].fill(0);
        }
        all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
        all
    }
}

/// Mostly weights that tie exactly, some whose sums round.
fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3_i32..=3).prop_map(|n| f64::from(n) * 0.5),
        2 => (1_i32..=6).prop_map(|n| f64::from(n).ln()),
        1 => (-9_i32..=9).prop_map(|n| f64::from(n) * 0.1),
        1 => -10.0..10.0,
        1 => prop_oneof![Just(1e9), Just(-1e9), Just(1e-9), Just(1.0 / 3.0)],
    ]
}

fn truth(sizes: Vec<usize>) -> impl Strategy<Value = Truth> {
    let vars: Vec<usize> = (0..sizes.len()).collect();
    let most = sizes.len().min(3);
    (Just(vars).prop_shuffle(), 0..=most, 0.2..0.95).prop_flat_map(move |(vars, len, share)| {
        let scope = vars[..len].to_vec();
        let places = scope.iter().map(|&v| sizes[v]).product::<usize>();
        let holds = prop::collection::vec(prop::bool::weighted(share), places);
        holds.prop_map(move |holds| Truth { scope: scope.clone(), holds })
    })
}

fn problem() -> impl Strategy<Value = Problem> {
    prop::collection::vec(1_usize..=5, 1..=5).prop_flat_map(|sizes| {
        let n = sizes.len();
        // Values in no order, so that an index is never mistaken for one.
        let domains =
            sizes.iter().map(|&len| (0..len as i64).map(|i| (i * 7 + 3) % 11 - 4).collect());
        let domains: Vec<Vec<i64>> = domains.collect();
        let cells: Vec<_> = sizes.iter().map(|&len| prop::option::of(0..len as u8)).collect();
        let rows = prop::collection::vec((cells, weight()), 0..12);
        let lens = sizes.clone();
        let pick = (0..n, 0_usize..60).prop_map(move |(v, i)| (v, i % lens[v]));
        let prefer = (pick.clone(), weight()).prop_map(|((v, i), w)| (v, i, w));
        (
            Just(domains),
            prop::option::weighted(0.75, rows),
            prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(pick, 1..3)],
            prop_oneof![1 => Just(vec![]), 1 => prop::collection::vec(truth(sizes.clone()), 1..4)],
            prop::collection::vec(prefer, 0..10),
            prop::collection::vec((truth(sizes), weight()), 0..5),
        )
            .prop_map(|(domains, rows, fixes, requires, prefers, whens)| Problem {
                domains,
                rows,
                fixes,
                requires,
                prefers,
                whens,
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40_000))]

    #[test]
    fn equals_brute_force(problem in problem(), n in 0_usize..40, limit in 0_u64..60) {
        let ranked = problem.ranked();
        let (model, _) = problem.model();

        let best = model.solve();
        prop_assert_eq!(
            best.as_ref().map(|b| (b.indices.clone(), b.score)),
            ranked.first().cloned()
        );
        if let Some(best) = &best {
            let values: Vec<i64> =
                (0..best.indices.len()).map(|v| problem.value(v, &best.indices)).collect();
            prop_assert_eq!(&best.values, &values);
            prop_assert!(best.complete);
            prop_assert_eq!(model.score(&best.indices).unwrap(), Some(best.score));
        }
        prop_assert_eq!(&problem.model().0.solve(), &best, "the same again, nodes too");

        let several = model.best_n(n);
        prop_assert!(several.complete);
        let several: Vec<_> =
            several.solutions.into_iter().map(|s| (s.indices, s.score)).collect();
        prop_assert_eq!(&several, &ranked[..n.min(ranked.len())]);

        // A limited search returns allowed assignments, truly scored and in order.
        let limited = problem.model().0.with_node_limit(limit).best_n(n.max(1));
        prop_assert!(limited.nodes <= limit);
        let found: Vec<_> = limited.solutions.into_iter().map(|s| (s.indices, s.score)).collect();
        let places: Vec<_> =
            found.iter().map(|f| ranked.iter().position(|r| r == f)).collect();
        prop_assert!(places.iter().all(Option::is_some) && places.is_sorted());
        if limited.complete {
            prop_assert_eq!(&found, &ranked[..n.max(1).min(ranked.len())]);
        }
    }
}
