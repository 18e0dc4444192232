//! What must be refused: with the right error, by every executor, and without writing anything.

use st_rank::{
    CompactPlan, CompactProblem, DType, Error, Input, Lengths, Problem, RankKind, RankOutputMut,
    RankPlan,
};

use crate::backend::{Backend, Executor};
use crate::rng::Rng;
use crate::session::{PLANNED, Session, dirty_output, guarded};
use crate::value::Value;
use crate::verdict;

/// A problem, how many elements and which lengths are bound, and the error that must come.
struct Refusal {
    problem: Problem,
    elements: usize,
    lengths: Option<&'static [u32]>,
    error: Error,
}

fn catalogue(dtype: DType) -> Vec<Refusal> {
    let other = if dtype == DType::F32 { DType::I32 } else { DType::F32 };
    let p = |kind, rows, cols, k| Problem::new(kind, rows, cols, k).with_dtype(dtype);
    let top = p(RankKind::TopK, 2, 4, 2);
    let ragged = top.with_lengths(Lengths::Ragged);
    let padded = top.with_lengths(Lengths::Padded);
    let range = |start, k| p(RankKind::Range { start }, 2, 4, k);
    let full = |problem: Problem, error| Refusal { problem, elements: 8, lengths: None, error };
    let length = |row_stride, elements, least, most| Refusal {
        problem: top.with_row_stride(row_stride),
        elements,
        lengths: None,
        error: Error::InputLength { got: elements, rows: 2, cols: 4, row_stride, least, most },
    };
    let with =
        |problem, lengths, error| Refusal { problem, elements: 8, lengths: Some(lengths), error };
    let too_large = Error::TooLarge { what: "an input", rows: usize::MAX, per_row: 4 };
    let mut all = vec![
        full(p(RankKind::TopK, 2, 4, 5), Error::KTooLarge { k: 5, len: 4, row: 0 }),
        full(p(RankKind::BottomK, 2, 4, 9), Error::KTooLarge { k: 9, len: 4, row: 0 }),
        full(p(RankKind::MidK, 2, 4, 5), Error::KTooLarge { k: 5, len: 4, row: 0 }),
        full(p(RankKind::TopK, 2, 0, 1), Error::KTooLarge { k: 1, len: 0, row: 0 }),
        full(range(3, 2), Error::RangeTooLong { start: 3, end: 5, len: 4, row: 0 }),
        full(
            range(usize::MAX, 2),
            Error::RangeTooLong { start: usize::MAX, end: usize::MAX, len: 4, row: 0 },
        ),
        full(top.with_row_stride(3), Error::StrideTooSmall { row_stride: 3, cols: 4 }),
        full(p(RankKind::TopK, usize::MAX, 4, 1), too_large),
        full(top.with_dtype(other), Error::DTypeMismatch { plan: other, input: dtype }),
        length(4, 7, 8, 8),
        length(4, 9, 8, 8),
        length(4, 0, 8, 8),
        length(6, 9, 10, 12),
        length(6, 13, 10, 12),
        full(ragged, Error::LengthsMismatch { plan_is_ragged: true }),
        with(top, &[4, 4], Error::LengthsMismatch { plan_is_ragged: false }),
        with(ragged, &[4], Error::LengthsCount { got: 1, rows: 2 }),
        with(padded, &[4, 4, 4], Error::LengthsCount { got: 3, rows: 2 }),
        with(padded, &[0, 5], Error::LengthTooLong { row: 1, len: 5, cols: 4 }),
        with(ragged, &[2, 1], Error::KTooLarge { k: 2, len: 1, row: 1 }),
        with(
            range(1, 2).with_lengths(Lengths::Ragged),
            &[3, 2],
            Error::RangeTooLong { start: 1, end: 3, len: 2, row: 1 },
        ),
    ];
    if let Ok(cols) = usize::try_from(1u64 << 32) {
        all.push(full(p(RankKind::TopK, 1, cols, 1), Error::TooManyCols { cols }));
    }
    all
}

