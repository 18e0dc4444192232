//! Hints that machines share, with a real Redis server, and with servers that misbehave.

mod common;
#[path = "../../st-kv/tests/common/mod.rs"]
mod servers;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use common::{Files, Ran, command, f32s, npy, ran, spiral};
use serde_json::{Value, json};
use servers::{Server, answering, free_port, hanging, misbehaving};

const CAPS: &str = "cpu,lane=16,cores=8";
const OTHER: &str = "cpu,lane=16,cores=9";
const SHAPE: [&str; 7] = ["topk", "--rows", "1024", "--cols", "5000", "-k", "100"];

/// `spiral plan|explain .. --json` for a device, with a store or without.
fn planned(command_name: &str, caps: &str, url: Option<&str>) -> Ran {
    let mut command = command();
    if let Some(url) = url {
        command.env("REDIS_URL", url);
    }
    ran(command.arg(command_name).args(SHAPE).args(["--caps", caps, "--json"]))
}

fn hints(url: &str, more: &[&str]) -> Ran {
    ran(command().env("REDIS_URL", url).arg("hints").args(more))
}

/// The caps as tables have them, and a choice that would not be planned there.
fn unusual() -> (Value, Value) {
    let free = planned("plan", CAPS, None).json();
    let mut command = command();
    let args = ["--caps", CAPS, "--json"];
    let held = ran(command.env("SPIRAL_HEUR_K", "mk: 1").arg("plan").args(SHAPE).args(args)).json();
    assert_ne!(free["choice"]["mk"], held["choice"]["mk"]);
    (free["caps"].clone(), held["choice"].clone())
}

