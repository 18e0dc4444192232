//! The kernels by the real compiler, which wants no GPU: every two constants that some feasible plan has together, sizes by
//! how many digits they have or (by `SPIRAL_PERMUTATIONS=full`) as they are. `SPIRAL_NVRTC` names the library's file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use st_backend_cuda::{Compiler, Libraries, compiler};
use st_conformance::cover;
use st_kernels::cuda::{SOURCES, Unit, vector_elements};
use st_rank::{
    Choice, DType, DeviceCaps, Error, Lengths, MergeDetail, MergeKind, Problem, RankKind, RankPlan,
};

type Capability = (i32, i32);

/// One of each width.
const TYPES: [DType; 4] = [DType::U8, DType::F16, DType::F32, DType::F64];
const KINDS: [RankKind; 2] = [RankKind::TopK, RankKind::MidK];

fn compiler() -> Compiler {
    let nvrtc = std::env::var_os("SPIRAL_NVRTC").map(PathBuf::from);
    Compiler::load(&Libraries { nvrtc, ..Libraries::default() }).expect("NVRTC")
}

/// Shared memory of a block, by the device's major number.
fn caps(capability: Capability) -> DeviceCaps {
    let shared = match capability {
        (7, _) => 64 << 10,
        (8, _) => 163 << 10,
        _ => 227 << 10,
    };
    DeviceCaps::cuda(32, 1024).with_shared_mem(shared).with_cores(132)
}

fn choice(mk: MergeKind, mkd: MergeDetail, wg: u32, kl: u32, tile: u32, ch: u32) -> Choice {
    Choice { mk, mkd, tile, ctile: 1024, use_2ce: false, wg, kl, ch }
}

