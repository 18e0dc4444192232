//! A simulated device.

use std::cell::{Cell as Mutable, RefCell};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use st_plan::table::Versions;
use st_plan::{Knowledge, plan, predict};
use st_rank::{Choice, DeviceCaps, Field, MergeKind, Problem, RankPlan};
use st_tune::session::{Body, Device, Summary, tune};
use st_tune::stats::{LEAST_TURN_TIME, TURN_CALLS, WARM_TIME};
use st_tune::tournament::{Arena, Entrant, NoChoice};
use st_tune::{Cell, TableFile, candidates};

pub(crate) const CAPS: DeviceCaps =
    DeviceCaps::wgpu(32, true, 256).with_names("a simulation", "1.0");

/// How times scatter: standard deviations of their logarithms.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    /// Of calls.
    pub(crate) call: f64,
    /// Of turns: what a choice met with in one of its turns.
    pub(crate) turn: f64,
    /// Of a choice from one opening of a cell to the next: where its memory and its threads lie.
    pub(crate) opening: f64,
    /// Of the whole machine, from turn to turn: it wanders.
    pub(crate) drift: f64,
    /// The share of calls that are disturbed: they take 1.5 to 4 times as long.
    pub(crate) disturbed: f64,
}

/// A device whose times are those of the model, but for a factor of each choice's own; with noise.
pub(crate) struct Simulation {
    pub(crate) caps: DeviceCaps,
    pub(crate) clock: Mutable<Duration>,
    pub(crate) rng: RefCell<fastrand::Rng>,
    pub(crate) noise: Noise,
    /// How much longer, or shorter, than predicted a choice takes, at most.
    pub(crate) model_error: f64,
    /// It plays a GPU: a workgroup's subgroups run one after another, of which the model knows nothing.
    pub(crate) plays: bool,
    /// Choices of this kind give wrong results.
    pub(crate) wrong: Option<MergeKind>,
    /// It has hard inputs, on which choices take so many times as long, and those that are not named three times.
    pub(crate) hard: Option<Vec<(Choice, f64)>>,
    /// Seconds that compiling takes, between a third and three times as long.
    pub(crate) compiling: f64,
    /// Choices that are compiled side by side.
    pub(crate) together: usize,
    /// Seconds for each million elements of input.
    pub(crate) opening: f64,
    /// How often each choice was admitted.
    pub(crate) admitted: RefCell<HashMap<Choice, u32>>,
    /// What was compiled, for which problem.
    pub(crate) compiled: RefCell<HashSet<(Problem, Choice)>>,
}

impl Simulation {
    pub(crate) fn new(noise: Noise) -> Self {
        Self {
            caps: CAPS,
            clock: Mutable::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(7)),
            noise,
            model_error: 4.0,
            plays: false,
            wrong: None,
            hard: None,
            compiling: 0.01,
            together: 1,
            opening: 0.0,
            admitted: RefCell::default(),
            compiled: RefCell::default(),
        }
    }

    /// A number between 0 and 1 that is a choice's own.
    fn unit(choice: &Choice, of: &str) -> f64 {
        let fields = Field::ALL.map(|f| choice.get(f).to_string()).join(",");
        f64::from(DeviceCaps::tag(&format!("{fields}{of}"))) / f64::from(u32::MAX)
    }

    /// What a choice really takes, in microseconds.
    pub(crate) fn us(&self, plan: &RankPlan, choice: &Choice) -> f64 {
        let model = predict(&plan.problem, &self.caps, choice).expect("candidates are feasible");
        let subgroups = if self.plays { f64::from(choice.wg / self.caps.lane) } else { 1.0 };
        model * subgroups.powi(2) * self.model_error.powf(2.0 * Self::unit(choice, "") - 1.0)
    }

    pub(crate) fn tune(&self, cells: &[Cell], seconds: f64, table: &TableFile) -> Summary {
        let budget = Duration::from_secs_f64(seconds);
        tune(self, cells, (budget, false), table, &|| self.clock.get(), &mut |_| ()).unwrap()
    }

    /// What is planned without a table.
    pub(crate) fn planned(&self, cell: &Cell) -> Choice {
        plan(&cell.problem(), &self.caps, &Knowledge::default()).choice
    }

    fn best(&self, cell: &Cell) -> f64 {
        let planned = plan(&cell.problem(), &self.caps, &Knowledge::default());
        let all = candidates(&planned);
        let right = all.iter().filter(|c| Some(c.mk) != self.wrong);
        right.map(|c| self.us(&planned, c)).fold(f64::INFINITY, f64::min)
    }

    /// The time of what is planned with the table, over the best.
    pub(crate) fn regret(&self, cell: &Cell, file: &TableFile) -> f64 {
        let mut knowledge = Knowledge::default();
        knowledge.add_table(file.load().unwrap().0);
        let planned = plan(&cell.problem(), &self.caps, &knowledge);
        self.us(&planned, &planned.choice) / self.best(cell)
    }

    pub(crate) fn versions() -> Versions {
        Versions { kernels: st_kernels::version(CAPS.backend), ..Versions::default() }
    }

    /// Time passes.
    fn pass(&self, seconds: f64) {
        self.clock.set(self.clock.get() + Duration::from_secs_f64(seconds));
    }

    /// An input is made.
    fn open(&self, problem: &Problem) {
        self.pass(self.opening * (problem.rows * problem.cols) as f64 / 1e6);
    }

    /// A draw from a normal distribution: twelve even ones less six.
    fn normal(&self) -> f64 {
        let mut rng = self.rng.borrow_mut();
        (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
    }
}