/// A table by which the unusual choice is very fast.
fn table(files: &Files, name: &str, us: f64) -> PathBuf {
    let (device, choice) = unusual();
    let record = json!({
        "rows": 1024, "cols_min": 4096, "cols_max": 8191, "k_max": 128, "cols": 5000, "k": 100,
        "kind": "topk", "dtype": "f32", "choice": choice,
        "median_us": us, "spread": 0.02, "samples": 15});
    let untimed =
        json!({"rows": 8, "cols_min": 1, "cols_max": 9, "k_max": 4, "mk": 1, "tile": 512});
    let table = json!({"schema": 1, "device": device, "records": [record, untimed]});
    files.put(name, table.to_string().as_bytes())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn fingerprint(caps: &str, url: &str) -> String {
    let listed = hints(url, &["--caps", caps, "--json"]).json();
    listed["fingerprint"].as_str().expect("a name").to_owned()
}

#[test]
fn what_cannot_be_shared_is_told_also_without_progress() {
    let files = Files::new();
    files.put("grid.json", b"[[4, 64, 2]]");
    let mut command = command();
    let url = format!("redis://127.0.0.1:{}/", free_port());
    command.env("REDIS_URL", url).env("SPIRAL_HOME", files.0.path()).current_dir(files.0.path());
    let args = ["tune", "--device", "cpu", "--grid", "grid.json", "--budget", "1s", "-q", "--json"];
    let tuned = ran(command.args(args));
    let part = "what was measured is not all shared: ";
    let advice = "; `spiral hints push --tables` shares it";
    assert!(tuned.stderr.contains(part) && tuned.stderr.contains(advice), "{tuned:?}");
    let faults = &tuned.json()["faults"];
    assert!(faults[0].as_str().is_some_and(|fault| fault.starts_with(part)), "{faults}");
}

/// `spiral tune` for three small shapes, in a home of its own: what it says, and the time from its last word about a shape
/// to its end. `heard` gets each line about a shape.
fn tuned(files: &Files, url: Option<&str>, heard: &mut dyn FnMut(&str)) -> (Ran, Duration) {
    let _ = std::fs::remove_dir_all(files.path("tuned"));
    files.put("grid.json", b"[[4, 64, 2], [8, 128, 4], [16, 256, 8]]");
    let mut command = command();
    if let Some(url) = url {
        command.env("REDIS_URL", url);
    }
    command.env("SPIRAL_HOME", files.path("tuned")).current_dir(files.0.path());
    command.args(["tune", "--device", "cpu", "--grid", "grid.json", "--budget", "2s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spiral");
    let (mut stderr, mut last) = (String::new(), Instant::now());
    for line in BufReader::new(child.stderr.take().expect("piped")).lines() {
        let line = line.expect("UTF-8");
        if line.contains("/3 topk ") {
            last = Instant::now();
            heard(&line);
        } else {
            stderr.extend([&line, "\n"]);
        }
    }
    let out = child.wait_with_output().expect("it ends");
    let took = last.elapsed();
    let stdout = String::from_utf8(out.stdout).expect("UTF-8");
    (Ran { code: out.status.code().expect("ended by itself"), stdout, stderr }, took)
}

#[test]
fn tuning_does_not_wait_to_share() {
    let (files, url) = (Files::new(), hanging());
    let end = |url| tuned(&files, url, &mut |_| {}).1;
    waits_once("tune", || end(None), || end(Some(&url)));
    let (ran, _) = tuned(&files, Some(&url), &mut |_| {});
    assert_eq!(ran.stderr.lines().count(), 1, "one warning: {ran:?}");
    let why = "not all shared: no answer within 50 ms from REDIS_URL's place; `spiral hints push";
    assert!(ran.stderr.contains(why), "{ran:?}");
    let found = ran.json();
    assert_eq!((&found["measured"], found["faults"].as_array().unwrap().len()), (&json!(3), 1));
}

/// What tells one measurement from another.
fn what(record: &Value) -> String {
    let fields = ["kind", "dtype", "sg", "rows", "cols", "k", "cols_min", "cols_max", "k_max"];
    let fields: Vec<String> = fields.iter().map(|field| record[field].to_string()).collect();
    format!("{} {}", fields.join(" "), record["choice"])
}

fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("a table");
    let mut table: Value = serde_json::from_str(&text).expect("JSON");
    serde_json::from_value(table["records"].take()).expect("records")
}

#[test]
fn all_that_was_tuned_is_shared() {
    let (files, server) = (Files::new(), Server::start());
    let url = server.url();
    // It need not wait until all is there; if a machine does much else, it may be late.
    let told = (0..5).find_map(|_| {
        let (ran, _) = tuned(&files, Some(&url), &mut |_| {});
        assert_eq!(ran.code, 0, "{ran:?}");
        (ran.stderr == "spiral: what was measured is shared with other machines\n").then_some(ran)
    });
    let told = told.expect("in time, once").json();
    let out = files.path("pulled.json");
    assert_eq!(hints(&url, &["pull", "--device", "cpu", "--out", path(&out)]).code, 0);
    let shared = records(&out);
    let table = told["table"].as_str().expect("a file");
    let own: Vec<Value> =
        records(Path::new(table)).into_iter().filter(|r| r["median_us"].is_number()).collect();
    assert!(own.len() >= 3);
    for record in own {
        let there = shared.iter().find(|there| what(there) == what(&record));
        let there = there.unwrap_or_else(|| panic!("{record} is not shared"));
        let samples = |record: &Value| record["samples"].as_u64().expect("a number");
        assert!(samples(there) >= samples(&record).min(1023), "{there}: {record}");
    }
}

#[test]
fn a_shape_is_shared_while_the_next_is_measured() {
    let files = Files::new();
    let folder = files.path("shared");
    let mut there = Vec::new();
    let _ = tuned(&files, Some(&format!("file://{}", path(&folder))), &mut |line| {
        if line.contains(": best of ") {
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut names = files.map(|file| file.file_name().into_string().expect("UTF-8"));
            there.push(names.any(|name| name.ends_with(".json")));
        }
    });
    assert_eq!(there.last(), Some(&true), "{there:?}");
}

#[test]
fn hints_flow_between_equal_fingerprints_only() {
    let (files, server) = (Files::new(), Server::start());
    flow(&files, &server.url());
    // The same through a folder.
    let folder = format!("file://{}", path(&files.path("shared")));
    flow(&Files::new(), &folder);
}

fn flow(files: &Files, url: &str) {
    let before = planned("plan", CAPS, Some(url));
    assert_eq!((&before.stdout, &*before.stderr), (&planned("plan", CAPS, None).stdout, ""));

    let file = table(files, "measured.json", 1.5);
    let pushed = hints(url, &["push", path(&file), "--json"]).json();
    assert_eq!(pushed["pushed"][0]["published"], 1, "{pushed}");
    assert_eq!(pushed["pushed"][0]["without_time"], 1, "{pushed}");

    let why = planned("explain", CAPS, Some(url));
    assert_eq!(why.stderr, "");
    let why = why.json();
    assert_eq!(why["table"]["origin"], "shared", "{why}");
    assert_eq!(why["table"]["table"], "shared hints");
    assert_eq!(why["choice"], unusual().1, "{why}");
    assert_eq!(why["notes"], json!([]));
    // Another device neither sees it nor changes its plan.
    let other = planned("explain", OTHER, Some(url));
    assert_eq!((&other.stdout, &*other.stderr), (&planned("explain", OTHER, None).stdout, ""));
    let listed = hints(url, &["--caps", OTHER, "--json"]).json();
    assert_eq!(listed["times"], json!([]));

    // Published again it counts once; from another machine it is merged by samples.
    hints(url, &["push", path(&file)]);
    let listed = hints(url, &["--caps", CAPS, "--json"]).json();
    let time = &listed["times"][0];
    assert_eq!(listed["times"].as_array().unwrap().len(), 1);
    assert!((time["weight"].as_f64().unwrap() - 15.0).abs() < 0.1, "{listed}");
    hints(url, &["push", path(&table(files, "another.json", 6.0))]);
    let listed = hints(url, &["--caps", CAPS, "--json"]).json();
    let time = &listed["times"][0];
    assert!((time["weight"].as_f64().unwrap() - 30.0).abs() < 0.1, "{listed}");
    assert!((time["median_us"].as_f64().unwrap() - 3.0).abs() < 0.01, "{listed}");
    let people = hints(url, &["--caps", CAPS]).stdout;
    assert!(people.contains("1 measured choices") && people.contains("3.0"), "{people}");

    // As a table it is what any table is.
    let out = files.path("pulled.json");
    let pulled = hints(url, &["pull", "--caps", CAPS, "--out", path(&out)]);
    assert!(pulled.stdout.contains("1 records"), "{pulled:?}");
    let text = std::fs::read_to_string(&out).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["records"][0]["samples"], 30);
    assert_eq!(document["records"][0]["choice"], unusual().1);
    let home = files.path("home/tables");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::copy(&out, home.join("t.json")).unwrap();
    let mut command = command();
    command.env("SPIRAL_HOME", files.path("home")).arg("explain").args(SHAPE);
    let file_alone = ran(command.args(["--caps", CAPS, "--json"])).json();
    assert_eq!(file_alone["table"]["origin"], "shared");
    assert_eq!(file_alone["choice"], unusual().1);

    let doctor = ran(common::command().env("REDIS_URL", url).args(["doctor", "--json"])).json();
    assert_eq!(doctor["hints"], "0 measured choices, 0 soft rules, 0 entries left out", "another");

    let cleared = hints(url, &["clear", "--caps", CAPS]);
    assert!(cleared.stdout.starts_with("1 hints"), "{cleared:?}");
    assert_eq!(planned("plan", CAPS, Some(url)).stdout, planned("plan", CAPS, None).stdout);
    // All tables of the home, but for what came from others.
    hints(url, &["push", path(&out)]).refused(&["came from others"]);
    std::fs::copy(&file, home.join("own.json")).unwrap();
    std::fs::write(home.join("broken.json"), "nonsense").unwrap();
    let mut command = common::command();
    command.env("SPIRAL_HOME", files.path("home")).env("REDIS_URL", url);
    let pushed = ran(command.args(["hints", "push", "--tables", "--json"]));
    assert!(pushed.stderr.contains("broken.json"), "{pushed:?}");
    let pushed = pushed.json();
    assert_eq!(pushed["pushed"].as_array().unwrap().len(), 1, "{pushed}");
    assert_eq!(pushed["pushed"][0]["published"], 1, "{pushed}");
    hints(url, &["clear", "--caps", CAPS]);
}