/// Plans for rows that lanes hold.
fn short_rows(each: &mut impl FnMut(&Problem, &Choice)) {
    for cols in [5, 32, 64, 100, 128, 200, 256, 500, 512, 1000, 1024] {
        // Lanes hold elements of up to 32 bits.
        // Pairs of 16-bit floats are compared, integers are not.
        let types = [DType::U8, DType::I16, DType::F16, DType::F32];
        for (k, dtype) in [1, 8, 32, 60, 300].into_iter().flat_map(|k| types.map(move |t| (k, t))) {
            for kind in KINDS {
                for lengths in [Lengths::Full, Lengths::Ragged] {
                    let mut problem = Problem::new(kind, 100, cols, k.min(cols)).with_dtype(dtype);
                    problem.lengths = lengths;
                    for mkd in [MergeDetail::GroupRank, MergeDetail::GroupNetwork] {
                        for wg in [32, 64, 128, 256] {
                            for kl in (0..8).map(|log| 1 << log) {
                                let warp = MergeKind::Warp;
                                each(&problem, &choice(warp, mkd, wg, kl, 1024, 0));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Plans for rows that blocks read.
fn long_rows(each: &mut impl FnMut(&Problem, &Choice)) {
    for (cols, k) in [1000, 4096, 65_536, 1_000_003, 1 << 24]
        .into_iter()
        .flat_map(|cols| [1, 64, 2000, 50_000].map(|k| (cols, k)))
    {
        for (dtype, kind) in TYPES.into_iter().flat_map(|dtype| KINDS.map(|kind| (dtype, kind))) {
            let problem = Problem::new(kind, 3, cols, k.min(cols)).with_dtype(dtype);
            for mk in [MergeKind::Shared, MergeKind::Radix, MergeKind::Filter] {
                for wg in [64, 128, 256, 512, 1024] {
                    for kl in (0..10).map(|log| 1 << log) {
                        let flights = if mk == MergeKind::Filter { 8 } else { 1 };
                        for flight in 1..=flights {
                            let tile = flight * wg * vector_elements(dtype);
                            for ch in [0, 8192, 65_536] {
                                let one = choice(mk, MergeDetail::Auto, wg, kl, tile, ch);
                                each(&problem, &one);
                                each(&problem, &Choice { use_2ce: true, ..one });
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every kernel of every feasible plan asked about, for a device of that compute capability.
fn kernels(capability: Capability) -> BTreeSet<Unit> {
    let mut all = BTreeSet::new();
    let caps = caps(capability);
    let mut add = |problem: &Problem, choice: &Choice| {
        for wide in [false, true] {
            let plan = RankPlan::by_hand(*problem, caps, *choice);
            if let Ok(units) = compiler::units(&plan, capability, wide) {
                all.extend(units);
            }
        }
    };
    short_rows(&mut add);
    long_rows(&mut add);
    for (dtype, wg) in TYPES.into_iter().flat_map(|t| [64, 128, 256, 512, 1024].map(|wg| (t, wg))) {
        all.insert(Unit::plain("compact.cu", dtype, wg));
    }
    all
}

const FACTORS: usize = 17;

/// What a kernel is compiled with, but for the guess of short rows: two numbers of an expression. Sizes and counts of
/// loops as they are, or by their binary digits.
fn constants(unit: &Unit, (major, minor): Capability, exact: bool) -> [u32; FACTORS] {
    let digits = |number: u32| if exact { number } else { u32::BITS - number.leading_zeros() };
    let file = SOURCES.iter().position(|(name, _)| *name == unit.file).expect("a file of ours");
    let group = unit.group.map_or([0; 6], |group| {
        [
            group.lanes,
            digits(group.vectors),
            group.order as u32,
            group.whole.into(),
            group.full.into(),
            group.even.into(),
        ]
    });
    let own = [
        (10 * major + minor) as u32,
        file as u32,
        unit.width,
        unit.threads,
        if exact { unit.capacity } else { digits(unit.capacity).div_ceil(3) },
        unit.lists as u32,
        digits(unit.flight),
        digits(unit.sample),
        u32::from(unit.alone) + 2 * u32::from(unit.loads_ahead()),
        digits(unit.cluster),
        unit.wide.into(),
    ];
    std::array::from_fn(|f| if f < own.len() { own[f] } else { group[f - own.len()] })
}

/// Few of them, in which every two constants meet that do so in any; and each file for each device.
fn covering(all: &[(Unit, Capability)], exact: bool) -> Vec<(Unit, Capability)> {
    let constants: Vec<_> =
        all.iter().map(|(unit, device)| constants(unit, *device, exact)).collect();
    let numbers: [BTreeMap<u32, u8>; FACTORS] = std::array::from_fn(|f| {
        let levels: BTreeSet<u32> = constants.iter().map(|row| row[f]).collect();
        levels.into_iter().zip(0..).collect()
    });
    let mut first = BTreeMap::new();
    for (nth, row) in constants.iter().enumerate() {
        let row: [u8; FACTORS] = std::array::from_fn(|f| numbers[f][&row[f]]);
        first.entry(row).or_insert(nth);
    }
    let rows: Vec<_> = first.keys().copied().collect();
    let levels = numbers.each_ref().map(BTreeMap::len);
    cover::cover(&levels, &rows).into_iter().map(|i| all[first[&rows[i]]]).collect()
}

#[test]
#[ignore = "wants NVRTC (SPIRAL_NVRTC): cargo xtask test installs it and runs this"]
#[allow(clippy::print_stdout, reason = "this is what `--nocapture` is for")]
fn every_kernel_compiles() {
    let compiler = compiler();
    let known = compiler.capabilities().expect("it says what it knows");
    let newest = *known.last().expect("it knows some");
    let mut devices = vec![(7, 5), (8, 0), (9, 0)];
    assert!(devices.iter().all(|device| known.contains(device)), "{known:?}");
    devices.push(newest);
    devices.dedup();

    let all: Vec<(Unit, Capability)> = devices
        .iter()
        .flat_map(|&device| kernels(device).into_iter().map(move |unit| (unit, device)))
        .collect();
    let asked = match std::env::var("SPIRAL_PERMUTATIONS").as_deref() {
        Ok("full") => covering(&all, true),
        Ok("pairs") | Err(_) => covering(&all, false),
        Ok(other) => panic!("SPIRAL_PERMUTATIONS={other}: use pairs or full"),
    };

    let start = Instant::now();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((unit, device)) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
            match compiler.compile(unit, *device) {
                Ok(image) => assert!(image.starts_with(b"\x7fELF"), "machine code"),
                Err(why) => failures.lock().expect("no panic").push(why.to_string()),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| {
            scope.spawn(work);
        });
    });
    println!(
        "NVRTC {:?}: {} of {} kernels for {devices:?} in {:.0} s",
        compiler.version(),
        asked.len(),
        all.len(),
        start.elapsed().as_secs_f64(),
    );
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} fail: {}", failures.len(), failures.join("\n\n"));
}

/// A device that it does not know is an error that says so.
#[test]
#[ignore = "wants NVRTC (SPIRAL_NVRTC): cargo xtask test installs it and runs this"]
fn unknown_devices_are_refused() {
    let compiler = compiler();
    let unit = Unit::plain("compact.cu", DType::F32, 256);
    let why = compiler.compile(&unit, (1, 0)).expect_err("too old").to_string();
    assert!(why.contains("sm_10") && why.contains("compact.cu"), "{why}");
}

/// Devices newer than the compiler get PTX, those older than all it knows an error that says so.
#[test]
#[ignore = "wants NVRTC (SPIRAL_NVRTC): cargo xtask test installs it and runs this"]
fn devices_newer_than_the_compiler_get_ptx() {
    let compiler = compiler();
    let known = compiler.capabilities().expect("it says what it knows");
    let ((oldest, _), (major, minor)) = (known[0], *known.last().expect("it knows some"));
    let unit = Unit::plain("compact.cu", DType::F32, 256);
    let ptx = compiler.compile_for_device(&unit, (major + 1, 0)).expect("PTX");
    let text = std::ffi::CStr::from_bytes_with_nul(&ptx).expect("a text").to_string_lossy();
    assert!(text.contains(&format!("\n.target sm_{major}{minor}\n")), "{text:.500}");
    assert!(text.contains(".entry compact_apply("), "{text:.500}");
    let machine = compiler.compile_for_device(&unit, (major, minor)).expect("machine code");
    assert!(machine.starts_with(b"\x7fELF"));
    let why = compiler.compile_for_device(&unit, (oldest - 1, 0)).expect_err("too old");
    assert!(matches!(why, Error::Unavailable { .. }), "{why}");
    assert!(why.to_string().contains(&format!("is {}.0; install", oldest - 1)), "{why}");
}
