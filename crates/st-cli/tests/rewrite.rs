//! `spiral rewrite`, from a slow default on a simulated device to the next process's plan, and back.

mod common;
#[cfg(feature = "kv-redis")]
#[path = "../../st-kv/tests/common/mod.rs"]
mod servers;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Files, Ran, command, ran};
use st_conformance::rng::Rng;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Choice, Knowledge, Planner, Problem, RankKind, RankPlan, explain};
use st_core::settings::Settings;
use st_tune::Evidence;
use st_tune::rewrite::{
    Bucket, Calls, Clock, Config, Files as Places, Host, Key, News, Rewriter, document, launch,
};

const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256).with_shared_mem(32768);
/// Of a kind that the shipped table does not speak of.
const PROBLEM: Problem = Problem::new(RankKind::BottomK, 1024, 5000, 100);
const BEFORE: &str = "\u{feff}# mine\r\nsoft(tile, 512, 0.01) # no semicolon";

fn spiral(home: &Path, args: &[&str]) -> Ran {
    let mut command = command();
    ran(command.env("SPIRAL_HOME", home).args(args))
}

/// What another process plans there.
fn planned(home: &Path) -> Choice {
    let caps = "wgpu,lane=32,subgroup=true,wg=256,smem=32768";
    let shape = ["plan", "bottomk", "--rows", "1024", "--cols", "5000", "-k", "100", "--json"];
    let got = spiral(home, &[&shape[..], &["--caps", caps]].concat()).json();
    assert_eq!(got["notes"], serde_json::json!([]));
    let choice = serde_json::from_value(got["choice"].clone()).expect("a choice");
    launch(&choice, CAPS.backend)
}

/// Evidence, from so many pairs, that the planner's third candidate is a third faster. Gives the default and that one.
fn gather(home: &Path, pairs: u32) -> (Choice, Choice) {
    let mut known = Knowledge::default();
    known.add_rules("rules", BEFORE.as_bytes()).expect("rules");
    let why = explain(&PROBLEM, &CAPS, &known, 3);
    let [in_use, _, challenger] =
        [0, 1, 2].map(|i| launch(&why.candidates[i].choice, CAPS.backend));
    let mut evidence = Evidence::default();
    (0..pairs).for_each(|i| {
        let us = 100.0 + f64::from(i % 7);
        evidence.record(us, us / 1.33).expect("times");
    });
    let news = News {
        key: Key { bucket: Bucket::of(&PROBLEM, &CAPS).expect("a shape"), in_use, challenger },
        problem: PROBLEM,
        caps: CAPS,
        pairs: evidence,
        watch: Evidence::default(),
        give_up: None,
    };
    // As a process that ended before it could write rules: it only left evidence.
    let places = Places::new(home, &home.join("heur.kdsl"));
    let device = st_core::hints::identity(&CAPS);
    let mut document = document::Document::new(&device);
    document.take(&[news], st_tune::rewrite::clock::today());
    fs::create_dir_all(&places.folder).expect("a folder");
    let text = serde_json::to_vec(&document).expect("text");
    fs::write(places.evidence(&device), text).expect("written");
    (in_use, challenger)
}

