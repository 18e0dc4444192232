//! Each variable of the environment changes a plan, and leaves alone what it should.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::ops::rank_entry::{Choice, MergeKind, Problem, RankKind, RankPlan, plan};
use st_core::settings::{Fault, Loaded, Settings};
use tempfile::TempDir;

/// One user's machine: a home, and variables.
struct Machine {
    user: TempDir,
    vars: HashMap<String, OsString>,
}

impl Machine {
    fn new() -> Self {
        Self { user: tempfile::tempdir().unwrap(), vars: HashMap::new() }
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.user.path().join(".spiraltorch").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.user.path().join(name)
    }

    fn load(&self) -> Loaded {
        let user = Some(self.user.path().to_owned());
        Settings::from_vars(|name| self.vars.get(name).cloned(), user).load()
    }

    fn plan(&self, caps: DeviceCaps) -> RankPlan {
        plan(&problem(), &caps, &self.load().knowledge)
    }
}

/// A problem that no shipped record covers on a CPU, and one does on WGPU.
fn problem() -> Problem {
    Problem::new(RankKind::TopK, 1024, 5000, 100)
}

const WGPU: DeviceCaps = DeviceCaps::wgpu(32, true, 256).with_shared_mem(32 << 10);

fn caps_of(backend: Backend) -> DeviceCaps {
    match backend {
        Backend::Wgpu => WGPU,
        Backend::Cuda => DeviceCaps::cuda(32, 1024),
        Backend::Hip => DeviceCaps::hip(64, 1024),
        Backend::Mps => DeviceCaps::mps(32, 1024),
        Backend::Cpu => DeviceCaps::cpu(16, 2),
    }
}

const BACKENDS: [Backend; 5] =
    [Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps, Backend::Cpu];

fn sorts(plan: &RankPlan) -> bool {
    plan.choice.mk == MergeKind::Bitonic
}

#[test]
fn an_empty_environment_changes_nothing() {
    let loaded = Machine::new().load();
    assert_eq!(loaded.faults, []);
    assert_eq!(loaded.knowledge.notes(), [""; 0]);
    for backend in BACKENDS {
        assert!(!sorts(&Machine::new().plan(caps_of(backend))), "no rule, no sorting");
    }
    let empty = ["SPIRAL_HEUR_K", "SPIRAL_HEUR_SOFT", "SPIRAL_HEUR_GEN_WEIGHT", "SPIRAL_HEUR_FILE"]
        .iter()
        .fold(Machine::new(), |machine, name| machine.with(name, ""));
    assert_eq!(empty.plan(WGPU), Machine::new().plan(WGPU));
}

#[test]
fn rules_from_the_variable_and_from_files() {
    assert!(sorts(&Machine::new().with("SPIRAL_HEUR_K", "mk: 0").plan(WGPU)));
    assert!(sorts(&Machine::new().file("heur.kdsl", "mk: 0").plan(WGPU)));
    let home = Machine::new();
    fs::create_dir(home.path("elsewhere")).unwrap();
    fs::write(home.path("elsewhere/heur.kdsl"), "mk: 0").unwrap();
    let elsewhere = home.path("elsewhere");
    assert!(sorts(&home.with("SPIRAL_HOME", elsewhere).plan(WGPU)));
    let named = Machine::new().file("heur.kdsl", "mk: 3");
    fs::write(named.path("mine"), "mk: 0").unwrap();
    let mine = named.path("mine");
    let named = named.with("SPIRAL_HEUR_FILE", mine);
    assert!(sorts(&named.plan(WGPU)), "the named file instead of the usual one");
    let none = Machine::new().file("heur.kdsl", "mk: 0").with("SPIRAL_HEUR_FILE", "");
    assert!(!sorts(&none.plan(WGPU)), "no file");
    let both = Machine::new().file("heur.kdsl", "mk: 0; tile: 512");
    let both = both.with("SPIRAL_HEUR_K", "mk: 3; ctile: tile").plan(WGPU);
    assert_eq!((both.choice.mk, both.choice.ctile), (MergeKind::Radix, 512), "the variable after");
}

