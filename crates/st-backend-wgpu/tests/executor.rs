//! The executor beyond its answers: plans are obeyed, what cannot be done is refused, and an app's
//! own device will do.

use st_backend_wgpu::{WgpuExecutor, adapters};
use st_kernels::wgsl::Stage;
use st_plan::{Knowledge, plan};
use st_rank::{
    Backend, Choice, DType, DeviceCaps, Error, MergeDetail, MergeKind, Problem, RankKExecutor,
    RankKind, RankPlan,
};

const ROWS: usize = 3;
const COLS: usize = 5000;

fn input() -> Vec<f32> {
    (0..ROWS * COLS).map(|i| ((i * 7919) % 10_007) as f32).collect()
}

fn problem() -> Problem {
    Problem::new(RankKind::TopK, ROWS, COLS, 20)
}

fn exec() -> WgpuExecutor {
    WgpuExecutor::default().with_launch_log()
}

fn choice(mk: MergeKind) -> Choice {
    let mkd = st_kernels::gpu::details(mk)[0];
    Choice { mk, mkd, tile: 256, ctile: 256, use_2ce: false, wg: 64, kl: 4, ch: 0 }
}

#[test]
fn adapters_say_what_they_can_do() {
    let found = adapters(Backend::Wgpu);
    assert!(!found.is_empty(), "mesa-vulkan-drivers has a software adapter");
    for adapter in &found {
        assert!(adapter.caps.lane >= 1 && adapter.caps.max_workgroup >= 128, "{adapter:?}");
        assert!(adapter.caps.shared_mem >= 16 << 10, "WebGPU guarantees so much: {adapter:?}");
        assert_eq!(adapter.software, adapter.name.contains("llvmpipe"), "{adapter:?}");
    }
    let real_first = found.iter().map(|a| a.software).is_sorted();
    assert!(real_first, "{found:?}");
}

#[test]
fn each_field_changes_what_is_dispatched() {
    let exec = exec();
    let caps = exec.caps().expect("an adapter");
    let x = input();
    let launched = |choice: Choice| {
        let plan = RankPlan::by_hand(problem(), caps, choice);
        let done = exec.on(&x).execute(&plan);
        let log = exec.launches();
        match done {
            Ok(_) => Some(log),
            Err(Error::Infeasible { .. }) => {
                assert_eq!(log, [], "nothing is dispatched of what is refused");
                None
            }
            Err(other) => panic!("{choice}: {other}"),
        }
    };
    for &mk in MergeKind::ALL {
        let base = choice(mk);
        let Some(before) = launched(base) else {
            assert!(mk == MergeKind::Warp && !caps.subgroups, "{base}");
            continue;
        };
        assert_eq!(before.len(), 1);
        let split = Choice { use_2ce: true, ch: 1024, ..base };
        let after = launched(split).expect("it can be split");
        assert_eq!((after.len(), after[0].parts), (2, 5), "{split}");
        assert_eq!(after[1].permutation.stage, Stage::Merge);
        let used = st_kernels::gpu::uses(mk, base.mkd);
        for (changed, field) in [
            (Choice { tile: 512, ..base }, st_rank::Field::Tile),
            (Choice { ctile: 1024, ..base }, st_rank::Field::Ctile),
            (Choice { wg: 128, ..base }, st_rank::Field::Wg),
            (Choice { kl: 8, ..base }, st_rank::Field::Kl),
        ] {
            let differs = launched(changed).expect("it can be run") != before;
            assert_eq!(differs, used.has(field), "{field}: {changed}");
        }
        for &mkd in st_kernels::gpu::details(mk) {
            let Some(log) = launched(Choice { mkd, ..base }) else {
                assert!(
                    st_kernels::gpu::is_grouped(mk, mkd),
                    "rows are too long for groups: {mkd}"
                );
                continue;
            };
            let same = log == before;
            assert_eq!(same, mkd == base.mkd || mkd == MergeDetail::Auto, "{mk} {mkd}");
        }
    }
}

