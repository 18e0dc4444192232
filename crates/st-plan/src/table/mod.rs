//! Measured tables: for buckets of shapes, which choice was found best, and how long it took.
//!
//! # Which record answers
//!
//! A record covers the columns `cols_min..=cols_max` and every k up to `k_max`, of its kind and
//! element type, with or without subgroups. Of the records that cover a problem the answer is, in
//! this order: the one nearest in rows (by ratio; of two as near, the one with fewer rows), with
//! the least `k_max`, with the narrowest range of columns, with the least measured time (measured
//! before unmeasured), the first in the table. So records may overlap, and their order matters
//! last.

mod bucket;
mod json;
mod record;
mod write;

pub(crate) use bucket::Bucket;
pub use json::TableError;
pub use record::{Partial, Record};

use crate::calibrate::trust;
use serde::{Deserialize, Serialize};
use st_rank::{Backend, Choice, DeviceCaps, Problem};

/// Where a table came from, which says whose word counts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Measured on this very device.
    Own,
    /// Measured on another device that is the same to the planner.
    Shared,
    /// Given by the user for any device of the backend.
    Any,
    /// Shipped with the library.
    Shipped,
    /// Measured on a device like it.
    Near,
}

impl Origin {
    /// The name in explanations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
            Self::Any => "any device",
            Self::Shipped => "shipped",
            Self::Near => "near",
        }
    }
}

/// What measured the records, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Versions {
    /// Of this project.
    pub spiral: String,
    /// Of the backend's kernels ([`st_kernels::version`]): 0 where unknown. A table of other kernels is refused.
    pub kernels: u32,
    /// The device's name.
    pub device: String,
    /// The driver's name and version.
    pub driver: String,
    /// When records were last added, `YYYY-MM-DD`.
    pub date: String,
}

/// Reasons for records that are left out which stand in one line.
const SHOWN_REASONS: usize = 3;

/// Records measured on one device, or meant for a whole backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    name: String,
    backend: Backend,
    /// None: any device of the backend.
    device: Option<DeviceCaps>,
    versions: Versions,
    /// Compiled in.
    shipped: bool,
    /// Others measured it.
    shared: bool,
    records: Vec<Record>,
    /// What the records are about, made from them.
    buckets: Vec<Bucket>,
    /// How far they are to be believed about other shapes, made from them.
    trust: f64,
    left_out: usize,
    skipped: Vec<String>,
}

/// A record with the table it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) table: &'a Table,
    pub(crate) record: &'a Record,
    pub(crate) origin: Origin,
}

impl Table {
    /// A table for any device of a backend that comes with the library.
    #[must_use]
    pub fn shipped(name: &str, backend: Backend, records: &[Record]) -> Self {
        Self {
            name: name.to_owned(),
            backend,
            device: None,
            versions: Versions::default(),
            buckets: bucket::buckets(records),
            trust: 0.0,
            shipped: true,
            shared: false,
            records: records.to_vec(),
            left_out: 0,
            skipped: Vec::new(),
        }
    }

    /// A table of what was measured on one device.
    #[must_use]
    pub fn measured(name: &str, device: DeviceCaps, records: &[Record]) -> Self {
        let any = Self::shipped(name, device.backend, records);
        Self { device: Some(device), shipped: false, ..any }.judged()
    }

    /// The same with what measured it.
    #[must_use]
    pub fn with_versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// What measured it.
    #[must_use]
    pub const fn versions(&self) -> &Versions {
        &self.versions
    }

    /// A table of what others measured on devices with this one's fingerprint: it says nothing of any other.
    #[must_use]
    pub fn shared(name: &str, device: DeviceCaps, records: &[Record]) -> Self {
        Self { shared: true, ..Self::measured(name, device, records) }
    }

    /// The name it was read under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose choices it is about.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// The device it was measured on; none if it is for any device of its backend.
    #[must_use]
    pub const fn device(&self) -> Option<&DeviceCaps> {
        self.device.as_ref()
    }

