//! What only the CPU backend refuses; the rest is in the suite's `refusals`.

mod common;

use st_backend_cpu::{CpuExecutor, Isa};
use st_conformance::{Backend, choices, rng::Rng};
use st_rank::{
    Choice, CompactExecutor, CompactPlan, CompactProblem, Error, ExecuteInto, MergeDetail,
    MergeKind, Problem, RankKExecutor, RankKind, RankOutput, RankPlan,
};

const X: [f32; 256] = [1.0; 256];

fn base() -> Choice {
    Choice {
        mk: MergeKind::Filter,
        mkd: MergeDetail::Auto,
        tile: 64,
        ctile: 64,
        use_2ce: false,
        wg: 1,
        kl: 1,
        ch: 0,
    }
}

/// The field that is refused, and its value.
fn refused(exec: &CpuExecutor, problem: Problem, choice: Choice) -> (&'static str, u64) {
    let plan = RankPlan::by_hand(problem, exec.caps(), choice);
    let mut out = RankOutput { values: vec![7.0], indices: vec![9] };
    let into = exec.on(&X).execute_into(&plan, &mut out);
    assert_eq!((out.values, out.indices), (vec![7.0], vec![9]), "a refusal writes nothing");
    let error = exec.on(&X).execute(&plan).expect_err("it is infeasible");
    assert_eq!(into, Err(error.clone()));
    let message = error.to_string();
    match error {
        Error::Infeasible { field, value, allowed, .. } => {
            assert!(message.contains(field) && message.contains(allowed), "{message}");
            (field, value)
        }
        other => panic!("{choice}: {other:?}"),
    }
}

#[test]
fn choices_that_cannot_be_obeyed_are_refused_by_field() {
    let problem = Problem::new(RankKind::TopK, 2, 128, 100);
    let b = base();
    let warp = Choice { mk: MergeKind::Warp, kl: 1, ..b };
    let two = Choice { use_2ce: true, ..b };
    let cases = [
        (Choice { mkd: MergeDetail::WarpHeap, ..b }, ("mkd", 4)),
        (Choice { mk: MergeKind::Shared, mkd: MergeDetail::Kway, ..b }, ("mkd", 2)),
        (Choice { wg: 0, ..b }, ("wg", 0)),
        (Choice { wg: u32::MAX, ..b }, ("wg", u64::from(u32::MAX))),
        (Choice { ch: 64, ..b }, ("ch", 64)),
        (Choice { ch: 65, ..two }, ("ch", 65)),
        (Choice { tile: 0, ..b }, ("tile", 0)),
        (Choice { tile: 65, ..b }, ("tile", 65)),
        (Choice { tile: (1 << 16) + 64, ..b }, ("tile", (1 << 16) + 64)),
        (Choice { ctile: 0, ..b }, ("ctile", 0)),
        (Choice { ctile: 1, ..b }, ("ctile", 1)),
        (Choice { kl: 0, ..b }, ("kl", 0)),
        (Choice { kl: 4097, ..b }, ("kl", 4097)),
        (warp, ("kl", 1)),
    ];
    for executor in common::cpu().executors() {
        for (choice, want) in cases {
            assert_eq!(refused(&executor.exec, problem, choice), want, "{choice}");
        }
    }
}

#[test]
fn compactions_that_cannot_be_obeyed_are_refused_by_field() {
    let b = base();
    let cases = [
        (Choice { wg: 0, ..b }, ("wg", 0)),
        (Choice { wg: u32::MAX, ..b }, ("wg", u64::from(u32::MAX))),
        (Choice { ctile: 0, ..b }, ("ctile", 0)),
        (Choice { ctile: 65, ..b }, ("ctile", 65)),
    ];
    for executor in common::cpu().executors() {
        let exec = &executor.exec;
        for (choice, want) in cases {
            let problem = CompactProblem::new(2, 128);
            let plan = CompactPlan { problem, caps: exec.caps(), choice };
            let error = exec.on(&X).compact(&plan, 0.0, 2.0).expect_err("it is infeasible");
            let Error::InfeasibleCompaction { field, value, .. } = error else {
                panic!("{choice}: {error:?}");
            };
            assert_eq!((field, value), want, "{choice}");
        }
    }
}

#[test]
fn what_was_refused_can_be_asked_again_and_run() {
    let problem = Problem::new(RankKind::BottomK, 2, 128, 3);
    for executor in common::cpu().executors() {
        let exec = &executor.exec;
        refused(exec, problem, Choice { kl: 0, ..base() });
        let mut rng = Rng::new(2);
        for mk in MergeKind::ALL {
            let choice = choices::cpu(*mk, &problem, exec.caps().lane, &mut rng);
            if common::cpu().check(exec, &choice, &problem).is_ok() {
                let plan = RankPlan::by_hand(problem, exec.caps(), choice);
                let out = exec.on(&X).execute(&plan).expect("it is feasible");
                assert_eq!(out.indices, [0, 1, 2, 0, 1, 2], "{choice}");
            }
        }
    }
}

#[test]
fn an_unknown_instruction_set_is_refused_with_what_there_is() {
    let error = Isa::from_name("avx1024").expect_err("there is none");
    let message = error.to_string();
    assert!(matches!(error, Error::Isa { .. }), "{error:?}");
    assert!(message.contains("avx1024") && message.contains("portable"), "{message}");
}

#[test]
fn an_instruction_set_of_another_processor_is_refused() {
    let available = Isa::available();
    let mut refused = 0;
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon] {
        match CpuExecutor::new(isa, Some(1)) {
            Ok(exec) => {
                assert!(available.contains(&isa), "{}", isa.name());
                assert_eq!(exec.isa(), isa);
            }
            Err(error) => {
                assert!(!available.contains(&isa), "{}", isa.name());
                assert!(matches!(error, Error::Isa { .. }), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no processor has all of them");
}

#[test]
fn executors_report_what_they_were_made_with() {
    for executor in common::cpu().executors() {
        let caps = executor.exec.caps();
        assert_eq!(caps.backend, st_rank::Backend::Cpu);
        assert!(caps.lane >= 4 && caps.lane.is_power_of_two(), "{caps}");
        assert!(executor.name.contains(&caps.max_workgroup.to_string()), "{caps}");
    }
}
