//! Why a plan was made, in words.

use std::io::{self, Write};

use st_core::ops::rank_entry::RankPlan;

/// The predicted times, the runner up, and each field with where it came from.
pub(crate) fn write(out: &mut (impl Write + ?Sized), plan: &RankPlan) -> io::Result<()> {
    match plan.predicted_us {
        Some(us) => writeln!(out, "  predicted  {us:.1} us")?,
        None => writeln!(out, "  predicted  nothing: no cost model knows this device")?,
    }
    if let Some(next) = plan.runner_up {
        write!(out, "  runner up  {} {:.1} us", next.mk, next.predicted_us)?;
        match plan.predicted_us {
            Some(us) if us > 0.0 => {
                writeln!(out, " ({:.2} times as long)", next.predicted_us / us)?
            }
            _ => writeln!(out)?,
        }
    }
    writeln!(out, "  device     {}", plan.caps)?;
    let (choice, sources) = (&plan.choice, &plan.sources);
    for (field, value, source) in [
        ("mk", choice.mk.to_string(), sources.mk),
        ("mkd", choice.mkd.to_string(), sources.mkd),
        ("tile", choice.tile.to_string(), sources.tile),
        ("ctile", choice.ctile.to_string(), sources.ctile),
        ("use_2ce", choice.use_2ce.to_string(), sources.use_2ce),
        ("wg", choice.wg.to_string(), sources.wg),
        ("kl", choice.kl.to_string(), sources.kl),
        ("ch", choice.ch.to_string(), sources.ch),
    ] {
        writeln!(out, "  {field:<9}  {value:<12} {}", source.name())?;
    }
    for note in &plan.notes {
        writeln!(out, "  note       {note}")?;
    }
    Ok(())
}
