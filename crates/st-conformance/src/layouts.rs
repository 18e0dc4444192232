//! Rows that are not next to each other, and rows of different lengths.

use st_rank::{Input, Lengths, NanOrder, Problem, RankKind};

use crate::backend::{Backend, Level};
use crate::cases::{Case, start};
use crate::oracle;
use crate::pattern::Pattern;
use crate::rng::Rng;
use crate::session::Session;
use crate::value::Value;

const SHAPES: [(usize, usize); 10] =
    [(1, 1), (2, 7), (3, 33), (5, 64), (4, 129), (3, 257), (2, 1000), (40, 70), (2, 2500), (3, 0)];

const PATTERNS: [Pattern; 6] = [
    Pattern::Normal,
    Pattern::AllEqual,
    Pattern::EightValues,
    Pattern::NanMix,
    Pattern::Ascending,
    Pattern::Specials,
];

/// Strides, ragged rows and padded rows. What does not belong to a row is filled with values that
/// would win, in both directions.
///
/// # Panics
/// With the first wrong answer of each kernel, or if a kernel never ran.
pub fn layouts<T: Value, B: Backend>(backend: &B) {
    let mut session = Session::new::<T>(backend, "layouts");
    let rounds = match session.level {
        Level::Smoke => 1,
        Level::Quick => 4,
        Level::Full => 24,
    };
    let mut number = 0;
    for (rows, cols) in SHAPES {
        for pattern in PATTERNS {
            for round in 0..rounds {
                let seed = Rng::new((T::DTYPE as u64) << 32 | 1 << 24 | number).bits();
                let case = Case { number, seed, rows, cols, pattern };
                number += 1;
                if session.wants(&case) {
                    one::<T, B>(&mut session, &case, round);
                }
            }
        }
    }
    session.finish();
}

fn one<T: Value, B: Backend>(session: &mut Session<'_, B>, case: &Case, round: usize) {
    let &Case { rows, cols, pattern, .. } = case;
    let mut rng = Rng::new(case.seed);
    let kinds = [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 0 }];
    let mut kind = kinds[(round + case.number as usize) % 4];
    let lengths = [Lengths::Full, Lengths::Ragged, Lengths::Padded, Lengths::Padded];
    let lengths = lengths[rng.below(4)];
    // Rows without columns are padding alone.
    let lengths = if cols == 0 { Lengths::Padded } else { lengths };
    let row_stride = cols + rng.pick(&[0, 1, 3, 64, 100]);

    // Padding alone may ask for more than there is.
    let most = if lengths == Lengths::Padded { cols + 5 } else { cols };
    let anyhow = rng.below(most + 1);
    let k = rng.pick(&[0, 1, 2, 8, 17, cols / 2, cols, most, anyhow]).min(most);
    if let RankKind::Range { start: s } = &mut kind {
        *s =
            if lengths == Lengths::Padded { rng.below(cols + 3) } else { start(cols, k, &mut rng) };
    }
    let problem = Problem::new(kind, rows, cols, k)
        .with_dtype(T::DTYPE)
        .with_nan(rng.pick(&[NanOrder::Greatest, NanOrder::Last]))
        .with_sorted(rng.one_in(2))
        .with_row_stride(row_stride)
        .with_lengths(lengths);

    let least = match (lengths, kind) {
        (Lengths::Padded, _) | (_, RankKind::Range { .. }) if k == 0 => 0,
        (Lengths::Padded, _) => 0,
        (_, RankKind::Range { start }) => start + k,
        _ => k,
    };
    let row_lengths: Vec<u32> = (0..rows)
        .map(|_| {
            let n = least + rng.below(cols - least + 1);
            rng.pick(&[n, n, least, cols]) as u32
        })
        .collect();
    let bound = lengths.is_ragged().then_some(&row_lengths[..]);

    let lead = rng.below(4);
    let mut values: Vec<T> = (0..lead + rows * row_stride).map(winner).collect();
    for r in 0..rows {
        let n = bound.map_or(cols, |lengths| lengths[r] as usize);
        let row = pattern.matrix::<T>(1, n, &mut rng);
        values[lead + r * row_stride..][..n].copy_from_slice(&row);
    }
    // The last row may end at its last column, as a slice of a matrix does.
    if rng.one_in(2) {
        values.truncate(lead + (rows - 1) * row_stride + cols);
    }
    let input = Input { values: &values[lead..], lengths: bound };
    let want = oracle::rank(input, &problem);
    session.ask(case, input, &problem, &want, &mut rng);
}

/// Alternately the greatest and the least value of the type, NaN included.
pub(crate) fn winner<T: Value>(i: usize) -> T {
    match i % 3 {
        0 => T::scaled(f64::INFINITY),
        1 => T::scaled(f64::NEG_INFINITY),
        _ if T::FLOAT => T::scaled(f64::NAN),
        _ => T::scaled(f64::INFINITY),
    }
}
