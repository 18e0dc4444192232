//! An app with a context, a stream and memory of its own: a selection between its own copies, on its stream, captured in
//! its graph, without an allocation or a wait of ours.
#![allow(unsafe_code, reason = "the app calls the driver")]

mod common;

use std::ffi::{c_int, c_uint, c_void};
use std::path::Path;
use std::ptr;

use common::{executor, libraries};
use libloading::{Library, Symbol};
use st_backend_cuda::{
    CudaExecutor, DeviceInput, DeviceMemory, DeviceOutput, Workspace, WorkspaceSize,
};
use st_plan::{Knowledge, plan};
use st_rank::{DType, Error, Lengths, Problem, RankKExecutor, RankKind};

type Handle = *mut c_void;

/// The app's driver, context and stream.
struct App {
    library: Library,
    context: Handle,
    stream: Handle,
}

macro_rules! call {
    ($app:expr, $name:literal, ($($type:ty),*), ($($arg:expr),*)) => {{
        // SAFETY: the driver's functions have these types, and what is pointed to outlives the call.
        let code = unsafe {
            let function: Symbol<'_, unsafe extern "C" fn($($type),*) -> c_int> =
                $app.get(concat!($name, "\0").as_bytes()).expect($name);
            function($($arg),*)
        };
        assert_eq!(code, 0, $name);
    }};
}

impl App {
    fn new() -> Self {
        let path = libraries().driver.as_deref().unwrap_or(Path::new("libcuda.so.1"));
        // SAFETY: the driver is made to be loaded.
        let library = unsafe { Library::new(path) }.expect("a driver");
        let (mut context, mut stream) = (ptr::null_mut(), ptr::null_mut());
        call!(library, "cuInit", (c_uint), (0));
        call!(library, "cuDevicePrimaryCtxRetain", (*mut Handle, c_int), (&raw mut context, 0));
        call!(library, "cuCtxPushCurrent_v2", (Handle), (context));
        call!(library, "cuStreamCreate", (*mut Handle, c_uint), (&raw mut stream, 1));
        Self { library, context, stream }
    }

    fn memory(&self, bytes: u64) -> u64 {
        let mut at = 0;
        call!(
            self.library,
            "cuMemAlloc_v2",
            (*mut u64, usize),
            (&raw mut at, bytes.max(256) as usize)
        );
        at
    }

    fn zeros(&self, bytes: u64) -> u64 {
        let at = self.memory(bytes);
        let all = bytes.max(256) as usize;
        call!(self.library, "cuMemsetD8Async", (u64, u8, usize, Handle), (at, 0, all, self.stream));
        at
    }

    fn upload<T>(&self, to: u64, from: &[T]) {
        let (from, bytes) = (from.as_ptr().cast(), size_of_val(from));
        call!(
            self.library,
            "cuMemcpyHtoDAsync_v2",
            (u64, *const c_void, usize, Handle),
            (to, from, bytes, self.stream)
        );
    }

    fn download<T: Copy + Default>(&self, from: u64, len: usize) -> Vec<T> {
        let mut out = vec![T::default(); len];
        let (to, bytes) = (out.as_mut_ptr().cast(), len * size_of::<T>());
        call!(
            self.library,
            "cuMemcpyDtoHAsync_v2",
            (*mut c_void, u64, usize, Handle),
            (to, from, bytes, self.stream)
        );
        self.wait();
        out
    }

    fn wait(&self) {
        call!(self.library, "cuStreamSynchronize", (Handle), (self.stream));
    }

    /// Captures what is put onto the stream.
    fn captured(&self, put: impl FnOnce()) -> Handle {
        let (mut graph, mut exec) = (ptr::null_mut(), ptr::null_mut());
        call!(self.library, "cuStreamBeginCapture_v2", (Handle, c_int), (self.stream, 1));
        put();
        call!(
            self.library,
            "cuStreamEndCapture",
            (Handle, *mut Handle),
            (self.stream, &raw mut graph)
        );
        call!(
            self.library,
            "cuGraphInstantiateWithFlags",
            (*mut Handle, Handle, u64),
            (&raw mut exec, graph, 0)
        );
        exec
    }

