//! Measured records put the model's predictions right.
//!
//! **Where the problem's bucket was measured** each choice of it has its own time: the measured one times how much
//! longer the model expects this problem to take. Other choices of a merge kind are corrected by the ratio of
//! measured to predicted time of that kind's fastest record, those of kinds without records by the mean of the kinds'
//! ratios; but only upwards: that one choice was faster than predicted speaks for that choice, and must not lend its
//! speed to others that nobody measured. Those of which the bucket has records without a time are not believed to be faster
//! than the fastest that was measured, whatever the model thinks: a tuner found them to be far too slow. Nor are those that
//! nobody measured, if the model likes a measured one as much: what it likes was put to the test.
//!
//! **Elsewhere** a kind's ratio is what the buckets measured nearest say together, weighted by their distance and drawn
//! towards that of all kinds, so that a far bucket says little. The ratios are then scaled so that the least is 1: as
//! above, kernels are only slowed down, in comparison with the one that the model judged best. How far neighbours are to
//! be believed the table itself tells ([`trust`]): each of its buckets is chosen for with the others alone. Where the model
//! knows the device, what neighbours say is noise, and they are not heard.

use st_rank::{Backend, Choice, DeviceCaps, Field, MergeKind, Problem};

use crate::model::{Model, Wanted};
use crate::table::{Bucket, Origin, Record, Table, apart};

/// Records are evidence of time for problems with up to this many times their rows or k, or as
/// many times fewer.
const NEAR: f64 = 4.0;

/// Buckets that are asked about a problem that none covers.
const MOST_NEIGHBOURS: usize = 8;

/// The distance at which a bucket's word counts e^-1/2 as much, in natural logarithms of rows, columns and k: eight
/// times as many.
const REACH: f64 = 2.08;

/// How much the kinds' common ratio counts against what neighbours say of one kind.
const SHRINK: f64 = 0.5;

/// Shares of what neighbours say that are tried: none, half, all.
const SHARES: [f64; 3] = [0.0, 0.5, 1.0];

/// By how much neighbours must have done better than the model alone, as the mean logarithm of times, to be heard.
const LEAST_GAIN: f64 = 0.01;

/// What a choice that is not believed to be faster is expected to take, at least, for each nanosecond of the fastest measured.
const TOO_SLOW: f64 = 1.001;

/// Buckets of a table that are chosen for with the others, at most.
const MOST_JUDGED: usize = 64;

const KINDS: usize = MergeKind::ALL.len();

/// What measurements say of a problem on a device.
pub(crate) struct Calibration {
    backend: Backend,
    /// Measured time / predicted time, by merge kind; at least 1.
    factors: [f64; KINDS],
    /// What the fastest measured choice is expected to take here, in nanoseconds; 0 if none was.
    least_ns: f64,
    /// What the model alone expects of the measured choice that it likes most.
    liked_ns: f64,
    /// Whole choices that were found to be too slow to be timed, as those below; in order.
    too_slow: Vec<[u32; 8]>,
    /// Whole choices, without the fields that their kernels do not use, with the time expected here for each
    /// nanosecond that the model predicts; in order.
    whole: Vec<([u32; 8], f64)>,
    /// Choices of which some fields are known, likewise.
    partial: Vec<(Record, f64)>,
    /// The choices that were measured, where they are whole.
    pub(crate) choices: Vec<Choice>,
}

/// Logarithms of measured / predicted time of a bucket: of each kind's fastest record.
type Ratios = [Option<f64>; KINDS];

