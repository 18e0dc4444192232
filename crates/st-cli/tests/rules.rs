//! Rules, tables and weights from the environment, `spiral explain`, `spiral rules`, and what
//! happens to broken ones.

mod common;

use std::fs;
use std::path::Path;

use common::{Files, Ran, command, ran};
use serde_json::Value;

/// What stands between the quotes in the founding document, line breaks and comments included.
const FOUNDING: &str = include_str!("../../st-kdsl/tests/seed.kdsl");

const CAPS: [&str; 2] = ["--caps", "wgpu,lane=32,subgroup=true,wg=256,smem=32768"];
const SHAPE: [&str; 7] = ["topk", "--rows", "1024", "--cols", "5000", "-k", "100"];

fn asked(what: &str, vars: &[(&str, &str)], more: &[&str]) -> Ran {
    let mut command = command();
    command.arg(what).args(SHAPE).args(CAPS).args(more);
    command.envs(vars.iter().copied());
    ran(&mut command)
}

fn plan(vars: &[(&str, &str)]) -> Value {
    asked("plan", vars, &["--json"]).json()
}

fn mk(plan: &Value) -> u64 {
    plan["choice"]["mk"].as_u64().expect("a code")
}

#[test]
fn the_founding_documents_export_works_as_it_stands() {
    let got = plan(&[("SPIRAL_HEUR_SOFT", "1"), ("SPIRAL_HEUR_K", FOUNDING)]);
    let choice = &got["choice"];
    assert_eq!((mk(&got), &choice["mkd"], &choice["tile"]), (2, &4.into(), &512.into()), "{got}");
    assert_eq!(choice["ctile"], 512);
    for field in ["mk", "mkd", "tile", "ctile"] {
        assert_eq!(got["sources"][field], "rule", "{got}");
    }
    assert_eq!(got["notes"], serde_json::json!([]));
}

#[test]
fn each_variable_changes_a_plan() {
    let free = plan(&[]);
    let files = Files::new();
    let rules = files.put("rules.kdsl", b"mk: 0\n");
    let rules = rules.to_str().expect("UTF-8");
    fs::create_dir_all(files.path("home/tables")).expect("a directory");
    let home = files.path("home").to_str().expect("UTF-8").to_owned();
    // The shipped table has a record of a warp kernel with tile 512 here.
    assert_eq!(mk(&free), 2, "{free}");
    assert_eq!(free["sources"]["mk"], "table", "{free}");
    assert_eq!(mk(&plan(&[("SPIRAL_HEUR_K", "mk: 0")])), 0);
    assert_eq!(mk(&plan(&[("SPIRAL_HEUR_FILE", rules)])), 0);
    assert_eq!(mk(&plan(&[("SPIRAL_HEUR_K", "soft(mk, 0, 100)")])), 0);
    let soft_off = [("SPIRAL_HEUR_K", "soft(mk, 0, 100)"), ("SPIRAL_HEUR_SOFT", "0")];
    assert_eq!(plan(&soft_off), free);
    fs::write(files.path("home/heur.kdsl"), "use_2ce: true").expect("a file");
    assert_eq!(plan(&[("SPIRAL_HOME", &home)])["choice"]["use_2ce"], true);
    let table = r#"[{"rows": 1024, "cols_min": 4096, "cols_max": 8191, "k_max": 100, "sg": true, "mk": 0}]"#;
    fs::write(files.path("home/tables/wgpu-any.json"), table).expect("a file");
    let home = ("SPIRAL_HOME", home.as_str());
    assert_eq!(mk(&plan(&[home])), 2);
    assert_eq!(mk(&plan(&[home, ("SPIRAL_HEUR_GEN_WEIGHT", "10")])), 0);
    assert_eq!(mk(&plan(&[home, ("SPIRAL_HEUR_GEN_WEIGHT_WGPU", "10")])), 0);
    assert_eq!(mk(&plan(&[home, ("SPIRAL_HEUR_GEN_WEIGHT_CUDA", "10")])), 2);
    let both = [("SPIRAL_HEUR_GEN_WEIGHT", "10"), ("SPIRAL_HEUR_GEN_WEIGHT_WGPU", "-10")];
    assert_eq!(mk(&plan(&[home, both[0], both[1]])), 2);
}

#[test]
fn plans_are_the_same_in_every_process() {
    let vars = [("SPIRAL_HEUR_K", FOUNDING)];
    let once = asked("plan", &vars, &["--json"]).stdout;
    for _ in 0..5 {
        assert_eq!(asked("plan", &vars, &["--json"]).stdout, once);
    }
}

