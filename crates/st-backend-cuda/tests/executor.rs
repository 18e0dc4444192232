//! The executor: plans obeyed, graphs, streams of others, libraries that are not there, kernels kept on disk.

mod common;

use std::path::PathBuf;
use std::thread;

use common::{executor, libraries, replayed};
use st_backend_cuda::{CudaExecutor, Launch, Libraries, devices};
use st_plan::{Knowledge, plan};
use st_rank::{
    Choice, DeviceCaps, Error, ExecuteInto, Input, Lengths, MergeDetail, MergeKind, Problem,
    RankKExecutor, RankKind, RankOutput, RankPlan,
};

fn planned(exec: &CudaExecutor, problem: &Problem) -> RankPlan {
    plan(problem, &exec.caps().expect("a device"), &Knowledge::default())
}

/// Numbers in no order, some of them equal.
fn numbers(n: usize) -> Vec<f32> {
    (0..n as u64)
        .map(|i| ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 45) as f32) / 7.0 - 1e4)
        .collect()
}

fn choice(mk: MergeKind) -> Choice {
    Choice {
        mk,
        mkd: MergeDetail::Auto,
        tile: 1024,
        ctile: 1024,
        use_2ce: false,
        wg: 256,
        kl: 4,
        ch: 0,
    }
}

#[test]
fn each_field_changes_what_is_launched() {
    let exec = CudaExecutor::default().with_libraries(libraries()).with_launch_log();
    let caps = exec.caps().expect("a device");
    let x = numbers(2 * 20_000);
    let run = |choice: Choice| -> Vec<Launch> {
        let problem = Problem::new(RankKind::TopK, 2, 20_000, 100);
        exec.on(&x).execute(&RankPlan::by_hand(problem, caps, choice)).expect("it can be run");
        exec.launches()
    };
    let filter = run(choice(MergeKind::Filter));
    let base = choice(MergeKind::Filter);
    for other in [
        Choice { mk: MergeKind::Radix, ..base },
        Choice { tile: 4096, ..base },
        Choice { wg: 512, tile: 2048, ..base },
        Choice { kl: 8, ..base },
        Choice { ch: 5000, ..base },
    ] {
        assert_ne!(run(other), filter, "{other}");
    }
    assert_eq!(run(Choice { ctile: 77, ..base }), filter, "a field that the kernel does not use");
    let two = run(Choice { mk: MergeKind::Radix, use_2ce: true, ..base });
    let kernels: Vec<_> = two.iter().map(|launch| launch.kernel).collect();
    let all =
        ["rank_digit", "rank_digit", "rank_digit", "rank_tally", "rank_collect", "order_block"];
    assert_eq!(kernels, all);
    assert_eq!(run(Choice { ch: 5000, ..base })[0].blocks, 2 * filter[0].blocks * 2);
}

#[test]
fn graphs_give_the_same_bits_whenever_they_are_replayed() {
    let exec = executor();
    for (rows, cols, k, replays) in
        [(3, 200, 8, 100), (4, 30_000, 50, 100), (1, 100_000, 40_000, 5)]
    {
        let problem = Problem::new(RankKind::TopK, rows, cols, k);
        let plan = planned(exec, &problem);
        let (x, right) = replayed(exec, &plan, replays);
        let host = exec.on(&x).execute(&plan).expect("it runs from the host, too");
        assert_eq!((&host.values, &host.indices), (&right.0, &right.1));
    }
}

#[test]
fn threads_may_share_an_executor() {
    let exec = executor();
    let x = numbers(5 * 3000);
    let problem = Problem::new(RankKind::BottomK, 5, 3000, 20);
    let plan = planned(exec, &problem);
    let want = exec.on(&x).execute(&plan).expect("it runs");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut out = RankOutput::default();
                exec.on(&x).execute_into(&plan, &mut out).expect("it runs");
                assert_eq!(out, want);
            });
        }
    });
}