pub(crate) fn table(dir: &tempfile::TempDir) -> TableFile {
    TableFile::new(dir.path(), CAPS, Simulation::versions())
}

struct Place<'a> {
    device: &'a Simulation,
    plan: &'a RankPlan,
    /// What choices met with in this opening.
    met: HashMap<Choice, f64>,
    drift: f64,
    /// The shortest first run so far.
    least_us: f64,
}

impl Arena for Place<'_> {
    type Error = Box<dyn std::error::Error>;

    fn together(&self) -> usize {
        self.device.together
    }

    fn prepare(&mut self, choices: &[Choice]) -> Result<(), Self::Error> {
        assert!(choices.len() <= self.device.together);
        let mut compiled = self.device.compiled.borrow_mut();
        let new = choices.iter().filter(|&&c| compiled.insert((self.plan.problem, c)));
        let seconds = |c: &Choice| 9f64.powf(Simulation::unit(c, "compiling") - 0.5);
        let longest = new.map(seconds).fold(0.0, f64::max) * self.device.compiling;
        self.device.pass(longest);
        Ok(())
    }

    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>, Self::Error> {
        *self.device.admitted.borrow_mut().entry(choice).or_default() += 1;
        if !self.device.compiled.borrow().contains(&(self.plan.problem, choice)) {
            return Err("it was not compiled".into());
        }
        if self.device.wrong == Some(choice.mk) {
            return Err("its result is wrong".into());
        }
        let us = self.device.us(self.plan, &choice);
        self.device.pass(us * 1e-6);
        self.least_us = self.least_us.min(us);
        // As devices do.
        let hopeless = us > 6.0 * self.least_us + 2000.0;
        Ok((asked || !hopeless).then_some(us))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), Self::Error> {
        let (device, noise) = (self.device, self.device.noise);
        for entrant in entrants {
            self.drift += noise.drift * device.normal();
            let met =
                *self.met.entry(entrant.choice).or_insert_with(|| noise.opening * device.normal());
            let common = self.drift + met + noise.turn * device.normal();
            let usual = device.us(self.plan, &entrant.choice) * common.exp() * 1e3;
            let most = LEAST_TURN_TIME.as_nanos() as f64 / usual;
            let calls = (TURN_CALLS as f64).max(most.min(256.0)).min(1.0 + 5e6 / usual) as usize;
            let call = || {
                let disturbed = device.rng.borrow_mut().f64() < noise.disturbed;
                let factor =
                    if disturbed { 1.5 + 2.5 * device.rng.borrow_mut().f64() } else { 1.0 };
                usual * (noise.call * device.normal()).exp() * factor
            };
            let times: Vec<f64> = (0..calls.max(1)).map(|_| call()).collect();
            device.pass(times.iter().sum::<f64>() * 1e-9 + WARM_TIME.as_secs_f64() + usual * 1e-9);
            entrant.samples.push_turn(times);
        }
        Ok(())
    }

    fn hard_inputs(&self) -> usize {
        3 * usize::from(self.device.hard.is_some())
    }

    fn make_hard(&mut self, _input: usize) -> Result<Option<String>, Self::Error> {
        self.device.open(&self.plan.problem);
        Ok(None)
    }

    fn hard_turns(&mut self, _input: usize, entrants: &mut [Entrant]) -> Result<(), Self::Error> {
        for entrant in entrants {
            let named = self.device.hard.iter().flatten().find(|(c, _)| *c == entrant.choice);
            let factor = named.map_or(3.0, |(_, factor)| *factor);
            let us = self.device.us(self.plan, &entrant.choice) * factor;
            let calls = TURN_CALLS as f64;
            self.device.pass((us * 1e-6 * calls).min(5e-3) + us * 1e-6);
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
        self.open(&planned.problem);
        body(&mut Place {
            device: self,
            plan: planned,
            met: HashMap::new(),
            drift: 0.0,
            least_us: f64::INFINITY,
        })
    }
}