#[test]
fn a_broken_program_is_told_and_left_out() {
    let broken = [("SPIRAL_HEUR_K", "mk: 0;\n  tiel: 3;\n")];
    let got = asked("plan", &broken, &["--json"]);
    let document = got.json();
    assert_eq!(document["choice"], plan(&[])["choice"]);
    let notes = document["notes"].as_array().expect("a list");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].as_str().expect("text").contains("SPIRAL_HEUR_K:2:3"), "{document}");
    assert_eq!(got.stderr.matches("SPIRAL_HEUR_K:2:3").count(), 1, "one warning: {got:?}");
    assert!(got.stderr.contains("did you mean `tile`"), "{got:?}");

    let mut doctor = command();
    let doctor = ran(doctor.args(["doctor", "--json"]).envs(broken));
    assert_eq!(doctor.code, 2, "{doctor:?}");
    assert!(doctor.stderr.contains("SPIRAL_HEUR_K:2:3"), "{doctor:?}");
    let report: Value = serde_json::from_str(&doctor.stdout).expect("a report all the same");
    assert!(report["faults"][0].as_str().expect("text").contains("tiel"));

    // One that was named and is not there is left out, too.
    let doctor = ran(command().arg("doctor").env("SPIRAL_HEUR_FILE", "/is/not/there"));
    assert_eq!(doctor.code, 2, "{doctor:?}");
    assert!(doctor.stderr.contains("/is/not/there"), "{doctor:?}");
}

#[test]
fn selections_go_on_without_a_broken_program() {
    let mut select = command();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/digits.npy");
    select.args(["topk", "-k", "3", "--json"]).arg(data).env("SPIRAL_HEUR_K", "mk: (");
    let got = ran(&mut select);
    assert!(got.json()["indices"].is_array());
    assert!(got.stderr.contains("SPIRAL_HEUR_K:1:"), "{got:?}");
}

fn rules(args: &[&str], file: &Path) -> Ran {
    ran(command().arg("rules").args(args).arg(file))
}

#[test]
fn rules_check_names_file_line_and_column() {
    let files = Files::new();
    let good = files.put("good.kdsl", FOUNDING.as_bytes());
    let got = rules(&["check"], &good);
    assert_eq!(got.code, 0, "{got:?}");
    assert!(got.stdout.contains("8 statements"), "{got:?}");
    for (text, place, advice) in [
        (&b"mk: 0;\n tiel: 2;\n"[..], ":2:2:", "did you mean `tile`"),
        (b"mk: true;", ":1:5:", "number"),
        (b"mk: (1;", ":1:", "help"),
        (b"# \xff", ":1:3", "UTF-8"),
    ] {
        let bad = files.put("bad.kdsl", text);
        let got = rules(&["check"], &bad);
        assert_eq!((got.code, got.stdout.as_str()), (2, ""), "{got:?}");
        let place = format!("bad.kdsl{place}");
        assert!(got.stderr.contains(&place) && got.stderr.contains(advice), "{got:?}");
    }
    let got = rules(&["check"], Path::new("/nowhere/at.all"));
    assert_eq!(got.code, 2);
    assert!(got.stderr.contains("/nowhere/at.all"));
}

#[test]
fn rules_fmt_keeps_comments_and_settles() {
    let files = Files::new();
    let text = "# why\nmk:0 ;tile : sel( k>5,512 ,256)# small\n;;soft(mk,2,.25)";
    let file = files.put("r.kdsl", text.replace(".25", "0.25").as_bytes());
    let check = rules(&["fmt", "--check"], &file);
    assert_eq!(check.code, 2);
    assert!(check.stderr.contains("spiral rules fmt"), "{check:?}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text.replace(".25", "0.25"));
    assert_eq!(rules(&["fmt"], &file).code, 0);
    let formatted = fs::read_to_string(&file).expect("it is there");
    assert!(formatted.contains("# why\nmk: 0;\n"), "{formatted}");
    assert!(formatted.contains("# small"), "{formatted}");
    assert_eq!(rules(&["fmt", "--check"], &file).code, 0);
    assert_eq!(rules(&["fmt"], &file).code, 0);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), formatted);
    let broken = files.put("b.kdsl", b"mk: (");
    assert_eq!(rules(&["fmt"], &broken).code, 2);
    assert_eq!(fs::read(&broken).expect("it is there"), b"mk: (", "left as it was");
}