#[test]
fn shared_rules_are_weighed_before_the_users() {
    let server = Server::start();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let hash = format!("spiral:hints:1:{}", fingerprint(CAPS, &server.url()));
    let put = |line: &str, samples: u32, at: u64| {
        let field = format!("rule/{line}");
        let value = json!({"v": 1, "samples": samples, "median": 1.3, "wins": 1.0, "at": at});
        let value = value.to_string();
        let _ = server.run(&[b"HSET", hash.as_bytes(), field.as_bytes(), value.as_bytes()]);
    };
    let month = 30 * 24 * 3600;
    put("soft(mk, 4, 0.9);", 40, now);
    put("soft(mk, 0, 0.9);", 30, now - month); // faded below what proves anything
    put("soft(mk, 3, 0.9);", 10, now); // too few
    put("mk: 1;", 40, now);
    put("soft(mk, 4, 0.9); mk: 1;", 40, now);
    put("soft(nonsense, 1, 0.9);", 40, now);
    put("penalty_if(mk == 2, 0.9);", 40, now);
    let listed = hints(&server.url(), &["--caps", CAPS, "--json"]).json();
    let rules = listed["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 7);
    assert_eq!(
        (&rules[0]["line"], &rules[0]["unheard"]),
        (&json!("soft(mk, 4, 0.9);"), &Value::Null)
    );
    for rule in &rules[1..] {
        assert!(rule["unheard"].is_string(), "{rule}");
    }
    let people = hints(&server.url(), &["--caps", CAPS]).stdout;
    assert!(people.contains("does not count"), "{people}");

    let url = server.url();
    let why = planned("explain", CAPS, Some(&url)).json();
    let soft = why["soft"].as_array().unwrap();
    assert_eq!(soft.len(), 1, "{why}");
    assert_eq!(soft[0]["place"], json!({"source": "shared hints", "line": 1}));
    assert_eq!((&why["choice"]["mk"], &why["sources"]["mk"]), (&json!(4), &json!("soft")), "{why}");
    assert_eq!(planned("explain", OTHER, Some(&url)).json()["soft"], json!([]));
    let with = |name: &str, value: &str| {
        let mut command = command();
        command.env("REDIS_URL", &url).env(name, value).arg("explain").args(SHAPE);
        ran(command.args(["--caps", CAPS, "--json"])).json()
    };
    let free = planned("plan", CAPS, None).json();
    assert_eq!(with("SPIRAL_HEUR_SOFT", "0")["choice"], free["choice"]);
    let own = with("SPIRAL_HEUR_K", "soft(mk, 4, -2)");
    assert_eq!(own["choice"]["mk"], free["choice"]["mk"], "{own}");
    assert_eq!(own["soft"][1]["place"]["source"], "SPIRAL_HEUR_K", "after the shared ones");
}

/// How long it took.
fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    drop(run());
    start.elapsed()
}

