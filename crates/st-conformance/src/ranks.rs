//! Every kind of selection over contiguous rows.

use st_rank::{Input, NanOrder, RankKind};

use crate::backend::Backend;
use crate::cases;
use crate::oracle::Ranking;
use crate::rng::Rng;
use crate::session::Session;
use crate::value::Value;

/// All shapes and patterns, all kinds, both NaN orders, sorted and by index.
///
/// # Panics
/// With the first wrong answer of each kernel, or if a kernel never ran.
pub fn ranks<T: Value, B: Backend>(backend: &B) {
    let mut session = Session::new::<T>(backend, "ranks");
    for case in cases::inputs(T::DTYPE, session.level) {
        if !session.wants(&case) {
            continue;
        }
        let mut rng = Rng::new(case.seed);
        // Rows begin anywhere in memory, not where an allocator begins.
        let lead = rng.below(4);
        let mut values = vec![T::default(); lead];
        values.extend(case.pattern.matrix::<T>(case.rows, case.cols, &mut rng));
        let input = Input::new(&values[lead..]);
        // One sort answers all questions that search in the same order.
        let mut rankings: Vec<((bool, NanOrder), Ranking)> = Vec::new();
        for problem in cases::questions(&case, T::DTYPE, session.level, &mut rng) {
            let order = (problem.kind == RankKind::TopK, problem.nan);
            if !rankings.iter().any(|(o, _)| *o == order) {
                rankings.push((order, Ranking::new(input, &problem)));
            }
            let ranking = rankings.iter().find(|(o, _)| *o == order).expect("just made");
            let want = ranking.1.answer(input, &problem);
            session.ask(&case, input, &problem, &want, &mut rng);
        }
    }
    session.finish();
}
