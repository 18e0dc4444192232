//! `st-bench cpu`: one run, everything interleaved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use st_conformance::oracle::Ranking;
use st_core::ops::rank_entry::RankOutput;

use crate::cells::{Cell, cells};
use crate::check::{self, same_values};
use crate::data::Matrix;
use crate::markdown::rewrite_section;
use crate::ours::{Ours, plan};
use crate::peer::{PEERS, Server};
use crate::read::{LEAST_BYTES, plan_times, read_turn};
use crate::report::{CellReport, Report, Setting};
use crate::{Result, answer, note, system};
use st_tune::stats::Samples;

/// Before each turn, so that what the last one woke can sleep again. The peers' server waits
/// longer where threads still spin.
const PAUSE: Duration = Duration::from_millis(2);

/// Options of `st-bench cpu`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// A Python with crates/st-bench/peers/requirements.txt installed; without it, the peers are
    /// left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// The small shapes, two inputs, fewer turns.
    #[arg(long)]
    quick: bool,
    /// A JSON list of cells, `[rows, cols, k]` or `[rows, cols, k, "normal|equal|ties|sorted"]`.
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,
    /// All cores, one thread, or both, one after the other.
    #[arg(long, value_enum, default_value_t = Threads::Both)]
    threads: Threads,
    /// Rewrite the section of this file that is between the marks of this benchmark.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Our instruction set; without it, the best there is.
    #[arg(long)]
    isa: Option<String>,
    /// Leave our side out, to see the peers alone.
    #[arg(long, requires = "python", conflicts_with = "markdown")]
    peers_only: bool,
    /// Turns of each contender on each cell; a slow one gets fewer, but at least 3.
    #[arg(long, value_name = "N")]
    turns: Option<usize>,
}

/// The thread settings to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threads {
    All,
    One,
    Both,
}

impl Threads {
    /// Names and thread counts.
    pub(crate) fn settings(self) -> Vec<(&'static str, u32)> {
        let settings = [("all", system::cores()), ("one", 1)];
        match self {
            Self::All => settings[..1].to_vec(),
            Self::One => settings[1..].to_vec(),
            Self::Both => settings.to_vec(),
        }
    }
}

/// Both sides with the same threads.
struct Sides {
    threads: u32,
    ours: Option<Ours>,
    peers: Option<Server>,
}

/// Runs the benchmark; false if any result was wrong.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let cells = cells(args.cells.as_deref(), args.quick)?;
    let turns = args.turns.unwrap_or(if args.quick { 5 } else { 9 }).max(1);
    let dir = tempfile::tempdir()?;
    let mut report = Report::new();
    let mut sides = Vec::new();
    for (name, threads) in args.threads.settings() {
        let ours = match args.peers_only {
            true => None,
            false => Some(Ours::new(args.isa.as_deref(), (name == "one").then_some(1))?),
        };
        let mut peers = None;
        if let Some(python) = &args.python {
            let (server, hello) = Server::start(python, dir.path(), threads)?;
            report.versions = hello.versions;
            peers = Some(server);
        }
        report.settings.push(Setting::new(name, threads));
        sides.push(Sides { threads, ours, peers });
    }
    if let Some(ours) = sides.iter().find_map(|s| s.ours.as_ref()) {
        report.isa = Some(ours.isa());
        report.plan_rank = plan_times(ours.caps(), Duration::from_millis(300));
    }
    let npy = dir.path().join("input.npy");
    let mut input: Option<(Cell, Matrix, Ranking)> = None;
    for (at, cell) in cells.iter().enumerate() {
        if !input.as_ref().is_some_and(|(made, ..)| Cell { k: cell.k, ..*made } == *cell) {
            drop(input.take());
            let matrix = Matrix::new(cell)?;
            matrix.write_npy(cell, &npy)?;
            for server in sides.iter_mut().filter_map(|s| s.peers.as_mut()) {
                server.load(&npy)?;
            }
            let ranking = check::ranking(matrix.values(), cell);
            input = Some((*cell, matrix, ranking));
        }
        let Some((_, matrix, ranking)) = &input else { continue };
        let want = check::answer(ranking, matrix.values(), cell);
        for (sides, setting) in sides.iter_mut().zip(&mut report.settings) {
            let done = sides.measure(cell, matrix.values(), &want, turns, dir.path());
            note(&format!("[{}/{}] threads {}: {done}", at + 1, cells.len(), setting.name));
            setting.cells.push(done);
        }
    }
    report.finish();
    if let Some(path) = &args.markdown {
        rewrite_section(path, &report.markdown())?;
    }
    answer(&if args.json { serde_json::to_string_pretty(&report)? } else { report.markdown() });
    for failure in &report.failures {
        note(&format!("WRONG: {failure}"));
    }
    Ok(report.failures.is_empty())
}

/// Who has a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    Ours,
    Peer(&'static str),
    Read,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer(name) => name,
            Self::Read => "read",
        }
    }
}

impl Sides {
    /// One cell: every contender is checked once, then they take turns in rotating order.
    fn measure(
        &mut self,
        cell: &Cell,
        x: &[f32],
        want: &RankOutput<f32>,
        turns: usize,
        dir: &Path,
    ) -> CellReport {
        let mut done = CellReport::new(*cell);
        let plan = self.ours.as_ref().map(|ours| plan(cell, ours.caps()));
        done.plan = plan.as_ref().map(ToString::to_string);
        let mut contenders = Vec::new();
        if let (Some(ours), Some(plan)) = (&mut self.ours, &plan) {
            contenders.push(Contender::Ours);
            if let Err(error) = ours.check(x, plan, want) {
                done.fail("ours", &error);
            }
        }
        for peer in PEERS {
            let Some(server) = &mut self.peers else { continue };
            let checked = server.result(peer, cell.k, dir);
            match checked.and_then(|got| same_values(want, &got, x, cell)) {
                Ok(()) => contenders.push(Contender::Peer(peer)),
                Err(error) => done.fail(peer, &error),
            }
        }
        if size_of_val(x) >= LEAST_BYTES {
            contenders.push(Contender::Read);
        }
        let mut samples = vec![Samples::default(); contenders.len()];
        for round in 0..turns {
            for place in 0..contenders.len() {
                let at = (place + round) % contenders.len();
                let own = &mut samples[at];
                if !own.wants_more(turns) || done.failed(contenders[at].name()) {
                    continue;
                }
                std::thread::sleep(PAUSE);
                let warm = own.warm_calls();
                let times = match (contenders[at], &mut self.ours, &plan, &mut self.peers) {
                    (Contender::Ours, Some(ours), Some(plan), _) => ours.turn(x, plan, warm),
                    (Contender::Peer(peer), _, _, Some(server)) => server.turn(peer, cell.k, warm),
                    _ => Ok(read_turn(x, self.threads, warm)),
                };
                match times {
                    Ok(times) => own.push_turn(times),
                    Err(error) => done.fail(contenders[at].name(), &error),
                }
            }
        }
        // The reused output once more, after all the timed calls.
        if let (Some(ours), Some(plan)) = (&mut self.ours, &plan)
            && let Err(error) = ours.check(x, plan, want)
        {
            done.fail("ours", &error);
        }
        let times =
            contenders.iter().zip(&samples).filter_map(|(c, s)| Some((c.name(), s.timing()?)));
        done.times.extend(times);
        done
    }
}
