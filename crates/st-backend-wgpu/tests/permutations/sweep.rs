//! Asks questions on all processors, each with a device of its own: a software driver compiles on
//! one thread for each device.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use st_backend_wgpu::WgpuExecutor;
use st_conformance::{Value, compactions, inputs, oracle, permutations, verdict};
use st_kernels::wgsl::{Permutation, Stage};
use st_rank::{CompactExecutor, CompactPlan, DeviceCaps, RankKExecutor, RankPlan};

use crate::questions::Question;

/// Most devices at a time.
const MOST_DEVICES: usize = 8;

/// What came of all questions.
#[derive(Debug, Default)]
pub(crate) struct Found {
    runs: usize,
    kernels: HashSet<Permutation>,
    /// Of each stage's questions: how many, and the time they took. A question counts for the stage
    /// of its first command.
    times: BTreeMap<&'static str, (usize, Duration)>,
    took: Duration,
    pub(crate) failures: Vec<String>,
}

impl Found {
    pub(crate) fn ran(&self, stage: Stage) -> bool {
        self.kernels.iter().any(|kernel| kernel.stage == stage)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, kernels, took) = (self.runs, self.kernels.len(), self.took.as_secs_f64());
        writeln!(f, "{runs} questions of {kernels} pipelines in {took:.1} s; by first stage:")?;
        for (stage, (n, time)) in &self.times {
            let pipelines = self.kernels.iter().filter(|kernel| kernel.stage.name() == *stage);
            let (pipelines, time) = (pipelines.count(), time.as_secs_f64());
            writeln!(f, "  {stage}: {pipelines} pipelines, {n} questions in {time:.1} s")?;
        }
        write!(f, "{} failed", self.failures.len())
    }
}

/// Asks all questions, of the kernels as a GPU gets them; or of those for half of the groups, and for the
/// others of the kernels as the adapter gets them: a software driver takes three times as long over the former.
#[allow(clippy::print_stdout, reason = "this is what `--nocapture` is for")]
pub(crate) fn ask(questions: Vec<Question>, all_unrolled: bool) -> Found {
    let began = Instant::now();
    let mut groups: HashMap<(u32, bool, bool), Vec<Question>> = HashMap::new();
    for question in questions {
        groups.entry(question.group()).or_default().push(question);
    }
    // The longest first, so that none is left to the end.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by_key(|(group, questions)| (questions.len(), *group));
    let all = groups.len();
    let (left, found) = (Mutex::new(groups), Mutex::new(Found::default()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_DEVICES);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let mut groups = left.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some(((wg, is_half, subgroups), questions)) = groups.pop() else { break };
                    let nth = all - groups.len();
                    drop(groups);
                    // Self-tests have tests of their own. A device for each group, because it keeps all kernels that
                    // it ever ran: one for all of them took 14 GB of a software driver in a quarter of an hour.
                    let exec = WgpuExecutor::default().with_self_test(false).with_launch_log();
                    let as_on_a_gpu = all_unrolled || is_half != subgroups;
                    let exec = if as_on_a_gpu { exec.with_unrolled_loops() } else { exec };
                    questions.iter().for_each(|question| one(&exec, question, &found));
                    println!(
                        "{nth} of {all}: {} questions, {wg} threads, {} bits, subgroups {subgroups}, after {:.0} s",
                        questions.len(),
                        if is_half { 16 } else { 32 },
                        began.elapsed().as_secs_f64()
                    );
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.took = began.elapsed();
    found
}

fn one(exec: &WgpuExecutor, question: &Question, found: &Mutex<Found>) {
    let began = Instant::now();
    let answered = catch_unwind(AssertUnwindSafe(|| match question {
        Question::Select(s) => {
            st_conformance::for_dtype!(s.problem.dtype, T => select::<T>(exec, s))
        }
        Question::Compact(s) => {
            st_conformance::for_dtype!(s.problem.dtype, T => compact::<T>(exec, s))
        }
    }));
    let took = began.elapsed();
    let launches = exec.launches();
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.runs += 1;
    if let Some(first) = launches.first() {
        let times = found.times.entry(first.permutation.stage.name()).or_default();
        times.0 += 1;
        times.1 += took;
    }
    found.kernels.extend(launches.iter().map(|launch| launch.permutation));
    let what = match answered {
        Ok(Ok(())) => return,
        Ok(Err(what)) => what,
        Err(_) => "it panicked; see above".to_owned(),
    };
    let what = match question {
        Question::Select(s) => format!("{what}\n  {s}"),
        Question::Compact(s) => format!("{what}\n  {s:?}"),
    };
    found.failures.push(what);
}

fn caps(exec: &WgpuExecutor, subgroups: bool) -> Result<DeviceCaps, String> {
    let caps = exec.caps().map_err(|e| e.to_string())?;
    Ok(caps.with_subgroup(caps.lane, subgroups))
}

fn select<T: Value>(exec: &WgpuExecutor, setting: &permutations::Setting) -> Result<(), String> {
    let plan = RankPlan::by_hand(setting.problem, caps(exec, setting.subgroups)?, setting.choice);
    let data = inputs::Data::<T>::new(setting);
    let want = oracle::rank(data.input(), &setting.problem);
    let got = exec.on(&data.input()).execute(&plan).map_err(|e| format!("refused: {e}"))?;
    verdict::rank(setting.problem.k, &want, &got)
}

fn compact<T: Value>(exec: &WgpuExecutor, setting: &compactions::Compaction) -> Result<(), String> {
    let &compactions::Compaction { problem, choice, subgroups, .. } = setting;
    let plan = CompactPlan { problem, caps: caps(exec, subgroups)?, choice };
    let data = compactions::Data::<T>::new(setting);
    let want = oracle::compact(data.input(), &problem, data.lo, data.hi);
    let got = exec.on(&data.input()).compact(&plan, data.lo, data.hi);
    verdict::compact(&want, &got.map_err(|e| format!("refused: {e}"))?)
}