/// Impossible shapes, inputs that are not the plan's, plans of another backend.
///
/// # Panics
/// With the first failure of each kernel, or if a kernel never ran.
pub fn refusals<T: Value, B: Backend>(backend: &B) {
    let mut session = Session::new::<T>(backend, "refusals");
    let mut rng = Rng::new(0x0E0 ^ T::DTYPE as u64);
    for executor in backend.executors() {
        for refusal in catalogue(T::DTYPE) {
            let Refusal { problem, elements, lengths, error } = refusal;
            let values = vec![T::default(); elements];
            let input = Input { values: &values, lengths };
            for (kernel, plan) in session.plans(executor, &problem, &mut rng) {
                let feasible = backend.check(&executor.exec, &plan.choice, &problem).is_ok();
                if feasible || kernel == PLANNED {
                    let verdict = refused(backend, executor, input, &plan, &error);
                    session.note(&executor.group, kernel, verdict);
                }
            }
            // The same shapes are refused for a compaction.
            let Problem { rows, cols, dtype, row_stride, lengths, .. } = problem;
            let compact = CompactProblem { rows, cols, dtype, row_stride, lengths };
            if !matches!(error, Error::KTooLarge { .. } | Error::RangeTooLong { .. }) {
                let plan = backend.compact_plan(&executor.exec, &compact);
                let verdict = compact_refused(backend, executor, input, &plan, &error);
                session.note(&executor.group, PLANNED, verdict);
            }
        }
        for (kernel, verdict) in wrong_backend::<T, B>(&mut session, executor, &mut rng) {
            session.note(&executor.group, kernel, verdict);
        }
    }
    session.finish();
}

fn wrong_backend<T: Value, B: Backend>(
    session: &mut Session<'_, B>,
    executor: &Executor<B::Exec>,
    rng: &mut Rng,
) -> Vec<(&'static str, Result<(), String>)> {
    use st_rank::Backend::{Cpu, Cuda};
    let backend = session.backend;
    let problem = Problem::new(RankKind::TopK, 2, 4, 2).with_dtype(T::DTYPE);
    let values = vec![T::default(); 8];
    let input = Input::new(&values);
    let own = backend.caps(&executor.exec).backend;
    let other = if own == Cpu { Cuda } else { Cpu };
    let error = Error::WrongBackend { plan: other, executor: own };
    let mut verdicts = Vec::new();
    for (kernel, mut plan) in session.plans(executor, &problem, rng) {
        if backend.check(&executor.exec, &plan.choice, &problem).is_ok() {
            plan.caps.backend = other;
            verdicts.push((kernel, refused(backend, executor, input, &plan, &error)));
        }
    }
    let compact = CompactProblem { dtype: T::DTYPE, ..CompactProblem::new(2, 4) };
    let mut plan = backend.compact_plan(&executor.exec, &compact);
    plan.caps.backend = other;
    verdicts.push((PLANNED, compact_refused(backend, executor, input, &plan, &error)));
    verdicts
}

/// All three ways to run the plan must give this error and leave what they were given.
fn refused<T: Value, B: Backend>(
    backend: &B,
    executor: &Executor<B::Exec>,
    input: Input<'_, T>,
    plan: &RankPlan,
    error: &Error,
) -> Result<(), String> {
    let say = |way: &str, got: &dyn core::fmt::Debug| {
        let (problem, choice) = (&plan.problem, plan.choice);
        let name = &executor.name;
        format!("{way}: {got:?}, not {error:?}\n  {problem:?} on {name} {choice}")
    };
    let exec = &executor.exec;
    let got = guarded(|| backend.rank(exec, input, plan)).map_err(|e| say("rank", &e))?;
    if got.as_ref().err() != Some(error) {
        return Err(say("rank", &got.map(|out| out.indices)));
    }
    let before = dirty_output::<T>(4);
    let mut after = before.clone();
    let got = guarded(|| backend.rank_into(exec, input, plan, &mut after));
    let got = got.map_err(|e| say("rank_into", &e))?;
    if got.as_ref().err() != Some(error) {
        return Err(say("rank_into", &got));
    }
    verdict::rank(1, &before, &after).map_err(|e| say("output after the refusal", &e))?;
    let mut out = RankOutputMut { values: &mut after.values, indices: &mut after.indices };
    let got = guarded(|| backend.rank_into(exec, input, plan, &mut out));
    let got = got.map_err(|e| say("rank_into slices", &e))?;
    if got.as_ref().err() != Some(error) {
        return Err(say("rank_into slices", &got));
    }
    verdict::rank(1, &before, &after).map_err(|e| say("slices after the refusal", &e))
}

fn compact_refused<T: Value, B: Backend>(
    backend: &B,
    executor: &Executor<B::Exec>,
    input: Input<'_, T>,
    plan: &CompactPlan,
    error: &Error,
) -> Result<(), String> {
    let bound = T::default();
    let got = guarded(|| backend.compact(&executor.exec, input, plan, bound, bound))?;
    if got.as_ref().err() == Some(error) {
        return Ok(());
    }
    let problem = &plan.problem;
    Err(format!("compaction: {:?}, not {error:?}\n  {problem:?}", got.map(|out| out.indices)))
}
