//! What rules do to plans.

use proptest::prelude::*;
use st_plan::table::{Partial, Record, Table};
use st_plan::{Knowledge, Prior, explain, plan};
use st_rank::{Backend, Choice, DeviceCaps, Field, MergeKind, Problem, RankKind, RankPlan, Source};

const CAPS: DeviceCaps = DeviceCaps::wgpu(32, true, 256).with_shared_mem(32 << 10);

fn problem() -> Problem {
    Problem::new(RankKind::TopK, 64, 131_072, 100)
}

fn knowledge(program: &str) -> Knowledge {
    let mut knowledge = Knowledge::default();
    knowledge.add_rules("test", program.as_bytes()).expect("it is a program");
    knowledge
}

fn made(program: &str) -> RankPlan {
    plan(&problem(), &CAPS, &knowledge(program))
}

#[test]
fn every_field_can_be_assigned() {
    for (program, field, value) in [
        ("mk: 0", Field::Mk, 0),
        ("mk: 1", Field::Mk, 1),
        ("mk: 2", Field::Mk, 2),
        ("mk: 3", Field::Mk, 3),
        ("mk: 4", Field::Mk, 4),
        ("mkd: 5", Field::Mkd, 5),
        ("tile: 96", Field::Tile, 96),
        ("ctile: 96", Field::Ctile, 96),
        ("use_2ce: false", Field::Use2ce, 0),
        ("use_2ce: true", Field::Use2ce, 1),
        ("wg: 96", Field::Wg, 96),
        ("kl: 17", Field::Kl, 17),
        ("ch: 0", Field::Ch, 0),
        ("ch: 9600", Field::Ch, 9600),
    ] {
        let plan = made(program);
        assert_eq!(plan.choice.get(field), value, "{program}: {plan}");
        assert_eq!(plan.sources.get(field), Source::Rule, "{program}: {plan}");
        assert_eq!(plan.notes, [""; 0], "{program}: {plan}");
    }
}

#[test]
fn zero_and_false_are_values() {
    // Where nothing is said neither is chosen, so that obeying shows.
    let long = Problem::new(RankKind::TopK, 1, 1 << 22, 100);
    let free = plan(&long, &CAPS, &Knowledge::default());
    assert!(free.choice.use_2ce && free.choice.ch > 0 && free.choice.mk != MergeKind::Bitonic);
    let held = plan(&long, &CAPS, &knowledge("mk: 0; use_2ce: false"));
    assert_eq!(
        (held.choice.mk, held.choice.use_2ce, held.choice.ch),
        (MergeKind::Bitonic, false, 0)
    );
}

#[test]
fn what_cannot_be_run_goes_to_the_nearest_that_can() {
    for (program, caps, field, value) in [
        ("mk: 2", CAPS.with_subgroup(32, false), Field::Mk, 1),
        ("mk: 2", CAPS.with_subgroup(32, false).with_shared_mem(512), Field::Mk, 0),
        ("mk: 1", CAPS.with_shared_mem(512), Field::Mk, 0),
        ("mk: 4", CAPS.with_shared_mem(512), Field::Mk, 0),
        ("mk: 9", CAPS, Field::Mk, 4),
        ("wg: 1000", CAPS, Field::Wg, 256),
        ("wg: 0 - 5", CAPS, Field::Wg, 32),
        ("wg: 100.5", CAPS, Field::Wg, 96),
        ("tile: 1e30", CAPS, Field::Tile, 65_536),
        ("tile: 1000", CAPS, Field::Tile, 992),
        ("mk: 2; kl: 1", CAPS, Field::Kl, 4),
        ("use_2ce: false; ch: 4096", CAPS, Field::Ch, 0),
        ("mk: 2; mkd: 1", CAPS, Field::Mkd, 4),
    ] {
        let plan = plan(&problem(), &caps, &knowledge(program));
        assert_eq!(plan.choice.get(field), value, "{program}: {plan}");
        assert_eq!(plan.sources.get(field), Source::Adjusted, "{program}: {plan}");
        let note = format!("test:1: {field}: ");
        assert!(plan.notes.iter().any(|n| n.starts_with(&note)), "{program}: {plan}");
        assert_eq!(st_kernels::check(&plan.choice, &problem(), &caps), Ok(()));
    }
    let many = Problem { k: 1000, ..problem() };
    let plan = plan(&many, &CAPS.with_shared_mem(12 << 10), &knowledge("mk: 4"));
    assert_eq!(plan.choice.mk, MergeKind::Radix, "a list of 1000 does not fit: {plan}");
}