#[test]
fn one_command_and_two_give_the_same_bits() {
    let exec = WgpuExecutor::default();
    let caps = exec.caps().expect("an adapter");
    let x = input();
    let run = |choice| exec.on(&x).execute(&RankPlan::by_hand(problem(), caps, choice));
    let want = run(choice(MergeKind::Bitonic)).expect("it runs anywhere");
    for mk in [MergeKind::Shared, MergeKind::Radix, MergeKind::Filter] {
        let one = choice(mk);
        assert_eq!(run(one).expect("it can be run"), want, "{one}");
        let two = Choice { use_2ce: true, ch: 512, ..one };
        assert_eq!(run(two).expect("it can be run"), want, "{two}");
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let exec = WgpuExecutor::default();
    let caps = exec.caps().expect("an adapter");
    let made = plan(&problem(), &caps, &Knowledge::default());
    let other = RankPlan { caps: DeviceCaps::cuda(32, 1024), ..made.clone() };
    let x = input();
    assert!(matches!(exec.on(&x).execute(&other), Err(Error::WrongBackend { .. })));
    let wide = vec![0f64; ROWS * COLS];
    let wide_plan = plan(&problem().with_dtype(DType::F64), &caps, &Knowledge::default());
    let error = exec.on(&wide).execute(&wide_plan).expect_err("64 bits");
    assert_eq!(error, Error::UnsupportedType { dtype: DType::F64, backend: Backend::Wgpu });
    let short = exec.on(&x[..100]).execute(&made);
    assert!(matches!(short, Err(Error::InputLength { .. })));
    let without = exec.clone().without_subgroups();
    let warp = RankPlan::by_hand(problem(), caps, choice(MergeKind::Warp));
    let refused = without.on(&x).execute(&warp);
    assert!(matches!(refused, Err(Error::Infeasible { field: "mk", .. })), "{refused:?}");
    if !cfg!(target_vendor = "apple") {
        let metal = WgpuExecutor::metal();
        let error = metal.caps().expect_err("there is no Metal here").to_string();
        assert!(error.contains("mps") && error.contains("Metal"), "{error}");
    }
}

#[test]
fn an_apps_own_device_will_do() {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let opened = pollster::block_on(async {
        let adapter =
            instance.enumerate_adapters(wgpu::Backends::all()).await.into_iter().next()?;
        let asked = wgpu::DeviceDescriptor {
            // With nothing beyond WebGPU's guarantees: no subgroups, 16 KiB of shared memory.
            required_limits: wgpu::Limits::default(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&asked).await.ok()?;
        Some((adapter.get_info(), device, queue))
    });
    let (info, device, queue) = opened.expect("an adapter");
    let exec = WgpuExecutor::on_device(device, queue, &info);
    let caps = exec.caps().expect("it is open");
    assert!(!caps.subgroups, "the app did not ask for them");
    assert_eq!((caps.max_workgroup, caps.shared_mem), (256, 16 << 10));
    let x = input();
    let out = exec
        .on(&x)
        .execute(&plan(&problem(), &caps, &Knowledge::default()))
        .expect("the plan fits the app's limits");
    let sort = RankPlan::by_hand(problem(), caps, choice(MergeKind::Bitonic));
    assert_eq!(out, exec.on(&x).execute(&sort).expect("it runs anywhere"));
}

/// A driver came to a stand when threads opened devices and listed adapters at once.
#[test]
fn many_threads_open_devices_at_once() {
    let shared = WgpuExecutor::default();
    let caps = std::thread::scope(|scope| {
        let one = || {
            let own = WgpuExecutor::default().caps().expect("an adapter");
            assert!(!adapters(Backend::Wgpu).is_empty());
            assert_eq!(shared.caps(), Ok(own));
            own
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|t| t.join().expect("it opens")).collect::<Vec<_>>()
    });
    assert_eq!(caps, vec![caps[0]; 8]);
}
