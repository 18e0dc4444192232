//! The founding document's rules, byte for byte, and the plans they make.
//!
//! `SPIRAL_BLESS=1 cargo test -p st-plan --features kdsl --test founding` writes the plans anew.

use std::fmt::Write;

use st_plan::{Knowledge, plan};
use st_rank::{DeviceCaps, MergeDetail, MergeKind, Problem, RankKind, RankPlan, Source};

/// What stands between the quotes of `export SPIRAL_HEUR_K='..'`.
const PROGRAM: &str = include_str!("../../st-kdsl/tests/seed.kdsl");

/// Rows, columns, k: each side of every threshold of the program.
const SHAPES: [(usize, usize, usize); 14] = [
    (1024, 4096, 16),
    (1024, 4097, 128),
    (1024, 8192, 129),
    (1024, 8193, 128),
    (64, 32_768, 2048),
    (64, 32_769, 2049),
    (64, 131_072, 50),
    (64, 131_072, 1024),
    (8, 65_536, 1024),
    (1, 1_048_576, 100),
    (1, 1_048_576, 4096),
    (65_536, 128, 4),
    (16_384, 256, 8),
    (1, 1, 1),
];

fn devices() -> [(&'static str, DeviceCaps); 3] {
    let caps = DeviceCaps::wgpu(32, true, 256);
    [
        ("subgroups of 32, 32 KiB", caps.with_shared_mem(32 << 10)),
        ("no subgroups, 32 KiB", caps.with_subgroup(32, false).with_shared_mem(32 << 10)),
        ("subgroups of 32, 16 KiB", caps),
    ]
}

fn knowledge(program: &str) -> Knowledge {
    let mut knowledge = Knowledge::default();
    knowledge.add_rules("SPIRAL_HEUR_K", program.as_bytes()).expect("it is a program");
    knowledge
}

fn made(program: &str, shape: (usize, usize, usize), caps: &DeviceCaps) -> RankPlan {
    let (rows, cols, k) = shape;
    plan(&Problem::new(RankKind::TopK, rows, cols, k), caps, &knowledge(program))
}

#[test]
fn its_plans_are_the_golden_ones() {
    let mut text = String::new();
    for (name, caps) in devices() {
        writeln!(text, "{name}").unwrap();
        for shape in SHAPES {
            let plan = made(PROGRAM, shape, &caps);
            let (rows, cols, k) = shape;
            writeln!(text, "  {rows}x{cols} k={k}: {}", plan.choice).unwrap();
            for note in &plan.notes {
                writeln!(text, "    {note}").unwrap();
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/founding_plans.txt");
    if std::env::var_os("SPIRAL_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

/// What the program says, written down independently of it.
fn said(shape: (usize, usize, usize), sg: bool) -> (u8, u32) {
    let (_, cols, k) = shape;
    let mk = if sg && k <= 128 {
        2
    } else if k <= 2048 {
        1
    } else {
        0
    };
    let tile = match cols {
        32_769.. => 2048,
        8193.. => 1024,
        4097.. => 512,
        _ => 256,
    };
    (mk, tile)
}

#[test]
fn what_it_says_holds_wherever_the_device_can() {
    for (name, caps) in devices() {
        for shape in SHAPES {
            let plan = made(PROGRAM, shape, &caps);
            let (mk, tile) = said(shape, caps.subgroups);
            assert_eq!(
                (plan.choice.tile, plan.sources.tile),
                (tile, Source::Rule),
                "{name} {plan}"
            );
            let ctile = if tile >= 1024 { tile / 2 } else { tile };
            assert_eq!(plan.choice.ctile, ctile, "{name} {plan}");
            // A heap of k, a tile of new candidates, and a counter.
            let k = shape.2 as u32;
            let heap = (k + tile).max(k.next_power_of_two()).next_multiple_of(1024) * 8 + 4;
            let fits = mk != 1 || heap <= caps.shared_mem;
            if fits {
                assert_eq!(plan.choice.mk.code(), mk, "{name} {plan}");
                assert_eq!(plan.sources.mk, Source::Rule, "{name} {plan}");
                assert_eq!(plan.choice.mkd.code(), [3, 1, 4][usize::from(mk)], "{name} {plan}");
                assert_eq!(plan.notes, [""; 0], "{name} {plan}");
            } else {
                assert_eq!(plan.choice.mk, MergeKind::Bitonic, "too little shared memory: {plan}");
                assert_eq!(plan.sources.mk, Source::Adjusted, "{plan}");
                assert!(plan.notes[0].contains("SPIRAL_HEUR_K:3: mk: 1 cannot be run"), "{plan}");
            }
        }
    }
}

#[test]
fn each_rule_that_is_removed_changes_a_plan() {
    let (_, caps) = devices()[0];
    let without = |start: &str| {
        let lines: Vec<&str> = PROGRAM.lines().collect();
        let from = lines.iter().position(|l| l.trim_start().starts_with(start)).expect(start);
        let to = from + lines[from..].iter().position(|l| l.trim_end().ends_with(';')).unwrap();
        let left = lines[..from].iter().chain(&lines[to + 1..]);
        left.fold(String::new(), |text, line| text + line + "\n")
    };
    let shape = (64, 131_072, 4096);
    let whole = made(PROGRAM, shape, &caps);
    assert_eq!(whole.choice.mk, MergeKind::Bitonic, "k > 2048");

    // Without `mk:` the later rules that read it are refused, so they go too.
    let free = without("mk:").replace("mkd:  sel(mk==2,4, sel(mk==1,1,3));", "");
    assert_ne!(made(&free, shape, &caps).choice.mk, MergeKind::Bitonic, "nothing holds it there");
    let free_detail = without("mkd:");
    let sort = made(&free_detail, (64, 131_072, 1024), &caps);
    assert_ne!(sort.choice.mkd, MergeDetail::Heap, "{sort}");
    assert_eq!(made(PROGRAM, (64, 131_072, 1024), &caps).choice.mkd, MergeDetail::Heap);

    let free_ctile = without("ctile:");
    assert_eq!(whole.sources.ctile, Source::Rule);
    assert_ne!(made(&free_ctile, shape, &caps).sources.ctile, Source::Rule);
    let free_tile = without("tile:").replace("ctile: sel(tile>=1024, tile/2, tile);", "");
    assert_ne!(made(&free_tile, shape, &caps).sources.tile, Source::Rule);
}

#[test]
fn its_soft_rules_count_where_no_hard_rule_does() {
    let (_, caps) = devices()[0];
    let at = PROGRAM.find("# Soft hints").expect("they have a heading");
    let soft = &PROGRAM[at..];
    let shape = (64, 131_072, 50);
    let plan = made(soft, shape, &caps);
    assert_eq!(plan.choice.tile, 2048, "{plan}");
    let warp = soft.replace("soft(mk,   2, 0.25", "soft(mk,   2, 9.00");
    assert_eq!(made(&warp, shape, &caps).choice.mk, MergeKind::Warp, "with more weight");
    let stronger = soft.replace("soft(tile, 2048, 0.20", "soft(tile, 512, 0.20");
    assert_eq!(made(&stronger, shape, &caps).choice.tile, 512);
    let off = &mut knowledge(&stronger);
    off.set_soft(false);
    let (rows, cols, k) = shape;
    let off = st_plan::plan(&Problem::new(RankKind::TopK, rows, cols, k), &caps, off);
    assert_ne!(off.choice.tile, 512, "{off}");
}
