//! Lengths that lie on the device, where nobody has checked them: a row whose length does not do has marks in
//! all its places, and a status word says so; the others are the naive oracle's, bit for bit.

mod app;

use app::App;
use st_backend_wgpu::{DeviceInput, DeviceOutput, WgpuExecutor};
use st_conformance::oracle;
use st_kernels::gpu;
use st_rank::{
    Choice, DType, DeviceCaps, Input, Lengths, MergeDetail, MergeKind, Problem, RankKind, RankPlan,
};

/// What the status word is before.
const UNTOLD: u32 = 7;

fn floats(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1009) as f32 - 500.0).collect()
}

/// The first rank that a row may lack.
const fn least(problem: &Problem) -> usize {
    match problem.kind {
        RankKind::Range { start } => start + problem.k,
        _ => problem.k,
    }
}

fn is_bad(problem: &Problem, length: u32) -> bool {
    let short = problem.lengths == Lengths::Ragged && (length as usize) < least(problem);
    length as usize > problem.cols || short
}

/// Bits of values, and indices.
fn expected(x: &[f32], problem: &Problem, lengths: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for (row, &length) in x.chunks(problem.cols).zip(lengths) {
        // Padding is what the oracle knows; a bad row is padding alone.
        let own = Problem { rows: 1, lengths: Lengths::Padded, ..*problem };
        let length = if is_bad(problem, length) { 0 } else { length };
        let want = oracle::rank(Input::ragged(row, &[length]), &own);
        values.extend(want.values.iter().map(|x| x.to_bits()));
        indices.extend(want.indices);
    }
    (values, indices)
}

/// Lengths that all do, and lengths of which some do not.
fn some_lengths(problem: &Problem) -> [[u32; 6]; 3] {
    let (cols, least) = (problem.cols as u32, least(problem) as u32);
    [
        [cols, least, cols - 1, cols, least + 1, cols / 2 + least / 2],
        [least - 1, cols, 0, least, cols - 1, least - 1],
        [cols, cols + 1, least, u32::MAX, cols - 1, cols],
    ]
}

fn ask(app: &App, exec: &WgpuExecutor, choice: Choice, problem: Problem) {
    let caps = exec.caps().expect("it is open");
    let x = floats(problem.rows * problem.cols);
    let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&x)), DType::F32);
    for lengths in some_lengths(&problem) {
        let input = input.clone().with_lengths(&app.filled(bytemuck::cast_slice(&lengths)), 0);
        for rule in [Lengths::Ragged, Lengths::Padded] {
            let problem = problem.with_lengths(rule);
            let plan = RankPlan::by_hand(problem, caps, choice);
            let place = || app.words(problem.output_len(), UNTOLD);
            let status = app.words(66, UNTOLD);
            let out = DeviceOutput::new(&place(), &place()).with_status(&status, 256);
            let mut encoder = app.device.create_command_encoder(&Default::default());
            exec.record(&plan, &mut encoder, &input, &out).expect("it can be recorded");
            let what = format!("{plan} {lengths:?}");
            assert_eq!(app.read(out.indices())[0], UNTOLD, "nothing is submitted: {what}");
            app.queue.submit([encoder.finish()]);
            let (values, indices) = expected(&x, &problem, &lengths);
            assert_eq!(app.read(out.indices()), indices, "{what}");
            assert_eq!(app.read(out.values()), values, "{what}");
            let mut said = [UNTOLD; 66];
            if lengths.iter().any(|&length| is_bad(&problem, length)) {
                said[64] = 1;
            }
            assert_eq!(app.read(&status), said, "{what}");
        }
    }
}

const ROWS: usize = 6;

/// Of every kernel what a few first ranks want of rows of that many columns.
fn choices(caps: &DeviceCaps, cols: usize) -> Vec<Choice> {
    let mut all = Vec::new();
    for &mk in MergeKind::ALL {
        for &mkd in gpu::details(mk) {
            let grouped = gpu::is_grouped(mk, mkd);
            let ways: &[(bool, u32)] =
                if grouped { &[(false, 0)] } else { &[(false, 0), (true, 0), (true, 256)] };
            for &(use_2ce, ch) in ways {
                let one = Choice { mk, mkd, tile: 256, ctile: 256, use_2ce, wg: 64, kl: 4, ch };
                let problem = Problem::new(RankKind::TopK, ROWS, cols, 20);
                let lanes = if grouped { gpu::GROUP } else { 1 };
                if mk != MergeKind::Warp || caps.subgroups && caps.lane >= lanes {
                    st_kernels::check(&one, &problem, caps).expect("it is feasible");
                    all.push(one);
                }
            }
        }
    }
    all
}

