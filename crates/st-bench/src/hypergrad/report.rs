//! What is said of it all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tables::{Convergence, Table};
use super::timing::{Line, OURS, OURS_WHOLE};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) date: String,
    pub(super) command: String,
    pub(super) processor: String,
    pub(super) load: Option<f64>,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) convergence: Convergence,
    pub(super) timing: Vec<Line>,
    pub(super) failures: Vec<String>,
}

/// The table's columns: a heading, a contender.
const COLUMNS: [(&str, &str); 6] = [
    ("ours, CG", OURS),
    ("jaxopt CG 1e-10", "jaxopt_cg"),
    ("jaxopt default", "jaxopt_default"),
    ("NumPy CG", "numpy_cg"),
    ("ours with fit", OURS_WHOLE),
    ("jaxopt LBFGS + CG", "jaxopt_lbfgs"),
];

impl Report {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let load = self.load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.1}"));
        out += &format!("{}, {}; load {load} at the start.\n", self.date, self.processor);
        if !self.versions.is_empty() {
            let versions: Vec<_> =
                self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            out += &format!("Peers: {}; all on one core, in turns.\n", versions.join(", "));
        }
        out += &format!("\n    {}\n", self.command);
        out += "\nMilliseconds for a hyper-gradient at the inner minimum (the last two: with the inner \
                problem solved from zero), fastest call / median of turns, and the value's relative \
                error.\n\n";
        out += &format!(
            "| d | {} | iterations | jaxopt CG / ours |\n",
            COLUMNS.map(|c| c.0).join(" | ")
        );
        out += &format!("|--:|{}--:|--:|\n", "--:|".repeat(COLUMNS.len()));
        for line in &self.timing {
            out += &line.text();
        }
        for table in &self.convergence.tables {
            out += &table.text();
        }
        let n = &self.convergence.nonsymmetric;
        out += &format!(
            "\nP5, a nonsymmetric map. jaxopt's CG: a value with relative error {:.1}, without a \
             warning. Our CG: {}. Our Auto ({}): relative error {:.1e}.\n",
            n.jaxopt_cg_error, n.our_cg, n.our_auto, n.our_auto_error
        );
        out
    }
}

impl Line {
    fn text(&self) -> String {
        let of = |name: &str| self.contenders.iter().find(|c| c.name == name);
        let cell = |name: &str| {
            of(name).and_then(|c| c.timing.map(|t| (t, c.error))).map_or_else(
                || "-".to_owned(),
                |(timing, error)| {
                    let (least, median) = (timing.min_us / 1e3, timing.median_us / 1e3);
                    format!("{} / {}, {error:.1e}", short(least), short(median))
                },
            )
        };
        let least = |name: &str| of(name).and_then(|c| c.timing).map(|t| t.min_us);
        let ratio = least("jaxopt_cg")
            .zip(least(OURS))
            .map_or_else(|| "-".to_owned(), |(theirs, ours)| format!("{:.2}", theirs / ours));
        let cells = COLUMNS.map(|(_, name)| cell(name)).join(" | ");
        format!("| {} | {cells} | {} | {ratio} |\n", self.d, self.iterations)
    }
}

/// Three digits.
fn short(ms: f64) -> String {
    let digits = (2 - ms.abs().max(1e-3).log10().floor() as i32).clamp(0, 4);
    format!("{ms:.0$}", digits as usize)
}

impl Table {
    fn text(&self) -> String {
        let mut out = format!(
            "\n{}: relative errors after so many steps or iterations, ours (the reference's)\n\n",
            self.problem
        );
        out += &format!("| T | {} |\n|--:|{}\n", self.columns.join(" | "), "--:|".repeat(6));
        for row in &self.rows {
            let cells: Vec<_> = row
                .errors
                .iter()
                .zip(&row.reference)
                .map(|(ours, reference)| format!("{ours:.1e} ({reference:.1e})"))
                .collect();
            out += &format!("| {} | {} |\n", row.steps, cells.join(" | "));
        }
        out
    }
}
