//! Selections over buffers of an app's, recorded into its encoder.

mod app;

use app::App;
use st_backend_wgpu::{DeviceInput, DeviceOutput, WgpuExecutor};
use st_conformance::oracle;
use st_plan::{Knowledge, plan};
use st_rank::{
    Choice, DType, Error, ExecuteInto, Input, Lengths, MergeDetail, MergeKind, Problem,
    RankKExecutor, RankKind, RankPlan, f16,
};
use wgpu::BufferUsages;

fn floats(count: usize) -> Vec<f32> {
    let odd = [f32::NAN, -0.0, 0.0, f32::NEG_INFINITY, -3.5];
    let x = |i: usize| match i * 7919 % 10_007 {
        n if n % 11 == 0 => odd[n % odd.len()],
        n => (n % 500) as f32 - 250.0,
    };
    (0..count).map(x).collect()
}

fn planned(exec: &WgpuExecutor, problem: &Problem) -> RankPlan {
    plan(problem, &exec.caps().expect("it is open"), &Knowledge::default())
}

/// Records and submits.
fn run(app: &App, exec: &WgpuExecutor, plan: &RankPlan, input: &DeviceInput, out: &DeviceOutput) {
    let mut encoder = app.device.create_command_encoder(&Default::default());
    exec.record(plan, &mut encoder, input, out).expect("it can be recorded");
    app.queue.submit([encoder.finish()]);
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn rows_at_any_element_of_a_buffer_are_selected_from() {
    let app = App::new(|limits| limits);
    let exec = app.exec();
    let (rows, cols, k, stride) = (9, 301, 5, 310);
    for before in [0usize, 1, 3, 64, 67] {
        let all = floats(before + rows * stride);
        let x = &all[before..before + (rows - 1) * stride + cols];
        let problem = Problem::new(RankKind::MidK, rows, cols, k).with_row_stride(stride);
        let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&all)), DType::F32)
            .at(before as u64 * 4);
        let room = app.words(rows * k + 128, 7);
        let out = DeviceOutput::new(&room, &app.words(rows * k, 7)).at(256, 0);
        run(&app, &exec, &planned(&exec, &problem), &input, &out);
        let want = oracle::rank(Input::new(x), &problem);
        assert_eq!(app.read(out.indices()), want.indices, "from element {before}");
        let values = app.read(out.values());
        assert_eq!(values[64..][..rows * k], bits(&want.values));
        assert!(values[..64].iter().chain(&values[64 + rows * k..]).all(|&word| word == 7));
    }
}

#[test]
fn values_of_16_bits_take_a_word_each() {
    let app = App::new(|limits| limits);
    let exec = app.exec();
    let (rows, cols, k) = (5, 33, 4);
    let all: Vec<f16> = floats(rows * cols + 4).into_iter().map(f16::from_f32).collect();
    let x = &all[1..=rows * cols];
    let problem = Problem::new(RankKind::TopK, rows, cols, k).with_dtype(DType::F16);
    let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&all)), DType::F16).at(2);
    let out = DeviceOutput::new(&app.words(rows * k, 7), &app.words(rows * k, 7));
    run(&app, &exec, &planned(&exec, &problem), &input, &out);
    let want = oracle::rank(Input::new(x), &problem);
    assert_eq!(app.read(out.indices()), want.indices);
    let words: Vec<u32> = want.values.iter().map(|x| x.to_bits().into()).collect();
    assert_eq!(app.read(out.values()), words);
}

