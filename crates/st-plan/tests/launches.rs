//! Plans for devices that are not here, run by an executor that only logs: each field that a
//! kernel uses changes what is launched or is refused, each other field changes nothing.

use proptest::prelude::*;
use st_conformance::NullExecutor;
use st_kernels::gpu::commands;
use st_plan::{Knowledge, plan};
use st_rank::{
    Choice, DeviceCaps, Error, Field, Input, MergeDetail, MergeKind, Problem, RankKExecutor,
    RankKind, RankPlan,
};

const GPUS: [DeviceCaps; 3] = [
    DeviceCaps::wgpu(32, true, 256),
    DeviceCaps::wgpu(64, true, 1024).with_shared_mem(64 << 10),
    DeviceCaps::mps(32, 1024),
];

#[test]
fn plans_for_every_backend_are_launched_as_they_say() {
    let x = vec![0f32; 64 * 5000];
    for caps in GPUS {
        let exec = NullExecutor::new(caps);
        for kind in [RankKind::TopK, RankKind::BottomK, RankKind::MidK] {
            for k in [1, 100, 1500, 5000] {
                let problem = Problem::new(kind, 64, 5000, k);
                let plan = plan(&problem, &caps, &Knowledge::default());
                let launched = exec.on(&x).execute(&plan).expect("it can be run");
                let log = exec.launches();
                assert_eq!(
                    (launched, log.len()),
                    (log.len(), 1 + usize::from(plan.choice.use_2ce))
                );
                assert_eq!((log[0].kernel, log[0].threads), (plan.choice.mk, plan.choice.wg));
            }
        }
    }
}

#[test]
fn the_executor_refuses_what_does_not_fit() {
    let exec = NullExecutor::new(GPUS[0]);
    let problem = Problem::new(RankKind::TopK, 2, 100, 3);
    let x = [0f32; 200];
    let good = plan(&problem, &GPUS[0], &Knowledge::default());
    let run = |plan: &RankPlan, x: &[f32]| exec.on(&Input::new(x)).execute(plan).unwrap_err();
    assert!(matches!(run(&good, &x[..150]), Error::InputLength { .. }));
    let other = plan(&problem, &GPUS[2], &Knowledge::default());
    assert!(matches!(run(&other, &x), Error::WrongBackend { .. }));
    let impossible = plan(&Problem { k: 101, ..problem }, &GPUS[0], &Knowledge::default());
    assert!(matches!(run(&impossible, &x), Error::KTooLarge { .. }));
    let narrow = RankPlan { choice: Choice { wg: 33, ..good.choice }, ..good };
    assert!(matches!(run(&narrow, &x), Error::Infeasible { field: "wg", .. }));
    assert_eq!(exec.launches(), [], "nothing was launched");
}

fn any_choice() -> impl Strategy<Value = Choice> {
    let lanes = |most: u32| (1..=most).prop_map(|n| n * 64);
    let kernel = prop::sample::select(MergeKind::ALL.to_vec()).prop_flat_map(|mk| {
        let details = st_kernels::gpu::details(mk).to_vec();
        prop::sample::select(details).prop_map(move |mkd| (mk, mkd))
    });
    let split =
        prop_oneof![Just((false, 0u32)), Just((true, 0)), lanes(64).prop_map(|ch| (true, ch)),];
    (kernel, (lanes(32), lanes(32), lanes(4), 1u32..=32), split).prop_map(
        |((mk, mkd), (tile, ctile, wg, kl), (use_2ce, ch))| Choice {
            mk,
            mkd,
            tile,
            ctile,
            use_2ce,
            wg,
            kl,
            ch,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 40_000, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn each_field_that_is_used_changes_the_launch(
        a in any_choice(),
        b in any_choice(),
        caps in prop::sample::select(GPUS.to_vec()),
        k in prop_oneof![1usize..100, 1usize..3000],
    ) {
        let problem = Problem::new(RankKind::TopK, 7, 5000, k);
        let feasible = |c: &Choice| st_kernels::check(c, &problem, &caps).is_ok();
        prop_assume!(feasible(&a));
        let usual = |c: &Choice| match c.mkd {
            MergeDetail::Auto => st_kernels::gpu::details(c.mk)[0],
            own => own,
        };
        for field in Field::ALL {
            let changed = a.with(field, b.get(field)).expect("a value of the field");
            if !feasible(&changed) || (changed == a) {
                continue;
            }
            // Parts that cover the row are no split.
            let part = |c: &Choice| st_kernels::gpu::part_columns(c, problem.cols);
            let same = match field {
                Field::Mkd => usual(&changed) == usual(&a),
                Field::Ch => part(&changed) == part(&a),
                _ => !st_kernels::uses(a.mk, usual(&a), caps.backend).has(field),
            };
            let (was, is) = (commands(&a, &problem, &caps), commands(&changed, &problem, &caps));
            prop_assert_eq!(was == is, same, "{}: {} -> {}", field, a, changed);
        }
    }
}
