//! Shared hints in a process that uses the library: they arrive at equal fingerprints, and nothing waits for them.

#![expect(clippy::print_stdout, reason = "a process tells the other what it saw")]

#[path = "../../st-kv/tests/common/mod.rs"]
mod servers;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use servers::{Server, answering, free_port, hanging, misbehaving};
use st_core::backend::device_caps::DeviceCaps;
use st_core::hints::{Error, Fetch, Hints, Pairs, Publisher, Record, Table, clear};
use st_core::ops::rank_entry::{
    Knowledge, MergeKind, Problem, RankKind, RankPlan, plan, plan_rank,
};
use st_core::process::planner;

const CAPS: DeviceCaps = DeviceCaps::cpu(16, 8);
const OTHER: DeviceCaps = DeviceCaps::cpu(16, 9);
const SHAPE: (usize, usize, usize) = (1024, 5000, 100);
const SOON: Duration = Duration::from_secs(12);

fn problem() -> Problem {
    Problem::new(RankKind::TopK, SHAPE.0, SHAPE.1, SHAPE.2)
}

fn free(caps: &DeviceCaps) -> RankPlan {
    plan(&problem(), caps, &Knowledge::default())
}

/// A record by which a choice that would not be planned is very fast.
fn record(us: f64) -> Record {
    let mut knowledge = Knowledge::default();
    knowledge.add_rules("test", b"mk: 1").unwrap();
    let choice = plan(&problem(), &CAPS, &knowledge).choice;
    assert_ne!(choice.mk, free(&CAPS).choice.mk);
    let text = serde_json::json!({"schema": 1, "records": [{
        "rows": SHAPE.0, "cols_min": 4096, "cols_max": 8191, "k_max": 128, "cols": SHAPE.1, "k": SHAPE.2,
        "choice": choice, "median_us": us, "spread": 0.02, "samples": 15}]});
    Table::from_json("test", &text.to_string(), CAPS.backend).unwrap().records()[0]
}

fn fetch(url: &str, caps: &DeviceCaps) -> Result<Hints, Error> {
    Fetch::start(Some(url), caps).wait(SOON)
}

fn publish(url: &str, records: &[Record]) {
    let publisher = Publisher::new(Some(url));
    assert!(publisher.publish(&CAPS, records));
    publisher.flush(SOON).unwrap();
    assert_eq!(publisher.dropped(), 0);
}

static WARNINGS: AtomicU32 = AtomicU32::new(0);

/// Counts warnings.
struct Counter;

impl tracing::Subscriber for Counter {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        WARNINGS.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// What another process saw.
#[derive(Debug)]
struct Seen {
    /// The longest time of its calls, in microseconds.
    longest_us: u128,
    /// Whether its plan was other than one without hints, in the end.
    changed: bool,
    mk: u32,
    warnings: u32,
}

/// Plans in another process, which then waits for a change, or for so long.
fn process(url: &str, caps: &DeviceCaps, wait: Duration) -> Seen {
    let home = tempfile::tempdir().unwrap();
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process", "--ignored", "--nocapture", "--test-threads=1"])
        .env("SPIRAL_HOME", home.path())
        .env("REDIS_URL", url)
        .env("TEST_CORES", caps.cores.to_string())
        .env("TEST_WAIT_MS", wait.as_millis().to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("SEEN ")).map(|(_, seen)| seen);
    let line = line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)));
    let numbers: Vec<u128> = line.split(' ').map(|n| n.parse().unwrap()).collect();
    Seen {
        longest_us: numbers[0],
        changed: numbers[1] != 0,
        mk: numbers[2] as u32,
        warnings: numbers[3] as u32,
    }
}

#[test]
#[ignore = "the other process of the other tests"]
fn a_process() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (Some(cores), Some(wait)) = (number("TEST_CORES"), number("TEST_WAIT_MS")) else { return };
    tracing::subscriber::set_global_default(Counter).unwrap();
    let caps = DeviceCaps::cpu(16, cores);
    let ask = || plan_rank(RankKind::TopK, SHAPE.0, SHAPE.1, SHAPE.2, caps);
    // Reading rules and tables is no matter of hints.
    planner().with_knowledge(|_| ());
    let mut longest = Duration::ZERO;
    let mut timed = |rows: usize| {
        let start = Instant::now();
        let _ = plan_rank(RankKind::TopK, rows, SHAPE.1, SHAPE.2, caps);
        longest = longest.max(start.elapsed());
    };
    (1..200).for_each(&mut timed);
    let (start, wait) = (Instant::now(), Duration::from_millis(u64::from(wait)));
    let unchanged = free(&caps).choice;
    let mut rows = 200;
    while start.elapsed() < wait && ask().choice == unchanged {
        rows += 1;
        timed(rows);
        std::thread::sleep(Duration::from_millis(2));
    }
    let made = ask();
    let changed = u8::from(made.choice != unchanged);
    println!(
        "\nSEEN {} {changed} {} {}",
        longest.as_micros(),
        made.choice.mk.code(),
        WARNINGS.load(Ordering::Relaxed)
    );
}

