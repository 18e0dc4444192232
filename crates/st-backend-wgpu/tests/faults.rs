//! What goes wrong is a typed error: never a panic, never a wrong answer, never a hang.

mod app;

use app::App;
use st_backend_wgpu::{DeviceInput, DeviceOutput, WgpuExecutor, adapters};
use st_plan::{Knowledge, plan, plan_compact};
use st_rank::{
    Backend, Choice, CompactExecutor, CompactProblem, DType, Error, MergeDetail, MergeKind,
    Problem, RankKExecutor, RankKind, RankPlan,
};

fn choice(mk: MergeKind, use_2ce: bool) -> Choice {
    let mkd = st_kernels::gpu::details(mk)[0];
    Choice { mk, mkd, tile: 256, ctile: 256, use_2ce, wg: 64, kl: 4, ch: 0 }
}

fn problem() -> Problem {
    Problem::new(RankKind::TopK, 4, 1000, 9)
}

fn input() -> Vec<f32> {
    (0..4000).map(|i| ((i * 7919) % 4001) as f32).collect()
}

fn by_hand(exec: &WgpuExecutor, choice: Choice) -> RankPlan {
    RankPlan::by_hand(problem(), exec.caps().expect("an adapter"), choice)
}

#[test]
fn a_kernel_that_is_wrong_here_is_refused_and_nothing_runs_in_its_place() {
    for stage in ["radix", "filter", "merge"] {
        let exec = WgpuExecutor::default().with_miscompiled(stage).with_launch_log();
        let (mk, two) = match stage {
            "radix" => (MergeKind::Radix, false),
            "filter" => (MergeKind::Filter, false),
            // The second command is the one that is wrong.
            _ => (MergeKind::Filter, true),
        };
        let plan = by_hand(&exec, choice(mk, two));
        let x = input();
        let error = exec.on(&x).execute(&plan).expect_err("it fails its test");
        let Error::SelfTest { variant, advice, .. } = &error else { panic!("{error:?}") };
        assert!(variant.contains(stage), "{error}");
        assert!(advice.contains("another merge kind"), "{error}");
        assert_eq!(exec.launches(), [], "nothing was run");
        let again = exec.on(&x).execute(&plan).expect_err("it is remembered");
        assert_eq!(again, error);
        let unasked = exec.clone().with_self_test(false).on(&x).execute(&plan);
        assert_eq!(unasked.expect_err("it stays refused"), error);
        assert_eq!(exec.prepare(&plan).expect_err("ahead of time, too"), error);
        let other = by_hand(&exec, choice(MergeKind::Bitonic, false));
        exec.on(&x).execute(&other).expect("other kernels are as good as before");
    }
}

#[test]
fn without_the_self_test_a_wrong_kernel_would_be_wrong() {
    let exec = WgpuExecutor::default().with_miscompiled("filter").with_self_test(false);
    let x = input();
    let wrong = exec.on(&x).execute(&by_hand(&exec, choice(MergeKind::Filter, false)));
    let right = exec.on(&x).execute(&by_hand(&exec, choice(MergeKind::Bitonic, false)));
    assert_ne!(wrong, right, "or the tests of the self-test show nothing");
}

#[test]
fn a_compaction_that_is_wrong_here_is_refused() {
    let exec = WgpuExecutor::default().with_miscompiled("compact");
    let caps = exec.caps().expect("an adapter");
    let x = input();
    let plan = plan_compact(&CompactProblem::new(4, 1000), &caps);
    let error = exec.on(&x).compact(&plan, 1.0, 10.0).expect_err("it fails its test");
    assert!(matches!(&error, Error::SelfTest { variant, .. } if variant.contains("compact")));
}