#[test]
fn lengths_at_any_row_of_a_buffer_are_obeyed() {
    let app = App::new(|limits| limits);
    let exec = app.exec();
    let (rows, cols, k) = (4, 50, 6);
    let x = floats(rows * cols);
    // The first length is of a row before; of the others two do not do.
    let given = [0, 50, 3, 51, 49];
    let problem = Problem::new(RankKind::BottomK, rows, cols, k).with_lengths(Lengths::Ragged);
    let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&x)), DType::F32)
        .with_lengths(&app.filled(bytemuck::cast_slice(&given)), 4);
    let place = |word| app.words((rows + 1) * k, word);
    let out = DeviceOutput::new(&place(7), &place(7)).at(k as u64 * 4, k as u64 * 4);
    run(&app, &exec, &planned(&exec, &problem), &input, &out);
    let padded = problem.with_lengths(Lengths::Padded);
    let want = oracle::rank(Input::ragged(&x, &[50, 0, 0, 49]), &padded);
    let indices = app.read(out.indices());
    assert_eq!(indices[..k], [7; 6], "the row before is left alone");
    assert_eq!(indices[k..], want.indices);
    assert_eq!(indices[2 * k..4 * k], [u32::MAX; 12]);
    assert_eq!(app.read(out.values())[k..], bits(&want.values));
}

#[test]
fn what_a_binding_cannot_hold_is_bound_window_by_window() {
    // 8 KiB of the input's 400, and of 40 KiB of results.
    let most = |limits| wgpu::Limits { max_storage_buffer_binding_size: 8 << 10, ..limits };
    let app = App::new(most);
    let exec = app.exec().with_launch_log();
    let (rows, cols, k) = (1000, 100, 10);
    let x = floats(rows * cols + 1);
    let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&x)), DType::F32).at(4);
    let problem = Problem::new(RankKind::TopK, rows, cols, k);
    let want = oracle::rank(Input::new(&x[1..]), &problem);
    let caps = exec.caps().expect("it is open");
    let two = Choice {
        mk: MergeKind::Radix,
        mkd: MergeDetail::Auto,
        tile: 64,
        ctile: 64,
        use_2ce: true,
        wg: 64,
        kl: 1,
        ch: 32,
    };
    for plan in [planned(&exec, &problem), RankPlan::by_hand(problem, caps, two)] {
        let out = DeviceOutput::new(&app.words(rows * k, 7), &app.words(rows * k, 7));
        run(&app, &exec, &plan, &input, &out);
        assert!(exec.launches().len() > 40, "several windows");
        assert_eq!(app.read(out.indices()), want.indices, "{plan}");
        assert_eq!(app.read(out.values()), bits(&want.values), "{plan}");
    }
    let wide = Problem::new(RankKind::TopK, 3, 3000, k);
    let out = DeviceOutput::new(&app.words(3 * k, 7), &app.words(3 * k, 7));
    let mut encoder = app.device.create_command_encoder(&Default::default());
    let refused = exec.record(&planned(&exec, &wide), &mut encoder, &input, &out);
    assert!(matches!(refused, Err(Error::TooLarge { rows: 1, .. })), "{refused:?}");
    // The encoder is as it was, and host memory goes through the same device.
    app.queue.submit([encoder.finish()]);
    let host = exec.on(&x[1..]).execute(&planned(&exec, &problem)).expect("batches");
    assert_eq!(host.indices, want.indices);
}

#[test]
fn an_executor_bound_to_a_buffer_leaves_results_on_the_device() {
    let exec = WgpuExecutor::default();
    let (device, queue) = exec.device().expect("an adapter");
    let x = floats(3 * 1000);
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 12_000,
        usage,
        mapped_at_creation: false,
    });
    queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&x));
    let input = DeviceInput::new(&buffer, DType::F32);
    let problem = Problem::new(RankKind::TopK, 3, 1000, 16);
    let plan = planned(&exec, &problem);
    let want = oracle::rank(Input::new(&x[..]), &problem);
    let mut out = exec.on(&input).execute(&plan).expect("it can be run");
    assert_eq!(app::read(device, queue, out.indices()), want.indices);
    assert_eq!(app::read(device, queue, out.values()), bits(&want.values));
    let least = RankPlan { problem: Problem { kind: RankKind::BottomK, ..problem }, ..plan };
    exec.on(&input).execute_into(&least, &mut out).expect("it can be run again");
    let want = oracle::rank(Input::new(&x[..]), &least.problem);
    assert_eq!(app::read(device, queue, out.indices()), want.indices);
    let none = planned(&exec, &Problem::new(RankKind::TopK, 3, 1000, 0));
    exec.on(&input).execute(&none).expect("nothing is asked for");
}