#[test]
fn hints_arrive_in_another_process_with_the_same_fingerprint_only() {
    let server = Server::start();
    publish(&server.url(), &[record(1.5)]);
    let seen = process(&server.url(), &CAPS, SOON);
    assert!(seen.changed && seen.mk == u32::from(MergeKind::Shared.code()), "{seen:?}");
    assert_eq!(seen.warnings, 0);
    let other = process(&server.url(), &OTHER, Duration::from_secs(1));
    assert!(!other.changed && other.warnings == 0, "{other:?}");
    assert!(fetch(&server.url(), &CAPS.with_bandwidth(3)).unwrap().times.len() == 1);
    assert!(fetch(&server.url(), &OTHER).unwrap().times.is_empty());
}

/// A call takes microseconds; a command may wait for 50 ms, a library call may not.
const LONG_US: u128 = 25_000;

/// A machine that does other things may keep a thread waiting for as long, too, but not in each of so many processes.
const TRIES: usize = 4;

#[test]
fn no_call_waits_and_one_warning_is_given() {
    let closing = misbehaving(drop);
    let wait = Duration::from_secs(7);
    let cases = [
        ("absent", format!("redis://127.0.0.1:{}", free_port())),
        ("hanging", hanging()),
        ("closing", closing),
        ("rubbish", answering(&b"\x00\x01\x02\r\n\r\n"[..])),
        ("a huge length", answering(&b"$99999999999\r\nxxx"[..])),
        ("no place", "redis://".to_owned()),
    ];
    std::thread::scope(|scope| {
        for (what, url) in &cases {
            scope.spawn(move || {
                let quick = (0..TRIES).any(|_| {
                    let seen = process(url, &CAPS, wait);
                    assert!(!seen.changed, "{what}: {seen:?}");
                    assert_eq!(seen.warnings, 1, "{what}: {seen:?}");
                    seen.longest_us < LONG_US
                });
                assert!(quick, "{what}: a call waited");
            });
        }
    });
}

#[test]
fn publishing_never_waits() {
    let url = hanging();
    let publisher = Publisher::new(Some(&url));
    let record = record(2.0);
    let start = Instant::now();
    let queued = (0..500).filter(|_| publisher.publish(&CAPS, &[record])).count();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    assert!(queued < 100, "the queue is bounded: {queued}");
    assert_eq!(publisher.dropped(), 500 - queued as u64);
    let late = publisher.flush(Duration::from_millis(100)).unwrap_err();
    assert!(matches!(late, Error::Late { .. }), "{late}");
    assert!(start.elapsed() < Duration::from_secs(1));
    // When the store has failed, what waited is dropped, too, and the command's end hears of it.
    let why = publisher.flush(Duration::from_secs(30)).unwrap_err();
    assert!(matches!(&why, Error::Store(text) if text.contains("no answer")), "{why}");
    assert_eq!(publisher.dropped(), 500);

    assert!(!Publisher::new(None).publish(&CAPS, &[record]));
    assert_eq!(Publisher::new(None).flush(SOON), Err(Error::NoUrl));
    let untimed = Record { median_us: None, ..record };
    assert!(!Publisher::new(Some(&url)).publish(&CAPS, &[untimed]));
}

