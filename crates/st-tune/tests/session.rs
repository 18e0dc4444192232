//! Tuning a simulated device: the right choices win, nothing is measured twice, nothing is lost.

use std::cell::{Cell as Mutable, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use st_plan::table::Versions;
use st_plan::{Knowledge, plan, predict};
use st_rank::{Choice, DeviceCaps, Field, MergeKind, RankPlan};
use st_tune::report::{html, regrets};
use st_tune::session::{Body, Device, Event, Summary, tune};
use st_tune::tournament::{Arena, Entrant, NoChoice};
use st_tune::{Cell, TableFile, candidates};

const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256).with_names("a simulation", "1.0");

/// A device whose times are those of the model, but for a factor of each choice's own; with noise.
struct Simulation {
    caps: DeviceCaps,
    clock: Mutable<Duration>,
    rng: RefCell<fastrand::Rng>,
    noise: f64,
    /// Choices of this kind give wrong results.
    wrong: Option<MergeKind>,
    /// How often each choice was admitted.
    admitted: RefCell<HashMap<Choice, u32>>,
}

impl Simulation {
    fn new(noise: f64) -> Self {
        Self {
            caps: CAPS,
            clock: Mutable::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(7)),
            noise,
            wrong: None,
            admitted: RefCell::default(),
        }
    }

    /// What a choice really takes, in microseconds: up to four times what the model says, or a quarter.
    fn us(&self, plan: &RankPlan, choice: &Choice) -> f64 {
        let fields = Field::ALL.map(|f| choice.get(f).to_string()).join(",");
        let unit = f64::from(DeviceCaps::tag(&fields)) / f64::from(u32::MAX);
        let model = predict(&plan.problem, &self.caps, choice).expect("candidates are feasible");
        model * 4f64.powf(2.0 * unit - 1.0)
    }

    fn tune(&self, cells: &[Cell], seconds: f64, table: &TableFile) -> Summary {
        let budget = Duration::from_secs_f64(seconds);
        tune(self, cells, (budget, false), table, &|| self.clock.get(), &mut |_| ()).unwrap()
    }

    fn best(&self, cell: &Cell) -> f64 {
        let planned = plan(&cell.problem(), &self.caps, &Knowledge::default());
        let all = candidates(&planned);
        let right = all.iter().filter(|c| Some(c.mk) != self.wrong);
        right.map(|c| self.us(&planned, c)).fold(f64::INFINITY, f64::min)
    }

    fn versions() -> Versions {
        Versions { kernels: st_kernels::version(CAPS.backend), ..Versions::default() }
    }
}

struct Place<'a> {
    device: &'a Simulation,
    plan: &'a RankPlan,
}

impl Arena for Place<'_> {
    type Error = Box<dyn std::error::Error>;

    fn admit(&mut self, choice: Choice) -> Result<Option<f64>, Self::Error> {
        *self.device.admitted.borrow_mut().entry(choice).or_default() += 1;
        if self.device.wrong == Some(choice.mk) {
            return Err("its result is wrong".into());
        }
        // Compiling.
        self.device.clock.set(self.device.clock.get() + Duration::from_millis(10));
        Ok(Some(self.device.us(self.plan, &choice)))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), Self::Error> {
        for entrant in entrants {
            let noise = self.device.rng.borrow_mut().f64() * self.device.noise;
            let us = self.device.us(self.plan, &entrant.choice) * (1.0 + noise);
            self.device.clock.set(self.device.clock.get() + Duration::from_secs_f64(us * 1e-6));
            entrant.samples.push_turn(vec![us * 1e3]);
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.device.clock.get()
    }
}

impl Device for Simulation {
    type Error = Box<dyn std::error::Error>;

    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn versions(&self) -> Versions {
        Self::versions()
    }

    fn with_cell(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, Self::Error>,
    ) -> Result<(), Self::Error> {
        if planned.problem.rows == 13 {
            return Err(NoChoice.into());
        }
        body(&mut Place { device: self, plan: planned })
    }
}

fn cells() -> Vec<Cell> {
    let text = r#"[[16384, 256, 8], [1024, 4096, 64], [1, 65536, 2048], [64, 131072, 50, "normal", "bf16"],
        {"kind": "midk", "rows": 64, "cols": 5000, "k": 10}]"#;
    Cell::list("test", text).unwrap()
}

fn table(dir: &tempfile::TempDir) -> TableFile {
    TableFile::new(dir.path(), CAPS, Simulation::versions())
}

