//! `spiral plan`: how a selection would be run.

use serde::Serialize;
use st_core::ops::rank_entry::{Knowledge, Problem, RankKind, RankPlan, plan};

use crate::args::{Kind, PlanArgs};
use crate::error::Error;
use crate::{cpu, explain, output};

/// The plan's own fields, with what was asked for at hand at the top.
#[derive(Serialize)]
struct Document<'a> {
    kind: &'static str,
    device: &'static str,
    #[serde(flatten)]
    plan: &'a RankPlan,
}

pub(crate) fn run(args: &PlanArgs) -> Result<(), Error> {
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
            args.device.require(
                "describe it to plan for it, as --caps wgpu,lane=32,subgroup=true,wg=256,smem=32768",
            )?;
            cpu::executor(&args.cpu)?.caps()
        }
    };
    let problem = Problem::new(kind, args.rows, args.cols, args.k)
        .with_dtype(args.dtype)
        .with_nan(args.order.nan.into())
        .with_sorted(!args.order.unsorted);
    problem.check()?;
    let plan = plan(&problem, &caps, &Knowledge::default());
    output::stdout(|out| {
        if args.json {
            let document = Document { kind: kind.name(), device: caps.backend.name(), plan: &plan };
            return output::json::document(out, &document);
        }
        writeln!(out, "{plan}")?;
        if args.explain { explain::write(out, &plan) } else { Ok(()) }
    })
}