#[test]
fn a_driver_without_subgroups_gets_plans_without_them() {
    let exec = WgpuExecutor::default().without_subgroups().with_launch_log();
    let caps = exec.caps().expect("an adapter");
    assert!(!caps.subgroups);
    let x = input();
    exec.on(&x)
        .execute(&plan(&problem(), &caps, &Knowledge::default()))
        .expect("it is planned for");
    assert!(exec.launches().iter().all(|launch| !launch.permutation.subgroup));
    let warp = RankPlan::by_hand(problem(), caps, choice(MergeKind::Warp, false));
    let refused = exec.on(&x).execute(&warp);
    assert!(matches!(refused, Err(Error::Infeasible { field: "mk", .. })), "{refused:?}");
}

#[test]
fn a_backend_that_is_not_there_is_an_error_every_time() {
    let exec = WgpuExecutor::metal();
    let x = input();
    let caps = st_rank::DeviceCaps::mps(32, 256);
    let plan = plan(&problem(), &caps, &Knowledge::default());
    if cfg!(target_vendor = "apple") && !adapters(Backend::Mps).is_empty() {
        let other = WgpuExecutor::default();
        let want = other.on(&x).execute(&by_hand(&other, plan.choice));
        assert_eq!(exec.on(&x).execute(&plan), want, "it is there, and answers");
    } else {
        for _ in 0..2 {
            let error = exec.on(&x).execute(&plan).expect_err("there is no Metal here");
            assert_unavailable(&error, Backend::Mps, "no adapter was found", "use wgpu or cpu");
        }
        let later = pollster::block_on(exec.open_async());
        assert!(matches!(later, Err(Error::Unavailable { .. })));
    }
}

fn assert_unavailable(error: &Error, of: Backend, said: &str, advised: &str) {
    let Error::Unavailable { backend, why, advice } = error else { panic!("{error:?}") };
    assert_eq!((*backend, why.as_str()), (of, said));
    assert!(advice.contains(advised), "{error}");
}

#[test]
fn adapters_of_the_other_sort_are_not_taken() {
    let there = adapters(Backend::Wgpu);
    for software in [false, true] {
        let exec = WgpuExecutor::default().with_software(software);
        if there.iter().any(|adapter| adapter.software == software) {
            assert_eq!(exec.adapter().expect("it is there").1, software);
            continue;
        }
        let (said, advised) = match software {
            false => ("no adapter was found but software ones", "the device's own driver"),
            true => ("no software adapter was found", "mesa-vulkan-drivers"),
        };
        for _ in 0..2 {
            let error = exec.caps().expect_err("there is none");
            assert_unavailable(&error, Backend::Wgpu, said, advised);
        }
    }
    assert!(!there.is_empty(), "mesa-vulkan-drivers has a software one");
}

#[test]
fn one_of_several_adapters_is_named() {
    let there = adapters(Backend::Wgpu);
    for (number, adapter) in there.iter().enumerate() {
        let opened = |which: &str| {
            let exec = WgpuExecutor::default().with_adapter(which);
            exec.adapter().map(|(name, _)| name.to_owned())
        };
        assert_eq!(opened(&number.to_string()), Ok(adapter.name.clone()));
        let part: String = adapter.name.to_uppercase().chars().skip(1).take(5).collect();
        assert!(opened(&format!(" {part} ")).expect("it is there").to_uppercase().contains(&part));
    }
    for which in ["99", "no such card"] {
        let error =
            WgpuExecutor::default().with_adapter(which).caps().expect_err("it is not there");
        let said = format!("no adapter is {which:?}; there are 0: {}", there[0].name);
        let Error::Unavailable { why, advice, .. } = &error else { panic!("{error:?}") };
        assert!(why.starts_with(&said) && advice.contains("number"), "{error}");
    }
    // Of the sort that is not there: what is named is not taken, either.
    let sort = WgpuExecutor::default().with_software(!there[0].software).with_adapter("0");
    assert!(matches!(sort.caps(), Err(Error::Unavailable { .. })));
}