/// The time of what is planned with the table, over the best.
fn regret(device: &Simulation, cell: &Cell, file: &TableFile) -> f64 {
    let mut knowledge = Knowledge::default();
    knowledge.add_table(file.load().unwrap().0);
    let planned = plan(&cell.problem(), &device.caps, &knowledge);
    device.us(&planned, &planned.choice) / device.best(cell)
}

#[test]
fn with_time_enough_the_best_choice_is_planned() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(0.02), table(&dir));
    let cells = cells();
    let summary = device.tune(&cells, 1e6, &file);
    assert_eq!((summary.measured, summary.left, summary.failed), (cells.len(), 0, 0));
    for cell in &cells {
        let tuned = regret(&device, cell, &file);
        assert!(tuned < 1.02, "{cell}: {tuned}");
    }
    let (found, _) = file.load().unwrap();
    assert_eq!(found.records().len(), summary.records);
    let regrets = regrets(&found, &CAPS, &Knowledge::default());
    let of = |policy| regrets.iter().find(|r| r.policy == policy).unwrap().mean.unwrap();
    assert!(of("consensus") < 1.01 && of("model alone") > 1.1, "{regrets:?}");
    let page = html(&found, &CAPS, &Knowledge::default());
    assert!(page.contains("consensus") && page.contains("</svg>") && page.ends_with("</html>\n"));
    for needs in ["http:", "https:", "<script", "<link", "url("] {
        assert!(!page.contains(needs), "{needs}: the page needs something else");
    }
}

#[test]
fn a_session_goes_on_where_it_was_and_measures_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(0.02), table(&dir));
    let cells = cells();
    let mut rounds = 0;
    loop {
        let before = file.load().unwrap().0.records().len();
        let summary = device.tune(&cells, 2.0, &file);
        assert_eq!(file.load().unwrap().0.records().len(), before + summary.records);
        rounds += 1;
        if summary.known == cells.len() {
            break;
        }
        assert!(rounds < 200, "{summary:?}");
    }
    assert!(rounds > 2, "one session was enough for all: the test tests nothing");
    for cell in &cells {
        assert!(regret(&device, cell, &file) < 1.02, "{cell}");
    }
    // A candidate is admitted once for each shape; the best known again with each later session, to compare with.
    let admitted = device.admitted.borrow();
    let most = admitted.values().max().unwrap();
    assert!(*most as usize <= cells.len() * rounds);
    let twice = admitted.values().filter(|&&n| n as usize > 2 * cells.len()).count();
    assert!(twice <= cells.len(), "{twice}");
}

#[test]
fn a_new_candidate_is_measured_beside_the_best_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (device, file) = (Simulation::new(0.0), table(&dir));
    let cells = &cells()[1..2];
    device.tune(cells, 1e6, &file);
    let whole = file.load().unwrap().0;
    let gone = whole.records()[3];
    file.change(|table| table.without(|r| r.is_about(&gone))).unwrap();
    device.admitted.borrow_mut().clear();
    let summary = device.tune(cells, 1e6, &file);
    assert_eq!(device.admitted.borrow().len(), 2, "it, and the best");
    assert_eq!(summary.records, 1);
    let back = file.load().unwrap().0;
    assert_eq!(back.records().len(), whole.records().len());
    let again = back.records().iter().find(|r| r.is_about(&gone)).unwrap();
    assert!((again.median_us.unwrap() / gone.median_us.unwrap() - 1.0).abs() < 1e-6);
}

#[test]
fn wrong_results_never_win_and_a_device_that_refuses_a_cell_does_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut device = Simulation::new(0.02);
    let cell = cells()[0];
    let planned = plan(&cell.problem(), &CAPS, &Knowledge::default());
    device.wrong = Some(planned.choice.mk);
    let file = table(&dir);
    let cells = [Cell { rows: 13, ..cell }, cell];
    let mut failed = Vec::new();
    let mut refused = 0;
    let budget = (Duration::from_secs(1000), false);
    let clock = || device.clock.get();
    let summary = tune(&device, &cells, budget, &file, &clock, &mut |event| match event {
        Event::Failed { choice, .. } => failed.push(choice.mk),
        Event::Refused { .. } => refused += 1,
        _ => {}
    })
    .unwrap();
    assert_eq!((summary.refused, refused, summary.measured), (1, 1, 1));
    assert_eq!(summary.failed, failed.len());
    assert!(!failed.is_empty() && failed.iter().all(|mk| Some(*mk) == device.wrong));
    let (found, _) = file.load().unwrap();
    assert!(found.records().iter().all(|r| r.choice.mk != device.wrong));
    assert!(regret(&device, &cell, &file) < 1.02);
}
