//! Inputs to tune on, and what is right for them.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use st_rank::order::{Lane, key};
use st_rank::{DType, Direction, Element, Problem, bf16, f16};

use crate::Pages;

/// Elements that one thread draws at a time.
const DRAWN: usize = 1 << 20;

/// Inputs of different numbers that calls take by turns: caches do not hold what processors have not read for long.
const INPUTS: u64 = 3;
/// Fewer where they would be larger than this together, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// How many inputs of so many bytes calls take by turns.
#[must_use]
pub fn copies(bytes: u64) -> u64 {
    (MOST_BYTES / bytes.max(1)).clamp(1, INPUTS)
}

/// Floats are drawn from a normal distribution, integers evenly from all there are; on all processors, and the same ones
/// however many there are.
///
/// # Errors
/// There is not so much memory.
pub fn random<T: Element>(elements: usize, seed: u64) -> io::Result<Pages<T>> {
    let mut all = Pages::new(elements)?;
    let parts = Mutex::new((0u64..).zip(all.chunks_mut(DRAWN)));
    let work = || {
        loop {
            // Not held while it is drawn.
            let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, part)) = part else { break };
            draw(part, seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(elements.div_ceil(DRAWN));
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    Ok(all)
}

/// Draws a part of an input.
fn draw<T: Element>(part: &mut [T], seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut spare = None;
    // Marsaglia's polar method (1964): two numbers at a time.
    let mut normal = || {
        if let Some(spare) = spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * rng.f32() - 1.0, 2.0 * rng.f32() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let stretch = (-2.0 * square.ln() / square).sqrt();
                spare = Some(y * stretch);
                return x * stretch;
            }
        }
    };
    let mut bits: Box<dyn FnMut() -> u64> = match T::DTYPE {
        DType::F32 => Box::new(|| normal().to_bits().into()),
        DType::F64 => Box::new(|| f64::from(normal()).to_bits()),
        DType::F16 => Box::new(|| f16::from_f32(normal()).to_bits().into()),
        DType::Bf16 => Box::new(|| bf16::from_f32(normal()).to_bits().into()),
        _ => {
            let mut rng = fastrand::Rng::with_seed(seed);
            Box::new(move || rng.u64(..))
        }
    };
    part.fill_with(|| T::from_lane(T::Lane::from_i64(bits().cast_signed())));
}

/// Inputs on which choices that are fastest on random ones may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hard {
    /// Elements that are all the same.
    Equal,
    /// Eight values, drawn evenly.
    FewValues,
    /// In each row every element comes before all those of lower columns.
    Improving,
}

impl Hard {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Equal, Self::FewValues, Self::Improving];

    /// Makes the input of a problem, rows one after another.
    pub fn fill<T: Element>(self, problem: &Problem, out: &mut [T]) {
        // Bits of positive numbers are in their order, floats' and integers' alike.
        let of = |share: f64| T::from_lane(T::Lane::from_i64((share * greatest(T::DTYPE)) as i64));
        match self {
            Self::Equal => out.fill(of(0.5)),
            Self::FewValues => {
                let values: [T; 8] = std::array::from_fn(|i| of((i + 1) as f64 / 8.0));
                let mut rng = fastrand::Rng::with_seed(8);
                out.fill_with(|| values[rng.usize(..8)]);
            }
            Self::Improving => {
                let cols = problem.cols.max(1);
                for (i, out) in out.iter_mut().enumerate() {
                    let place = match problem.kind.direction() {
                        Direction::Descending => i % cols,
                        Direction::Ascending => cols - 1 - i % cols,
                    };
                    *out = of(place as f64 / cols as f64);
                }
            }
        }
    }
}

/// The bits of a type's greatest finite number, or of one that is as great as signed ones are.
fn greatest(dtype: DType) -> f64 {
    let bits = match dtype {
        DType::F64 => f64::MAX.to_bits() as i64,
        DType::F32 => f32::MAX.to_bits().into(),
        DType::F16 => f16::MAX.to_bits().into(),
        DType::Bf16 => bf16::MAX.to_bits().into(),
        DType::I64 | DType::U64 => i64::MAX,
        DType::I32 | DType::U32 => i32::MAX.into(),
        DType::I16 | DType::U16 => i16::MAX.into(),
        DType::I8 | DType::U8 => i8::MAX.into(),
    };
    bits as f64
}

/// Elements that are checked, at most: rows spread from the first to the last.
const MOST_CHECKED: usize = 1 << 24;

/// Says what results of a problem are right. It has the memory for that from the beginning: whether there is so much is known
/// before anything is run. Once a result was right it gives it back: others are compared with that one.
#[derive(Debug, Default)]
pub struct Check {
    /// A row's keys and columns.
    pairs: Vec<(u64, u32)>,
    /// The columns that are right for it.
    want: Vec<u32>,
}

impl Check {
    /// One for results of this problem.
    ///
    /// # Errors
    /// There is not so much memory.
    pub fn new(problem: &Problem) -> io::Result<Self> {
        let mut this = Self::default();
        this.pairs.try_reserve_exact(problem.cols)?;
        this.want.try_reserve_exact(problem.k)?;
        Ok(this)
    }