/// Beyond the 50 ms: threads, connections, a machine that does other things. Waiting twice would take longer.
const MARGIN: Duration = Duration::from_millis(40);

/// A store makes a command wait 50 ms at most: the least times of runs by turns, of more runs where the machine is
/// too busy to tell.
fn waits_once(what: &str, without: impl Fn() -> Duration, with: impl Fn() -> Duration) {
    let (mut usual, mut took) = (Duration::MAX, Duration::MAX);
    for round in 1..=20 {
        (usual, took) = (usual.min(without()), took.min(with()));
        if round >= 3 && took <= usual + Duration::from_millis(50) + MARGIN {
            return;
        }
    }
    panic!("{what}: {took:?}, without {usual:?}");
}

/// With a store that is no use: the same plan, one warning, and no more time than allowed.
fn unchanged(what: &str, url: &str, part: &str) {
    let without = planned("plan", CAPS, None);
    let with = planned("plan", CAPS, Some(url));
    assert_eq!((with.code, &with.stdout), (0, &without.stdout), "{what}: {with:?}");
    assert_eq!(with.stderr.lines().count(), 1, "{what}: {with:?}");
    let begin = "spiral: warning: planned without shared hints: ";
    assert!(with.stderr.starts_with(begin) && with.stderr.contains(part), "{what}: {with:?}");
    let plan = |url| timed(|| planned("plan", CAPS, url));
    waits_once(what, || plan(None), || plan(Some(url)));
}

