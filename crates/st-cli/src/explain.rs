//! Why a plan was made, in words.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use st_core::backend::auto::Why;
use st_core::ops::rank_entry::{Explanation, Field};

/// Candidates shown unless another number is asked for.
pub(crate) const TOP: usize = 5;

/// Which device `auto` took, and why.
pub(crate) fn write_auto(out: &mut (impl Write + ?Sized), why: &Why) -> io::Result<()> {
    writeln!(out, "  auto       {why}")
}

/// Each field with where it came from, the best candidates with the votes for them, the hard
/// rules, and the measured table's word.
pub(crate) fn write(out: &mut (impl Write + ?Sized), why: &Explanation) -> io::Result<()> {
    let plan = &why.plan;
    writeln!(out, "  why        {}", why.why)?;
    writeln!(out, "  device     {}", plan.caps)?;
    for field in Field::ALL {
        let value = match field {
            Field::Mk => plan.choice.mk.to_string(),
            Field::Mkd => plan.choice.mkd.to_string(),
            Field::Use2ce => plan.choice.use_2ce.to_string(),
            _ => plan.choice.get(field).to_string(),
        };
        let source = plan.sources.get(field).name();
        writeln!(out, "  {:<9}  {value:<12} {source}", field.name())?;
    }
    for rule in &why.hard {
        write!(out, "  rule       {}: {} = {}", rule.place, rule.field, rule.asked)?;
        match f64::from(rule.value) == rule.asked {
            true => writeln!(out)?,
            false => writeln!(out, ", taken as {}", rule.value)?,
        }
    }
    for rule in &why.soft {
        let what = match (rule.field, rule.value) {
            (Some(field), Some(value)) => format!("{field} = {value}"),
            _ => "its condition".to_owned(),
        };
        writeln!(out, "  soft rule  {}: {what} {:+.3}", rule.place, rule.weight)?;
    }
    if let Some(table) = &why.table {
        let [rows, least, most, k] = table.record;
        write!(out, "  table      {} ({})", table.table, table.origin)?;
        write!(out, ": rows {rows}, columns {least} to {most}, k up to {k}")?;
        if let Some(us) = table.measured_us {
            write!(out, ", measured {us:.1} us")?;
        }
        if let Some(score) = table.score {
            write!(out, ", score {score:.3} {:+.3}", table.prior)?;
        }
        writeln!(out, ": {}", table.outcome)?;
    }
    for note in &plan.notes {
        writeln!(out, "  note       {note}")?;
    }
    writeln!(out, "  {} candidates, the best:", why.considered)?;
    candidates(out, why)
}

fn candidates(out: &mut (impl Write + ?Sized), why: &Explanation) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let titles = ["expected us", "model us", "score"].map(|t| right(t.to_owned()));
    table.set_header(titles.into_iter().chain(["choice", "votes"].map(Cell::new)));
    for candidate in &why.candidates {
        let measured = if candidate.measured { " measured" } else { "" };
        let votes: Vec<String> =
            candidate.votes.iter().map(|v| format!("{} {:+.3}", v.place, v.weight)).collect();
        table.add_row([
            right(format!("{:.1}{measured}", candidate.expected_us)),
            right(format!("{:.1}", candidate.model_us)),
            right(format!("{:.3}", candidate.score)),
            Cell::new(candidate.choice.to_string()),
            Cell::new(votes.join(", ")),
        ]);
    }
    for line in table.lines() {
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}
