//! Every permutation is valid WGSL, has the bindings that the host makes, and can be translated for
//! Vulkan, Metal and DX12.

use naga::back::{hlsl, msl, spv};
use naga::front::wgsl;
use naga::valid::{Capabilities, ModuleInfo, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use st_kernels::wgsl::{Compaction, Dialect, Permutation, Stage};

/// The flags that matter to a stage's source.
fn flags(stage: Stage) -> &'static [fn(&mut Permutation)] {
    match stage {
        Stage::Warp => &[|p| p.two = true, |p| p.network = true],
        Stage::Radix => &[|p| p.two = true, |p| p.resident = true, |p| p.range = true],
        Stage::Filter => &[
            |p| p.two = true,
            |p| p.resident = true,
            |p| p.refine = true,
            |p| p.vectors += 64,
            |p| p.dense = true,
        ],
        Stage::Merge | Stage::Settle => &[|p| p.range = true],
        Stage::Compact => {
            &[|p| p.compaction = Compaction::Count, |p| p.compaction = Compaction::Apply]
        }
        Stage::GroupRank | Stage::GroupNetwork => {
            &[|p| p.full = true, |p| p.kl = 8, |p| p.partial = 4]
        }
        Stage::Range
        | Stage::Coarse
        | Stage::Fine
        | Stage::Starts
        | Stage::Scatter
        | Stage::Rank => &[],
        _ => &[|p| p.two = true],
    }
}

/// The full product of what matters to the source, at some sizes.
fn permutations() -> Vec<Permutation> {
    let mut all = Vec::new();
    for stage in Stage::ALL {
        for wg in [64, 96, 256, 1024] {
            for (half, subgroup) in [(false, false), (false, true), (true, false), (true, true)] {
                if subgroup && !stage.uses_subgroups() || stage.needs_subgroups() && !subgroup {
                    continue;
                }
                let flags = flags(stage);
                for set in 0..1u32 << flags.len() {
                    let short = matches!(stage, Stage::GroupRank | Stage::GroupNetwork);
                    let vectors = if short { 4 } else { 2 * wg };
                    let base = Permutation::new(stage, wg);
                    let mut one = Permutation {
                        half,
                        subgroup,
                        cap: 1024,
                        tile: 2 * wg,
                        vectors,
                        sample: 2,
                        each: 2,
                        kl: 4,
                        ..base
                    };
                    flags
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| set >> i & 1 == 1)
                        .for_each(|(_, flag)| flag(&mut one));
                    // A part in registers is its own sample.
                    if stage == Stage::Filter && one.resident {
                        one.sample = one.vectors.div_ceil(wg);
                    }
                    all.push(one);
                }
            }
        }
    }
    all
}

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

#[test]
fn every_permutation_is_valid_everywhere() {
    let all = permutations();
    assert!(all.len() > 200, "{}", all.len());
    for permutation in all {
        let with_barrier = Dialect { subgroup_barrier: true, ..Dialect::default() };
        if let Err(why) = validated(&permutation.source(with_barrier)) {
            panic!("{permutation:?} with the barrier of subgroups\n{why}");
        }
        let source = permutation.source(Dialect::default());
        let done = validated(&source).and_then(|(module, info)| {
            check_bindings(&module)?;
            translated(&module, &info)?;
            let [entry] = &module.entry_points[..] else { return Err("one entry".to_owned()) };
            assert_eq!((entry.stage, entry.name.as_str()), (ShaderStage::Compute, "main"));
            assert_eq!(entry.workgroup_size, [permutation.wg, 1, 1]);
            Ok(())
        });
        if let Err(why) = done {
            panic!("{permutation:?}\n{why}");
        }
    }
}

#[test]
fn data_is_bound_as_integers_only() {
    for permutation in permutations() {
        let (module, _) = validated(&permutation.source(Dialect::default())).expect("it is valid");
        for (_, ty) in module.types.iter() {
            if let naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. } =
                ty.inner
            {
                assert_ne!(scalar.kind, naga::ScalarKind::Float, "{permutation:?}");
            }
        }
    }
}

#[test]
fn browsers_are_told_of_subgroups() {
    let with = Permutation { subgroup: true, ..Permutation::new(Stage::Radix, 64) };
    let web = Dialect { web: true, ..Dialect::default() };
    assert!(with.source(web).starts_with("enable subgroups;\n"));
    assert!(!Permutation::new(Stage::Radix, 64).source(web).contains("enable"));
    assert!(!with.source(Dialect::default()).contains("enable"));
}
