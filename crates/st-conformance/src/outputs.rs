//! Places of the caller's: slices inside larger memory, and outputs used again and again.

use st_rank::{Error, Input, Problem, RankKind, RankOutputMut, RankPlan};

use crate::backend::{Backend, Executor};
use crate::oracle;
use crate::pattern::Pattern;
use crate::rng::Rng;
use crate::session::{Session, dirty_output, guarded};
use crate::value::Value;
use crate::verdict;

/// Elements on both sides of a slice that must stay as they are.
const MARGIN: usize = 9;

/// Results go where they belong and nowhere else.
///
/// # Panics
/// With the first failure of each kernel, or if a kernel never ran.
pub fn outputs<T: Value, B: Backend>(backend: &B) {
    let mut session = Session::new::<T>(backend, "outputs");
    let mut rng = Rng::new(0x0D7 ^ T::DTYPE as u64);
    // Growing and shrinking, so that an output used again is too large, too small, and empty.
    let shapes = [(2, 40, 3), (3, 300, 70), (1, 5, 5), (4, 64, 0), (0, 64, 4), (2, 1000, 130)];
    for executor in backend.executors() {
        // One output for each place in the list of plans, kept from shape to shape.
        let mut kept = Vec::new();
        for (rows, cols, k) in shapes {
            let values = Pattern::EightValues.matrix::<T>(rows, cols, &mut rng);
            let input = Input::new(&values);
            let kind = rng.pick(&[RankKind::TopK, RankKind::MidK]);
            let problem = Problem::new(kind, rows, cols, k).with_dtype(T::DTYPE);
            let want = oracle::rank(input, &problem);
            for (i, (kernel, plan)) in
                session.plans(executor, &problem, &mut rng).into_iter().enumerate()
            {
                if backend.check(&executor.exec, &plan.choice, &problem).is_err() {
                    continue;
                }
                if kept.len() <= i {
                    kept.resize_with(i + 1, || dirty_output(7));
                }
                let reused = &mut kept[i];
                let verdict = guarded(|| backend.rank_into(&executor.exec, input, &plan, reused))
                    .and_then(|result| result.map_err(|e| e.to_string()))
                    .and_then(|()| verdict::rank(k, &want, reused))
                    .and_then(|()| slices(backend, executor, input, &plan));
                let verdict = verdict
                    .map_err(|e| format!("{e}\n  {problem} on {} {}", executor.name, plan.choice));
                session.note(&executor.group, kernel, verdict);
            }
        }
    }
    session.finish();
}

/// Exact slices are filled and their surroundings kept; others are refused and kept.
fn slices<T: Value, B: Backend>(
    backend: &B,
    executor: &Executor<B::Exec>,
    input: Input<'_, T>,
    plan: &RankPlan,
) -> Result<(), String> {
    let n = plan.problem.output_len();
    let want = oracle::rank(input, &plan.problem);
    let lengths = [(n, n), (n + 1, n), (n, n + 1), (n.saturating_sub(1), n), (n, 0), (0, 0)];
    for (values, indices) in lengths {
        let before = dirty_output::<T>(n + 1 + 2 * MARGIN);
        let mut after = before.clone();
        let mut out = RankOutputMut {
            values: &mut after.values[MARGIN..][..values],
            indices: &mut after.indices[MARGIN..][..indices],
        };
        let got = guarded(|| backend.rank_into(&executor.exec, input, plan, &mut out))?;
        let mut expected = before.clone();
        if (values, indices) == (n, n) {
            got.map_err(|e| format!("slices of the right length: {e}"))?;
            expected.values[MARGIN..][..n].copy_from_slice(&want.values);
            expected.indices[MARGIN..][..n].copy_from_slice(&want.indices);
        } else {
            let (what, got_len) =
                if values == n { ("indices", indices) } else { ("values", values) };
            let error = Error::OutputLength { what, got: got_len, want: n };
            if got != Err(error.clone()) {
                return Err(format!("slices of {values} and {indices}: {got:?}, not {error:?}"));
            }
        }
        verdict::rank(1, &expected, &after)
            .map_err(|e| format!("slices of {values} and {indices}, margin {MARGIN}: {e}"))?;
    }
    Ok(())
}