#[test]
fn evidence_becomes_a_rule_and_a_plan_and_is_taken_back() {
    let files = Files::new();
    let home = files.path("home");
    fs::create_dir_all(&home).expect("a folder");
    let rules = home.join("heur.kdsl");
    fs::write(&rules, BEFORE).expect("written");
    let text = || fs::read_to_string(&rules).expect("rules");
    let (default, fast) = gather(&home, 60);
    assert_eq!(planned(&home), default);

    let status = spiral(&home, &["rewrite"]);
    assert!(status.stdout.contains(" bottomk/4/10.12.6: "), "{status:?}");
    assert!(status.stdout.contains("60/60 won, median 1.33"), "{status:?}");
    assert!(status.stdout.contains("would be written: "), "{status:?}");
    let json = spiral(&home, &["rewrite", "--json"]).json();
    assert_eq!(json["comparisons"][0]["trials"], 60, "{json}");
    assert_eq!(json["comparisons"][0]["state"], "under way", "{json}");
    for asked in ["--check", "--dry-run"] {
        let said = spiral(&home, &["rewrite", asked]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.stdout.contains(&format!("+soft(mk, {}, ", fast.mk.code())), "{said:?}");
        assert_eq!(text(), BEFORE, "nothing is written");
    }
    for asked in [&["rewrite", "--json"][..], &["rewrite", "--check", "--json"]] {
        let json = spiral(&home, asked).json();
        assert_eq!(json["done"], serde_json::json!([]), "{json}");
        assert_eq!(json["would_be_done"][0]["what"], "written", "{json}");
    }

    let said = spiral(&home, &["rewrite", "--write"]);
    assert!(said.code == 0 && said.stdout.starts_with("written: "), "{said:?}");
    assert!(text().starts_with("\u{feff}# mine\r\nsoft(tile, 512, 0.01); # no semicolon\r\n"));
    assert_eq!(planned(&home), fast);
    let said = spiral(&home, &["rewrite", "--write"]);
    assert!(said.stdout.contains("nothing to write"), "{said:?}");
    assert_eq!(spiral(&home, &["rewrite", "--json"]).json()["comparisons"][0]["state"], "won");

    let said = spiral(&home, &["rewrite", "--undo"]);
    assert!(said.code == 0 && said.stdout.contains("-soft(mk"), "{said:?}");
    fs::remove_dir_all(home.join("rewrite")).expect("evidence");
    let _ = gather(&home, 60);
    let json = spiral(&home, &["rewrite", "--write", "--json"]).json();
    assert_eq!(json["done"][0]["what"], "written", "{json}");
    assert_eq!(json["would_be_done"], serde_json::json!([]), "{json}");
    let said = spiral(&home, &["rewrite", "--undo"]);
    assert!(said.code == 0 && said.stdout.contains("-soft(mk"), "{said:?}");
    assert_eq!(text(), BEFORE, "byte for byte");
    assert_eq!(planned(&home), default);
    spiral(&home, &["rewrite", "--undo"]).refused(&["no change of Self-Rewrite's is known"]);
    // The evidence is there still; what was undone is not written again.
    assert!(spiral(&home, &["rewrite", "--write"]).stdout.contains("nothing to write"));
}

#[cfg(feature = "kv-redis")]
#[test]
fn writing_does_not_wait_to_share() {
    use std::time::Instant;

    let (files, hanging) = (Files::new(), servers::hanging());
    let home = files.path("home");
    let wrote = |url: &str| {
        let _ = fs::remove_dir_all(&home);
        let _ = gather(&home, 60);
        fs::write(home.join("heur.kdsl"), BEFORE).expect("written");
        let start = Instant::now();
        let mut command = command();
        command.env("SPIRAL_HOME", &home).env("REDIS_URL", url);
        let said = ran(command.args(["rewrite", "--write"]));
        let took = start.elapsed();
        assert!(said.code == 0 && said.stdout.starts_with("written: "), "{said:?}");
        (said, took)
    };
    let least = |url| (0..5).map(|_| wrote(url).1).min().expect("runs");
    let (usual, took) = (least(""), least(&hanging));
    // What is beyond the 50 ms is for threads, and for a machine that does other things.
    assert!(took <= usual + Duration::from_millis(90), "{took:?}, without {usual:?}");
    for (url, parts) in [
        (hanging, ["is not known: no answer within 50 ms", "nothing shares it later"]),
        (
            format!("redis://127.0.0.1:{}", servers::free_port()),
            ["what was done is not shared: ", "it stands here all the same"],
        ),
    ] {
        let (said, _) = wrote(&url);
        for part in parts {
            assert!(said.stderr.contains(part), "`{part}`: {said:?}");
        }
        assert_eq!(said.stderr.lines().count(), 1, "one warning: {said:?}");
    }
}

/// From the evidence of one machine to what another one hears: the rule, and that it was withdrawn.
#[cfg(feature = "kv-redis")]
#[test]
fn what_is_written_and_what_is_withdrawn_is_shared() {
    // It need not wait until all is there; if a machine does much else, it may be late.
    assert!((0..5).any(|_| shared_in_time()), "in time, once");
}