#[test]
#[allow(clippy::print_stdout, reason = "a skip is said")]
fn a_device_newer_than_the_compiler_is_compiled_for_by_the_driver() {
    // The emulator's second.
    if common::is_real() {
        println!("skipped: only the emulator has a device that is newer than its compiler");
        return;
    }
    let exec = CudaExecutor::new(1).with_libraries(libraries());
    let report = exec.report().expect("the emulator has two");
    assert_eq!(report.capability, (99, 0));
    let x = numbers(3 * 500);
    let problem = Problem::new(RankKind::MidK, 3, 500, 9);
    let got = exec.on(&x).execute(&planned(&exec, &problem)).expect("PTX will do");
    let want = executor().on(&x).execute(&planned(executor(), &problem)).expect("it runs");
    assert_eq!(got, want, "{report:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let exec = executor();
    let x = numbers(200);
    let problem = Problem::new(RankKind::TopK, 2, 100, 3);
    let plan = planned(exec, &problem);
    let refused = |plan: &RankPlan, x: &[f32]| exec.on(&Input::new(x)).execute(plan).unwrap_err();
    assert!(matches!(refused(&plan, &x[..150]), Error::InputLength { .. }));
    let other = st_plan::plan(&problem, &DeviceCaps::wgpu(32, true, 256), &Knowledge::default());
    assert!(matches!(refused(&other, &x), Error::WrongBackend { .. }));
    let narrow = RankPlan { choice: Choice { wg: 33, ..plan.choice }, ..plan.clone() };
    assert!(matches!(refused(&narrow, &x), Error::Infeasible { field: "wg", .. }));
    let wide = RankPlan { problem: Problem { k: 101, ..problem }, ..plan };
    assert!(matches!(refused(&wide, &x), Error::KTooLarge { k: 101, .. }));
    let bitonic =
        RankPlan::by_hand(problem, exec.caps().expect("caps"), choice(MergeKind::Bitonic));
    assert!(matches!(refused(&bitonic, &x), Error::Infeasible { field: "mk", .. }));
}

/// Nothing is read: an executor that has had no input has no address of one.
#[test]
fn rows_without_columns_are_padding() {
    let exec = CudaExecutor::new(0).with_libraries(libraries());
    let (rows, x) = (3, Vec::<f32>::new());
    let input = Input::ragged(&x, &[0; 3]);
    for (kind, k) in [
        (RankKind::TopK, 5),
        (RankKind::MidK, 1),
        (RankKind::Range { start: 7 }, 300),
        (RankKind::BottomK, 40_000),
    ] {
        let problem = Problem::new(kind, rows, 0, k).with_lengths(Lengths::Padded);
        let mut asked = vec![planned(&exec, &problem)];
        for mk in [MergeKind::Shared, MergeKind::Radix, MergeKind::Filter] {
            for (use_2ce, ch) in [(false, 0), (false, 512), (true, 0), (true, 512)] {
                let choice = Choice { use_2ce, ch, kl: 32, ..choice(mk) };
                asked.push(RankPlan { choice, ..asked[0].clone() });
            }
        }
        let mut ran = 0;
        for plan in asked {
            match exec.on(&input).execute(&plan) {
                Ok(out) => {
                    assert_eq!(out.values, vec![0.0; rows * k], "{plan}");
                    assert_eq!(out.indices, vec![u32::MAX; rows * k], "{plan}");
                    ran += 1;
                }
                Err(why) => assert!(matches!(why, Error::Infeasible { .. }), "{why}: {plan}"),
            }
        }
        assert!(ran > 1, "k = {k}: {ran}");
    }
}

#[test]
fn libraries_that_are_not_there_are_typed_errors() {
    let nowhere = Some(PathBuf::from("/nonexistent/lib.so"));
    let lost = Libraries { driver: nowhere.clone(), ..libraries().clone() };
    let why = devices(&lost).expect_err("there is no driver");
    assert!(
        matches!(&why, Error::Unavailable { why, .. } if why.contains("cannot be loaded")),
        "{why}"
    );
    let lost = Libraries { nvrtc: nowhere, cache: None, ..libraries().clone() };
    let exec = CudaExecutor::new(0).with_libraries(&lost);
    let problem = Problem::new(RankKind::TopK, 1, 10, 2);
    let plan = planned(&exec, &problem);
    let why = exec.on(&numbers(10)).execute(&plan).expect_err("there is no compiler");
    assert!(matches!(&why, Error::Unavailable { why, .. } if why.contains("NVRTC")), "{why}");
    let report = exec.report().expect("the device is there");
    assert!(report.nvrtc.is_err() && report.cache.is_none(), "{report:?}");
    let far = CudaExecutor::new(99).with_libraries(libraries()).caps().expect_err("no such device");
    assert!(far.to_string().contains("device 99"), "{far}");
}

#[test]
fn kernels_are_kept_on_disk_and_half_a_file_is_none() {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kept-{}", std::process::id()));
    let own = Libraries { cache: Some(folder.clone()), ..libraries().clone() };
    let x = numbers(64);
    let answer = || {
        let exec = CudaExecutor::new(0).with_libraries(&own);
        let plan = planned(&exec, &Problem::new(RankKind::TopK, 1, 64, 5));
        let out = exec.on(&x).execute(&plan).expect("it runs");
        (out, exec.report().expect("a device").cache.expect("a cache").kernels)
    };
    let (first, kept) = answer();
    assert_eq!(kept, 1);
    let files = || std::fs::read_dir(&folder).expect("the folder").flatten().map(|e| e.path());
    let file = files().next().expect("a file");
    let whole = std::fs::read(&file).expect("it is read");
    for broken in [&whole[..whole.len() / 2], &[]] {
        std::fs::write(&file, broken).expect("it is written");
        assert_eq!(answer(), (first.clone(), 1), "compiled again");
        assert_eq!(std::fs::read(&file).expect("it is read").len(), whole.len(), "and kept");
    }
    std::fs::remove_dir_all(&folder).expect("it goes");
}

#[test]
fn memory_that_is_not_there_is_a_typed_error() {
    let exec = executor();
    let rows = 1 << 24;
    let why = exec.resident::<f32>(rows, 1 << 20, 1, 1).expect_err("64 TB");
    assert!(matches!(why, Error::DeviceMemory { .. }), "{why}");
}