    /// Whether others measured it.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// Its usable records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The same with other records.
    fn with_records(mut self, records: Vec<Record>) -> Self {
        self.buckets = bucket::buckets(&records);
        self.records = records;
        self.judged()
    }

    fn judged(mut self) -> Self {
        self.trust = trust(&self);
        self
    }

    /// How far its buckets are to be believed about shapes that none of them covers, from 0 to 1: as far as each of them is
    /// told better by the others than by the model alone.
    #[must_use]
    pub const fn trust(&self) -> f64 {
        self.trust
    }

    pub(crate) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// The records of one of its buckets.
    pub(crate) fn of<'a>(&'a self, bucket: &'a Bucket) -> impl Iterator<Item = &'a Record> {
        bucket.records.iter().map(|&place| &self.records[place as usize])
    }

    /// How many records were left out.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Why they were left out: a bad row is a miss with a reason. Of many only the first are here, and a line that counts the
    /// others.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// How many were left out, and why the first of them, in one line; none if all are used.
    #[must_use]
    pub fn left_out_in_short(&self) -> Option<String> {
        let name = format!("{}: ", self.name);
        let why = |line: &'_ String| line.strip_prefix(&name).unwrap_or(line).to_owned();
        match &self.skipped[..] {
            [] => None,
            [only] => Some(only.clone()),
            all => {
                let first: Vec<String> = all.iter().take(SHOWN_REASONS).map(why).collect();
                let more = match self.left_out.saturating_sub(first.len()) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                let (n, first) = (self.left_out, first.join("; "));
                Some(format!("{name}{n} records are not used: {first}{more}"))
            }
        }
    }

    /// Why its word does not count on the very device it was measured on; none if it does, or is of another.
    #[must_use]
    pub fn refusal(&self, caps: &DeviceCaps) -> Option<String> {
        let device = self.device.as_ref()?;
        let other = device.driver != caps.driver && device.driver != 0 && caps.driver != 0;
        (device.is_same_device(caps) && other).then(|| {
            let (name, driver) = (&self.name, &self.versions.driver);
            format!("{name} was measured with another driver ({driver}): run `spiral tune` again")
        })
    }

    /// Whose word it is on a device; none if it says nothing of it.
    #[must_use]
    pub fn origin(&self, caps: &DeviceCaps) -> Option<Origin> {
        if self.backend != caps.backend || self.refusal(caps).is_some() {
            return None;
        }
        match &self.device {
            None if self.shipped => Some(Origin::Shipped),
            None => Some(Origin::Any),
            Some(device) if device.is_same_device(caps) => {
                Some(if self.shared { Origin::Shared } else { Origin::Own })
            }
            Some(_) if self.shared => None,
            Some(device) if device.lane == caps.lane && device.subgroups == caps.subgroups => {
                Some(Origin::Near)
            }
            Some(_) => None,
        }
    }

    /// Its record that answers for a problem on a device, if its word counts there.
    #[must_use]
    pub fn answer(&self, problem: &Problem, caps: &DeviceCaps) -> Option<&Record> {
        let origin = self.origin(caps)?;
        self.hit(problem, caps, origin).map(|hit| hit.record)
    }

    pub(crate) fn hit<'a>(
        &'a self,
        problem: &Problem,
        caps: &DeviceCaps,
        origin: Origin,
    ) -> Option<Hit<'a>> {
        let sg = caps.subgroups;
        let covering = self.records.iter().filter(|r| r.covers(problem, sg));
        let record = best(covering, problem.rows)?;
        Some(Hit { table: self, record, origin })
    }
}