#[test]
fn buffers_that_cannot_be_used_are_refused_before_anything_is_recorded() {
    let app = App::new(|limits| limits);
    let exec = app.exec();
    let problem = Problem::new(RankKind::TopK, 4, 100, 5);
    let plan = planned(&exec, &problem);
    let x = app.words(400, 1);
    let input = DeviceInput::new(&x, DType::F32);
    let out = DeviceOutput::new(&app.words(20, 0), &app.words(20, 0));
    let both = app.words(400, 0);
    let shared = DeviceOutput::new(&both, &both);
    let mut encoder = app.device.create_command_encoder(&Default::default());
    let mut refused = |plan: &RankPlan, input: &DeviceInput, out: &DeviceOutput| {
        exec.record(plan, &mut encoder, input, out).expect_err("it is refused")
    };
    let copied = app.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1600,
        usage: BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    for (input, out, said) in [
        (DeviceInput::new(&copied, DType::F32), out.clone(), "the buffer of input has the usages"),
        (
            input.clone().at(4),
            out.clone(),
            "input has 1600 bytes: it must have 1600 bytes from byte 4",
        ),
        (
            input.clone().at(2),
            out.clone(),
            "input begins at byte 2: it must begin at a multiple of 4",
        ),
        (input.clone().at(u64::MAX - 3), out.clone(), "input has 1600 bytes"),
        (input.clone(), out.clone().at(4, 0), "values has 80 bytes"),
        (input.clone(), out.clone().at(0, 3), "indices begins at byte 3"),
        (input.clone(), shared.clone().at(0, 76), "values has the indices, too, 76 bytes away"),
        (input.clone(), DeviceOutput::new(&x, out.indices()), "values is one that is read"),
        (input.clone(), out.clone().with_status(&x, 0), "status is one that is read"),
        (
            input.clone(),
            out.clone().with_status(&both, 4),
            "status begins at byte 4: it must begin at a multiple",
        ),
        (input.clone(), out.clone().with_status(&both, 1600), "status has 1600 bytes"),
        (
            input.clone(),
            out.clone().with_status(out.values(), 0),
            "values has the status, too, 0 bytes away: it must have 80 bytes of its own",
        ),
    ] {
        let error = refused(&plan, &input, &out);
        assert!(matches!(error, Error::DeviceBuffer { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let roomy = DeviceOutput::new(&app.words(400, 0), &app.words(400, 0)).at(4, 0);
    let error = refused(&plan, &input, &roomy).to_string();
    assert!(error.contains("values begins at byte 4: it must begin at a multiple"), "{error}");
    let ints = DeviceInput::new(&x, DType::I32);
    let error = refused(&plan, &ints, &out);
    assert_eq!(error, Error::DTypeMismatch { plan: DType::F32, input: DType::I32 });
    let lengths = input.clone().with_lengths(&app.words(4, 100), 0);
    let error = refused(&plan, &lengths, &out);
    assert_eq!(error, Error::LengthsMismatch { plan_is_ragged: false });
    let greedy = RankPlan { problem: Problem { k: 101, ..problem }, ..plan.clone() };
    assert!(matches!(refused(&greedy, &input, &out), Error::KTooLarge { .. }));
    let stranger = App::new(|limits| limits);
    let foreign = DeviceInput::new(&stranger.words(400, 1), DType::F32);
    let error = refused(&plan, &foreign, &out);
    assert!(matches!(error, Error::Refused { .. }), "another device's buffer: {error:?}");
    exec.record(&plan, &mut encoder, &input, &out).expect("the encoder is as it was");
    let shared = shared.at(0, 256);
    exec.record(&plan, &mut encoder, &input, &shared).expect("one buffer has room for both");
    app.queue.submit([encoder.finish()]);
    let first: Vec<u32> = (0..4).flat_map(|_| 0..5).collect();
    assert_eq!(app.read(out.indices()), first, "all are equal");
    let both = app.read(&both);
    assert_eq!((&both[..20], &both[64..84]), (&[1; 20][..], &first[..]));
}
