//! `spiral plan` and `spiral explain`: how a selection would be run, and why.

use serde::Serialize;
use st_core::backend::auto::Why;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{
    Explanation, Knowledge, Problem, RankKind, RankPlan, explain, plan,
};

use crate::args::{ExplainArgs, Kind, PlanArgs};
use crate::error::Error;
use crate::target::{Planned, Target};
use crate::{cpu, output, settings};

/// The plan's own fields, with what was asked for at hand at the top.
#[derive(Serialize)]
struct Document<'a> {
    kind: &'static str,
    device: &'static str,
    /// Why that device, if none was named.
    auto: Option<&'a Why>,
    #[serde(flatten)]
    plan: &'a RankPlan,
}

/// The same with the reasons.
#[derive(Serialize)]
struct ExplainedDocument<'a> {
    kind: &'static str,
    device: &'static str,
    auto: Option<&'a Why>,
    #[serde(flatten)]
    why: &'a Explanation,
}

pub(crate) fn run(args: &PlanArgs) -> Result<(), Error> {
    if args.explain {
        return explain_plan(args, crate::explain::TOP);
    }
    let Asked { problem, caps, knowledge, auto } = asked(args)?;
    let (kind, device, auto) = (problem.kind.name(), caps.backend.name(), auto.as_ref());
    let plan = plan(&problem, &caps, &knowledge);
    output::stdout(|out| {
        if args.json {
            return output::json::document(out, &Document { kind, device, auto, plan: &plan });
        }
        writeln!(out, "{plan}")?;
        auto.map_or(Ok(()), |auto| crate::explain::write_auto(out, auto))
    })
}

/// `spiral explain`.
pub(crate) fn explained(args: &ExplainArgs) -> Result<(), Error> {
    explain_plan(&args.plan, args.top as usize)
}

/// The plan with the reasons and so many candidates, as text or as a document.
fn explain_plan(args: &PlanArgs, top: usize) -> Result<(), Error> {
    let Asked { problem, caps, knowledge, auto } = asked(args)?;
    let (kind, device, auto) = (problem.kind.name(), caps.backend.name(), auto.as_ref());
    let why = explain(&problem, &caps, &knowledge, top);
    output::stdout(|out| {
        if args.json {
            let document = ExplainedDocument { kind, device, auto, why: &why };
            return output::json::document(out, &document);
        }
        writeln!(out, "{}", why.plan)?;
        auto.map_or(Ok(()), |auto| crate::explain::write_auto(out, auto))?;
        crate::explain::write(out, &why)
    })
}

/// What the arguments ask for: a problem, and a device to plan it for with what is known.
struct Asked {
    problem: Problem,
    caps: DeviceCaps,
    knowledge: Knowledge,
    auto: Option<Why>,
}

fn asked(args: &PlanArgs) -> Result<Asked, Error> {
    let kind = match (args.kind, args.start) {
        (Kind::Topk, None) => RankKind::TopK,
        (Kind::Bottomk, None) => RankKind::BottomK,
        (Kind::Midk, None) => RankKind::MidK,
        (Kind::Range, Some(start)) => RankKind::Range { start },
        (Kind::Range, None) | (_, Some(_)) => return Err(Error::StartNotUsed),
    };
    let problem = Problem::new(kind, args.rows, args.cols, args.k)
        .with_dtype(args.dtype)
        .with_nan(args.order.nan.into())
        .with_sorted(!args.order.unsorted);
    if let Some(caps) = args.caps {
        cpu::without(&args.cpu, "--caps")?;
        problem.check()?;
        let knowledge = settings::load(&caps).knowledge;
        return Ok(Asked { problem, caps, knowledge, auto: None });
    }
    let advice =
        "describe it to plan for it, as --caps wgpu,lane=32,subgroup=true,wg=256,smem=32768";
    let target = Target::open(args.device, &args.cpu, advice)?;
    problem.check()?;
    let Planned { caps, knowledge, auto, .. } = target.plan(&problem);
    Ok(Asked { problem, caps, knowledge, auto })
}