#[test]
fn explanations_have_candidates_votes_and_lines() {
    let vars = [("SPIRAL_HEUR_K", FOUNDING)];
    let got = asked("explain", &vars, &["--json", "--top", "3"]).json();
    assert_eq!(got["candidates"].as_array().expect("a list").len(), 3, "{got}");
    let best = &got["candidates"][0];
    assert!(best["expected_us"].as_f64().expect("a number") > 0.0);
    // The vote for the warp kernel stands in line 14.
    assert_eq!(best["votes"][0]["place"]["line"], 14, "{got}");
    assert_eq!(best["votes"][0]["weight"], 0.25);
    assert_eq!(got["hard"].as_array().expect("a list").len(), 4);
    assert_eq!(got["hard"][0]["place"]["source"], "SPIRAL_HEUR_K");
    assert!(got["table"]["outcome"].is_string());
    assert!(got["why"].as_str().expect("text").contains("hard rules fix mk, mkd, tile, ctile"));
    let text = asked("explain", &vars, &[]);
    for part in ["SPIRAL_HEUR_K:14 +0.250", "expected us", "rule", "shipped for wgpu", "candidates"]
    {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    assert_eq!(asked("explain", &[], &["--top", "0"]).code, 2);
}

#[test]
fn doctor_lists_rules_and_tables() {
    let files = Files::new();
    fs::create_dir_all(files.path("tables")).expect("a directory");
    files.put("heur.kdsl", b"soft(tile, 512, 0.1);");
    files.put(
        "tables/cpu-x.json",
        br#"[{"rows": 1, "cols_min": 1, "cols_max": 9, "k_max": 3, "mk": 2}, 7]"#,
    );
    let mut doctor = command();
    doctor.args(["doctor", "--json"]).env("SPIRAL_HOME", files.path(""));
    let report = ran(&mut doctor).json();
    assert!(report["rules"]["loaded"][0].as_str().expect("text").ends_with("heur.kdsl"));
    let tables = report["tables"].as_array().expect("a list");
    assert_eq!(
        (tables.len(), &tables[0]["records"], &tables[0]["skipped"]),
        (2, &1.into(), &1.into())
    );
    assert_eq!((&tables[0]["here"], &tables[1]["here"]), (&"any device".into(), &Value::Null));
    let explain = ["explain", "topk", "--rows", "1", "--cols", "8", "-k", "2", "--device", "cpu"];
    let explained = ran(command().env("SPIRAL_HOME", files.path("")).args(explain));
    assert!(explained.stdout.contains("cpu-x.json (any device)"), "{explained:?}");
}

#[test]
fn doctor_says_that_a_file_of_rules_is_not_wanted() {
    let mut doctor = command();
    let said = ran(doctor.arg("doctor").env("SPIRAL_HEUR_FILE", ""));
    assert!(said.stdout.contains("(file: none: SPIRAL_HEUR_FILE is set to nothing)"), "{said:?}");
}

/// Of many bad records a plan has one warning, and the doctor all that is known.
#[test]
fn records_that_are_left_out_are_counted() {
    let files = Files::new();
    fs::create_dir_all(files.path("tables")).expect("a directory");
    let bad = r#"{"rows": 0, "cols_min": 1, "cols_max": 9, "k_max": 3, "mk": 2}"#;
    files.put("tables/cpu-x.json", format!("[{}]", vec![bad; 55].join(",")).as_bytes());
    let there = |args: &[&str]| ran(command().env("SPIRAL_HOME", files.path("")).args(args));
    let plan =
        there(&["plan", "topk", "--rows", "8", "--cols", "64", "-k", "4", "--device", "cpu"]);
    assert_eq!((plan.code, plan.stderr.lines().count()), (0, 1), "{plan:?}");
    let list = there(&["tables", "list"]);
    for part in ["55 records", "record 2 left out: rows", "and 52 more"] {
        assert!(plan.stderr.contains(part), "`{part}`: {plan:?}");
        assert!(list.stdout.contains(part), "`{part}`: {list:?}");
    }
    let doctor = there(&["doctor"]);
    for part in ["0 records, ", ", 55 left out", ": record 19 left out: ", ": 35 more left out"] {
        assert!(doctor.stdout.contains(part), "`{part}`: {doctor:?}");
    }
    let report = there(&["doctor", "--json"]).json();
    assert_eq!(report["tables"][0]["skipped"], 55, "{report}");
    assert_eq!(report["faults"].as_array().map(Vec::len), Some(1), "{report}");
}
