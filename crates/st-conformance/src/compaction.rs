//! `compact_range`: which elements, in column order, and how many of each row.

use st_rank::{CompactProblem, Input, Lengths};

use crate::backend::{Backend, Level};
use crate::cases;
use crate::layouts::winner;
use crate::oracle;
use crate::rng::Rng;
use crate::session::Session;
use crate::value::Value;

/// All shapes and patterns, bounds from the data and from the type's special values, strides and
/// ragged rows, one command and two.
///
/// # Panics
/// With the first wrong answer of each kernel, or if a kernel never ran.
pub fn compaction<T: Value, B: Backend>(backend: &B) {
    let mut session = Session::new::<T>(backend, "compaction");
    let questions = if session.level == Level::Full { 12 } else { 2 };
    for case in cases::inputs(T::DTYPE, session.level) {
        if !session.wants(&case) {
            continue;
        }
        let mut rng = Rng::new(case.seed);
        let (rows, cols) = (case.rows, case.cols);
        let row_stride = cols + rng.pick(&[0, 0, 1, 65]);
        let lengths = rng.pick(&[Lengths::Full, Lengths::Full, Lengths::Ragged, Lengths::Padded]);
        let row_lengths: Vec<u32> = (0..rows).map(|_| rng.below(cols + 1) as u32).collect();
        let bound = lengths.is_ragged().then_some(&row_lengths[..]);

        let lead = rng.below(4);
        let mut values: Vec<T> = (0..lead + rows * row_stride).map(winner).collect();
        let data = case.pattern.matrix::<T>(rows, cols, &mut rng);
        for r in 0..rows {
            let n = bound.map_or(cols, |lengths| lengths[r] as usize);
            values[lead + r * row_stride..][..n].copy_from_slice(&data[r * cols..][..n]);
        }
        let input = Input { values: &values[lead..], lengths: bound };
        let problem = CompactProblem { rows, cols, dtype: T::DTYPE, row_stride, lengths };

        let specials = T::specials();
        for _ in 0..questions {
            let mut bound = || match rng.below(3) {
                0 => rng.pick(&specials),
                _ if data.is_empty() => T::default(),
                _ => rng.pick(&data),
            };
            let bounds = (bound(), bound());
            let want = oracle::compact(input, &problem, bounds.0, bounds.1);
            session.ask_compact(&case, input, &problem, bounds, &want, &mut rng);
        }
    }
    session.finish();
}