    fn replay(&self, graph: Handle) {
        call!(self.library, "cuGraphLaunch", (Handle, Handle), (graph, self.stream));
    }
}

fn numbers(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32).map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 8) as f32).collect()
}

#[test]
fn a_selection_goes_into_the_apps_graph() {
    let app = App::new();
    // SAFETY: both are the app's, and outlive the executor.
    let exec =
        unsafe { CudaExecutor::on_stream(app.context, app.stream, libraries()) }.expect("a driver");
    let caps = exec.caps().expect("caps");
    let (rows, cols, k) = (3, 50_000, 40);
    let problem = Problem::new(RankKind::TopK, rows, cols, k);
    let plan = plan(&problem, &caps, &Knowledge::default());
    exec.prepare(&plan).expect("it can be run");
    let WorkspaceSize { zeroed, scratch } = exec.workspace(&plan).expect("a size");
    let x = app.memory((rows * cols * 4) as u64);
    let (values, indices) = (app.memory((rows * k * 4) as u64), app.memory((rows * k * 4) as u64));
    // SAFETY: the app's memory is as large as that, and freed never.
    let (input, out, work) = unsafe {
        let size = WorkspaceSize { zeroed: zeroed.max(256), scratch: scratch.max(256) };
        (
            DeviceInput::new(x, rows * cols, DType::F32),
            DeviceOutput::new(values, indices),
            Workspace::new(app.zeros(zeroed), app.memory(scratch), size),
        )
    };
    let graph =
        app.captured(|| exec.on(&input).launch(&plan, &out, &work).expect("nothing is refused"));
    for seed in [1, 2, 3] {
        let host = numbers(rows * cols, seed);
        app.upload(x, &host);
        app.replay(graph);
        let want = executor().on(&host).execute(&plan).expect("from the host");
        assert_eq!(app.download::<u32>(indices, rows * k), want.indices);
        assert_eq!(app.download::<f32>(values, rows * k), want.values);
    }
}

/// Each selection reads what the one before wrote, in a workspace that all share. Kernels may be launched before those that
/// they follow have ended.
#[test]
fn selections_that_follow_one_another() {
    let (app, exec) = (App::new(), executor());
    let caps = exec.caps().expect("caps");
    let rows = 2;
    let widths = [60_000, 20_000, 5_000, 90, 7];
    let plans: Vec<_> = widths
        .windows(2)
        .map(|w| Problem::new(RankKind::BottomK, rows, w[0], w[1]))
        .map(|problem| plan(&problem, &caps, &Knowledge::default()))
        .collect();
    assert!(plans.iter().any(|plan| plan.choice.use_2ce), "several launches");
    let mut all = WorkspaceSize { zeroed: 256, scratch: 256 };
    for plan in &plans {
        exec.prepare(plan).expect("it can be run");
        let size = exec.workspace(plan).expect("a size");
        all.zeroed = all.zeroed.max(size.zeroed);
        all.scratch = all.scratch.max(size.scratch);
    }
    let values = widths.map(|width| app.memory((rows * width * 4) as u64));
    let indices = app.memory((rows * widths[1] * 4) as u64);
    let (zeroed, scratch) = (app.zeros(all.zeroed), app.memory(all.scratch));
    let launch = || {
        for (at, plan) in plans.iter().enumerate() {
            // SAFETY: the app's memory is as large as that, and freed never; its stream is of the primary context, as the
            // executor's is.
            unsafe {
                let input = DeviceInput::new(values[at], rows * widths[at], DType::F32);
                let out = DeviceOutput::new(values[at + 1], indices);
                let work = Workspace::new(zeroed, scratch, all);
                exec.on(&input)
                    .launch_on(app.stream, plan, &out, &work)
                    .expect("nothing is refused");
            }
        }
    };
    let graph = app.captured(launch);
    for seed in 0..6 {
        let host = numbers(rows * widths[0], seed);
        app.upload(values[0], &host);
        if seed % 2 == 0 {
            launch();
        } else {
            app.replay(graph);
            app.replay(graph);
        }
        let least = widths[4];
        let want = |row: usize| {
            let mut row = host[row * widths[0]..][..widths[0]].to_vec();
            row.sort_by(f32::total_cmp);
            row.truncate(least);
            row
        };
        let got = app.download::<f32>(values[4], rows * least);
        assert_eq!(got, [want(0), want(1)].concat(), "{seed}");
    }
}