#[test]
fn a_store_that_is_no_use_changes_nothing() {
    unchanged("refused", &format!("redis://127.0.0.1:{}", free_port()), "cannot be reached");
    unchanged("hanging", &hanging(), "no answer within 50 ms");
    // No name resolution is cut short; this one may be quick or not.
    unchanged("no such host", "redis://no-such-host.invalid", "");
    unchanged("no place", "redis://user:topsecret@host/x", "redis://HOST:PORT");
    unchanged(
        "rubbish",
        &answering(&b"HTTP/1.1 200 OK\r\n\r\n"[..]),
        "no answer of a Redis server",
    );
    unchanged("an error", &answering(&b"-NOAUTH Authentication required.\r\n"[..]), "refused");
    unchanged("a huge length", &answering(&b"$999999999999\r\nx"[..]), "no answer within 50 ms");
    let closing = misbehaving(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b":1\r\n*1\r\n$5\r\nx");
    });
    unchanged("closing midway", &closing, "the connection ended");
    let endless = misbehaving(|mut stream| while stream.write_all(&[b'x'; 1 << 16]).is_ok() {});
    unchanged("without an end", &endless, "");
    let slow = misbehaving(|mut stream| {
        while stream.write_all(b"*").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    unchanged("a byte now and then", &slow, "no answer within 50 ms");
    let secret = planned("plan", CAPS, Some("redis://user:topsecret@host/x"));
    assert!(!secret.stderr.contains("topsecret"), "{secret:?}");
}

#[test]
fn doctor_does_not_wait_either() {
    let url = hanging();
    let doctor = |url: &str| ran(command().env("REDIS_URL", url).args(["doctor", "--json"]));
    let said = doctor(&url);
    assert_eq!(said.stderr, "");
    let late = "no answer within 50 ms from REDIS_URL's place: a command that plans waits no longer either, and does without them";
    assert_eq!(said.json()["hints"], late);
    waits_once("doctor", || timed(|| doctor("")), || timed(|| doctor(&url)));
}

#[test]
fn a_server_that_was_killed_changes_nothing() {
    let (files, mut server) = (Files::new(), Server::start());
    let url = server.url();
    hints(&url, &["push", path(&table(&files, "measured.json", 1.5))]);
    assert_eq!(planned("explain", CAPS, Some(&url)).json()["table"]["origin"], "shared");
    server.kill();
    unchanged("killed", &url, "cannot be reached");
}

#[test]
fn selections_do_not_wait_either() {
    let files = Files::new();
    let file = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&[1., 5., 3., 9., 2., 4.])));
    let args = |command: &mut std::process::Command| {
        ran(command.arg("topk").arg(&file).args(["-k", "2", "--json", "--explain"]))
    };
    let url = hanging();
    let with = args(command().env("REDIS_URL", &url));
    assert_eq!(with.code, 0, "{with:?}");
    assert_eq!(with.stderr.lines().count(), 1, "once: {with:?}");
    assert_eq!(with.json()["indices"], args(&mut command()).json()["indices"]);
    let topk = |url| timed(|| args(command().env("REDIS_URL", url)));
    waits_once("topk", || topk(""), || topk(&url));
}