#[test]
fn a_strong_soft_rule_forces_a_tile_wherever_it_is_feasible() {
    let rules = knowledge("soft(tile, 2048, 5.0)");
    for backend in [Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps, Backend::Cpu] {
        for (rows, cols, k) in [(1, 1, 1), (64, 131_072, 50), (1, 1 << 24, 100), (9, 5000, 4999)] {
            for kind in [RankKind::TopK, RankKind::BottomK, RankKind::MidK] {
                let caps = DeviceCaps { backend, ..CAPS };
                let problem = Problem::new(kind, rows, cols, k);
                let plan = plan(&problem, &caps, &rules);
                assert_eq!(plan.choice.tile, 2048, "{plan}");
                assert_eq!(st_kernels::check(&plan.choice, &problem, &caps), Ok(()));
            }
        }
    }
    // Whole lanes only: there the nearest is forced, with a note.
    let odd = DeviceCaps::wgpu(48, true, 480);
    let plan = plan(&problem(), &odd, &rules);
    assert_eq!(plan.choice.tile, 2064, "{plan}");
    assert!(plan.notes[0].contains("2064 is the nearest"), "{plan}");
}

#[test]
fn soft_rules_weigh_in_the_units_of_speed() {
    let free = explain(&problem(), &CAPS, &Knowledge::default(), 8);
    let (best, other) = (&free.candidates[0], free.candidates.last().unwrap());
    let behind = (other.expected_us / best.expected_us).ln();
    assert!((best.score - other.score - behind).abs() < 1e-9, "a score is a log speed ratio");
    let differs = Field::ALL
        .into_iter()
        .find(|&f| f != Field::Mkd && other.choice.get(f) != best.choice.get(f))
        .expect("they differ");
    let value = other.choice.get(differs);
    let rule = |weight: f64| made(&format!("soft({differs}, {value}, {weight})"));
    assert_eq!(rule(behind + 1e-6).choice.get(differs), value);
    assert_eq!(rule(behind + 1e-6).sources.get(differs), Source::Soft);
    let against = made(&format!("penalty({differs}, {}, {})", best.choice.get(differs), 100));
    assert_ne!(against.choice.get(differs), best.choice.get(differs));
}

#[test]
fn conditions_may_ask_about_the_candidate() {
    let plan = made("soft(tile, 512, 3.0, wg == 64); soft(wg, 64, 0.5)");
    assert_eq!((plan.choice.tile, plan.choice.wg), (512, 64), "{plan}");
    let plan = made("penalty_if(mk != 3, 50)");
    assert_eq!(plan.choice.mk, MergeKind::Radix, "{plan}");
    let plan = made("penalty_if(wg * kl > 300 || mk == 2, 50)");
    assert!(plan.choice.wg * plan.choice.kl <= 300 && plan.choice.mk != MergeKind::Warp, "{plan}");
}

#[test]
fn later_rules_win_and_void_ones_say_so() {
    let plan = made("mk: 3; mk: 4");
    assert_eq!((plan.choice.mk, plan.notes.len()), (MergeKind::Filter, 0));
    let plan = made("mk: 3; tile: 1/(k - 100)");
    assert_eq!((plan.choice.mk, plan.sources.tile), (MergeKind::Radix, Source::Unused));
    assert!(plan.notes[0].starts_with("test:1:"), "{plan}");
    let plan = made("soft(tile, 512, 1e300)");
    assert_eq!(plan.choice.tile, 512);
    assert!(plan.notes[0].contains("is taken as 1000"), "{plan}");
}

