//! Single cases: the edges of what a model may be, and what it refuses.

use st_logic::{Error, Model, Pattern};

#[test]
fn no_variables_have_one_assignment() {
    let best = Model::new().solve().unwrap();
    assert_eq!((best.values.len(), best.score, best.complete), (0, 0.0, true));

    let mut model = Model::new();
    model.table([(Pattern::ANY, 1.5), (Pattern::ANY, 2.5)]).unwrap();
    model.when(&[], |v| v.is_empty(), 0.25).unwrap();
    assert_eq!(model.solve().unwrap().score, 2.75);
    assert_eq!(model.best_n(5).solutions.len(), 1);
    model.require(&[], |_| false).unwrap();
    assert_eq!(model.solve(), None);
}

#[test]
fn a_domain_of_one_value_is_taken() {
    let mut model = Model::new();
    let x = model.variable(&[-7]).unwrap();
    model.prefer(x, -7, -3.0).unwrap();
    let best = model.solve().unwrap();
    assert_eq!((best.values, best.indices, best.score), (vec![-7], vec![0], -3.0));
}

#[test]
fn nothing_allowed_is_none() {
    let mut model = Model::new();
    let x = model.variable(&[1, 2]).unwrap();
    model.table([]).unwrap();
    assert_eq!(model.solve(), None);
    let none = model.best_n(3);
    assert!(none.solutions.is_empty() && none.complete);

    let mut model = Model::new();
    let y = model.variable(&[1, 2]).unwrap();
    assert_eq!(x, y);
    model.fix(y, 1).unwrap();
    model.fix(y, 1).unwrap();
    assert_eq!(model.solve().unwrap().values, [1]);
    model.fix(y, 2).unwrap();
    assert_eq!(model.solve(), None);
    assert_eq!(model.score(&[0]), Ok(None));
}

#[test]
fn a_fix_excludes_rows_and_fills_free_places() {
    let mut model = Model::new();
    let x = model.variable(&[10, 20]).unwrap();
    let y = model.variable(&[1, 2, 3]).unwrap();
    model.table([(Pattern::ANY.with(x, 0), 9.0), (Pattern::ANY.with(y, 1), 1.0)]).unwrap();
    model.fix(x, 20).unwrap();
    let best = model.solve().unwrap();
    assert_eq!((best.values, best.score), (vec![20, 2], 1.0));
}

#[test]
fn ties_cost_nothing() {
    let mut model = Model::new();
    let values: Vec<i64> = (0..255).collect();
    let vars: Vec<_> = (0..16).map(|_| model.variable(&values).unwrap()).collect();
    model.prefer(vars[3], 9, 0.1).unwrap();
    model.prefer(vars[3], 4, 0.1).unwrap();
    let best = model.solve().unwrap();
    assert_eq!(best.values[..5], [0, 0, 0, 4, 0]);
    assert!(best.nodes <= 16 * 255 + 1, "{} nodes", best.nodes);

    // Every row ties with every other.
    let rows = (0..200_u8).map(|i| (Pattern::ANY.with(vars[usize::from(i % 16)], i), 1.0));
    model.table(rows).unwrap();
    let best = model.solve().unwrap();
    assert_eq!(best.values[..5], [0, 0, 0, 4, 0]);
    assert_eq!(best.score, 1.1);
}

#[test]
fn rounding_makes_and_breaks_ties_as_the_fixed_order_says() {
    // 0.1 + 0.2 + 0.3 is greater than 0.3 + 0.2 + 0.1 in f64.
    let mut model = Model::new();
    let [x, y, z] = [0; 3].map(|_| model.variable(&[0, 1]).unwrap());
    for (var, value, weight) in [(x, 1, 0.1), (y, 0, 0.2), (y, 1, 0.2), (z, 1, 0.3)] {
        model.prefer(var, value, weight).unwrap();
    }
    model.prefer(x, 0, 0.3).unwrap();
    model.prefer(z, 0, 0.1).unwrap();
    model.require(&[x, z], |v| v[0] == v[1]).unwrap();
    let best = model.solve().unwrap();
    assert_eq!((best.values, best.score), (vec![1, 0, 1], 0.1 + 0.2 + 0.3));

    // 1e9 swallows what is below its last place: a tie, so the first value.
    let mut model = Model::new();
    let x = model.variable(&[0, 1]).unwrap();
    model.table([(Pattern::ANY, 1e9)]).unwrap();
    model.prefer(x, 1, 1e-9).unwrap();
    assert_eq!(model.solve().unwrap().values, [0]);
}