#[test]
fn rubbish_among_hints_is_left_out() {
    let (files, server) = (Files::new(), Server::start());
    let url = server.url();
    hints(&url, &["push", path(&table(&files, "measured.json", 1.5))]);
    let good = planned("explain", CAPS, Some(&url));
    let name = fingerprint(CAPS, &url);
    let hash = format!("spiral:hints:1:{name}");
    let key = "time/topk/f32/any/r1024/c4096-8191/k128/@5000,100/mk=2";
    let huge = vec![b'x'; 100 << 20];
    for (field, value) in [
        (key, &b"not JSON"[..]),
        ("time/midk/f32/any/r1024/c4096-8191/k128/@5000,100/mk=2", br#"{"v":2,"new":"world"}"#),
        ("time/topk/f32/any/r8/c1-9/k4/@9,4/mk=2", br#"{"v":1,"samples":1,"median":-1,"at":1}"#),
        ("time/topk/f32/any/r8/c1-9/k4/@9,4/mk=1", b"\xff\xfe"),
        ("a key of the future", br#"{"v":1,"samples":1,"median":1,"at":1}"#),
        ("huge", &huge),
    ] {
        let _ = server.run(&[b"HSET", hash.as_bytes(), field.as_bytes(), value]);
    }
    // A version to come keeps to itself.
    let next = format!("spiral:hints:2:{name}");
    let _ = server.run(&[b"HSET", next.as_bytes(), b"x", b"y"]);
    let with = planned("explain", CAPS, Some(&url));
    assert_eq!((with.code, &with.stdout), (0, &good.stdout), "{with:?}");
    assert_eq!(with.stderr.lines().count(), 1, "{with:?}");
    assert!(with.stderr.contains("6 shared hints"), "{with:?}");
    let listed = hints(&url, &["--caps", CAPS, "--json"]).json();
    assert_eq!((&listed["left_out"], listed["times"].as_array().unwrap().len()), (&json!(6), 1));
    let plan = |url| timed(|| planned("plan", CAPS, url));
    waits_once("rubbish", || plan(None), || plan(Some(&url)));
}

#[test]
fn what_cannot_be_done_is_refused_with_advice() {
    let files = Files::new();
    spiral(["hints"]).refused(&["REDIS_URL", "redis://HOST:PORT"]);
    let absent = format!("redis://127.0.0.1:{}", free_port());
    let device = ["--caps", CAPS];
    hints(&absent, &device).refused(&["cannot be reached"]);
    hints(&absent, &["clear", "--caps", CAPS]).refused(&["cannot be reached"]);
    let file = table(&files, "measured.json", 1.5);
    hints(&absent, &["push", path(&file)]).refused(&["cannot be reached"]);
    let out = files.path("pulled.json");
    hints(&absent, &["pull", "--caps", CAPS, "--out", path(&out)]).refused(&["cannot be reached"]);
    assert!(!out.exists());
    hints("http://x", &device).refused(&["redis://HOST:PORT"]);
    let nameless =
        files.put("list.json", br#"[{"rows":8,"cols_min":1,"cols_max":9,"k_max":4,"mk":1}]"#);
    let folder = format!("file://{}", path(&files.path("shared")));
    hints(&folder, &["push", path(&nameless)]).refused(&["device"]);
    let rubbish = files.put("rubbish.json", b"nonsense");
    hints(&folder, &["push", path(&rubbish)]).refused(&["not JSON"]);
    hints(&folder, &["push", path(&files.path("missing"))]).refused(&["missing"]);
    assert_eq!(hints(&folder, &["push"]).code, 2);
    // It ends, though the server never answers.
    let start = Instant::now();
    hints(&hanging(), &device).refused(&["no answer within"]);
    assert!(start.elapsed() < Duration::from_secs(15));
}