    /// The first result of an input that is not right, in words; `values` and `indices` are those of all rows.
    ///
    /// What is right is found by the standard library's selection over pairs of key and column, of as many rows as have
    /// 2^24 elements together.
    #[must_use]
    pub fn fault<T: Element>(
        &mut self,
        problem: &Problem,
        input: &[T],
        values: &[T],
        indices: &[u32],
    ) -> Option<String> {
        let Problem { rows, cols, k, row_stride, .. } = *problem;
        if values.len() != rows * k || indices.len() != rows * k {
            return Some(format!("{} values of {}", values.len(), rows * k));
        }
        let checked = (MOST_CHECKED / cols.max(1)).clamp(1, rows.max(1));
        let fault = (0..checked).filter(|_| k > 0 && rows > 0).find_map(|i| {
            let row = if checked == 1 { 0 } else { i * (rows - 1) / (checked - 1) };
            let x = &input[row * row_stride..][..cols];
            self.find(problem, x);
            let (want, at) = (&self.want, row * k);
            let wrong = (0..k).find(|&rank| {
                let (column, value) = (indices[at + rank], values[at + rank]);
                let selected = x.get(column as usize).map(|v| v.to_lane());
                column != want[rank] || selected != Some(value.to_lane())
            })?;
            let (got, want) = (indices[at + wrong], want[wrong]);
            Some(format!("row {row}, rank {wrong}: column {got}, and {want} is right"))
        });
        if fault.is_none() {
            *self = Self::default();
        }
        fault
    }

    /// Finds the columns that are right for a row.
    fn find<T: Element>(&mut self, problem: &Problem, row: &[T]) {
        let Self { pairs, want } = self;
        let direction = problem.kind.direction();
        // Ascending pairs are the order of the search.
        let in_search = |x: T| {
            let key = key(x, direction, problem.nan);
            if direction == Direction::Descending { u64::MAX - key } else { key }
        };
        pairs.clear();
        pairs.extend((0..).zip(row).map(|(column, &x)| (in_search(x), column)));
        let Range { start, end } = problem.kind.ranks(row.len(), problem.k);
        if end < pairs.len() {
            pairs.select_nth_unstable(end);
        }
        pairs.truncate(end);
        pairs.sort_unstable();
        want.clear();
        want.extend(pairs.drain(..).skip(start).map(|(_, column)| column));
        if !problem.sorted {
            want.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use st_conformance::oracle;
    use st_rank::{Input, RankKind};

    use super::*;

    fn agrees<T: Element + st_conformance::value::Value>(kind: RankKind, sorted: bool) {
        let problem = Problem::new(kind, 7, 91, 9).with_dtype(T::DTYPE).with_sorted(sorted);
        let x: Pages<T> = random(7 * 91, 5).unwrap();
        let mut check = Check::new(&problem).unwrap();
        let mut out = oracle::rank(Input::new(&x), &problem);
        assert_eq!(check.fault(&problem, &x, &out.values, &out.indices), None);
        out.indices.swap(3, 4);
        let why = check.fault(&problem, &x, &out.values, &out.indices).unwrap();
        assert!(why.starts_with("row 0, rank 3: "), "{why}");
        out.indices.swap(3, 4);
        out.values[60] = T::from_lane(out.values[60].to_lane().xor(T::Lane::from_i64(1)));
        assert!(
            check
                .fault(&problem, &x, &out.values, &out.indices)
                .is_some_and(|w| w.contains("row 6"))
        );
        assert!(check.fault(&problem, &x, &out.values[1..], &out.indices).is_some());
    }

    #[test]
    fn what_no_memory_holds_is_an_error() {
        assert!(random::<f32>(usize::MAX, 1).is_err());
        let problem = Problem::new(RankKind::TopK, 1, usize::MAX, 1);
        assert!(Check::new(&problem).is_err());
    }

    #[test]
    fn what_is_right_is_what_the_oracle_says() {
        for kind in
            [RankKind::TopK, RankKind::BottomK, RankKind::MidK, RankKind::Range { start: 80 }]
        {
            agrees::<f32>(kind, true);
            agrees::<f32>(kind, false);
            agrees::<bf16>(kind, true);
            agrees::<i64>(kind, true);
        }
    }

    #[test]
    fn hard_inputs_are_what_they_say() {
        fn holds<T: Element>() {
            for kind in [RankKind::TopK, RankKind::BottomK] {
                let problem = Problem::new(kind, 2, 100, 9).with_dtype(T::DTYPE);
                let lanes = |hard: Hard| {
                    let mut all = vec![T::from_lane(T::Lane::from_i64(0)); 200];
                    hard.fill(&problem, &mut all);
                    let keys = all.iter().map(|&x| key(x, kind.direction(), problem.nan));
                    keys.collect::<Vec<u64>>()
                };
                let distinct =
                    |keys: &[u64]| std::collections::HashSet::<&u64>::from_iter(keys).len();
                assert_eq!(distinct(&lanes(Hard::Equal)), 1);
                assert_eq!(distinct(&lanes(Hard::FewValues)), 8);
                let improving = lanes(Hard::Improving);
                let better = |pair: &[u64]| match kind.direction() {
                    Direction::Descending => pair[0] < pair[1],
                    Direction::Ascending => pair[0] > pair[1],
                };
                assert!(improving.chunks(100).all(|row| row.windows(2).all(better)), "{kind:?}");
            }
        }
        holds::<f32>();
        holds::<f64>();
        holds::<f16>();
        holds::<bf16>();
        holds::<i64>();
        holds::<u16>();
        holds::<i8>();
    }

    #[test]
    fn floats_are_normal_and_seeds_differ() {
        let x: Pages<f32> = random(100_000, 1).unwrap();
        let mean = x.iter().sum::<f32>() / 1e5;
        let variance = x.iter().map(|x| x * x).sum::<f32>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert_ne!(*random::<f32>(9, 1).unwrap(), *random::<f32>(9, 2).unwrap());
        assert_eq!(*random::<u8>(9, 1).unwrap(), *random::<u8>(9, 1).unwrap());
        // Parts are drawn by whoever comes first.
        let long = random::<u16>(3 * DRAWN + 7, 1).unwrap();
        assert_eq!(*long, *random::<u16>(3 * DRAWN + 7, 1).unwrap());
        assert_ne!(long[..100], long[DRAWN..][..100]);
    }
}