/// As PyTorch wants them: on its stream of the moment, with its indices, and no executor made for it.
#[test]
fn indices_of_64_bits_on_any_stream() {
    let (app, exec) = (App::new(), executor());
    let caps = exec.caps().expect("caps");
    for (rows, cols, k, sorted) in
        [(5, 200, 9, true), (3, 5_000, 40, false), (2, 60_000, 33, true), (1, 60_000, 5_000, true)]
    {
        let problem = Problem::new(RankKind::TopK, rows, cols, k).with_sorted(sorted);
        let plan = plan(&problem, &caps, &Knowledge::default());
        let size = exec.workspace(&plan).expect("a size");
        let all = WorkspaceSize { zeroed: size.zeroed.max(256), scratch: size.scratch.max(256) };
        let host = numbers(rows * cols, 5);
        let x = app.memory((rows * cols * 4) as u64);
        app.upload(x, &host);
        let (values, indices) =
            (app.memory((rows * k * 4) as u64), app.memory((rows * k * 8) as u64));
        // SAFETY: the app's memory is as large as that, and freed never; its stream is of the primary context, as the
        // executor's is.
        unsafe {
            let input = DeviceInput::new(x, rows * cols, DType::F32);
            let out = DeviceOutput::new(values, indices).with_wide_indices();
            let work = Workspace::new(app.zeros(size.zeroed), app.memory(size.scratch), all);
            exec.on(&input).launch_on(app.stream, &plan, &out, &work).expect("nothing is refused");
        }
        let want = exec.on(&host).execute(&plan).expect("from the host");
        let wide: Vec<u64> = want.indices.iter().map(|&index| index.into()).collect();
        assert_eq!(app.download::<u64>(indices, rows * k), wide, "{plan}");
        assert_eq!(app.download::<f32>(values, rows * k), want.values, "{plan}");
    }
}

/// A graph would copy from and to memory of the host that is gone.
#[test]
fn calls_from_the_hosts_memory_are_not_captured() {
    let app = App::new();
    // SAFETY: as above.
    let exec =
        unsafe { CudaExecutor::on_stream(app.context, app.stream, libraries()) }.expect("a driver");
    let problem = Problem::new(RankKind::TopK, 2, 500, 5);
    let plan = plan(&problem, &exec.caps().expect("caps"), &Knowledge::default());
    let host = numbers(1000, 3);
    let want = executor().on(&host).execute(&plan);
    // Before there is room for it, and afterwards.
    for _ in 0..2 {
        let mut refused = None;
        let graph = app.captured(|| refused = exec.on(&host).execute(&plan).err());
        let why = refused.expect("it waits for the stream");
        assert!(matches!(why, Error::DeviceBuffer { .. }), "{why:?}");
        assert!(why.to_string().contains("captured"), "{why}");
        // The app's capture is as good as before.
        app.replay(graph);
        assert_eq!(exec.on(&host).execute(&plan), want);
    }
}

#[test]
fn memory_of_the_executors() {
    let exec = executor();
    let memory = DeviceMemory::zeroed(exec, 1000).expect("memory");
    assert!(memory.address() != 0 && memory.bytes() >= 1000);
    let mut bytes = vec![1u8; 1000];
    memory.read(&mut bytes).expect("to read");
    assert!(bytes.iter().all(|&byte| byte == 0));
    assert!(matches!(memory.read(&mut vec![0; 1001]), Err(Error::DeviceBuffer { .. })));
    exec.wait().expect("nothing failed");
}