#[test]
fn what_was_published_before_is_not_published_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let publisher = Publisher::new(Some(&url));
    let first = record(2.0);
    let other = Record { rows: 8, ..first };
    let more = Record { samples: 20, ..first };
    let weights = || -> Vec<f64> {
        publisher.flush(SOON).unwrap();
        fetch(&url, &CAPS).unwrap().times.iter().map(|time| time.weight.round()).collect()
    };
    assert!(publisher.publish_since(&CAPS, &[first], &[]));
    assert!(!publisher.publish_since(&CAPS, &[first], &[other, first]));
    assert!(publisher.publish_since(&CAPS, &[more, other], &[first]));
    let mut both = weights();
    both.sort_by(f64::total_cmp);
    assert_eq!(both, [15.0, 20.0]);
    // Published as a whole later, it counts no more.
    assert!(publisher.publish(&CAPS, &[more, other]));
    assert_eq!(weights().iter().sum::<f64>(), 35.0);
    // Fewer samples are another measurement.
    assert!(publisher.publish_since(
        &CAPS,
        &[Record { samples: 5, ..first }, other],
        &[more, other]
    ));
    assert_eq!(weights().iter().sum::<f64>(), 40.0);
    assert!(!Publisher::new(None).publish_since(&CAPS, &[first], &[]));
}

#[test]
fn rules_are_heard_until_evidence_turns() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let publisher = Publisher::new(Some(&url));
    let line = "soft(mk, 4, 0.9, topk && c > 4096);";
    let pairs = |pairs, wins| Pairs { pairs, wins, ratio: 1.2 };
    assert!(publisher.publish_rule(&CAPS, line, pairs(40, 40.0)));
    for (bad, evidence) in [
        ("mk: 1;", pairs(40, 40.0)),
        ("soft(mk, 1, 0.9); soft(mk, 2, 0.9);", pairs(40, 40.0)),
        ("soft(nonsense, 1, 0.9);", pairs(40, 40.0)),
        ("soft(mk, 1, 0.9)", pairs(40, 40.0)),
        (line, pairs(0, 0.0)),
        (line, pairs(10, 11.0)),
        (line, Pairs { pairs: 10, wins: 5.0, ratio: f64::NAN }),
    ] {
        assert!(!publisher.publish_rule(&CAPS, bad, evidence), "{bad} {evidence:?}");
    }
    publisher.flush(SOON).unwrap();
    let planned = || {
        let mut knowledge = Knowledge::default();
        fetch(&url, &CAPS).unwrap().add_to(&mut knowledge);
        plan(&problem(), &CAPS, &knowledge)
    };
    assert_eq!(planned().choice.mk, MergeKind::Filter);
    assert!(publisher.publish_rule(&CAPS, line, pairs(60, 3.0)));
    publisher.flush(SOON).unwrap();
    let hints = fetch(&url, &CAPS).unwrap();
    assert!(hints.rules[0].unheard.is_some(), "{hints:?}");
    assert_eq!(planned(), free(&CAPS));
    assert_eq!(clear(Some(&url), &CAPS, SOON), Ok(1));
    assert!(fetch(&url, &CAPS).unwrap().rules.is_empty());
}

#[test]
fn a_withdrawn_rule_is_not_heard_until_it_wins_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let publisher = Publisher::new(Some(&url));
    let (line, other) =
        ("soft(mk, 4, 0.9, topk && c > 4096);", "soft(mk, 4, 0.8, topk && c > 4096);");
    let pairs = |pairs, wins, ratio| Pairs { pairs, wins, ratio };
    let unheard = || {
        publisher.flush(SOON).unwrap();
        let hints = fetch(&url, &CAPS).unwrap();
        let rule = hints.rules.iter().find(|rule| rule.line == line).cloned();
        (rule.unwrap().unheard, hints.program())
    };
    // Much speaks for it, and little against it: the last word counts.
    for line in [line, other] {
        assert!(publisher.publish_rule(&CAPS, line, pairs(400, 400.0, 1.2)));
    }
    assert_eq!(unheard().0, None);
    assert!(!publisher.publish_withdrawn(&CAPS, "mk: 1;", pairs(22, 2.0, 0.9)));
    assert!(publisher.publish_withdrawn(&CAPS, line, pairs(22, 2.0, 0.9)));
    let (why, program) = unheard();
    assert!(why.unwrap().contains("it was withdrawn: 9 % of 22 pairs"), "{program}");
    assert_eq!(program, format!("{other}\n"), "the other one is");
    // Evidence is dated by the second.
    std::thread::sleep(Duration::from_millis(1100));
    assert!(publisher.publish_rule(&CAPS, line, pairs(50, 48.0, 1.1)));
    assert_eq!(unheard().0, None);
    // For those who withdraw it later it is gone again.
    std::thread::sleep(Duration::from_millis(1100));
    assert!(publisher.publish_withdrawn(&CAPS, line, pairs(30, 3.0, 0.8)));
    assert!(unheard().0.is_some());
}