#[cfg(feature = "kv-redis")]
fn shared_in_time() -> bool {
    let late = |said: &Ran| said.stderr.contains("no answer within 50 ms");
    let files = Files::new();
    let home = files.path("home");
    fs::create_dir_all(&home).expect("a folder");
    fs::write(home.join("heur.kdsl"), BEFORE).expect("written");
    let url = format!("file://{}", files.path("shared").display());
    let shared =
        |args: &[&str]| ran(command().env("SPIRAL_HOME", &home).env("REDIS_URL", &url).args(args));
    let heard = || {
        let caps = "wgpu,lane=32,subgroup=true,wg=256,smem=32768";
        let hints = shared(&["hints", "--caps", caps, "--json"]).json();
        hints["rules"].as_array().expect("rules").clone()
    };
    let _ = gather(&home, 60);
    let said = shared(&["rewrite", "--write"]);
    if late(&said) {
        return false;
    }
    assert!(said.stdout.contains("1 rules are shared"), "{said:?}");
    let rules = heard();
    assert_eq!((rules.len(), &rules[0]["unheard"]), (1, &serde_json::Value::Null), "{rules:?}");
    let weight = |rule: &serde_json::Value| rule["weight"].as_f64().map(f64::round);
    assert_eq!(weight(&rules[0]), Some(60.0), "{rules:?}");
    let written = fs::read_to_string(home.join("heur.kdsl")).expect("rules");
    assert!(written.contains(rules[0]["line"].as_str().expect("a line")), "{written}");

    // It is slower since.
    let places = Places::new(&home, &home.join("heur.kdsl"));
    let path = places.evidence(&st_core::hints::identity(&CAPS));
    let mut document: document::Document =
        serde_json::from_slice(&fs::read(&path).expect("evidence")).expect("evidence");
    (0..40).for_each(|_| document.comparisons[0].watch.record(100.0, 110.0).expect("times"));
    fs::write(&path, serde_json::to_vec(&document).expect("text")).expect("written");
    let said = shared(&["rewrite", "--write"]);
    if late(&said) {
        return false;
    }
    assert!(said.stdout.contains("withdrawn: ") && said.stdout.contains("shared"), "{said:?}");
    let rules = heard();
    let why = rules[0]["unheard"].as_str().expect("it does not count");
    assert!(why.contains("withdrawn: 0 % of 40 pairs"), "{why}");
    assert_eq!(weight(&rules[0]), Some(60.0), "what spoke for it is as it was");
    true
}

#[test]
fn too_little_evidence_writes_nothing() {
    let files = Files::new();
    let home = files.path("home");
    let _ = gather(&home, 15);
    fs::write(home.join("heur.kdsl"), BEFORE).expect("written");
    let said = spiral(&home, &["rewrite", "--write"]);
    assert!(said.code == 0 && said.stdout.contains("nothing to write"), "{said:?}");
}

#[test]
fn faults_are_told_of() {
    let files = Files::new();
    let home = files.path("home");
    let _ = gather(&home, 60);
    fs::write(home.join("heur.kdsl"), "mk: ;").expect("written");
    for asked in ["--check", "--dry-run", "--write"] {
        let said = spiral(&home, &["rewrite", asked]);
        assert!(said.code == 2 && said.stderr.contains("heur.kdsl:1:5"), "{said:?}");
    }
    fs::write(home.join("heur.kdsl"), "").expect("written");
    let evidence =
        Places::new(&home, &home.join("heur.kdsl")).evidence(&st_core::hints::identity(&CAPS));
    fs::write(&evidence, "rubbish").expect("written");
    let said = spiral(&home, &["rewrite"]);
    assert!(said.code == 0 && said.stderr.contains("expected value"), "{said:?}");
    assert_eq!(fs::read_to_string(&evidence).expect("it is left"), "rubbish");
    let mut command = command();
    let none = ran(command.env("SPIRAL_HEUR_FILE", "").args(["rewrite"]));
    none.refused(&["there is no file of rules to write"]);
    let both = spiral(&home, &["rewrite", "--write", "--undo"]);
    assert_eq!(both.code, 2, "{both:?}");
    let empty = spiral(&files.path("nothing"), &["rewrite"]);
    assert!(empty.code == 0 && empty.stdout.contains("no evidence"), "{empty:?}");
    assert!(!files.path("nothing").exists(), "looking makes no folder");
}