#[test]
fn lengths_on_the_device_set_the_status_word() {
    let app = App::new();
    // SAFETY: as above.
    let exec =
        unsafe { CudaExecutor::on_stream(app.context, app.stream, libraries()) }.expect("a driver");
    let caps = exec.caps().expect("caps");
    for cols in [200, 20_000] {
        let (rows, k) = (3, 5);
        let problem = Problem::new(RankKind::TopK, rows, cols, k).with_lengths(Lengths::Ragged);
        let plan = plan(&problem, &caps, &Knowledge::default());
        let size = exec.workspace(&plan).expect("a size");
        let x = app.memory((rows * cols * 4) as u64);
        app.upload(x, &numbers(rows * cols, 9));
        let lengths = app.memory(64);
        let (values, indices, status) = (app.memory(64), app.memory(64), app.zeros(64));
        // SAFETY: as above.
        let (input, out, work) = unsafe {
            let all =
                WorkspaceSize { zeroed: size.zeroed.max(256), scratch: size.scratch.max(256) };
            (
                DeviceInput::new(x, rows * cols, DType::F32).with_lengths(lengths),
                DeviceOutput::new(values, indices).with_status(status),
                Workspace::new(app.zeros(size.zeroed), app.memory(size.scratch), all),
            )
        };
        app.upload(lengths, &[cols as u32, 7, 5]);
        exec.on(&input).launch(&plan, &out, &work).expect("nothing is refused");
        assert!(app.download::<u32>(indices, rows * k).iter().all(|&i| i < cols as u32));
        assert_eq!(app.download::<u32>(status, 1), [0]);
        // Longer than a row may be, and too short.
        app.upload(lengths, &[cols as u32 + 1, 7, 4]);
        exec.on(&input).launch(&plan, &out, &work).expect("nothing is refused");
        let got = app.download::<u32>(indices, rows * k);
        assert!(got[..k].iter().chain(&got[2 * k..]).all(|&i| i == u32::MAX), "{got:?}");
        assert!(got[k..2 * k].iter().all(|&i| i < 7), "{got:?}");
        assert_eq!(app.download::<u32>(status, 1), [1]);
    }
}

#[test]
fn places_that_do_not_do_are_refused() {
    let exec = executor();
    let caps = exec.caps().expect("caps");
    let problem = Problem::new(RankKind::TopK, 1, 100_000, 10);
    let mut plan = plan(&problem, &caps, &Knowledge::default());
    plan.choice.ch = 20_000;
    let size = exec.workspace(&plan).expect("a size");
    assert!(size.zeroed > 0 && size.scratch > 0, "{plan}");
    // SAFETY: nothing is launched.
    let refused = |elements, address, values, own: WorkspaceSize| unsafe {
        let input = DeviceInput::new(address, elements, DType::F32);
        let out = DeviceOutput::new(values, 1 << 21);
        exec.on(&input).launch(&plan, &out, &Workspace::new(1 << 22, 1 << 23, own)).unwrap_err()
    };
    assert!(matches!(refused(99_999, 1 << 20, 1 << 20, size), Error::InputLength { .. }));
    let what = |error| match error {
        Error::DeviceBuffer { what, .. } => what,
        other => panic!("{other}"),
    };
    assert_eq!(what(refused(100_000, (1 << 20) + 2, 1 << 20, size)), "input");
    assert_eq!(what(refused(100_000, 1 << 20, (1 << 20) + 1, size)), "values");
    let less = WorkspaceSize { scratch: size.scratch - 1, ..size };
    assert_eq!(what(refused(100_000, 1 << 20, 1 << 20, less)), "workspace (scratch)");
    let less = WorkspaceSize { zeroed: 0, ..size };
    assert_eq!(what(refused(100_000, 1 << 20, 1 << 20, less)), "workspace (zeroed)");
    assert!(exec.on(&numbers(10, 1)).execute(&plan).is_err());
}
