//! What a run of `st-bench cpu` found, as JSON and as Markdown.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::cells::Cell;
use crate::markdown::short;
use crate::peer::PEERS;
use crate::read::PlanTime;
use crate::system;
use st_tune::stats::{Timing, geometric_mean};

/// Everything a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) processor: String,
    pub(crate) cores: u32,
    pub(crate) isa: Option<&'static str>,
    pub(crate) versions: BTreeMap<String, String>,
    /// Load of the machine at the beginning and the end.
    pub(crate) load: [Option<f64>; 2],
    pub(crate) settings: Vec<Setting>,
    pub(crate) plan_rank: Vec<PlanTime>,
    pub(crate) failures: Vec<String>,
}

/// All cells with one number of threads.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) threads: u32,
    pub(crate) cells: Vec<CellReport>,
    pub(crate) summary: Option<Summary>,
}

/// Of the ratios best peer / ours.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) cells: usize,
    pub(crate) min_ratio: f64,
    pub(crate) geometric_mean: f64,
    pub(crate) below_one: usize,
    /// Of the ratios of the fastest calls, which a busy machine disturbs less.
    pub(crate) fastest_min_ratio: f64,
    /// See there.
    pub(crate) fastest_geometric_mean: f64,
}

/// One cell.
#[derive(Debug, Serialize)]
pub(crate) struct CellReport {
    pub(crate) cell: Cell,
    pub(crate) plan: Option<String>,
    /// By contender: ours, the peers, `read` (the input read once).
    pub(crate) times: BTreeMap<&'static str, Timing>,
    pub(crate) best_peer: Option<&'static str>,
    /// Best peer / ours: greater than 1 where we are faster.
    pub(crate) ratio: Option<f64>,
    /// The same of the fastest calls.
    pub(crate) fastest_ratio: Option<f64>,
    /// Ours / reading the input once.
    pub(crate) reads: Option<f64>,
    failures: BTreeMap<&'static str, String>,
}

impl CellReport {
    pub(crate) fn new(cell: Cell) -> Self {
        Self {
            cell,
            plan: None,
            times: BTreeMap::new(),
            best_peer: None,
            ratio: None,
            fastest_ratio: None,
            reads: None,
            failures: BTreeMap::new(),
        }
    }

    /// A contender was wrong, or could not run: it is not timed.
    pub(crate) fn fail(&mut self, contender: &'static str, error: &dyn fmt::Display) {
        self.failures.entry(contender).or_insert_with(|| error.to_string());
    }

    pub(crate) fn failed(&self, contender: &str) -> bool {
        self.failures.contains_key(contender)
    }

    fn time(&self, contender: &str) -> Option<Timing> {
        if self.failed(contender) { None } else { self.times.get(contender).copied() }
    }

    pub(crate) fn us(&self, contender: &str) -> Option<f64> {
        self.time(contender).map(|t| t.median_us)
    }

    fn finish(&mut self) {
        let best = |us: fn(&Timing) -> f64| {
            let peers = PEERS.into_iter().filter_map(|p| Some((p, us(&self.time(p)?))));
            let best = peers.min_by(|a, b| a.1.total_cmp(&b.1))?;
            Some((best.0, self.time("ours").map(|ours| best.1 / us(&ours))))
        };
        let median = best(|t| t.median_us);
        let fastest = best(|t| t.min_us);
        let reads = self.us("ours").and_then(|ours| Some(ours / self.us("read")?));
        self.best_peer = median.map(|b| b.0);
        self.ratio = median.and_then(|b| b.1);
        self.fastest_ratio = fastest.and_then(|b| b.1);
        self.reads = reads;
    }
}

impl fmt::Display for CellReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.cell)?;
        for (name, time) in &self.times {
            write!(f, " {name} {}", short(Some(time.median_us)))?;
        }
        self.failures.iter().try_for_each(|(name, error)| write!(f, " {name} WRONG: {error}"))
    }
}

impl Setting {
    pub(crate) const fn new(name: &'static str, threads: u32) -> Self {
        Self { name, threads, cells: Vec::new(), summary: None }
    }

    fn finish(&mut self) {
        self.cells.iter_mut().for_each(CellReport::finish);
        let ratios = |of: fn(&CellReport) -> Option<f64>| {
            let ratios: Vec<f64> = self.cells.iter().filter_map(of).collect();
            let least = ratios.iter().copied().reduce(f64::min)?;
            Some((least, geometric_mean(&ratios)?, ratios))
        };
        let medians = ratios(|c| c.ratio);
        self.summary = medians.zip(ratios(|c| c.fastest_ratio)).map(|(medians, fastest)| Summary {
            cells: medians.2.len(),
            min_ratio: medians.0,
            geometric_mean: medians.1,
            below_one: medians.2.iter().filter(|&&r| r < 1.0).count(),
            fastest_min_ratio: fastest.0,
            fastest_geometric_mean: fastest.1,
        });
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            date: st_core::tune::today(),
            command: system::command(),
            processor: system::processor(),
            cores: system::cores(),
            isa: None,
            versions: BTreeMap::new(),
            load: [system::load(), None],
            settings: Vec::new(),
            plan_rank: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Ratios and summaries, when all is measured.
    pub(crate) fn finish(&mut self) {
        self.load[1] = system::load();
        for setting in &mut self.settings {
            setting.finish();
            for c in &setting.cells {
                let failures = c.failures.iter();
                self.failures.extend(failures.map(|(name, error)| {
                    format!("threads {}, {}: {name}: {error}", setting.name, c.cell)
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Pattern;

    #[test]
    fn ratios_compare_with_the_fastest_peer_that_is_right() {
        let timing = |median_us| Timing { median_us, min_us: 0.0, max_us: 0.0, samples: 3 };
        let mut c = CellReport::new(Cell::new(1, 8, 2, Pattern::Ties));
        c.times.extend([("ours", timing(2.0)), ("numpy", timing(8.0)), ("torch", timing(6.0))]);
        c.times.insert("read", timing(1.0));
        c.fail("torch", &"values");
        let mut setting = Setting::new("one", 1);
        setting.cells.push(c);
        setting.finish();
        let (c, s) = (&setting.cells[0], setting.summary.as_ref().unwrap());
        assert_eq!((c.best_peer, c.ratio, c.reads), (Some("numpy"), Some(4.0), Some(2.0)));
        assert_eq!((s.cells, s.below_one), (1, 0));
    }
}