#[test]
fn soft_rules_can_be_left_out() {
    let soft = || Machine::new().with("SPIRAL_HEUR_K", "soft(mk, 0, 100); tile: 512");
    assert!(sorts(&soft().plan(WGPU)), "on unless 0");
    assert!(sorts(&soft().with("SPIRAL_HEUR_SOFT", "1").plan(WGPU)));
    let off = soft().with("SPIRAL_HEUR_SOFT", "0").plan(WGPU);
    assert!(!sorts(&off) && off.choice.tile == 512, "hard rules hold: {off}");
    let odd = soft().with("SPIRAL_HEUR_SOFT", "maybe");
    assert!(sorts(&odd.plan(WGPU)));
    assert!(odd.plan(WGPU).notes[0].contains("SPIRAL_HEUR_SOFT=maybe"));
}

/// A slow way of a backend: to sort, or where there is no kernel that does, digit by digit.
fn slow(backend: Backend) -> MergeKind {
    match backend {
        Backend::Cuda | Backend::Hip => MergeKind::Radix,
        _ => MergeKind::Bitonic,
    }
}

/// A table for a backend whose one record says to take the slow way, without a time.
fn slow_table(backend: Backend) -> (String, String) {
    let record = format!(
        r#"[{{"rows": 1024, "cols_min": 4096, "cols_max": 8191, "k_max": 128, "mk": {}}}]"#,
        slow(backend).code()
    );
    (format!("tables/{backend}-any.json"), record)
}

#[test]
fn the_tables_weight_for_all_and_for_each_backend() {
    let (low, high) = ("-10", "10");
    for backend in BACKENDS {
        let (name, text) = slow_table(backend);
        let machine = || {
            let shipped = Machine::new();
            shipped.file(&name, &text)
        };
        let caps = caps_of(backend);
        let own = format!("SPIRAL_HEUR_GEN_WEIGHT_{}", backend.name().to_uppercase());
        let all = "SPIRAL_HEUR_GEN_WEIGHT";
        let slowly = |m: Machine| m.plan(caps).choice.mk == slow(backend);
        assert!(!slowly(machine()), "{backend}: 0.10 is not enough for a slow choice");
        assert!(slowly(machine().with(all, high)), "{backend}");
        assert!(!slowly(machine().with(all, low)), "{backend}");
        assert!(slowly(machine().with(&own, high)), "{backend}");
        assert!(slowly(machine().with(&own, high).with(all, low)), "{backend}: its own wins");
        assert!(!slowly(machine().with(&own, low).with(all, high)), "{backend}: its own wins");
        for other in BACKENDS.into_iter().filter(|b| *b != backend) {
            let others = format!("SPIRAL_HEUR_GEN_WEIGHT_{}", other.name().to_uppercase());
            assert!(!slowly(machine().with(&others, high)), "{backend}: {other}'s is not its");
        }
    }
    for bad in ["heavy", "inf", "nan", "1,5"] {
        let machine = Machine::new().with("SPIRAL_HEUR_GEN_WEIGHT", bad);
        let plan = machine.plan(WGPU);
        assert!(plan.notes[0].contains("SPIRAL_HEUR_GEN_WEIGHT"), "{plan}");
        assert_eq!(plan.choice, Machine::new().plan(WGPU).choice);
    }
}

#[test]
fn a_devices_own_table_is_found_by_its_fingerprint() {
    let caps = DeviceCaps::cpu(16, 2).with_bandwidth(20_000_000_000);
    let slow = Choice { mk: MergeKind::Bitonic, ..Machine::new().plan(caps).choice };
    let slow = Choice { mkd: st_core::ops::rank_entry::MergeDetail::Bitonic, ..slow };
    let table = |device: DeviceCaps| {
        let device = serde_json::to_string(&device).unwrap();
        let choice = serde_json::to_string(&slow).unwrap();
        format!(
            r#"{{"schema": 1, "device": {device}, "records": [{{"rows": 1024, "cols_min": 4096,
                "cols_max": 8191, "k_max": 128, "cols": 5000, "k": 100, "median_us": 0.5,
                "choice": {choice}}}]}}"#
        )
    };
    let file = format!("tables/{}.json", caps.fingerprint());
    let own = Machine::new().file(&file, table(caps)).plan(caps.with_bandwidth(1));
    assert!(sorts(&own), "the bandwidth is no part of the fingerprint: {own}");
    let other = Machine::new().file(&file, table(caps.with_l2(1))).plan(caps);
    assert!(!sorts(&other), "another device's time is no evidence: {other}");
}