impl Calibration {
    pub(crate) fn new(tables: &[Table], problem: &Problem, caps: &DeviceCaps) -> Self {
        let mut this = Self {
            backend: caps.backend,
            factors: [1.0; KINDS],
            least_ns: 0.0,
            liked_ns: f64::INFINITY,
            too_slow: Vec::new(),
            whole: Vec::new(),
            partial: Vec::new(),
            choices: Vec::new(),
        };
        let near = |b: &Record| {
            apart(f64::from(b.rows), problem.rows as f64) <= NEAR.ln()
                && apart(f64::from(b.at.1), problem.k as f64) <= NEAR.ln()
        };
        let mut own: Vec<(Origin, f64, &Table, &Bucket)> = timed(tables, caps)
            .filter(|(_, table, b)| {
                b.about.covers(problem, caps.subgroups) && near(&b.about) && has_times(table, b)
            })
            .map(|(origin, table, b)| (origin, distance(&b.about, problem), table, b))
            .collect();
        own.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        match own.first() {
            Some((_, _, table, bucket)) => this.of_bucket(table, bucket, problem, caps),
            None => this.of_neighbours(tables, problem, caps),
        }
        this
    }

    fn of_bucket(&mut self, table: &Table, bucket: &Bucket, problem: &Problem, caps: &DeviceCaps) {
        let there = bucket.about.problem();
        let model = Model::new(&there, caps);
        let here = Model::new(problem, caps);
        let mut times = Vec::new();
        for record in table.of(bucket) {
            let Some(us) = record.median_us else {
                let choice = whole(record, problem, caps);
                self.too_slow.extend(choice.map(|c| st_kernels::launched(&c, self.backend)));
                continue;
            };
            let Some(choice) = completed(record, &there, caps, &model) else { continue };
            let ratio = us * 1e3 / model.ns(&choice);
            match whole(record, problem, caps) {
                Some(choice) => {
                    let ns = here.ns(&choice);
                    times.push(ns * ratio);
                    self.liked_ns = self.liked_ns.min(ns);
                    self.whole.push((st_kernels::launched(&choice, self.backend), ratio));
                    self.choices.push(choice);
                }
                None => self.partial.push((*record, ratio)),
            }
        }
        self.too_slow.sort_unstable();
        self.least_ns = times.into_iter().reduce(f64::min).unwrap_or(0.0);
        self.whole.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let logs = ratios(&kinds(table, bucket, caps));
        let all = mean(logs.iter().flatten().map(|&log| (log, 1.0)), 0.0, 0.0);
        self.factors = logs.map(|log| log.unwrap_or(all).exp().max(1.0));
    }

    fn of_neighbours(&mut self, tables: &[Table], problem: &Problem, caps: &DeviceCaps) {
        let mut buckets: Vec<(f64, &Table, &Bucket)> = timed(tables, caps)
            .filter(|(_, table, b)| b.about.dtype == problem.dtype && has_times(table, b))
            .map(|(_, table, b)| (distance(&b.about, problem), table, b))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets.truncate(MOST_NEIGHBOURS);
        if buckets.is_empty() {
            return;
        }
        // Of several tables each is believed as far as its own buckets allow.
        let weights = buckets.iter().map(|(d, table, _)| (table.trust(), weight(*d)));
        let trust = mean(weights, 0.0, 0.0);
        if trust == 0.0 {
            return;
        }
        let said = buckets.into_iter().map(|(d, table, b)| (d, ratios(&kinds(table, b, caps))));
        let slower = slower(&said.collect::<Vec<_>>());
        self.factors = slower.map(|log| (trust * log).exp());
    }

    /// Nanoseconds expected of a choice for which the model predicts `ns`, and whether it was
    /// measured.
    pub(crate) fn ns(&self, choice: &Choice, ns: f64) -> (f64, bool) {
        let own = (!self.whole.is_empty()).then(|| st_kernels::launched(choice, self.backend));
        if let Some(wanted) = own {
            // Of equal ones the first is the fastest.
            let at = self.whole.partition_point(|(known, _)| *known < wanted);
            if let Some((known, ratio)) = self.whole.get(at)
                && *known == wanted
            {
                return (ns * ratio, true);
            }
        }
        let partial = self.partial.iter().filter(|(record, _)| record.choice.is_of(choice));
        match partial.map(|&(_, ratio)| ratio).min_by(f64::total_cmp) {
            Some(ratio) => (ns * ratio, true),
            None => {
                let expected = ns * self.factors[choice.mk as usize];
                let slow = ns >= self.liked_ns
                    || own.is_some_and(|wanted| self.too_slow.binary_search(&wanted).is_ok());
                (if slow { expected.max(self.least_ns * TOO_SLOW) } else { expected }, false)
            }
        }
    }
}