/// The answer of the first of these tables, in order of their origin, that has one. Of tables of
/// devices like this one, the one whose cores are nearest in number is asked first.
pub(crate) fn lookup<'a>(
    tables: &'a [Table],
    problem: &Problem,
    caps: &DeviceCaps,
) -> Option<Hit<'a>> {
    let apart = |t: &Table| {
        let cores = |caps: &DeviceCaps| f64::from(caps.cores_or_assumed()).ln();
        t.device.as_ref().map_or(0.0, |device| (cores(device) - cores(caps)).abs())
    };
    let asked = tables.iter().filter_map(|t| Some((t.origin(caps)?, t)));
    let hits = asked.filter_map(|(origin, t)| t.hit(problem, caps, origin));
    // `min_by` keeps the first of equals: tables that were added earlier.
    hits.min_by(|a, b| a.origin.cmp(&b.origin).then(apart(a.table).total_cmp(&apart(b.table))))
}

/// The record that answers, of those that cover a problem of so many rows.
fn best<'a>(covering: impl Iterator<Item = &'a Record>, rows: usize) -> Option<&'a Record> {
    covering.min_by(|a, b| {
        let far = |r: &Record| apart(f64::from(r.rows), rows as f64);
        let width = |r: &Record| r.cols_max - r.cols_min;
        let time = |r: &Record| r.median_us.unwrap_or(f64::INFINITY);
        far(a)
            .total_cmp(&far(b))
            .then(a.rows.cmp(&b.rows))
            .then(a.k_max.cmp(&b.k_max))
            .then(width(a).cmp(&width(b)))
            .then(time(a).total_cmp(&time(b)))
    })
}

/// How far apart two numbers of rows, columns or ranks are: the absolute logarithm of their ratio.
pub(crate) fn apart(a: f64, b: f64) -> f64 {
    (a.max(1.0) / b.max(1.0)).ln().abs()
}

/// Looks up a generated table, which is for `TopK` of f32: the choice of the record that answers,
/// completed for lanes of 32. See the [module](self) for which one that is.
#[must_use]
pub fn choose(records: &[Record], rows: u32, cols: u32, k: u32, sg: bool) -> Option<Choice> {
    let problem = Problem::new(st_rank::RankKind::TopK, rows as usize, cols as usize, k as usize);
    let record = best(records.iter().filter(|r| r.covers(&problem, sg)), rows as usize)?;
    Some(record.choice.complete(k))
}

#[cfg(test)]
mod tests {
    use st_rank::{MergeKind, RankKind};

    use super::*;

    fn record(rows: u32, cols: (u32, u32), k_max: u32, tile: u32) -> Record {
        let mut record = Record::new(rows, cols.0, cols.1, k_max);
        record.choice.tile = Some(tile);
        record
    }

    fn found(records: &[Record], rows: usize, cols: usize, k: usize) -> Option<u32> {
        let table = Table::shipped("test", Backend::Wgpu, records);
        let problem = Problem::new(RankKind::TopK, rows, cols, k);
        let tables = [table];
        let hit = lookup(&tables, &problem, &DeviceCaps::wgpu(32, true, 256));
        hit.and_then(|h| h.record.choice.tile)
    }

    #[test]
    fn overlaps_go_by_the_stated_rule() {
        let near_rows = [record(8, (100, 200), 64, 1), record(1024, (100, 200), 64, 2)];
        assert_eq!(found(&near_rows, 16, 150, 10), Some(1));
        assert_eq!(found(&near_rows, 500, 150, 10), Some(2));
        assert_eq!(found(&near_rows, usize::MAX, 150, 10), Some(2));
        let least_k = [record(8, (100, 200), 128, 1), record(8, (100, 200), 64, 2)];
        assert_eq!(found(&least_k, 8, 150, 64), Some(2));
        assert_eq!(found(&least_k, 8, 150, 65), Some(1));
        assert_eq!(found(&least_k, 8, 150, 129), None);
        let narrow = [record(8, (100, 2000), 64, 1), record(8, (100, 200), 64, 2)];
        assert_eq!(found(&narrow, 8, 150, 64), Some(2));
        assert_eq!(found(&narrow, 8, 201, 64), Some(1));
        assert_eq!(found(&narrow, 8, 99, 64), None);
        let fast = Record { median_us: Some(3.0), ..record(8, (100, 200), 64, 3) };
        let slow = Record { median_us: Some(4.0), ..record(8, (100, 200), 64, 2) };
        assert_eq!(found(&[record(8, (100, 200), 64, 1), slow, fast], 8, 150, 64), Some(3));
        let first = [record(8, (100, 200), 64, 7), record(8, (100, 200), 64, 8)];
        assert_eq!(found(&first, 8, 150, 64), Some(7));
    }

