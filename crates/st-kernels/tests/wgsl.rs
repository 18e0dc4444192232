//! Every permutation is valid WGSL, has the bindings that the host makes, and can be translated for
//! Vulkan, Metal and DX12.

mod product;

use naga::back::{hlsl, msl, spv};
use naga::front::wgsl;
use naga::valid::{Capabilities, ModuleInfo, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use product::permutations;
use st_kernels::wgsl::{BINDINGS, Binding, Dialect, Permutation, STORAGE_BUFFERS, Stage};

fn validated(source: &str) -> Result<(Module, ModuleInfo), String> {
    let module = wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let capabilities = Capabilities::SUBGROUP | Capabilities::SUBGROUP_BARRIER;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    Ok((module, info))
}

/// That the host's layout has what is bound, for what is done with it.
fn check_bindings(module: &Module) -> Result<(), String> {
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        let as_what = match variable.space {
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                Some(Binding::Write)
            }
            AddressSpace::Storage { .. } => Some(Binding::Read),
            AddressSpace::Uniform => Some(Binding::Uniform),
            _ => None,
        };
        let of_host = BINDINGS.get(binding.binding as usize).copied();
        if as_what.is_none() || as_what != of_host || binding.group != 0 {
            let name = &variable.name;
            return Err(format!(
                "{name:?} is {as_what:?} at {binding:?}; the host has {of_host:?}"
            ));
        }
    }
    Ok(())
}

fn translated(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    spv::write_vec(module, info, &options, None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options =
        msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
    msl::write_string(module, info, &options, &msl::PipelineOptions::default())
        .map_err(|e| format!("MSL: {e}"))?;
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(module, info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

/// Data is bound as integers: a shader's floats may have neither NaN nor denormals.
fn check_integers(module: &Module) -> Result<(), String> {
    for (_, ty) in module.types.iter() {
        if let naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. } = ty.inner
            && scalar.kind == naga::ScalarKind::Float
        {
            return Err(format!("{:?} is of floats", ty.name));
        }
    }
    Ok(())
}

fn check(permutation: &Permutation) -> Result<(), String> {
    let with_barrier = Dialect { subgroup_barrier: true, ..Dialect::default() };
    let rolled = Dialect { rolled: true, ..Dialect::default() };
    for dialect in [with_barrier, rolled] {
        validated(&permutation.source(dialect)).map_err(|why| format!("{dialect:?}\n{why}"))?;
    }
    let (module, info) = validated(&permutation.source(Dialect::default()))?;
    check_bindings(&module)?;
    check_integers(&module)?;
    translated(&module, &info)?;
    let [entry] = &module.entry_points[..] else { return Err("one entry".to_owned()) };
    assert_eq!((entry.stage, entry.name.as_str()), (ShaderStage::Compute, "main"));
    assert_eq!(entry.workgroup_size, [permutation.wg, 1, 1]);
    Ok(())
}

#[test]
fn every_permutation_is_valid_everywhere() {
    let all = permutations();
    assert!(all.len() > 200, "{}", all.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let check_all = |share: &[Permutation]| {
        share.iter().find_map(|permutation| {
            check(permutation).err().map(|why| format!("{permutation:?}\n{why}"))
        })
    };
    let wrong = std::thread::scope(|scope| {
        let shares = all.chunks(all.len().div_ceil(threads));
        let begun: Vec<_> = shares.map(|share| scope.spawn(move || check_all(share))).collect();
        begun.into_iter().find_map(|thread| thread.join().expect("it did not panic"))
    });
    if let Some(why) = wrong {
        panic!("{why}");
    }
}

#[test]
fn what_the_host_does_not_bind_is_found() {
    let checked = |declared: &str| {
        let source = format!("@group(0) {declared};\n@compute @workgroup_size(1) fn main() {{}}");
        check_bindings(&wgsl::parse_str(&source).expect("it is WGSL"))
    };
    let vectors = "var<storage, read> x: array<vec4<u32>>";
    assert_eq!(checked(&format!("@binding(6) {vectors}")), Ok(()));
    for (declared, said) in [
        (format!("@binding({}) {vectors}", BINDINGS.len()), "the host has None"),
        (format!("@binding(6) {}", vectors.replace("read", "read_write")), "has Some(Read)"),
        ("@binding(5) var<storage, read> x: array<u32>".to_owned(), "has Some(Uniform)"),
        ("@binding(2) var<storage, read> x: array<u32>".to_owned(), "has Some(Write)"),
        ("@binding(0) var<uniform> x: u32".to_owned(), "has Some(Read)"),
    ] {
        let why = checked(&declared).expect_err(&declared);
        assert!(why.contains(said), "{declared}: {why}");
    }
    let storage = BINDINGS.iter().filter(|&&binding| binding != Binding::Uniform).count();
    assert_eq!(storage, STORAGE_BUFFERS as usize);
}

#[test]
fn rows_without_lengths_of_their_own_pay_nothing_for_those_that_have_them() {
    let all = permutations();
    assert!(all.iter().any(|one| one.ragged));
    for permutation in all {
        let source = permutation.source(Dialect::default());
        for word in ["is_bad", "status"] {
            assert_eq!(source.contains(word), permutation.ragged, "{word}: {permutation:?}");
        }
    }
}

/// Where lanes leave a loop one by one, an operation of the subgroup behind it may be some lanes' alone
/// (docs/kernels.md). So no loop's bounds know a lane but those of the last, behind which is nothing.
#[test]
fn lanes_of_a_subgroup_leave_loops_together() {
    for permutation in permutations().iter().filter(|one| one.stage == Stage::Warp) {
        let source = permutation.source(Dialect::default());
        let names_lane = |line: &str| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "lane")
        };
        let loops: Vec<&str> = source
            .lines()
            .map(str::trim)
            .filter(|line| ["for ", "while ", "loop "].iter().any(|word| line.starts_with(word)))
            .filter(|line| names_lane(line))
            .collect();
        let last: &[&str] = &["for (var i = found + lane; i < p.k; i += lanes) {"];
        assert_eq!(loops, last[usize::from(permutation.two)..], "{permutation:?}");
        if !permutation.two {
            let behind = source.split(last[0]).nth(1).unwrap_or_default();
            assert!(!behind.contains("subgroup"), "{permutation:?}");
        }
    }
}

#[test]
fn browsers_are_told_of_subgroups() {
    let with = Permutation { subgroup: true, ..Permutation::new(Stage::Radix, 64) };
    let web = Dialect { web: true, ..Dialect::default() };
    assert!(with.source(web).starts_with("enable subgroups;\n"));
    let radix = Permutation::new(Stage::Radix, 64);
    assert!(!radix.source(web).contains("enable"));
    // What barriers depend on, too; no other driver pays for it.
    assert!(radix.source(web).contains("workgroupUniformLoad"));
    assert!(!radix.source(Dialect::default()).contains("workgroupUniformLoad"));
    assert!(!with.source(Dialect::default()).contains("enable"));
}
