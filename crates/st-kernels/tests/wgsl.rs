//! Every permutation is valid WGSL, has the bindings that the host makes, and can be translated for
//! Vulkan, Metal and DX12.

mod product;

use naga::back::{hlsl, msl, spv};
use naga::front::wgsl;
use naga::valid::{Capabilities, ModuleInfo, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use product::permutations;
use st_kernels::wgsl::{Dialect, Permutation, Stage};

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

/// The bindings that the host's layout has: five of storage, the first two read only, one uniform,
/// and the input once more.
fn check_bindings(module: &Module) -> Result<(), String> {
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        let fits = match variable.space {
            AddressSpace::Storage { access } => {
                let writes = access.contains(StorageAccess::STORE);
                (2..5).contains(&binding.binding) == writes && binding.binding != 5
            }
            AddressSpace::Uniform => binding.binding == 5,
            _ => false,
        };
        if !fits || binding.group != 0 {
            return Err(format!("{:?} is bound at {binding:?}", variable.name));
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