#[test]
fn a_device_that_is_lost_midway_is_an_error_from_then_on() {
    let app = App::new(|limits| limits);
    for (exec, device) in [
        (WgpuExecutor::default(), None),
        // An app's device does not tell us of its loss.
        (app.exec(), Some(&app.device)),
    ] {
        let plan = by_hand(&exec, choice(MergeKind::Filter, false));
        let x = input();
        exec.on(&x).execute(&plan).expect("it is there");
        let (device_of, queue_of) = exec.device().expect("it is open");
        let words = |count: u64| {
            device_of.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: count * 4,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let rows = DeviceInput::new(&words(4000), DType::F32);
        let out = DeviceOutput::new(&words(36), &words(36));
        let mut encoder = device_of.create_command_encoder(&Default::default());
        exec.record(&plan, &mut encoder, &rows, &out).expect("it is there");
        let own = || exec.device().expect("it was open").0.clone();
        device.cloned().unwrap_or_else(own).destroy();
        for _ in 0..3 {
            let error = exec.on(&x).execute(&plan).expect_err("it is gone");
            assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
            let later = pollster::block_on(exec.on(&x).execute_async(&plan));
            assert!(matches!(later, Err(Error::DeviceLost { .. })), "{later:?}");
        }
        // What is recorded or submitted now may be refused or void, but is no panic.
        let again = exec.record(&plan, &mut encoder, &rows, &out);
        assert!(matches!(again, Ok(()) | Err(Error::DeviceLost { .. })), "{again:?}");
        queue_of.submit([encoder.finish()]);
        // Kernels that are not compiled yet.
        let other = by_hand(&exec, choice(MergeKind::Bitonic, false));
        assert!(exec.on(&x).execute(&other).is_err());
        assert!(exec.prepare(&by_hand(&exec, choice(MergeKind::Radix, false))).is_err());
    }
}

#[test]
fn limits_that_are_too_small_are_named() {
    let few = |limits| wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..limits };
    let error = App::new(few).exec().caps().expect_err("kernels bind seven").to_string();
    assert!(error.contains("max_storage_buffers_per_shader_stage = 4"), "{error}");
    assert!(error.contains("open it with"), "{error}");
    let small = |limits| wgpu::Limits {
        max_storage_buffer_binding_size: 2 << 10,
        max_buffer_size: 2 << 10,
        ..limits
    };
    let app = App::new(small);
    let exec = app.exec();
    let x = input();
    let error = exec.on(&x).execute(&by_hand(&exec, choice(MergeKind::Radix, false)));
    assert!(matches!(error, Err(Error::TooLarge { rows: 1, .. })), "1000 columns: {error:?}");
    let short = Problem::new(RankKind::TopK, 40, 100, 9);
    let whole = WgpuExecutor::default();
    let of = |exec: &WgpuExecutor| {
        let caps = exec.caps().expect("an adapter");
        exec.on(&x).execute(&RankPlan::by_hand(short, caps, choice(MergeKind::Radix, false)))
    };
    assert_eq!(of(&exec), of(&whole), "40 rows of 400 bytes, five at a time");
    // Results that no buffer of such a device can hold.
    let rows = DeviceInput::new(&app.words(500, 1), DType::F32);
    let many = Problem::new(RankKind::TopK, 500, 1, 1);
    let wide = Problem { rows: 600, ..many };
    let planned = |problem: Problem| {
        let choice = Choice { mkd: MergeDetail::Auto, ..choice(MergeKind::Radix, false) };
        RankPlan::by_hand(problem, exec.caps().expect("it is open"), choice)
    };
    assert!(exec.on(&rows).execute(&planned(many)).is_ok());
    let refused = exec.on(&rows).execute(&planned(wide));
    assert!(matches!(refused, Err(Error::DeviceBuffer { what: "input", .. })), "{refused:?}");
    let out = DeviceOutput::new(&app.words(500, 0), &app.words(500, 0));
    let mut encoder = app.device.create_command_encoder(&Default::default());
    exec.record(&planned(many), &mut encoder, &rows, &out).expect("500 words fit");
}
