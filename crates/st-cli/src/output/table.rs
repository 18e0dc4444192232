//! The first rows of a result, for a person.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::Report;
use crate::tensor::Shape;

const ROWS: usize = 5;
const RANKS: usize = 8;

/// Writes the first ranks of the first rows, and how many more there are.
pub(crate) fn write(out: &mut (impl Write + ?Sized), report: &Report<'_>) -> io::Result<()> {
    let problem = &report.plan.problem;
    let (rows, ranks) = (problem.rows.min(ROWS), problem.k.min(RANKS));
    if rows == 0 || ranks == 0 {
        return writeln!(out, "empty result of shape {}", Shape(&report.result_shape()));
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let first = problem.kind.ranks(problem.cols, problem.k).start;
    let title = |j: usize| {
        if problem.sorted { format!("rank {}", first + j) } else { format!("by index {j}") }
    };
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(
        [right("row".to_owned())].into_iter().chain((0..ranks).map(|j| right(title(j)))),
    );
    for row in 0..rows {
        let cells = (0..ranks).map(|j| {
            let place = report.layout.result_place(row, j, problem.k);
            right(format!("{} @{}", report.values.number(place), report.indices[place]))
        });
        let position = report.layout.row_position(row);
        let name = match &position[..] {
            [] => "0".to_owned(),
            [one] => one.to_string(),
            several => Shape(several).to_string(),
        };
        table.add_row([right(name)].into_iter().chain(cells));
    }
    writeln!(out, "{table}")?;
    let more = [(problem.rows - rows, "rows"), (problem.k - ranks, "ranks of each row")];
    let more: Vec<String> =
        more.iter().filter(|m| m.0 > 0).map(|(n, what)| format!("{n} more {what}")).collect();
    if !more.is_empty() {
        writeln!(out, "... and {}", more.join(", "))?;
    }
    writeln!(out, "{:.1} us", report.elapsed_us)
}