#[test]
fn faults_are_told_and_nothing_stops() {
    let broken = Machine::new().with("SPIRAL_HEUR_K", "mk: 0;\n tiel: 3");
    let loaded = broken.load();
    assert!(
        matches!(&loaded.faults[..], [Fault::Rules(text)] if text.starts_with("SPIRAL_HEUR_K:2:2"))
    );
    let plan = broken.plan(WGPU);
    assert_eq!(plan.choice, Machine::new().plan(WGPU).choice);
    assert!(plan.notes.len() == 1 && plan.notes[0].contains("SPIRAL_HEUR_K:2:2"), "{plan}");

    // The good program is kept.
    let half = Machine::new().file("heur.kdsl", "mk: 0").with("SPIRAL_HEUR_K", "mk:");
    assert!(sorts(&half.plan(WGPU)) && half.plan(WGPU).notes.len() == 1);

    let absent = Machine::new().with("SPIRAL_HEUR_FILE", "/nowhere/rules");
    assert!(absent.plan(WGPU).notes[0].contains("/nowhere/rules"), "a named file must be there");
    let tables = Machine::new()
        .file("tables/wgpu-a.json", "[")
        .file("tables/wgpu-b.json", r#"[{"rows": 1}]"#)
        .file("tables/notes.txt", "no table");
    let loaded = tables.load();
    assert_eq!(loaded.faults.len(), 2, "{:?}", loaded.faults);
    assert_eq!(loaded.knowledge.notes().len(), 1, "a bad record is a miss, a bad file a note");
}

/// The tests may run as root, who can read any folder: but not list a file.
#[test]
fn a_folder_of_tables_that_cannot_be_read_is_told_of() {
    let machine = Machine::new().file("tables", "no folder");
    let plan = machine.plan(WGPU);
    for part in ["planned without tables", ".spiraltorch/tables", "SPIRAL_HOME"] {
        assert!(plan.notes.len() == 1 && plan.notes[0].contains(part), "{part}: {plan}");
    }
    assert_eq!(machine.load().faults.len(), 1);
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    use std::os::unix::ffi::OsStringExt;
    let machine = Machine::new().with("SPIRAL_HEUR_K", OsString::from_vec(b"mk: \xff".to_vec()));
    assert!(machine.plan(WGPU).notes[0].contains("SPIRAL_HEUR_K:1:5"));
    let file = Machine::new().file("heur.kdsl", b"# \xff");
    assert!(file.plan(WGPU).notes[0].contains("heur.kdsl:1:3"));
}

#[test]
fn a_user_without_a_home_has_no_files() {
    let settings = Settings::from_vars(|_| None, None);
    assert_eq!((settings.home(), settings.rules_file()), (None, None));
    assert_eq!(settings.load().faults, []);
    let why = |settings: &Settings| settings.why_no_rules_file().unwrap_or_default();
    assert_eq!(why(&settings), "there is no home directory");
    let off = |name: &str| (name == "SPIRAL_HEUR_FILE").then(OsString::new);
    assert_eq!(why(&Settings::from_vars(off, None)), "SPIRAL_HEUR_FILE is set to nothing");
    let there = Settings::from_vars(|_| None, Some(Path::new("/u").to_owned()));
    assert_eq!(there.why_no_rules_file(), None);
    assert_eq!(there.rules_file().as_deref(), Some(Path::new("/u/.spiraltorch/heur.kdsl")));
}

#[test]
fn rules_are_rewritten_only_where_that_is_asked_for() {
    let with = |value: &str| {
        let vars = |name: &str| (name == "SPIRAL_SELF_REWRITE").then(|| value.into());
        let settings = Settings::from_vars(vars, None);
        let faults = settings.load().faults.len();
        (settings.rewrite(), faults)
    };
    let here = st_core::rewrite::IN_THIS_BUILD;
    assert_eq!(with("1"), (here, usize::from(!here)), "a build that cannot says so");
    assert_eq!((with("0"), with("")), ((false, 0), (false, 0)));
    assert_eq!((with("yes"), with("2")), ((false, 1), (false, 1)), "told, and off");
    assert!(!Settings::from_vars(|_| None, None).rewrite());
}
