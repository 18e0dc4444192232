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
