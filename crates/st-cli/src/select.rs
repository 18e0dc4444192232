//! `spiral topk|bottomk|midk|range`: a selection over an array in a file.

use std::io;
use std::time::Instant;

use st_core::ops::rank_entry::{self as ranked, Problem, RankKind, RankOutput, RankPlan};

use crate::args::SelectArgs;
use crate::error::Error;
use crate::exec::Exec;
use crate::input::{self, Request, Source};
use crate::output::{self, Destination, Report, Values};
use crate::target::{Planned, Target};
use crate::tensor::{RowLayout, Scalar, Tensor};
use crate::{explain, progress, with_scalar};

/// Runs a selection. Everything that can be refused without reading elements is refused before.
pub(crate) fn run(kind: RankKind, args: &SelectArgs) -> Result<(), Error> {
    let target =
        Target::open(args.device, &args.cpu, "use --device cpu, or a build with that backend")?;
    let destination =
        args.out.as_deref().map(|out| Destination::check(out, &args.file)).transpose()?;
    let source = Source::open(&args.file)?;
    let request =
        Request { tensor: args.tensor.as_deref(), shape: args.shape.as_deref(), dtype: args.dtype };
    let refused = |source| Error::Input { path: args.file.clone(), source };

    let read = || input::parse(&args.file, source.bytes(), &request);
    let tensor = progress::watch(args.quiet, "reading", read).map_err(refused)?;
    let layout = RowLayout::new(&tensor.shape, args.axis)
        .map_err(|source| Error::Axis { path: args.file.clone(), source })?;
    let problem = Problem::new(kind, layout.rows, layout.cols, args.k)
        .with_dtype(tensor.dtype)
        .with_nan(args.order.nan.into())
        .with_sorted(!args.order.unsorted);
    problem.check()?;
    let Planned { exec, caps, knowledge, plan, auto } = target.plan(&problem);

    let result = with_scalar!(tensor.dtype, T => {
        progress::watch(args.quiet, "selecting", || select::<T>(&exec, &tensor, &layout, &plan))
    });
    let Selected { values, indices, elapsed_us } = result?;
    let why = args.explain.then(|| ranked::explain(&problem, &caps, &knowledge, explain::TOP));
    let report = Report {
        file: &args.file,
        tensor: args.tensor.as_deref(),
        layout: &layout,
        shape: &tensor.shape,
        isa: exec.unit(),
        plan: &plan,
        auto: auto.as_ref(),
        why: why.as_ref(),
        values: &*values,
        indices: &indices,
        elapsed_us,
    };
    if let Some(destination) = &destination {
        progress::watch(args.quiet, "writing", || destination.write(&report))?;
    }
    if args.json {
        return output::stdout(|out| output::json::write(out, &report));
    }
    output::stdout(|out| {
        if !args.quiet {
            writeln!(out, "{plan}")?;
            if let Some(why) = &auto {
                explain::write_auto(out, why)?;
            }
        }
        if let Some(why) = &why {
            explain::write(out, why)?;
        }
        if !args.quiet {
            output::table::write(out, &report)?;
            if let Some(destination) = &destination {
                writeln!(out, "wrote {}", destination.name().display())?;
            }
        }
        io::Result::Ok(())
    })
}

struct Selected {
    values: Box<dyn Values>,
    indices: Vec<u32>,
    elapsed_us: f64,
}

/// Selects, and puts the result into the array's order of axes. Only the selection is timed.
fn select<T: Scalar>(
    exec: &Exec,
    tensor: &Tensor<'_>,
    layout: &RowLayout,
    plan: &RankPlan,
) -> Result<Selected, Error> {
    let rows = layout.rows_of(tensor.elements::<T>()?, tensor.order)?;
    let start = Instant::now();
    let RankOutput { values, indices } = exec.run(&rows, plan)?;
    let elapsed_us = start.elapsed().as_secs_f64() * 1e6;
    let k = plan.problem.k;
    let values = layout.restore(values, k)?;
    let indices = layout.restore(indices, k)?;
    Ok(Selected { values: Box::new(values), indices, elapsed_us })
}
