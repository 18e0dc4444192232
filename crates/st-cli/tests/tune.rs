//! `spiral tune`, `tables` and `bench`: on this processor, with small shapes.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Files, Ran, command, ran};
use serde_json::Value;

const GRID: &str = r#"[[64, 256, 8], [4, 3000, 20], {"kind": "midk", "rows": 9, "cols": 700, "k": 5},
    {"kind": "bottomk", "rows": 30, "cols": 100, "k": 2, "dtype": "i16"}]"#;

/// A home of its own with a grid in it.
struct Home {
    files: Files,
}

impl Home {
    fn new() -> Self {
        let files = Files::new();
        fs::write(files.path("grid.json"), GRID).unwrap();
        Self { files }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command();
        command.env("SPIRAL_HOME", self.files.0.path()).current_dir(self.files.0.path()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn tune(&self, budget: &str) -> Value {
        self.run(&[
            "tune",
            "--device",
            "cpu",
            "--grid",
            "grid.json",
            "--budget",
            budget,
            "--json",
            "-q",
        ])
        .json()
    }

    fn tables(&self) -> Vec<PathBuf> {
        let list = fs::read_dir(self.files.path("tables")).into_iter().flatten().flatten();
        let all = list.map(|entry| entry.path());
        all.filter(|path| path.extension().is_some_and(|e| e == "json")).collect()
    }

    fn table(&self) -> PathBuf {
        let mut tables = self.tables();
        assert_eq!(tables.len(), 1);
        tables.remove(0)
    }
}

fn records(table: &Path) -> Vec<Value> {
    let table: Value = serde_json::from_str(&fs::read_to_string(table).unwrap()).unwrap();
    table["records"].as_array().unwrap().clone()
}

/// What a record is about.
fn about(record: &Value) -> String {
    ["kind", "dtype", "rows", "cols", "k", "choice"].map(|key| record[key].to_string()).join(" ")
}

#[test]
fn what_is_found_is_planned_by_the_next_process() {
    let home = Home::new();
    let done = home.tune("12s");
    assert_eq!(
        (&done["measured"], &done["left"], &done["failed"]),
        (&4.into(), &0.into(), &0.into())
    );
    let all = records(&home.table());
    assert_eq!(done["records"], all.len());
    let again = home.tune("12s");
    assert_eq!((&again["measured"], &again["known"]), (&0.into(), &4.into()));
    assert_eq!(records(&home.table()), all);
    let timed = |record: &&Value| record["rows"] == 64 && record["median_us"].is_number();
    let us = |record: &Value| record["median_us"].as_f64().unwrap();
    let best = all.iter().filter(timed).min_by(|a, b| us(a).total_cmp(&us(b))).unwrap();
    let plan =
        home.run(&["plan", "topk", "--rows", "64", "--cols", "256", "-k", "8", "--json"]).json();
    let used: &[&str] = &["mk", "wg"];
    for field in used {
        assert_eq!(plan["choice"][field], best["choice"][field], "{field}");
    }
    let why = home.run(&["explain", "topk", "--rows", "64", "--cols", "256", "-k", "8"]);
    assert!(why.stdout.contains("(own)") && why.stdout.contains("adopted"), "{}", why.stdout);
    // A shape of the bucket that was not measured itself.
    let near = home.run(&["explain", "topk", "--rows", "80", "--cols", "300", "-k", "6"]);
    assert!(near.stdout.contains("(own)"), "{}", near.stdout);
}

#[test]
fn killed_at_any_time_it_goes_on() {
    let home = Home::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut kills = 0;
    let mut before = BTreeSet::new();
    // Killed later each time, until one lives to the end.
    for ms in (0..).map(|n| (40.0 * 1.25f64.powi(n)) as u64) {
        assert!(Instant::now() < deadline, "it never ends");
        let args =
            ["tune", "--device", "cpu", "--grid", "grid.json", "--budget", "8s", "-q", "--json"];
        let mut child =
            home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(ms));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // What was there is there still; times of later sessions may be better ones.
        let now = written(&home);
        let lost: Vec<&String> = before.difference(&now).collect();
        assert!(lost.is_empty(), "of {} records, after {kills} kills: {lost:?}", before.len());
        before = now;
        // Whatever it was doing, the next process has a whole table or none, and says nothing of it.
        let plan = home.run(&["plan", "topk", "--rows", "64", "--cols", "256", "-k", "8"]);
        assert_eq!((plan.code, plan.stderr.as_str()), (0, ""), "{plan:?}");
    }
    assert!(kills > 0, "it was never killed");
    let done = home.tune("20s");
    assert_eq!((&done["known"], &done["left"]), (&4.into(), &0.into()), "{done}");
    let all = written(&home);
    assert_eq!(all.len(), records(&home.table()).len(), "no record twice");
    assert!(
        !before.is_empty() && before.is_subset(&all),
        "it was killed before there was a record"
    );
}

/// What the table of a home is about, if there is one.
fn written(home: &Home) -> BTreeSet<String> {
    let table = home.tables().first().map(|table| records(table));
    table.unwrap_or_default().iter().map(about).collect()
}

#[test]
fn a_table_travels_and_is_compared() {
    let home = Home::new();
    home.run(&["tables", "export", "gone.json"]).refused(&["there is no table", "spiral tune"]);
    home.tune("12s");
    let own = home.table();
    assert_eq!(home.run(&["tables", "export", "mine.json", "--device", "cpu"]).code, 0);
    assert_eq!(records(&home.files.path("mine.json")), records(&own));
    // What is compiled in is of WGPU devices.
    let generator =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/tuner/gen_generated_rs.py");
    ran(Command::new("python3").arg(generator).arg(home.files.path("mine.json")))
        .refused(&["its device is of 'cpu'", "give a table of wgpu or mps"]);
    let listed = home.run(&["tables", "list", "--json"]).json();
    assert_eq!(listed[0]["records"], records(&own).len());
    assert_eq!(listed[0]["refused"], Value::Null);

    let other = Home::new();
    let mine = home.files.path("mine.json");
    let mine = mine.to_str().unwrap();
    let first = other.run(&["tables", "import", mine]);
    assert!(first.stdout.contains("new records"), "{first:?}");
    assert_eq!(records(&other.table()), records(&own));
    let second = other.run(&["tables", "import", mine]);
    assert!(second.stdout.starts_with("0 new records"), "{second:?}");
    let merged = other.run(&["tables", "merge", mine, own.to_str().unwrap(), "--out", "all.json"]);
    assert_eq!(merged.code, 0, "{merged:?}");
    assert_eq!(records(&other.files.path("all.json")), records(&own));
    let same = other.run(&["tables", "diff", mine, "all.json", "--json"]).json();
    assert_eq!((&same["only_in_a"], &same["only_in_b"]), (&0.into(), &0.into()));
    let differences = same["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 4);
    assert!(differences.iter().all(|d| d["same_choice"] == true && d["a_us"] == d["b_us"]));

    // Of another device, of other kernels, of nobody.
    let text = fs::read_to_string(mine).unwrap();
    fs::write(other.files.path("alien.json"), text.replace("\"cores\":", "\"cores\":1")).unwrap();
    other
        .run(&["tables", "merge", mine, "alien.json", "--out", "x.json"])
        .refused(&["tables of one device can be merged"]);
    let versions: Value = serde_json::from_str(&text).unwrap();
    let kernels = format!("\"kernels\":{}", versions["versions"]["kernels"]);
    assert!(text.contains(&kernels));
    fs::write(other.files.path("old.json"), text.replace(&kernels, "\"kernels\":999")).unwrap();
    other.run(&["tables", "import", "old.json"]).refused(&["kernels 999", "spiral tune"]);
    fs::write(other.files.path("seed.json"), "[]").unwrap();
    other.run(&["tables", "import", "seed.json"]).refused(&["names no device"]);
    // In the folder it is told of and not used.
    fs::write(other.table(), text.replace(&kernels, "\"kernels\":999")).unwrap();
    let list = other.run(&["tables", "list"]);
    assert!(list.stdout.contains("not used") && list.stdout.contains("kernels 999"), "{list:?}");
    let plan = other.run(&["plan", "topk", "--rows", "64", "--cols", "256", "-k", "8", "--json"]);
    assert!(plan.json()["notes"].to_string().contains("kernels 999"), "{plan:?}");
    let again = other.tune("12s");
    assert!(again["put_aside"].as_str().unwrap().contains("kernels 999"));
    assert_eq!(again["measured"], 4);
}

#[test]
fn a_table_of_another_driver_does_not_displace_one() {
    let home = Home::new();
    home.tune("12s");
    let table = home.table();
    let text = fs::read_to_string(&table).unwrap();
    fs::remove_file(&table).unwrap();
    // Of a device that is not here, so that nobody knows which driver is right.
    let of = |file: &str, driver: u32| {
        let mut table: Value = serde_json::from_str(&text).unwrap();
        table["device"]["lane"] = 8.into();
        table["device"]["driver"] = driver.into();
        table["versions"]["driver"] = format!("version {driver}").into();
        fs::write(home.files.path(file), table.to_string()).unwrap();
    };
    of("new.json", 7);
    of("old.json", 5);
    assert!(home.run(&["tables", "import", "new.json"]).stdout.contains("new records"));
    let kept = fs::read_to_string(home.table()).unwrap();
    home.run(&["tables", "import", "old.json"]).refused(&[
        "version 7",
        "version 5",
        "remove that file",
    ]);
    assert_eq!(fs::read_to_string(home.table()).unwrap(), kept);
    assert!(home.run(&["tables", "import", "new.json"]).stdout.starts_with("0 new records"));
    fs::remove_file(home.table()).unwrap();
    assert!(home.run(&["tables", "import", "old.json"]).stdout.contains("new records"));
}

#[test]
fn a_near_devices_table_is_used_and_marked() {
    let home = Home::new();
    home.tune("12s");
    let own = home.table();
    let mut table: Value = serde_json::from_str(&fs::read_to_string(&own).unwrap()).unwrap();
    fs::remove_file(&own).unwrap();
    let explained = || {
        home.run(&["explain", "topk", "--rows", "64", "--cols", "256", "-k", "8", "--json"]).json()
    };
    // What is planned without a table, and what is expected to be almost as fast.
    let without = explained();
    assert_eq!(without["table"], Value::Null, "{without}");
    let second = &without["candidates"][1]["choice"];
    assert_ne!(*second, without["choice"]);
    // By a table of a device with other cores the second is better.
    let records = table["records"].as_array_mut().unwrap();
    let mut record = records.iter().find(|r| r["rows"] == 64).unwrap().clone();
    record["choice"] = second.clone();
    *records = vec![record];
    table["device"]["cores"] = 1000.into();
    fs::write(own.with_file_name("cpu-near.json"), table.to_string()).unwrap();
    let why = explained();
    let said = &why["table"];
    assert_eq!((&said["origin"], &said["outcome"]), (&"near".into(), &"adopted".into()), "{why}");
    assert_eq!(why["choice"], *second);
    assert_eq!(why["sources"]["wg"], "table", "{why}");
    // Beside one of one's own it says nothing.
    home.tune("12s");
    assert_eq!(explained()["table"]["origin"], "own");
}

#[test]
fn a_report_and_a_bench_are_whole() {
    let home = Home::new();
    let args = ["tune", "--device", "cpu", "--grid", "grid.json", "--report", "r.html", "-q"];
    assert_eq!(home.run(&args).code, 0);
    let page = fs::read_to_string(home.files.path("r.html")).unwrap();
    assert!(page.contains("midk f32, 9 rows") && page.ends_with("</html>\n"));
    let args = ["bench", "--device", "cpu", "--grid", "grid.json", "--json", "--out", "b.json"];
    let bench = home.run(&args).json();
    assert_eq!(bench["cells"].as_array().unwrap().len(), 4);
    assert!(bench["cells"][0]["median_us"].as_f64().unwrap() > 0.0);
    assert_eq!(bench["tables"].as_array().unwrap().len(), 1);
    assert_eq!(bench["device"]["backend"], "cpu");
    let written: Value =
        serde_json::from_str(&fs::read_to_string(home.files.path("b.json")).unwrap()).unwrap();
    assert_eq!(written, bench);
}

#[test]
fn a_table_that_is_not_there_is_not_named() {
    let home = Home::new();
    let args = ["tune", "--device", "cpu", "--grid", "grid.json", "-q", "--budget"];
    let none = home.run(&[&args[..], &["0"]].concat());
    assert!(
        none.code == 0 && none.stdout.ends_with("no table: nothing was measured\n"),
        "{none:?}"
    );
    assert!(home.tables().is_empty());
    home.tune("1s");
    let table = format!("table {}\n", home.table().display());
    let known = home.run(&[&args[..], &["0"]].concat());
    assert!(known.stdout.ends_with(&table), "{known:?}");
}

#[test]
fn warnings_are_no_progress() {
    let home = Home::new();
    home.tune("1s");
    fs::write(home.table(), "{").unwrap();
    fs::write(home.files.path("large.json"), TOO_LARGE).unwrap();
    let args = ["--device", "cpu", "--grid", "large.json", "--budget", "1s", "-q"];
    let quiet = home.run(&[&["tune"], &args[..]].concat());
    let lines: Vec<&str> = quiet.stderr.lines().collect();
    assert_eq!((quiet.code, lines.len()), (2, 3), "{quiet:?}");
    assert!(lines[0].contains("an earlier table is put aside") && lines[0].contains("not JSON"));
    assert!(lines[1].contains("topk 100000000x100000000 k=1 f32: cannot be measured here"));
    let silent = home.run(&["tune", "--grid", "grid.json", "--budget", "1s", "-q"]);
    assert_eq!((silent.code, silent.stderr.as_str()), (0, ""), "{silent:?}");
}

/// A shape that is too large for any memory, and one that is not.
const TOO_LARGE: &str = "[[100000000, 100000000, 1], [64, 256, 8]]";

#[test]
fn shapes_that_memory_does_not_hold_are_refused_and_the_others_are_measured() {
    let home = Home::new();
    fs::write(home.files.path("large.json"), TOO_LARGE).unwrap();
    let parts = ["topk 100000000x100000000 k=1 f32", "no memory for inputs", "tune smaller shapes"];
    let args = ["--device", "cpu", "--grid", "large.json", "--json"];
    let tuned = home.run(&[&["tune", "--budget", "2s"], &args[..]].concat());
    assert_eq!(tuned.code, 2, "{tuned:?}");
    assert!(tuned.stderr.ends_with("1 shapes could not be measured: each says why\n"), "{tuned:?}");
    let found: Value = serde_json::from_str(&tuned.stdout).unwrap();
    assert_eq!((&found["measured"], &found["refused"]), (&1.into(), &1.into()), "{found}");
    let fault = found["faults"][0].as_str().unwrap();
    assert!(parts.iter().all(|p| fault.contains(p) && tuned.stderr.contains(p)), "{tuned:?}");
    let bench = home.run(&[&["bench"], &args[..]].concat());
    assert_eq!(bench.code, 2, "{bench:?}");
    let found: Value = serde_json::from_str(&bench.stdout).unwrap();
    let fault = found["cells"][0]["fault"].as_str().unwrap();
    assert!(parts[1..].iter().all(|p| fault.contains(p)), "{fault}");
    assert!(found["cells"][1]["median_us"].as_f64().unwrap() > 0.0);
}

/// Rows of which memory holds the elements or not so much: a limit that a process sets itself.
#[cfg(target_os = "linux")]
#[test]
fn what_a_limit_of_memory_does_not_let_through_is_refused() {
    let home = Home::new();
    // Inputs that do not fit; results that do not, beside an input that does; and what checks them.
    let grid = r#"[[1, 4000000000, 4000000000], {"kind": "topk", "rows": 1, "cols": 300000000,
        "k": 300000000, "dtype": "i8"}, {"kind": "topk", "rows": 1, "cols": 300000000, "k": 1, "dtype": "i8"}]"#;
    fs::write(home.files.path("large.json"), grid).unwrap();
    for command in ["tune --budget 1s", "bench"] {
        let line = format!(
            "ulimit -v 4000000; exec {} {command} --device cpu --grid large.json --json",
            env!("CARGO_BIN_EXE_spiral")
        );
        let shell = home.command(&[]);
        let mut limited = Command::new("sh");
        limited.args(["-c", &line]).current_dir(shell.get_current_dir().unwrap());
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        let done = ran(&mut limited);
        assert_eq!(done.code, 2, "{done:?}");
        assert_eq!(done.stdout.matches("no memory for inputs").count(), 3, "{done:?}");
    }
}

