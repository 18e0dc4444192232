//! Plans are obeyed: every field that the chosen kernel uses changes what is launched, or is
//! refused; fields it does not use change nothing.

use st_backend_cpu::{CpuExecutor, Launch};
use st_rank::{
    Choice, CompactExecutor, CompactPlan, CompactProblem, Error, MergeDetail, MergeKind, Problem,
    RankKExecutor, RankKind, RankPlan,
};

const COLS: usize = 4096;

fn launch(choice: Choice) -> Result<Launch, Error> {
    let exec = CpuExecutor::default().with_launch_log();
    let x: Vec<f32> = (0..2 * COLS).map(|i| (i * 7919 % 1000) as f32).collect();
    let problem = Problem::new(RankKind::TopK, 2, COLS, 3);
    let out = exec.on(&x).execute(&RankPlan::by_hand(problem, exec.caps(), choice))?;
    assert_eq!(out.values, [999.0; 6], "{choice}");
    let launches = exec.launches();
    assert_eq!(launches.len(), 1, "one call, one launch");
    assert!(exec.launches().is_empty(), "taken");
    Ok(launches[0])
}

fn base(mk: MergeKind) -> Choice {
    Choice {
        mk,
        mkd: MergeDetail::Auto,
        tile: 512,
        ctile: 1024,
        use_2ce: false,
        wg: 1,
        kl: 4,
        ch: 0,
    }
}

#[test]
fn each_field_changes_the_launch_of_the_kernels_that_use_it_and_no_other() {
    for &mk in MergeKind::ALL {
        let base = base(mk);
        let plain = launch(base).unwrap();
        assert_eq!(plain.kernel, Some(mk));
        let changes = |choice| launch(choice).unwrap() != plain;
        assert!(changes(Choice { wg: 2, ..base }), "{mk} wg");
        assert!(changes(Choice { use_2ce: true, ..base }), "{mk} use_2ce");
        assert!(changes(Choice { use_2ce: true, ch: 1024, ..base }), "{mk} ch");
        assert_ne!(
            launch(Choice { use_2ce: true, ch: 1024, ..base }),
            launch(Choice { use_2ce: true, ch: 2048, ..base }),
            "{mk} ch"
        );
        assert_eq!(changes(Choice { tile: 256, ..base }), mk == MergeKind::Filter, "{mk} tile");
        assert_eq!(changes(Choice { ctile: 256, ..base }), mk == MergeKind::Radix, "{mk} ctile");
        let uses_kl = matches!(mk, MergeKind::Warp | MergeKind::Filter);
        assert_eq!(changes(Choice { kl: 8, ..base }), uses_kl, "{mk} kl");
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused() {
    let filter = base(MergeKind::Filter);
    let refused = |choice| match launch(choice) {
        Err(Error::Infeasible { field, .. }) => field,
        other => panic!("{choice}: {other:?}"),
    };
    assert_eq!(refused(Choice { ch: 1024, ..filter }), "ch", "a split needs two commands");
    assert_eq!(refused(Choice { use_2ce: true, ch: 100, ..filter }), "ch");
    assert_eq!(refused(Choice { wg: 0, ..filter }), "wg");
    assert_eq!(refused(Choice { wg: 5000, ..filter }), "wg");
    assert_eq!(refused(Choice { tile: 0, ..filter }), "tile");
    assert_eq!(refused(Choice { tile: 100, ..filter }), "tile");
    assert_eq!(refused(Choice { ctile: 1 << 20, ..filter }), "ctile");
    assert_eq!(refused(Choice { kl: 0, ..filter }), "kl");
    assert_eq!(refused(Choice { kl: 5000, ..filter }), "kl");
    assert_eq!(refused(Choice { mkd: MergeDetail::Kway, ..filter }), "mkd");
    let exec = CpuExecutor::default();
    let x = vec![0.0f32; COLS];
    let problem = Problem::new(RankKind::TopK, 1, COLS, COLS / 2);
    let plan = RankPlan::by_hand(problem, exec.caps(), base(MergeKind::Warp));
    assert!(matches!(exec.on(&x).execute(&plan), Err(Error::Infeasible { field: "kl", .. })));
}

#[test]
fn compactions_obey_too() {
    let exec = CpuExecutor::default().with_launch_log();
    let x: Vec<i32> = (0..1000).collect();
    let mut seen = Vec::new();
    for (use_2ce, ctile, wg) in [(false, 64, 1), (true, 64, 1), (true, 128, 1), (true, 128, 2)] {
        let choice = Choice { use_2ce, ctile, wg, ..base(MergeKind::Filter) };
        let mut problem = CompactProblem::new(1, 1000);
        problem.dtype = st_rank::DType::I32;
        let plan = CompactPlan { problem, caps: exec.caps(), choice };
        let out = exec.on(&x).compact(&plan, 500, 502).unwrap();
        assert_eq!((out.values, out.indices), (vec![500, 501, 502], vec![500, 501, 502]));
        seen.extend(exec.launches());
    }
    seen.dedup();
    assert_eq!(seen.len(), 4, "each differs from the one before");
}