#[test]
fn every_kernel_marks_bad_rows_and_says_so() {
    let app = App::new(|limits| limits);
    let exec = app.exec().with_self_test(false);
    // Those of short rows take no more columns.
    let cols = 200;
    for choice in choices(&exec.caps().expect("it is open"), cols) {
        for (kind, k) in [(RankKind::TopK, 20), (RankKind::Range { start: 5 }, 15)] {
            ask(&app, &exec, choice, Problem::new(kind, ROWS, cols, k));
        }
        // The network orders by rank alone.
        if choice.mkd != MergeDetail::GroupNetwork {
            let problem = Problem::new(RankKind::BottomK, ROWS, cols, 20).with_sorted(false);
            ask(&app, &exec, choice, problem);
        }
    }
}

#[test]
fn rows_of_many_parts_and_ranks_do_so_too() {
    let app = App::new(|limits| limits);
    let exec = app.exec().with_self_test(false);
    let caps = exec.caps().expect("it is open");
    let of = |mk, wg: u32, use_2ce, ch| Choice {
        mk,
        mkd: MergeDetail::Auto,
        tile: 4 * wg,
        ctile: 4 * wg,
        use_2ce,
        wg,
        kl: 16,
        ch,
    };
    for (use_2ce, ch) in [(false, 0), (true, 0), (true, 512)] {
        let middle = Problem::new(RankKind::MidK, ROWS, 3001, 33);
        ask(&app, &exec, of(MergeKind::Radix, 64, use_2ce, ch), middle);
        ask(&app, &exec, of(MergeKind::Bitonic, 64, use_2ce, ch), middle.with_sorted(false));
    }
    for mk in [MergeKind::Filter, MergeKind::Radix] {
        // The first k that shared memory cannot order with a step of new candidates.
        let choice = of(mk, 256, true, 4096);
        let many = |k: usize| Problem::new(RankKind::TopK, ROWS, 2 * k + 77, k);
        let in_memory = |&k: &usize| gpu::merges_in_memory(&choice, &many(k), &caps);
        let k = (1..1 << 13).find(in_memory).expect("no device orders so many in shared memory");
        for sorted in [true, false] {
            ask(&app, &exec, choice, many(k).with_sorted(sorted));
        }
    }
}

#[test]
fn every_window_says_it_and_none_has_to() {
    // 8 KiB of the input's 400.
    let most = |limits| wgpu::Limits { max_storage_buffer_binding_size: 8 << 10, ..limits };
    let app = App::new(most);
    let exec = app.exec().with_launch_log();
    let (rows, cols, k) = (1000, 100, 10);
    let x = floats(rows * cols);
    let problem = Problem::new(RankKind::TopK, rows, cols, k).with_lengths(Lengths::Ragged);
    let caps = exec.caps().expect("it is open");
    let plan = st_plan::plan(&problem, &caps, &st_plan::Knowledge::default());
    for bad in [0, 500, rows - 1] {
        let mut lengths = vec![cols as u32; rows];
        lengths[bad] = 9;
        let input = DeviceInput::new(&app.filled(bytemuck::cast_slice(&x)), DType::F32)
            .with_lengths(&app.filled(bytemuck::cast_slice(&lengths)), 0);
        // The word may lie behind the indices, and need not be at all.
        let word = (rows * k).next_multiple_of(64);
        let place = || app.words(word + 1, UNTOLD);
        let silent = DeviceOutput::new(&place(), &place());
        let telling = DeviceOutput::new(&place(), &place());
        let telling = telling.clone().with_status(telling.indices(), word as u64 * 4);
        let (values, indices) = expected(&x, &problem, &lengths);
        for (out, said) in [(&silent, UNTOLD), (&telling, 1)] {
            let mut encoder = app.device.create_command_encoder(&Default::default());
            exec.record(&plan, &mut encoder, &input, out).expect("it can be recorded");
            assert!(exec.launches().len() > 40, "several windows");
            app.queue.submit([encoder.finish()]);
            let found = app.read(out.indices());
            assert_eq!(found[..rows * k], indices, "row {bad}");
            assert_eq!(found[word], said, "row {bad}");
            assert_eq!(app.read(out.values())[..rows * k], values, "row {bad}");
        }
    }
}