#[test]
fn bad_calls_are_refused_with_advice() {
    let home = Home::new();
    fs::write(home.files.path("bad.json"), "[[1, 2, 3]]").unwrap();
    home.run(&["tune", "--grid", "bad.json"]).refused(&["bad.json", "k = 3", "a grid is"]);
    home.run(&["tune", "--grid", "gone.json"]).refused(&["cannot read gone.json"]);
    home.run(&["bench", "--grid", "bad.json"]).refused(&["k = 3"]);
    home.run(&["tables", "diff", "bad.json", "grid.json"])
        .refused(&["bad.json", "record 0 left out"]);
    home.tune("12s");
    let nowhere = home.run(&["tables", "export", "/nonexist/x.json", "--device", "cpu"]);
    nowhere.refused(&["cannot write /nonexist/x.json", "name a file in a directory"]);
    assert!(!nowhere.stderr.contains("--out"), "{nowhere:?}");
    let record = r#"[{"rows": 1, "cols_min": 1, "cols_max": 9, "k_max": 3, "mk": 2}]"#;
    fs::write(home.files.path("cpu-a.json"), record).unwrap();
    fs::write(home.files.path("wgpu-b.json"), record).unwrap();
    home.run(&["tables", "diff", "cpu-a.json", "wgpu-b.json"]).refused(&[
        "cpu-a.json is of cpu",
        "wgpu-b.json of wgpu",
        "tables of one backend",
    ]);
    let budget = home.run(&["tune", "--budget", "5 days"]);
    assert!(budget.code == 2 && budget.stderr.contains("use ms, s, m or h"), "{budget:?}");
    let nowhere = ran(home
        .command(&["tune", "--grid", "grid.json", "--budget", "1s", "-q"])
        .env("SPIRAL_HOME", "/proc/nowhere"));
    nowhere.refused(&["/proc/nowhere", "SPIRAL_HOME"]);
}
