//! The inputs of [`permutations`](crate::permutations).

use st_rank::{Input, Lengths, Problem, RankKind};

use crate::layouts::winner;
use crate::permutations::Setting;
use crate::rng::Rng;
use crate::value::Value;

/// A setting's input: what does not belong to a row would win, in both directions.
#[derive(Clone, Debug)]
pub struct Data<T> {
    values: Vec<T>,
    lengths: Option<Vec<u32>>,
}

impl<T: Value> Data<T> {
    /// For the setting, by its seed.
    #[must_use]
    pub fn new(setting: &Setting) -> Self {
        let Problem { rows, cols, k, row_stride, lengths, kind, .. } = setting.problem;
        let mut rng = Rng::new(setting.seed);
        let least = match (lengths, kind) {
            (Lengths::Full, _) => cols,
            (Lengths::Ragged, RankKind::Range { start }) => start + k,
            (Lengths::Ragged, _) => k,
            (Lengths::Padded, _) => 0,
        };
        let mut of_rows = Vec::with_capacity(rows);
        for row in 0..rows {
            let any = least + rng.below(cols - least + 1);
            of_rows.push([any, cols, least][row % 3] as u32);
        }
        let mut values: Vec<T> = (0..rows * row_stride).map(winner).collect();
        for (row, &n) in of_rows.iter().enumerate() {
            let n = n as usize;
            let own = setting.pattern.matrix::<T>(1, n, &mut rng);
            values[row * row_stride..][..n].copy_from_slice(&own);
        }
        Self { values, lengths: lengths.is_ragged().then_some(of_rows) }
    }

    /// As executors take it.
    #[must_use]
    pub fn input(&self) -> Input<'_, T> {
        Input { values: &self.values, lengths: self.lengths.as_deref() }
    }
}
