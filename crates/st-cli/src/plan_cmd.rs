//! `spiral plan` and `spiral explain`: how a selection would be run, and why.

use serde::Serialize;
use st_core::backend::device_caps::DeviceCaps;
use st_core::ops::rank_entry::{Explanation, Problem, RankKind, RankPlan, explain, plan};

use crate::args::{ExplainArgs, Kind, PlanArgs};
use crate::error::Error;
use crate::exec::Exec;
use crate::{output, settings};

/// The plan's own fields, with what was asked for at hand at the top.
#[derive(Serialize)]
struct Document<'a> {
    kind: &'static str,
    device: &'static str,
    #[serde(flatten)]
    plan: &'a RankPlan,
}

/// The same with the reasons.
#[derive(Serialize)]
struct ExplainedDocument<'a> {
    kind: &'static str,
    device: &'static str,
    #[serde(flatten)]
    why: &'a Explanation,
}

pub(crate) fn run(args: &PlanArgs) -> Result<(), Error> {
    let (problem, caps) = asked(args)?;
    let knowledge = settings::load(&caps).knowledge;
    let (kind, device) = (problem.kind.name(), caps.backend.name());
    if args.explain {
        let why = explain(&problem, &caps, &knowledge, crate::explain::TOP);
        return output::stdout(|out| {
            if args.json {
                let document = Document { kind, device, plan: &why.plan };
                return output::json::document(out, &document);
            }
            writeln!(out, "{}", why.plan)?;
            crate::explain::write(out, &why)
        });
    }
    let plan = plan(&problem, &caps, &knowledge);
    output::stdout(|out| {
        if args.json {
            return output::json::document(out, &Document { kind, device, plan: &plan });
        }
        writeln!(out, "{plan}")
    })
}

/// `spiral explain`.
pub(crate) fn explained(args: &ExplainArgs) -> Result<(), Error> {
    let (problem, caps) = asked(&args.plan)?;
    let knowledge = settings::load(&caps).knowledge;
    let why = explain(&problem, &caps, &knowledge, args.top as usize);
    output::stdout(|out| {
        if args.plan.json {
            let (kind, device) = (problem.kind.name(), caps.backend.name());
            return output::json::document(out, &ExplainedDocument { kind, device, why: &why });
        }
        writeln!(out, "{}", why.plan)?;
        crate::explain::write(out, &why)
    })
}

/// The problem and the device of the arguments.
fn asked(args: &PlanArgs) -> Result<(Problem, DeviceCaps), Error> {
    let kind = match (args.kind, args.start) {
        (Kind::Topk, None) => RankKind::TopK,
        (Kind::Bottomk, None) => RankKind::BottomK,
        (Kind::Midk, None) => RankKind::MidK,
        (Kind::Range, Some(start)) => RankKind::Range { start },
        (Kind::Range, None) | (_, Some(_)) => return Err(Error::StartNotUsed),
    };
    let caps = match args.caps {
        Some(caps) => caps,
        None => {
            let advice = "describe it to plan for it, as --caps wgpu,lane=32,subgroup=true,wg=256,smem=32768";
            Exec::open(args.device, &args.cpu, advice)?.caps()
        }
    };
    let problem = Problem::new(kind, args.rows, args.cols, args.k)
        .with_dtype(args.dtype)
        .with_nan(args.order.nan.into())
        .with_sorted(!args.order.unsorted);
    problem.check()?;
    Ok((problem, caps))
}