/// The buckets of tables whose times count on a device: one that is merely alike says what is best, not how long it
/// takes.
fn timed<'t>(
    tables: &'t [Table],
    caps: &DeviceCaps,
) -> impl Iterator<Item = (Origin, &'t Table, &'t Bucket)> {
    let of_here = tables.iter().filter_map(|table| Some((table.origin(caps)?, table)));
    let with_times = of_here.filter(|(origin, _)| *origin != Origin::Near);
    with_times.flat_map(|(origin, table)| table.buckets().iter().map(move |b| (origin, table, b)))
}

fn has_times(table: &Table, bucket: &Bucket) -> bool {
    table.of(bucket).any(|record| record.median_us.is_some())
}

/// The distance of a bucket and a problem; of other kinds e^2 times further.
fn distance(b: &Record, problem: &Problem) -> f64 {
    let rows = apart(f64::from(b.rows), problem.rows as f64);
    let cols = apart(f64::from(b.at.0), problem.cols as f64);
    let k = apart(f64::from(b.at.1), problem.k as f64);
    let kind = if b.kind == problem.kind.name() { 0.0 } else { 2.0 };
    (rows * rows + cols * cols + k * k + kind * kind).sqrt()
}

/// The weighted mean, with `prior` counting as so many more.
fn mean(values: impl Iterator<Item = (f64, f64)>, prior: f64, prior_weight: f64) -> f64 {
    let add =
        |(sum, n): (f64, f64), (value, weight): (f64, f64)| (sum + value * weight, n + weight);
    let (sum, n) = values.fold((prior * prior_weight, prior_weight), add);
    if n > 0.0 { sum / n } else { prior }
}

/// What a distance makes a word count.
fn weight(d: f64) -> f64 {
    (-d * d / (2.0 * REACH * REACH)).exp()
}

/// How much slower than predicted each kind is beside that which is so least, as buckets at these distances say: natural
/// logarithms, the least 0.
fn slower(said: &[(f64, Ratios)]) -> [f64; KINDS] {
    let weighted = said.iter().map(|(d, logs)| (weight(*d), logs));
    let of_all =
        weighted.clone().flat_map(|(w, logs)| logs.iter().flatten().map(move |&log| (log, w)));
    let all = mean(of_all, 0.0, 0.0);
    let logs: [f64; KINDS] = std::array::from_fn(|kind| {
        let own = weighted.clone().filter_map(|(w, logs)| Some((logs[kind]?, w)));
        mean(own, all, SHRINK)
    });
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
    logs.map(|log| log - least)
}