/// What another process writes while this one waits for its lock is not shown as this one's change.
#[test]
fn a_change_is_told_of_by_the_process_that_made_it() {
    let files = Files::new();
    let home = files.path("home");
    let rules = home.join("heur.kdsl");
    let _ = gather(&home, 60);
    fs::write(&rules, BEFORE).expect("written");
    let locks = Places::new(&home, &rules).lock(Duration::ZERO).expect("nobody has it");
    let late = [(); 3].map(|()| {
        let mut late = command();
        late.env("SPIRAL_HOME", &home).args(["rewrite", "--write"]).stdout(Stdio::piped());
        late.spawn().expect("spiral runs")
    });
    // They have read the rules by then, and wait for two seconds.
    thread::sleep(Duration::from_millis(700));
    fs::write(&rules, format!("{BEFORE}\r\n# another's\r\n")).expect("written");
    drop(locks);
    let said = late.map(|late| {
        let said = late.wait_with_output().expect("ended").stdout;
        String::from_utf8(said).expect("UTF-8")
    });
    assert!(said.iter().all(|said| !said.contains("+# another's")), "{said:?}");
    let (wrote, others): (Vec<&String>, _) =
        said.iter().partition(|said| said.starts_with("written: ") && said.contains("+soft(mk"));
    assert_eq!(wrote.len(), 1, "{said:?}");
    for said in others {
        assert!(said.ends_with(": nothing to write\n"), "{said}");
    }
}

/// Evidence and journal that make no sense are told of by each command, whatever becomes of them.
#[test]
fn damaged_files_are_told_of() {
    let files = Files::new();
    let home = files.path("home");
    let places = Places::new(&home, &home.join("heur.kdsl"));
    let evidence = places.evidence(&st_core::hints::identity(&CAPS));
    let _ = gather(&home, 60);
    fs::write(home.join("heur.kdsl"), BEFORE).expect("written");
    assert!(spiral(&home, &["rewrite", "--write"]).stdout.starts_with("written: "));
    let whole = fs::read(places.journal()).expect("a journal");
    fs::write(places.journal(), &whole[..whole.len() / 2]).expect("written");
    let journal = places.journal().display().to_string();
    let undo = spiral(&home, &["rewrite", "--undo"]);
    undo.refused(&[&journal, "EOF", "the journal cannot be read", "by hand"]);
    for asked in [&["rewrite"][..], &["rewrite", "--check"], &["rewrite", "--dry-run"]] {
        let said = spiral(&home, asked);
        assert!(said.code == 0 && said.stderr.contains("journal cannot be read"), "{said:?}");
        let said = spiral(&home, &[asked, &["--json"]].concat()).json();
        assert!(said["remarks"].to_string().contains("journal cannot be read"), "{said}");
    }
    assert_eq!(fs::read(places.journal()).expect("it is left").len(), whole.len() / 2);

    // The next change puts it out of the way.
    fs::write(home.join("heur.kdsl"), BEFORE).expect("written");
    let _ = gather(&home, 60);
    let said = spiral(&home, &["rewrite", "--write"]);
    assert!(said.stderr.contains("what it told of cannot be undone"), "{said:?}");
    assert_eq!(
        spiral(&home, &["rewrite", "--json"]).json()["changes"].as_array().map(Vec::len),
        Some(1)
    );

    let cut = || {
        let whole = fs::read(&evidence).expect("evidence");
        fs::write(&evidence, &whole[..whole.len() / 2]).expect("written");
    };
    cut();
    let name = evidence.display().to_string();
    for asked in ["--check", "--dry-run"] {
        let said = spiral(&home, &["rewrite", asked]);
        for part in [&name, "EOF", "it is not used", "`spiral rewrite --write` sets it aside"] {
            assert!(said.stderr.contains(part), "`{part}`: {said:?}");
        }
        assert!(said.code == 0 && !said.stderr.contains("SPIRAL_HOME"), "{said:?}");
    }
    let said = spiral(&home, &["rewrite", "--write", "--json"]);
    assert!(said.stderr.contains("it is set aside as"), "{said:?}");
    let remarks = said.json()["remarks"].to_string();
    assert!(remarks.contains("evidence is gathered anew"), "{remarks}");
    let _ = gather(&home, 15);
    cut();
    let said = spiral(&home, &["rewrite", "--undo"]);
    assert!(said.code == 0 && said.stderr.contains("it is not used"), "{said:?}");
}