#[test]
fn conditions_without_a_value_and_searches_without_an_end_say_so() {
    let plan = made("penalty_if(1 / (wg - 64) > 0, 50)");
    assert_eq!(plan.notes.len(), 1, "once, whatever the number of candidates: {plan}");
    assert!(plan.notes[0].starts_with("test:1:14: division by zero"), "{plan}");
    assert_eq!(plan.choice.wg, 64, "of it the rule says nothing");
    let plan = made("penalty_if(1 / wg > 0, 50)");
    assert!(plan.notes.is_empty(), "{plan}");
    // Every rule speaks of other combinations of fields, of which no kernel uses all.
    let tangled: String = (1..9)
        .flat_map(|i| ["tile", "ctile", "kl", "ch", "wg"].map(|field| (i, field)))
        .map(|(i, field)| {
            let value = if field == "kl" { i } else { 64 * i };
            format!(
                "soft({field}, {value}, 0.{i}, (tile + 3 * ctile + 5 * kl + 7 * ch + 11 * wg) % 13 == {i});"
            )
        })
        .collect();
    let plan = made(&tangled);
    assert!(
        plan.notes.iter().any(|note| note.contains("the search ended early")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn programs_follow_each_other() {
    let mut knowledge = knowledge("tile: 1024; mk: 3");
    knowledge.add_rules("second", b"ctile: tile / 2; mk: 4").expect("tile was assigned before");
    let made = plan(&problem(), &CAPS, &knowledge);
    assert_eq!((made.choice.mk, made.choice.ctile), (MergeKind::Filter, 512), "{made}");
    assert!(Knowledge::default().add_rules("alone", b"ctile: tile / 2").is_err());
}

#[test]
fn a_broken_program_is_left_out_with_a_note() {
    let mut knowledge = Knowledge::default();
    let error = knowledge.add_rules("heur.kdsl", b"mk: 3;\ntiel: 4;\n").unwrap_err().to_string();
    assert!(error.starts_with("heur.kdsl:2:1: error:"), "{error}");
    assert!(error.contains("did you mean `tile`"), "{error}");
    let made = plan(&problem(), &CAPS, &knowledge);
    assert_eq!(made.notes.len(), 1);
    assert!(made.notes[0].contains("heur.kdsl:2:1"), "{made}");
    let mut without = plan(&problem(), &CAPS, &Knowledge::default());
    without.notes.clone_from(&made.notes);
    assert_eq!(made, without, "planned as if it were not there");
    assert!(
        knowledge.add_rules("bytes", b"mk: \xff").unwrap_err().to_string().contains("bytes:1:5")
    );
}

/// A record that covers the problem, for a choice the model would not make.
fn record(choice: Partial) -> Record {
    Record::new(64, 65_536, 262_143, 128).with_choice(choice)
}

fn with_record(record: Record, weight: f64, rules: &str) -> Knowledge {
    let mut knowledge = knowledge(rules);
    knowledge.add_table(Table::measured("own", CAPS, &[record]));
    knowledge.set_prior(Prior { default: weight, ..Prior::default() });
    knowledge
}

/// A feasible choice that the model thinks slow.
fn slow() -> (Choice, f64, f64) {
    let free = explain(&problem(), &CAPS, &Knowledge::default(), 400);
    let (best, worst) = (&free.candidates[0], free.candidates.last().unwrap());
    assert!(worst.expected_us > 2.0 * best.expected_us);
    (worst.choice, worst.expected_us, best.expected_us)
}

fn whole(c: Choice) -> Partial {
    Partial {
        mk: Some(c.mk),
        mkd: Some(c.mkd),
        tile: Some(c.tile),
        ctile: Some(c.ctile),
        use_2ce: Some(c.use_2ce),
        wg: Some(c.wg),
        kl: Some(c.kl),
        ch: Some(c.ch),
    }
}

#[test]
fn a_measured_record_wins_where_it_is_faster() {
    let (choice, _, best_us) = slow();
    let Problem { cols, k, .. } = problem();
    let timed = |us: f64| {
        let record = record(whole(choice)).with_time(us, cols as u32, k as u32);
        plan(&problem(), &CAPS, &with_record(record, 0.1, ""))
    };
    let fast = timed(best_us / 4.0);
    assert_eq!((fast.choice, fast.sources.mk), (choice, Source::Table), "{fast}");
    let us = fast.predicted_us.unwrap();
    assert!((us / (best_us / 4.0) - 1.0).abs() < 1e-6, "{us}");
    // Evidence is of times nearby: half the rows take about half as long.
    let half = Problem { rows: 32, ..problem() };
    let near = record(whole(choice)).with_time(best_us / 4.0, cols as u32, k as u32);
    let there = plan(&half, &CAPS, &with_record(near, 0.1, ""));
    assert_eq!(there.choice, choice, "{there}");
    assert!((0.3..1.01).contains(&(there.predicted_us.unwrap() / us)), "{there}");
    let few = Problem { rows: 8, ..problem() };
    assert_ne!(plan(&few, &CAPS, &with_record(near, 0.1, "")).choice, choice, "too far");
    assert_ne!(timed(best_us * 4.0).choice, choice);
}

#[test]
fn what_a_tuner_found_to_be_too_slow_is_not_planned_because_the_model_likes_it() {
    let (choice, _, best_us) = slow();
    let best = plan(&problem(), &CAPS, &Knowledge::default()).choice;
    let Problem { cols, k, .. } = problem();
    let timed = record(whole(choice)).with_time(best_us * 4.0, cols as u32, k as u32);
    let untimed = Record { median_us: None, ..timed.with_choice(whole(best)) };
    let with = |records: &[Record]| {
        let mut knowledge = Knowledge::default();
        knowledge.add_table(Table::measured("own", CAPS, records));
        plan(&problem(), &CAPS, &knowledge).choice
    };
    assert_eq!(with(&[timed]), best, "nothing is known of it");
    assert_ne!(with(&[timed, untimed]), best, "it was tried");
}

#[test]
fn what_nobody_measured_is_not_planned_where_the_model_was_wrong_about_what_it_likes_more() {
    let (choice, _, best_us) = slow();
    let best = plan(&problem(), &CAPS, &Knowledge::default()).choice;
    let Problem { cols, k, .. } = problem();
    let at = |choice, us| record(whole(choice)).with_time(us, cols as u32, k as u32);
    let mut knowledge = Knowledge::default();
    let records = [at(best, best_us * 5000.0), at(choice, best_us * 1000.0)];
    knowledge.add_table(Table::measured("own", CAPS, &records));
    assert_eq!(plan(&problem(), &CAPS, &knowledge).choice, choice);
}

#[test]
fn the_prior_decides_over_an_unmeasured_record() {
    let (choice, ..) = slow();
    let at = |weight| plan(&problem(), &CAPS, &with_record(record(whole(choice)), weight, ""));
    assert_eq!((at(10.0).choice, at(10.0).sources.mk), (choice, Source::Table));
    assert_ne!(at(-10.0).choice, choice);
    assert_ne!(at(0.0).choice, choice);
    let mut one = with_record(record(whole(choice)), -10.0, "");
    let mut prior = Prior { default: -10.0, ..Prior::default() };
    prior.set(Backend::Wgpu, 10.0);
    one.set_prior(prior);
    assert_eq!(plan(&problem(), &CAPS, &one).choice, choice, "the backend's own weight wins");
    prior.set(Backend::Cuda, 10.0);
    prior.of[Backend::Wgpu as usize] = None;
    one.set_prior(prior);
    assert_ne!(plan(&problem(), &CAPS, &one).choice, choice);
}

#[test]
fn hard_rules_win_over_the_table_and_soft_ones_count_for_it() {
    let sort = record(Partial { mk: Some(MergeKind::Bitonic), ..Partial::NONE });
    let plan_with =
        |rules: &str, weight| plan(&problem(), &CAPS, &with_record(sort, weight, rules));
    assert_eq!(plan_with("", 50.0).choice.mk, MergeKind::Bitonic);
    let held = plan_with("mk: 4", 50.0);
    assert_eq!((held.choice.mk, held.sources.mk), (MergeKind::Filter, Source::Rule));
    let why = explain(&problem(), &CAPS, &with_record(sort, 50.0, "mk: 4"), 3);
    assert!(why.table.unwrap().outcome.contains("a hard rule assigns another mk"));
    // The rule fixes the workgroup, the table the kernel.
    let joint = plan_with("wg: 64", 50.0);
    assert_eq!((joint.choice.mk, joint.choice.wg), (MergeKind::Bitonic, 64));
    assert_eq!((joint.sources.mk, joint.sources.wg), (Source::Table, Source::Rule));
    assert_ne!(plan_with("soft(mk, 4, 100)", 50.0).choice.mk, MergeKind::Bitonic);
}

#[test]
fn a_record_that_cannot_be_run_is_a_miss_with_a_reason() {
    let warp = record(Partial { mk: Some(MergeKind::Warp), ..Partial::NONE });
    let mut knowledge = Knowledge::default();
    knowledge.add_table(Table::shipped("t", Backend::Wgpu, &[warp]));
    knowledge.set_prior(Prior { default: 100.0, ..Prior::default() });
    let caps = CAPS.with_subgroup(32, false);
    let why = explain(&problem(), &caps, &knowledge, 3);
    assert_ne!(why.plan.choice.mk, MergeKind::Warp);
    assert!(why.table.unwrap().outcome.contains("cannot run it"));
}

#[test]
fn explanations_show_votes_with_their_lines() {
    let rules = knowledge("# why\nsoft(mk, 3, 9.0);\npenalty(tile, 512, 0.5);\nwg: 64");
    let why = explain(&problem(), &CAPS, &rules, 5);
    assert_eq!(why.candidates.len(), 5);
    assert_eq!(why.candidates[0].choice.mk, MergeKind::Radix);
    let vote = &why.candidates[0].votes[0];
    assert_eq!((vote.place.to_string().as_str(), vote.weight), ("test:2", 9.0));
    assert_eq!((why.hard[0].field, why.hard[0].value, why.hard[0].place.line), ("wg", 64, 4));
    assert_eq!((why.soft.len(), why.soft[1].weight), (2, -0.5));
    assert!(why.why.contains("soft rules +9.000"), "{}", why.why);
    let scores: Vec<f64> = why.candidates.iter().map(|c| c.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(serde_json::to_string(&why).unwrap().contains("\"choice\""));
}

/// Programs put together of statements that say anything at all.
fn any_program() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("0".to_owned()),
        (0u32..6).prop_map(|x| x.to_string()),
        (0u32..70_000).prop_map(|x| x.to_string()),
        Just("k".to_owned()),
        Just("c/r".to_owned()),
        Just("1e300".to_owned()),
        Just("-7.5".to_owned()),
    ];
    let field = prop::sample::select(vec!["mk", "mkd", "tile", "ctile", "wg", "kl", "ch"]);
    let statement =
        (0..6, field, number, -20i32..20).prop_map(|(what, field, number, weight)| match what {
            0 => format!("{field}: {number};"),
            1 => format!("use_2ce: {};", weight > 0),
            2 => format!("penalty({field}, {number}, {weight}, {field} > kl);"),
            3 => format!("penalty_if({field} * 2 > {number}, {weight});"),
            4 => format!("soft(use_2ce, {}, {weight}, mk == 2 || wg > 64);", weight > 0),
            _ => format!("soft({field}, {number}, {weight});"),
        });
    prop::collection::vec(statement, 0..12).prop_map(|s| s.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_the_rules_say_the_device_can_run_it(
        program in any_program(),
        lane in 1u32..=64,
        groups in 1u32..=16,
        subgroups in any::<bool>(),
        shared in 0u32..64 << 10,
        backend in prop::sample::select(vec![Backend::Wgpu, Backend::Cuda, Backend::Cpu]),
        (rows, cols, k) in (0usize..3000, 0usize..200_000, 0usize..3000),
    ) {
        let caps = DeviceCaps::wgpu(lane, subgroups, lane * groups).with_shared_mem(shared);
        let caps = DeviceCaps { backend, ..caps };
        let problem = Problem::new(RankKind::TopK, rows, cols, k);
        let knowledge = knowledge(&program);
        let made = plan(&problem, &caps, &knowledge);
        prop_assert_eq!(st_kernels::check(&made.choice, &problem, &caps), Ok(()), "{}", made);
        prop_assert_eq!(&made, &plan(&problem, &caps, &knowledge));
        for field in Field::ALL {
            if made.sources.get(field) == Source::Adjusted {
                let says = format!(" {field}: ");
                prop_assert!(made.notes.iter().any(|n| n.contains(&says)), "{}", made);
            }
        }
    }
}

#[test]
fn shared_rules_are_soft_for_one_device_and_come_first() {
    let shared = |text: &str| {
        let mut knowledge = Knowledge::default();
        knowledge.add_shared_rules("shared hints", &CAPS.with_bandwidth(7), text).expect("rules");
        knowledge
    };
    let free = plan(&problem(), &CAPS, &Knowledge::default());
    let strong = "soft(tile, 4096, 0.9);\nsoft(tile, 512, 0.1)";
    let knowledge = shared(strong);
    let made = plan(&problem(), &CAPS, &knowledge);
    assert_ne!(made.choice.tile, free.choice.tile, "{made}");
    assert_eq!((made.choice.tile, made.sources.get(Field::Tile)), (4096, Source::Soft), "{made}");
    let why = explain(&problem(), &CAPS, &knowledge, 1);
    let places: Vec<String> = why.soft.iter().map(|rule| rule.place.to_string()).collect();
    assert_eq!(places, ["shared hints:1", "shared hints:2"]);

    // Not for another device, not without soft rules, and never as an order.
    let other = CAPS.with_shared_mem(48 << 10);
    assert_eq!(
        plan(&problem(), &other, &knowledge),
        plan(&problem(), &other, &Knowledge::default())
    );
    let mut off = knowledge.clone();
    off.set_soft(false);
    assert_eq!(plan(&problem(), &CAPS, &off), free);
    assert_eq!(plan(&problem(), &CAPS, &shared("tile: 96; mk: 0")), free);
    let bounded = plan(&problem(), &CAPS, &shared("soft(mk, 0, 999)"));
    assert!(bounded.notes[0].contains("is taken as 1"), "{bounded}");

    // A user's own rules have the last word.
    let mut both = knowledge.clone();
    both.add_rules("own", b"soft(tile, 4096, -2); tile: 512").unwrap();
    assert_eq!(plan(&problem(), &CAPS, &both).choice.tile, 512);
    assert!(shared("").add_shared_rules("shared hints", &CAPS, "soft(tile").is_err());
}

#[test]
fn shared_times_count_after_own_ones() {
    let choice = plan(&problem(), &CAPS, &knowledge("mk: 0")).choice;
    let whole = Partial {
        mk: Some(choice.mk),
        mkd: Some(choice.mkd),
        tile: Some(choice.tile),
        ctile: Some(choice.ctile),
        use_2ce: Some(choice.use_2ce),
        wg: Some(choice.wg),
        kl: Some(choice.kl),
        ch: Some(choice.ch),
    };
    let record =
        |us| Record::new(64, 131_072, 131_072, 100).with_choice(whole).with_time(us, 131_072, 100);
    let mut knowledge = Knowledge::default();
    knowledge.add_table(Table::shared("shared hints", CAPS.with_bandwidth(7), &[record(0.001)]));
    let heard = plan(&problem(), &CAPS, &knowledge);
    assert_eq!(heard.choice, choice, "{heard}");
    let word = explain(&problem(), &CAPS, &knowledge, 1).table.expect("a record answers");
    assert_eq!((word.table.as_str(), word.origin), ("shared hints", "shared"));
    let other = CAPS.with_shared_mem(48 << 10);
    assert_eq!(
        plan(&problem(), &other, &knowledge),
        plan(&problem(), &other, &Knowledge::default())
    );
    // What was measured here says that it is slow.
    knowledge.add_table(Table::measured("own", CAPS, &[record(1e6)]));
    assert_ne!(plan(&problem(), &CAPS, &knowledge).choice.mk, choice.mk);
    assert_eq!(explain(&problem(), &CAPS, &knowledge, 1).table.expect("a record").origin, "own");
}