/// How far a table's buckets are to be believed about shapes that none of them covers: from 0 to 1.
///
/// Each bucket is taken out in turn. Of the merge kinds that were measured there the one is chosen that the model, put right
/// by the others, expects to be fastest, and what that costs is its measured time over the best. The share of their word
/// with which that cost least is the trust, by the geometric mean; none where that is not 1 % less than by the model alone.
/// A table without a device cannot be asked.
pub(crate) fn trust(table: &Table) -> f64 {
    let Some(device) = table.device() else { return 0.0 };
    let caps = device.normalised();
    let timed = table.buckets().iter().filter(|bucket| has_times(table, bucket));
    let all: Vec<(&Record, [Option<Fastest>; KINDS])> =
        timed.map(|bucket| (&bucket.about, kinds(table, bucket, &caps))).collect();
    let step = all.len().div_ceil(MOST_JUDGED).max(1);
    let mut losses = [0.0; SHARES.len()];
    let mut judged = 0.0;
    for (at, (about, own)) in all.iter().enumerate().step_by(step) {
        let there = about.problem();
        let others = all
            .iter()
            .enumerate()
            .filter(|(other, (bucket, _))| *other != at && bucket.dtype == about.dtype);
        let mut said: Vec<(f64, Ratios)> =
            others.map(|(_, (bucket, kinds))| (distance(bucket, &there), ratios(kinds))).collect();
        said.sort_by(|a, b| a.0.total_cmp(&b.0));
        said.truncate(MOST_NEIGHBOURS);
        let best = own.iter().flatten().map(|f| f.us).fold(f64::INFINITY, f64::min);
        if said.is_empty() || own.iter().flatten().count() < 2 {
            continue;
        }
        let slower = slower(&said);
        judged += 1.0;
        for (loss, share) in losses.iter_mut().zip(SHARES) {
            let expected = own.iter().zip(slower).filter_map(|(found, log)| {
                let found = found.as_ref()?;
                Some((found.predicted_us * (share * log).exp(), found.us))
            });
            let chosen = expected.min_by(|a, b| a.0.total_cmp(&b.0));
            *loss += chosen.map_or(0.0, |(_, us)| (us / best).ln());
        }
    }
    let alone = losses[0];
    let shares = SHARES.into_iter().zip(losses);
    // Of equal ones the first: the least.
    let best = shares.min_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(_, loss)| alone - loss >= LEAST_GAIN * judged).map_or(0.0, |(share, _)| share)
}

/// A kind's fastest record in a bucket.
#[derive(Clone, Copy, Debug)]
struct Fastest {
    us: f64,
    predicted_us: f64,
}

/// Logarithms of measured over predicted times.
fn ratios(kinds: &[Option<Fastest>; KINDS]) -> Ratios {
    kinds.map(|found| found.map(|f| (f.us / f.predicted_us).ln()))
}

/// Each kind's fastest record of a bucket.
fn kinds(table: &Table, bucket: &Bucket, caps: &DeviceCaps) -> [Option<Fastest>; KINDS] {
    let there = bucket.about.problem();
    let model = Model::new(&there, caps);
    let mut fastest: [Option<(f64, &Record)>; KINDS] = [None; KINDS];
    for record in table.of(bucket) {
        let (Some(mk), Some(us)) = (record.choice.mk, record.median_us) else { continue };
        let kind = &mut fastest[mk as usize];
        if kind.is_none_or(|(least, _)| us < least) {
            *kind = Some((us, record));
        }
    }
    fastest.map(|found| {
        let (us, record) = found?;
        let choice = completed(record, &there, caps, &model)?;
        Some(Fastest { us, predicted_us: model.ns(&choice) / 1e3 })
    })
}

/// A record's choice; what it does not give is as the model would have it.
fn completed(
    record: &Record,
    problem: &Problem,
    caps: &DeviceCaps,
    model: &Model<'_>,
) -> Option<Choice> {
    if record.choice.whole().is_some() {
        return whole(record, problem, caps);
    }
    let mut wanted = Wanted::new(caps);
    for field in Field::ALL {
        if let Some(value) = record.choice.get(field) {
            wanted.fix(field, value);
        }
    }
    let mut best: Option<(Choice, f64)> = None;
    model.variants(&wanted, &mut |choice| {
        if st_kernels::check(&choice, problem, caps).is_ok() {
            let ns = model.ns(&choice);
            if best.is_none_or(|(_, least)| ns < least) {
                best = Some((choice, ns));
            }
        }
    });
    best.map(|(choice, _)| choice)
}

/// A record's choice if every field of it is given and the device can run it for the problem.
fn whole(record: &Record, problem: &Problem, caps: &DeviceCaps) -> Option<Choice> {
    let choice = record.choice.whole()?;
    st_kernels::check(&choice, problem, caps).is_ok().then_some(choice)
}