/// A process on a device that is not there, with the settings of that home.
struct Simulated {
    settings: Settings,
    planner: Arc<Planner>,
}

impl Host for Simulated {
    fn planner(&self) -> &Planner {
        &self.planner
    }
    fn knowledge(&self, rules: &[u8]) -> Knowledge {
        self.settings.load_with(Some(rules)).knowledge
    }
    fn files(&self) -> Option<Places> {
        self.settings.files()
    }
}

struct SimulatedClock(Arc<AtomicU64>);

impl Clock for SimulatedClock {
    fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Its default takes 150 us, one other choice 100 us, all others 200 us, give or take a tenth.
struct Device {
    clock: Arc<AtomicU64>,
    rng: Rng,
    default: Choice,
    fast: Choice,
}

impl Calls for Device {
    type Done = ();
    const SHARED: bool = false;

    fn run(&mut self, plan: &RankPlan) -> st_core::Result<()> {
        let own = launch(&plan.choice, CAPS.backend);
        let us = match own {
            own if own == self.fast => 100.0,
            own if own == self.default => 150.0,
            _ => 200.0,
        };
        let ns = 1e3 * us * (0.1 * self.rng.normal()).exp();
        self.clock.fetch_add(ns as u64, Ordering::Relaxed);
        Ok(())
    }

    fn written(&mut self, _plan: &RankPlan, (): &mut ()) -> Vec<u8> {
        Vec::new()
    }
}

/// All of it: a slow default is run, a rule is written, the next process plans by it, and it is taken back.
#[test]
fn a_slow_default_on_a_simulated_device() {
    let files = Files::new();
    let home = files.path("home");
    fs::create_dir_all(&home).expect("a folder");
    let rules = home.join("heur.kdsl");
    fs::write(&rules, BEFORE).expect("written");
    let default = planned(&home);
    let vars = |name: &str| (name == "SPIRAL_HOME").then(|| home.clone().into_os_string());
    let settings = Settings::from_vars(vars, None);
    let planner = Arc::new(Planner::new(settings.load().knowledge));
    let why = planner.with_knowledge(|known| explain(&PROBLEM, &CAPS, known, 4));
    let fast = launch(&why.candidates[3].choice, CAPS.backend);
    let clock = Arc::new(AtomicU64::new(0));
    let mut device = Device { clock: clock.clone(), rng: Rng::new(1), default, fast };
    let config = Config { interval: None, seed: Some(1), ..Config::default() };
    let host = Simulated { settings, planner: planner.clone() };
    let rewriter = Rewriter::new(Box::new(host), Box::new(SimulatedClock(clock)), config);
    let mut calls = 0;
    while fs::read_to_string(&rules).expect("rules") == BEFORE {
        for _ in 0..500 {
            rewriter.call(&planner.plan(&PROBLEM, &CAPS), &mut device).expect("it runs");
        }
        rewriter.settle().expect("settled");
        calls += 500;
        assert!(calls < 100_000, "it is never found");
    }
    assert_eq!(
        launch(&planner.plan(&PROBLEM, &CAPS).choice, CAPS.backend),
        fast,
        "in this process"
    );
    assert_eq!(planned(&home), fast, "in the next");
    let status = spiral(&home, &["rewrite"]);
    assert!(status.stdout.contains("; won: 20"), "{status:?}");
    assert_eq!(spiral(&home, &["rewrite", "--undo"]).code, 0);
    assert_eq!(fs::read_to_string(&rules).expect("rules"), BEFORE, "byte for byte");
    assert_eq!(planned(&home), default);
}
