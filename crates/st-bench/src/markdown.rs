//! The tables of `st-bench cpu`, and the section of a document that holds them.

use std::fmt::{self, Write};
use std::path::Path;

use crate::Result;
use crate::cells::Cell;
use crate::peer::PEERS;
use crate::read::PlanTime;
use crate::report::{CellReport, Report, Setting};

const BEGIN: &str = "<!-- bench:cpu begin -->";
const END: &str = "<!-- bench:cpu end -->";

impl Setting {
    fn markdown(&self, out: &mut String) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        writeln!(out, "### {} ({} thread{plural})\n", title(self.name), self.threads)?;
        out.push_str("| rows x cols, k | input | ours | NumPy | ONNX Runtime | torch | best peer ");
        out.push_str("| best peer / ours | ours / read |\n|---|---|--:|--:|--:|--:|---|--:|--:|\n");
        for c in &self.cells {
            let Cell { rows, cols, k, input, .. } = c.cell;
            write!(out, "| {rows}x{cols}, {k} | {input} | {} ", short(c.us("ours")))?;
            PEERS.iter().try_for_each(|p| write!(out, "| {} ", short(c.us(p))))?;
            let (best, ratio) = (c.best_peer.unwrap_or("-"), times(c.ratio));
            writeln!(out, "| {best} | {ratio} | {} |", times(c.reads))?;
        }
        if let Some(s) = &self.summary {
            write!(out, "\nBest peer / ours over {} cells: least {:.2}, ", s.cells, s.min_ratio)?;
            write!(out, "geometric mean {:.2}; below 1.0: {}. ", s.geometric_mean, s.below_one)?;
            write!(out, "By the fastest call of each instead of the median: least ")?;
            writeln!(out, "{:.2}, mean {:.2}.", s.fastest_min_ratio, s.fastest_geometric_mean)?;
        }
        let long = |c: &&CellReport| (c.cell.rows, c.cell.cols, c.cell.k) == (1, 1 << 24, 100);
        for (c, reads) in self.cells.iter().filter(long).filter_map(|c| Some((c, c.reads?))) {
            writeln!(out, "\n{} takes {reads:.2} reads of its input (goal 1.3).", c.cell)?;
        }
        out.push('\n');
        Ok(())
    }
}

impl Report {
    /// The section of the document.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_markdown(&mut out);
        out
    }

    fn write_markdown(&self, out: &mut String) -> fmt::Result {
        let Self { date, command, processor, cores, .. } = self;
        let isa = self.isa.unwrap_or("none");
        let versions: Vec<_> =
            self.versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
        writeln!(out, "{date}, {processor}, {cores} cores; our instruction set: {isa}.")?;
        if let [Some(begin), Some(end)] = self.load {
            writeln!(out, "Load of the machine: {begin:.1} at the start, {end:.1} at the end.")?;
        }
        if !versions.is_empty() {
            writeln!(out, "Peers: {}.", versions.join(", "))?;
        }
        writeln!(out, "\n    {command}\n")?;
        out.push_str(
            "The k greatest of each row, f32, sorted, with indices; medians in microseconds. All \
             contenders take turns in one run, are checked, and have outputs to reuse where their \
             interface allows it. NumPy has one thread. *ours / read*: our time in units of \
             reading the input once with the same threads.\n\n",
        );
        for setting in &self.settings {
            setting.markdown(out)?;
        }
        if let Some(slowest) = self.plan_rank.iter().max_by(|a, b| a.ns.total_cmp(&b.ns)) {
            let PlanTime { rows, cols, k, ns, .. } = slowest;
            let shapes = self.plan_rank.len();
            write!(
                out,
                "`plan_rank`, warm: at most {ns:.0} ns (goal 1000) over {shapes} shapes, "
            )?;
            writeln!(out, "for {rows}x{cols}, {k}.")?;
        }
        for failure in &self.failures {
            writeln!(out, "\n**WRONG**: {failure}")?;
        }
        Ok(())
    }
}

fn title(setting: &str) -> &str {
    if setting == "all" { "All cores" } else { "One core" }
}

/// Microseconds with three digits that count.
pub(crate) fn short(us: Option<f64>) -> String {
    match us {
        None => "-".to_owned(),
        Some(us) if us < 9.995 => format!("{us:.2}"),
        Some(us) if us < 99.95 => format!("{us:.1}"),
        Some(us) => format!("{us:.0}"),
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}"))
}

/// Puts the text between the marks of a file; without marks, at its end; without a file, makes one.
pub(crate) fn rewrite_section(path: &Path, text: &str) -> Result<()> {
    let old = match std::fs::read_to_string(path) {
        Ok(old) => old,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "# Benchmarks\n".to_owned(),
        Err(e) => return Err(format!("{}: {e}", path.display()).into()),
    };
    Ok(std::fs::write(path, with_section(&old, text))?)
}

fn with_section(old: &str, text: &str) -> String {
    let section = format!("{BEGIN}\n{}\n{END}", text.trim_end());
    let marks = old.find(BEGIN).and_then(|b| Some((b, b + old[b..].find(END)? + END.len())));
    match marks {
        Some((begin, end)) => format!("{}{section}{}", &old[..begin], &old[end..]),
        None => format!("{}\n\n{section}\n", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_is_rewritten() {
        let once = with_section("# Title\n\nText.\n", "one\n");
        assert_eq!(once, format!("# Title\n\nText.\n\n{BEGIN}\none\n{END}\n"));
        let twice = with_section(&format!("{once}After.\n"), "two");
        assert_eq!(twice, format!("# Title\n\nText.\n\n{BEGIN}\ntwo\n{END}\nAfter.\n"));
    }
}
