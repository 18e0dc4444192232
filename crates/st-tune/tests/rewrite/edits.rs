//! What is written to the rules file, and taken back from it.

use std::fs;

use st_rank::{Choice, DeviceCaps, Problem};
use st_tune::rewrite::{Bucket, Done, Error, Settled, State, clock, document, launch, undo};

use crate::sim::{CAPS, Home, PROBLEM, candidates, config, knowledge, news, pairs, tell};

fn planned(home: &Home, problem: &Problem) -> Choice {
    let rules = home.rules().unwrap_or_default();
    launch(&st_plan::plan(problem, &CAPS, &knowledge(rules.as_bytes())).choice, CAPS.backend)
}

/// Lets a challenger of the shape win in the home.
fn win(home: &Home, problem: &Problem, which: usize, faster: f64) -> (Choice, Settled) {
    let rules = home.rules().unwrap_or_default();
    let (own, others) = candidates(problem, rules.as_bytes());
    let settled = tell(home, &[news(problem, own, others[which], pairs(400, faster))]);
    (others[which], settled.expect("settled"))
}

fn refused(settled: &Settled) -> &str {
    match &settled.done[..] {
        [Done::Refused { why, .. }] => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn weaker_and_equal_rules_give_way() {
    let home = Home::new();
    let mut last = planned(&home, &PROBLEM);
    for round in 0..3 {
        let (winner, settled) = win(&home, &PROBLEM, 1, 1.2);
        assert_ne!(winner, last);
        assert!(
            matches!(&settled.done[..], [Done::Wrote { rule: Some(_), superseded, .. }]
            if *superseded == usize::from(round > 0)),
            "{:?}",
            settled.done
        );
        assert_eq!(planned(&home, &PROBLEM), winner);
        let rules = home.rules().expect("rules");
        assert_eq!(rules.lines().count(), 2, "one rule: {rules}");
        last = winner;
    }
    let other = Problem { rows: 1, ..PROBLEM };
    let (winner, _) = win(&home, &other, 0, 1.2);
    assert_eq!((planned(&home, &other), planned(&home, &PROBLEM)), (winner, last));
    assert_eq!(home.rules().expect("rules").lines().count(), 4, "one for each bucket");
}

/// The same evidence told again, as by another process, writes nothing.
#[test]
fn what_was_decided_is_not_decided_again() {
    let home = Home::new();
    let (own, others) = candidates(&PROBLEM, b"");
    let told = [news(&PROBLEM, own, others[0], pairs(400, 1.2))];
    let _ = tell(&home, &told).expect("settled");
    let rules = home.rules();
    assert_eq!(tell(&home, &told).expect("settled").done, []);
    assert_eq!(home.rules(), rules);
}

#[test]
fn a_users_rules_are_never_edited() {
    // A hard rule decides, whatever is faster.
    let hard = "mk: 0;\n";
    let home = Home::new();
    home.put_rules(hard);
    let (own, others) = candidates(&PROBLEM, b"");
    let settled = tell(&home, &[news(&PROBLEM, own, others[0], pairs(400, 1.2))]).expect("settled");
    assert!(refused(&settled).contains("the planner chooses"), "{:?}", settled.done);
    assert_eq!(home.rules().as_deref(), Some(hard));
    // A rule that Self-Rewrite wrote, and the user has changed since.
    let home = Home::new();
    let _ = win(&home, &PROBLEM, 0, 1.2);
    let mine = home.rules().expect("rules").replace("soft(mk", "  soft(mk");
    home.put_rules(&mine);
    let (winner, settled) = win(&home, &PROBLEM, 0, 1.3);
    assert!(matches!(settled.done[..], [Done::Wrote { superseded: 0, .. }]), "{:?}", settled.done);
    let rules = home.rules().expect("rules");
    assert!(rules.starts_with(&mine) && rules.len() > mine.len(), "{rules}");
    assert_eq!(planned(&home, &PROBLEM), winner);
}

#[test]
fn a_rule_that_does_not_do_what_it_is_meant_to_is_not_written() {
    let home = Home::new();
    let (own, others) = candidates(&PROBLEM, b"");
    // Kernels that no candidate has.
    let none = Choice { kl: 31, wg: 96, ..others[0] };
    let settled = tell(&home, &[news(&PROBLEM, own, none, pairs(400, 1.2))]).expect("settled");
    assert!(refused(&settled).contains("no candidate"), "{:?}", settled.done);
    // Soft rules are off.
    let off = |rules: &[u8]| {
        let mut known = knowledge(rules);
        known.set_soft(false);
        known
    };
    let told = [news(&PROBLEM, own, others[0], pairs(400, 1.2))];
    let device = st_plan::identity(&CAPS);
    let settled = st_tune::rewrite::settle(&home.files, &device, &told, &config(0), &off);
    assert!(refused(&settled.expect("settled")).contains("soft rules are off"));
    assert_eq!(home.rules(), None);
    let document =
        st_tune::rewrite::settle::load(&home.files, &device, &config(0)).expect("evidence");
    assert!(document.comparisons.iter().all(|c| matches!(c.state, State::Dropped { .. })));
}

#[test]
fn undo_restores_every_byte() {
    for before in [
        None,
        Some(""),
        Some("mk: 2"),
        Some("\u{feff}# mine\r\nsoft(tile, 512, 0.01); # why\r\n\r\n# the end"),
        Some("soft(tile, 512, 0.01) # no semicolon"),
    ] {
        let home = Home::new();
        if let Some(text) = before {
            home.put_rules(text);
        }
        // `mk: 2` leaves candidates of that kernel.
        let (_, settled) = win(&home, &PROBLEM, 0, 1.2);
        assert!(matches!(settled.done[..], [Done::Wrote { .. }]), "{before:?}: {:?}", settled.done);
        let one = home.rules();
        let other = Problem { rows: 1, ..PROBLEM };
        let (_, settled) = win(&home, &other, 0, 1.2);
        assert!(matches!(settled.done[..], [Done::Wrote { .. }]), "{before:?}: {:?}", settled.done);
        assert_ne!(home.rules(), one);
        let change = undo(&home.files, &config(0)).expect("undone");
        assert_eq!((home.rules(), change.before), (one.clone(), one));
        let _ = undo(&home.files, &config(0)).expect("undone");
        assert_eq!(home.rules().as_deref(), before, "every byte");
        let none = undo(&home.files, &config(0)).expect_err("nothing is left");
        assert!(matches!(none, Error::NothingToUndo { .. }), "{none}");
        // The evidence does not write again what the user did not want.
        assert_eq!(tell(&home, &[]).expect("settled").done, []);
        assert_eq!(home.rules().as_deref(), before);
    }
}

#[test]
fn what_somebody_has_changed_is_not_undone() {
    let home = Home::new();
    let _ = win(&home, &PROBLEM, 0, 1.2);
    let mine = format!("{}# mine\n", home.rules().expect("rules"));
    home.put_rules(&mine);
    let refused = undo(&home.files, &config(0)).expect_err("it was changed");
    assert!(refused.to_string().contains("by hand"), "{refused}");
    assert_eq!(home.rules().as_deref(), Some(&*mine));
}

/// A process that ends between telling the journal and changing the rules leaves nothing to undo.
#[test]
fn a_change_that_was_never_made_is_passed_over() {
    let home = Home::new();
    home.put_rules("soft(tile, 512, 0.01);\n");
    let _ = win(&home, &PROBLEM, 0, 1.2);
    let made = home.rules().expect("rules");
    let _ = win(&home, &Problem { rows: 1, ..PROBLEM }, 0, 1.2);
    home.put_rules(&made);
    let change = undo(&home.files, &config(0)).expect("undone");
    assert_eq!(change.after, made);
    assert_eq!(home.rules().as_deref(), Some("soft(tile, 512, 0.01);\n"));
}

#[test]
fn undoing_a_withdrawal_lets_the_rule_stand() {
    let home = Home::new();
    let (winner, _) = win(&home, &PROBLEM, 0, 1.2);
    let (own, _) = candidates(&PROBLEM, b"");
    let rules = home.rules();
    let mut turned = news(&PROBLEM, own, winner, st_tune::Evidence::default());
    turned.watch = pairs(100, 0.8);
    let settled = tell(&home, &[turned]).expect("settled");
    assert!(matches!(settled.done[..], [Done::Withdrew { .. }]), "{:?}", settled.done);
    assert_eq!(home.rules().as_deref(), Some(""));
    let _ = undo(&home.files, &config(0)).expect("undone");
    assert_eq!(home.rules(), rules);
    let settled = tell(&home, &[]).expect("settled");
    assert!(settled.done.is_empty() && settled.document.comparisons[0].is_won());
}

/// What was timed with one driver says nothing of another; the rules of then stand, are watched, and can be withdrawn.
#[test]
fn another_driver_begins_anew_and_watches_the_rules_of_the_old_one() {
    let home = Home::new();
    let (winner, _) = win(&home, &PROBLEM, 0, 1.2);
    let (own, others) = candidates(&PROBLEM, b"");
    let under_way = news(&Problem { rows: 1, ..PROBLEM }, own, others[0], pairs(15, 1.2));
    let _ = tell(&home, &[under_way]).expect("settled");
    let newer = DeviceCaps { driver: 7, ..CAPS };
    let device = st_plan::identity(&newer);
    assert_ne!(device, st_plan::identity(&CAPS));
    let document = st_tune::rewrite::settle::load(&home.files, &device, &config(0)).expect("read");
    assert_eq!(document.comparisons.len(), 1, "what was under way is not taken over");
    assert!(document.comparisons[0].is_won() && document.device == device);
    let mut turned = news(&PROBLEM, own, winner, st_tune::Evidence::default());
    turned.caps = newer;
    turned.key.bucket = Bucket::of(&PROBLEM, &newer).expect("a bucket");
    turned.watch = pairs(100, 0.8);
    let settled = st_tune::rewrite::settle(&home.files, &device, &[turned], &config(0), &knowledge);
    let done = settled.expect("settled").done;
    let [Done::Withdrew { rule: Some(rule), watch, .. }] = &done[..] else { panic!("{done:?}") };
    assert!(rule.starts_with("soft(mk, ") && watch.trials() == 100, "{rule}");
    assert_eq!(home.rules().as_deref(), Some(""));
    // Of other kernels than this build's nothing is judged.
    let old = home.files.evidence(&format!("{}-kernels1", CAPS.fingerprint()));
    fs::copy(home.files.evidence(&device), old).expect("copied");
    let all = st_tune::rewrite::settle::devices(&home.files).expect("devices");
    assert_eq!(all.len(), 2, "{all:?}");
}

/// Validators: what is of another version, too old, or makes no sense is not used.
#[test]
fn evidence_that_does_not_count_is_left_out() {
    let home = Home::new();
    let (own, others) = candidates(&PROBLEM, b"");
    let _ = tell(&home, &[news(&PROBLEM, own, others[0], pairs(15, 1.2))]).expect("settled");
    let path = home.files.evidence(&st_plan::identity(&CAPS));
    let text = fs::read_to_string(&path).expect("evidence");
    let read = |text: &str, day: u32| {
        document::Document::read(text.as_bytes(), &st_plan::identity(&CAPS), day, &config(0))
    };
    let today = clock::today();
    let (good, none) = read(&text, today).expect("read");
    assert_eq!((good.comparisons.len(), none.len()), (1, 0));
    let version = format!("\"version\":\"{}\"", document::VERSION);
    let other = text.replace(&version, "\"version\":\"0.0.1\"");
    for (text, day, why) in
        [(&*text, today + 91, "older than 90 days"), (&*other, today, "another version")]
    {
        let (left, reasons) = read(text, day).expect("read");
        assert_eq!(left.comparisons.len(), 0);
        assert_eq!(left.begun, 1, "it was begun all the same");
        assert!(reasons[0].contains(why), "{reasons:?}");
    }
    for (from, to) in [
        ("\"trials\":15", "\"trials\":14"),
        ("\"schema\":1", "\"schema\":2"),
        ("{", "["),
        ("nosg", "x"),
        ("-sg-", "-x-"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert!(changed == text || read(&changed, today).is_err(), "{changed}");
    }
}