#[test]
fn a_node_limit_stops_the_search_and_says_so() {
    let build = || {
        let mut model = Model::new();
        let vars: Vec<_> = (0..8).map(|_| model.variable(&[0, 1, 2, 3]).unwrap()).collect();
        model.when(&vars, |v| v.iter().sum::<i64>() == 24, 1.0).unwrap();
        (model, vars)
    };
    let (model, vars) = build();
    let full = model.solve().unwrap();
    assert_eq!((full.values, full.complete), (vec![3; 8], true));
    let part = build().0.with_node_limit(100).solve().unwrap();
    assert_eq!((part.values, part.nodes, part.complete), (vec![0; 8], 100, false));
    let nothing = build().0.with_node_limit(5).best_n(1);
    assert!(nothing.solutions.is_empty() && !nothing.complete);

    let (mut model, _) = build();
    model.require(&vars, |v| v[7] == 9).unwrap();
    assert_eq!(model.with_node_limit(1000).solve(), None);
}

#[test]
fn predicates_may_borrow_and_are_given_the_scope_in_order() {
    let limit = 5;
    let mut model = Model::new();
    let x = model.variable(&[1, 2, 3]).unwrap();
    let y = model.variable(&[10, 20]).unwrap();
    model.require(&[y, x], |v| v[0] / v[1] > limit).unwrap();
    model.prefer(x, 3, 1.0).unwrap();
    assert_eq!(model.solve().unwrap().values, [3, 20]);
    assert_eq!(model.domain(y), Ok(&[10, 20][..]));
    assert_eq!(model.index_of(x, 3), Ok(2));
    assert_eq!(model.variables(), 2);
}

#[test]
fn refusals_are_typed_and_leave_the_model_as_it_was() {
    let mut large = Model::new();
    for _ in 0..15 {
        large.variable(&[0, 1, 2, 3]).unwrap();
    }
    let foreign = large.variable(&[0]).unwrap();
    assert_eq!(large.variable(&[0]), Err(Error::TooManyVariables));

    let mut model = Model::new();
    assert_eq!(model.variable(&[]), Err(Error::DomainSize { len: 0 }));
    let long: Vec<i64> = (0..256).collect();
    assert_eq!(model.variable(&long), Err(Error::DomainSize { len: 256 }));
    assert_eq!(model.variable(&[4, 5, 4]), Err(Error::DuplicateValue { value: 4 }));
    let x = model.variable(&[4, 5]).unwrap();

    let missing = Error::NotInDomain { var: 0, value: 6, allowed: vec![4, 5] };
    assert_eq!(model.fix(x, 6), Err(missing.clone()));
    assert_eq!(model.prefer(x, 6, 1.0), Err(missing.clone()));
    assert_eq!(missing.to_string(), "6 is not in the domain of variable 0: [4, 5]");
    let unknown = Err(Error::UnknownVariable { var: 15, variables: 1 });
    assert_eq!(model.fix(foreign, 0), unknown);
    assert_eq!(model.prefer(foreign, 0, 1.0), unknown);
    assert_eq!(model.require(&[x, foreign], |_| false), unknown);
    assert_eq!(model.when(&[foreign], |_| true, 1.0), unknown);
    assert_eq!(model.table([(Pattern::ANY.with(foreign, 0), 1.0)]), unknown);
    assert_eq!(model.require(&[x, x], |_| false), Err(Error::DuplicateInScope { var: 0 }));
    let behind = Error::IndexOutOfDomain { var: 0, index: 2, len: 2 };
    assert_eq!(model.table([(Pattern::ANY.with(x, 2), 1.0)]), Err(behind.clone()));
    let top = Error::IndexOutOfDomain { var: 0, index: 255, len: 2 };
    assert_eq!(model.table([(Pattern::ANY.with(x, 255), 1.0)]), Err(top));
    assert_eq!(model.score(&[2]), Err(behind));
    assert_eq!(model.score(&[]), Err(Error::AssignmentLength { got: 0, variables: 1 }));
    for weight in [f64::NAN, f64::INFINITY, 1.5e9, -1.5e9] {
        assert!(matches!(model.prefer(x, 4, weight), Err(Error::Weight { .. })));
        assert!(matches!(model.when(&[x], |_| true, weight), Err(Error::Weight { .. })));
        assert!(matches!(model.table([(Pattern::ANY, weight)]), Err(Error::Weight { .. })));
    }
    assert!(Pattern::from_indices(&[None; 17]).is_err());

    assert_eq!(model.solve().unwrap().score, 0.0);
    model.table([(Pattern::ANY, 2.0)]).unwrap();
    assert_eq!(model.table([(Pattern::ANY, 3.0)]), Err(Error::SecondTable));
    assert_eq!(model.solve().unwrap().score, 2.0);
}
