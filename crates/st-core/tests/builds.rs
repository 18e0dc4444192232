//! The same code in every build: with a backend it compiles, without it compiles too and is refused with a typed error.

use std::time::Duration;

use st_core::backend::cuda_exec::{
    self, CudaExecutor, DeviceInput, DeviceMemory, DeviceOutput, Launch, Libraries, Wanted,
    Workspace, WorkspaceSize,
};
use st_core::backend::device_caps::{Backend, DeviceCaps};
use st_core::backend::wgpu_exec::{self, WgpuExecutor};
use st_core::ops::rank_entry::{
    RankKind, RankOutput, RankPlan, execute_rank, execute_rank_into, plan_rank,
};
use st_core::{Error, Result};

const ROWS: [f32; 4] = [3.0, 1.0, 2.0, 0.0];

fn plan(caps: DeviceCaps) -> RankPlan {
    plan_rank(RankKind::TopK, 1, 4, 2, caps)
}

/// What each call of CUDA's executor from the host says.
fn cuda(exec: &CudaExecutor) -> Vec<(&'static str, Result<()>)> {
    let plan = plan(DeviceCaps::cuda(32, 1024));
    let mut out = RankOutput::default();
    vec![
        ("caps", exec.caps().map(drop)),
        ("report", exec.report().map(|report| drop(report.name))),
        ("prepare", exec.prepare(&plan)),
        ("compile_ahead", exec.compile_ahead(std::slice::from_ref(&plan))),
        ("wait", exec.wait()),
        ("devices", cuda_exec::devices(&Libraries::default()).map(drop)),
        ("memory", DeviceMemory::zeroed(exec, 256).and_then(|memory| used(&memory))),
        ("execute", execute_rank(&exec.on(&ROWS), &plan).map(drop)),
        ("execute_into", execute_rank_into(&exec.on(&ROWS), &plan, &mut out)),
    ]
}

fn used(memory: &DeviceMemory) -> Result<()> {
    let mut bytes = vec![0; memory.bytes() as usize];
    assert_ne!(memory.address(), 0);
    memory.read(&mut bytes)
}

/// The same of memory on a device.
fn resident(
    exec: &CudaExecutor,
    (input, out, space): (&DeviceInput, &DeviceOutput, &Workspace),
) -> Vec<(&'static str, Result<()>)> {
    let plan = plan(DeviceCaps::cuda(32, 1024));
    let size = exec.workspace(&plan);
    let launched: Vec<Launch> = exec.clone().with_launch_log().launches();
    assert!(launched.iter().all(|launch| launch.blocks > 0 && !launch.kernel.is_empty()));
    vec![
        (
            "workspace",
            size.map(|WorkspaceSize { zeroed, scratch }| assert!(zeroed + scratch < 1 << 40)),
        ),
        ("launch", exec.on(input).launch(&plan, out, space)),
        ("execute_into", execute_rank_into(&exec.on(input), &plan, &mut (*out, *space))),
    ]
}

/// Only compiled: whoever gives a workspace is told how large.
#[allow(dead_code, reason = "it is to compile")]
fn given(wanted: Wanted<'_>, space: Workspace) -> Option<Workspace> {
    (!wanted.is_captured() && wanted.size.scratch == 0).then_some(space)
}

fn wgpu(exec: &WgpuExecutor) -> Vec<(&'static str, Result<()>)> {
    let plan = plan(DeviceCaps::wgpu(32, true, 256));
    exec.prepare_ahead([&plan], Duration::ZERO);
    let launched = exec.clone().with_launch_log().launches();
    assert!(launched.iter().all(|launch| launch.workgroups > 0 && launch.parts > 0));
    vec![
        ("caps", exec.caps().map(drop)),
        ("adapter", exec.adapter().map(drop)),
        ("driver", exec.driver().map(drop)),
        ("prepare", exec.prepare(&plan)),
        ("workspace_bytes", exec.workspace_bytes(&plan).map(drop)),
        ("buffers_made", exec.buffers_made().map(drop)),
        ("execute", execute_rank(&exec.on(&ROWS), &plan).map(drop)),
    ]
}

#[track_caller]
fn all_refused(backend: Backend, said: Vec<(&'static str, Result<()>)>) {
    for (what, said) in said {
        let refused = matches!(&said, Err(Error::Unavailable { backend: b, .. }) if *b == backend);
        assert!(refused, "{what}: {said:?}");
    }
}

#[test]
fn without_cuda_every_call_is_refused() {
    let exec = CudaExecutor::new(0).with_libraries(&Libraries::default());
    if !cuda_exec::IN_THIS_BUILD {
        all_refused(Backend::Cuda, cuda(&exec));
    }
}

/// Places on a device are made without an `unsafe` block here alone: with the backend they are promises.
#[cfg(not(feature = "cuda"))]
#[test]
fn without_cuda_nothing_is_launched() {
    use std::ptr::null_mut;
    let exec = CudaExecutor::default();
    let input = DeviceInput::new(256, 4, st_core::DType::F32).with_lengths(512);
    let out = DeviceOutput::new(1024, 2048).with_wide_indices().with_status(4096);
    let space = Workspace::new(256, 512, WorkspaceSize::default());
    all_refused(Backend::Cuda, resident(&exec, (&input, &out, &space)));
    let (on, plan) = (exec.on(&input), plan(DeviceCaps::cuda(32, 1024)));
    let mut asked = false;
    let with = on.launch_with(None, &plan, &out, |wanted| {
        asked = true;
        given(wanted, space)
    });
    let adopted = CudaExecutor::on_stream(null_mut(), null_mut(), &Libraries::default());
    let more = vec![
        ("launch_on", on.launch_on(null_mut(), &plan, &out, &space)),
        ("launch_with", with.map(drop)),
        ("on_stream", adopted.map(drop)),
    ];
    all_refused(Backend::Cuda, more);
    assert!(!asked, "no workspace is asked for");
}

/// With the backend it is compiled, which is all that is asked here.
#[cfg(feature = "cuda")]
#[test]
fn with_cuda_the_same_compiles() {
    let _ = resident;
}

#[test]
fn without_wgpu_every_call_is_refused() {
    if !wgpu_exec::IN_THIS_BUILD {
        all_refused(Backend::Wgpu, wgpu(&WgpuExecutor::default()));
        all_refused(Backend::Mps, wgpu(&WgpuExecutor::metal()));
        assert!(wgpu_exec::adapters(Backend::Wgpu).is_empty());
    }
}
