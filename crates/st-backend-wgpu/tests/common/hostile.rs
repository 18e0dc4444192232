//! Hostile data for kernels that order many candidates, and answers compared with the naive oracle's,
//! values and indices bit for bit.

use st_backend_wgpu::WgpuExecutor;
use st_conformance::pattern::Pattern;
use st_conformance::permutations::Setting;
use st_conformance::{Value, inputs, oracle, verdict};
use st_rank::{Choice, DType, MergeKind, Problem, RankKExecutor, RankPlan};

/// Data that bins might stumble over: everything in one bin, a few keys, all columns of a key together,
/// one key far from all others.
const HOSTILE: [Pattern; 9] = [
    Pattern::Normal,
    Pattern::AllEqual,
    Pattern::EightValues,
    Pattern::Ascending,
    Pattern::RandomBits,
    Pattern::Infinities,
    Pattern::Relu,
    Pattern::NanMix,
    Pattern::Plateau,
];

/// An executor that logs its launches.
pub(crate) fn executor() -> WgpuExecutor {
    WgpuExecutor::default().with_self_test(false).with_launch_log()
}

fn ask<T: Value>(exec: &WgpuExecutor, setting: &Setting) -> Result<(), String> {
    let caps = exec.caps().map_err(|e| e.to_string())?;
    let caps = caps.with_subgroup(caps.lane, setting.subgroups);
    let plan = RankPlan::by_hand(setting.problem, caps, setting.choice);
    let data = inputs::Data::<T>::new(setting);
    let want = oracle::rank(data.input(), &setting.problem);
    let got = exec.on(&data.input()).execute(&plan).map_err(|e| format!("refused: {e}"))?;
    verdict::rank(setting.problem.k, &want, &got)
}

/// Asks about all data, with subgroups and without in turns, or always with them if the kernel needs them.
pub(crate) fn ask_all(exec: &WgpuExecutor, choice: Choice, problem: Problem) {
    let subgroups = exec.caps().expect("an adapter").subgroups;
    for (seed, pattern) in (0..).zip(HOSTILE) {
        let subgroups = subgroups && (seed % 2 == 0 || choice.mk == MergeKind::Warp);
        let setting = Setting { subgroups, choice, problem, pattern, seed };
        let answer = match problem.dtype {
            DType::Bf16 => ask::<st_rank::bf16>(exec, &setting),
            DType::I32 => ask::<i32>(exec, &setting),
            _ => ask::<f32>(exec, &setting),
        };
        answer.unwrap_or_else(|what| panic!("{what}\n  {setting}"));
    }
}
