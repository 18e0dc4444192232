//! The crate graph: dependencies point downward only, the library's default build has neither a GPU
//! crate nor a network's in it, and the pure crates have no unsafe code.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;
use std::process::Command;

/// Which of our crates each may use; those further down come first. A crate's tests may use whatever
/// comes before it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("st-rank", &[]),
    ("st-kdsl", &[]),
    ("st-logic", &[]),
    ("st-kernels", &["st-rank"]),
    ("st-conformance", &["st-rank", "st-kernels"]),
    ("st-grad", &[]),
    ("st-plan", &["st-rank", "st-kernels", "st-kdsl", "st-logic"]),
    ("st-tune", &["st-rank", "st-kernels", "st-kdsl", "st-plan"]),
    ("st-kv", &["st-rank", "st-plan"]),
    ("st-backend-cpu", &["st-rank", "st-kernels"]),
    ("st-backend-wgpu", &["st-rank", "st-kernels"]),
    ("st-backend-cuda", &["st-rank", "st-kernels"]),
    (
        "st-core",
        &[
            "st-rank",
            "st-kernels",
            "st-plan",
            "st-kdsl",
            "st-tune",
            "st-kv",
            "st-backend-cpu",
            "st-backend-wgpu",
            "st-backend-cuda",
            "st-grad",
        ],
    ),
    ("st-cli", &["st-core"]),
    ("st-py", &["st-core"]),
    (
        "st-bench",
        &["st-core", "st-conformance", "st-kernels", "st-rank", "st-plan", "st-tune", "st-grad"],
    ),
    ("xtask", &[]),
];

/// The crates that hold unsafe code; the tidiness test says where in them.
const UNSAFE: &[&str] =
    &["st-backend-cpu", "st-backend-wgpu", "st-backend-cuda", "st-cli", "st-py", "st-bench"];

/// Crates that reach a GPU or compile for one.
const GPU: &[&str] = &["wgpu", "cudarc", "naga", "ash", "metal", "hip", "vulkano"];

/// Crates that reach a network.
const NETWORK: &[&str] = &["redis", "url", "socket2", "st-kv"];

struct Edge {
    from: String,
    to: String,
    in_tests: bool,
}

fn edge(from: &str, to: &str, in_tests: bool) -> Edge {
    Edge { from: from.to_owned(), to: to.to_owned(), in_tests }
}

/// What is wrong with the crates and the edges between them.
fn faults(crates: &[String], edges: &[Edge]) -> Vec<String> {
    let allowed = |name: &str| ALLOWED.iter().find(|row| row.0 == name).map(|row| row.1);
    let mut faults = Vec::new();
    for name in crates.iter().filter(|name| allowed(name).is_none()) {
        faults.push(format!("{name}: not in this test's table: say there what it may use"));
    }
    let place = |name: &str| ALLOWED.iter().position(|row| row.0 == name);
    for Edge { from, to, in_tests } in edges.iter().filter(|edge| crates.contains(&edge.to)) {
        let fine = if *in_tests {
            place(to) < place(from)
        } else {
            allowed(from).is_some_and(|list| list.contains(&to.as_str()))
        };
        if !fine {
            faults.push(format!("{from} may not depend on {to}"));
        }
    }
    faults
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

#[test]
fn dependencies_point_downward() {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata runs");
    let crates: Vec<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let edges: Vec<_> = metadata
        .packages
        .iter()
        .flat_map(|package| {
            package.dependencies.iter().map(|dependency| Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                in_tests: dependency.kind == DependencyKind::Development,
            })
        })
        .collect();
    assert!(edges.iter().any(|edge| edge.from == "st-core" && edge.to == "st-plan"));
    assert_eq!(faults(&crates, &edges), [""; 0]);
}

#[test]
fn the_table_points_downward() {
    for (place, (name, uses)) in ALLOWED.iter().enumerate() {
        for used in *uses {
            let below = ALLOWED[..place].iter().any(|row| row.0 == *used);
            assert!(below, "{name} uses {used}, which is not below it");
        }
    }
}

#[test]
fn upward_dependencies_are_found() {
    let crates = ["st-rank", "st-plan", "st-core", "st-conformance"].map(str::to_owned);
    let of = |edge| faults(&crates, &[edge]);
    assert_eq!(of(edge("st-plan", "st-rank", false)), [""; 0]);
    assert_eq!(of(edge("st-plan", "serde", false)), [""; 0]);
    assert_eq!(of(edge("st-core", "st-conformance", true)), [""; 0]);
    assert_eq!(of(edge("st-core", "st-conformance", false)).len(), 1);
    assert_eq!(of(edge("st-rank", "st-plan", false)).len(), 1);
    assert_eq!(of(edge("st-plan", "st-core", true)).len(), 1, "in tests too");
    assert_eq!(of(edge("st-plan", "st-new", true)), [""; 0], "not one of ours");
    assert_eq!(faults(&["st-new".to_owned()], &[]).len(), 1);
}

/// The GPU crates in the output of `cargo tree --prefix none`.
fn gpu_crates(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    // wgpu is one, and so are wgpu-core and wgpu-hal.
    names.filter(|name| GPU.contains(&name.split('-').next().unwrap_or(name))).collect()
}

/// The crates of the library's build with some features, one on a line.
fn tree(features: &[&str]) -> String {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "st-core"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("names are UTF-8")
}

fn network_crates(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| NETWORK.contains(name)).collect()
}

#[test]
fn the_default_build_has_no_gpu_and_no_network_crate() {
    let tree = tree(&[]);
    assert!(tree.contains("st-backend-cpu v"), "{tree}");
    assert_eq!(gpu_crates(&tree), [""; 0]);
    assert_eq!(network_crates(&tree), [""; 0]);
}

#[test]
fn hints_bring_the_network_and_no_gpu() {
    let tree = tree(&["--features", "kv-redis"]);
    let network = network_crates(&tree);
    assert!(network.contains(&"redis") && network.contains(&"st-kv"), "{tree}");
    assert_eq!(gpu_crates(&tree), [""; 0]);
}

#[test]
fn gpu_crates_are_found() {
    let tree = "st-core v0.1.0\nwgpu v29.0.0\nwgpu-core v29.0.0\nhipstr v0.1.0\nserde v1.0.0 (*)";
    assert_eq!(gpu_crates(tree), ["wgpu", "wgpu-core"]);
}

fn forbids_unsafe(root_module: &str) -> bool {
    root_module.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]")
}

#[test]
fn the_other_crates_forbid_unsafe_code() {
    for (name, _) in ALLOWED.iter().filter(|row| !UNSAFE.contains(&row.0)) {
        let dir =
            if *name == "xtask" { root().join(name) } else { root().join("crates").join(name) };
        let roots = ["src/lib.rs", "src/main.rs"].map(|file| dir.join(file));
        let mut found = 0;
        for file in roots.iter().filter(|file| file.exists()) {
            let text = std::fs::read_to_string(file).expect("it is a text file");
            assert!(forbids_unsafe(&text), "{} does not forbid unsafe code", file.display());
            found += 1;
        }
        assert!(found > 0, "{name} has neither src/lib.rs nor src/main.rs");
    }
    assert!(!forbids_unsafe("#![deny(unsafe_code)]\n// #![forbid(unsafe_code)]\n"));
}