    #[test]
    fn kind_type_and_subgroups_must_match() {
        let table = Table::shipped("test", Backend::Wgpu, &[record(8, (1, 999), 64, 1)]);
        let ask = |problem: Problem, caps: DeviceCaps| {
            lookup(std::slice::from_ref(&table), &problem, &caps).is_some()
        };
        let problem = Problem::new(RankKind::TopK, 8, 100, 4);
        let caps = DeviceCaps::wgpu(32, true, 256);
        assert!(ask(problem, caps));
        assert!(ask(problem, caps.with_subgroup(32, false)), "it does not say");
        assert!(!ask(problem, DeviceCaps::cuda(32, 256)));
        assert!(!ask(problem.with_dtype(st_rank::DType::F16), caps));
        assert!(!ask(Problem { kind: RankKind::MidK, ..problem }, caps));
    }

    #[test]
    fn own_tables_come_first_then_shared_then_the_users_for_any_then_shipped_then_near() {
        let caps = DeviceCaps::cpu(16, 8);
        let table = |name, device| Table::measured(name, device, &[record(8, (1, 999), 64, 1)]);
        let near = table("near", caps.with_cores(16));
        let nearer = table("nearer", caps.with_cores(10));
        let other = table("other", DeviceCaps::cpu(8, 8));
        let own = table("own", caps.with_bandwidth(1));
        let shipped = Table::shipped("shipped", Backend::Cpu, &[record(8, (1, 999), 64, 1)]);
        let problem = Problem::new(RankKind::TopK, 8, 100, 4);
        let name = |tables: &[Table]| {
            lookup(tables, &problem, &caps).map(|hit| hit.table.name().to_owned())
        };
        let shared = |device| Table::shared("shared", device, &[record(8, (1, 999), 64, 1)]);
        let (same, like) = (shared(caps.with_bandwidth(2)), shared(caps.with_cores(9)));
        let text = r#"[{"rows": 8, "cols_min": 1, "cols_max": 999, "k_max": 64, "mk": 2}]"#;
        let any = Table::from_json("any", text, Backend::Cpu).unwrap();
        let origins = [&any, &shipped].map(|table| table.origin(&caps).map(Origin::name));
        assert_eq!(origins, [Some("any device"), Some("shipped")]);
        let all = [other.clone(), near.clone(), nearer.clone(), shipped.clone(), any, same, own];
        assert_eq!(name(&all).as_deref(), Some("own"));
        assert_eq!(name(&all[..6]).as_deref(), Some("shared"));
        assert_eq!(name(&all[..5]).as_deref(), Some("any"));
        assert_eq!(name(&all[..4]).as_deref(), Some("shipped"));
        assert_eq!(name(&[like]), None, "only of the same device");
        assert_eq!(name(&all[..3]).as_deref(), Some("nearer"));
        assert_eq!(name(&[near, other.clone()]).as_deref(), Some("near"));
        assert_eq!(name(&[other]), None);
    }

    #[test]
    fn choices_are_completed() {
        let mut warp = record(1024, (1, 999), 128, 512);
        warp.choice.mk = Some(MergeKind::Warp);
        let choice = choose(&[warp], 1024, 500, 100, true).unwrap();
        assert_eq!((choice.mk, choice.tile, choice.kl), (MergeKind::Warp, 512, 4));
        assert_eq!(choice.mkd, st_rank::MergeDetail::WarpHeap);
        assert_eq!(choose(&[warp], 1024, 500, 129, true), None);
    }
}
