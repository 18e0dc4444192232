//! A table as a page: which kernel wins where, predicted against measured times, how near the memory's speed the
//! winners come, and what each way to plan costs. One HTML file that needs nothing else.

mod regret;
mod svg;

use std::collections::BTreeSet;
use std::fmt::Write as _;

pub use regret::{Regret, regrets};
use st_plan::table::Record;
use st_plan::{Knowledge, Table, predict};
use st_rank::{DeviceCaps, MergeKind};

use self::regret::{Bucket, buckets};
use self::svg::{Plot, text};

/// A color for each merge kind, in their order (Okabe and Ito's, which the color-blind can tell apart).
const COLORS: [&str; 5] = ["#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2"];

const STYLE: &str = "
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .2rem .6rem; text-align: right; }
td.win { color: #fff; text-align: center; }
svg { width: 36rem; max-width: 100%; font-size: 11px; fill: currentColor; }
svg .grid { stroke: currentColor; stroke-opacity: .15; }
.key span { color: #fff; padding: .1rem .5rem; margin-right: .4rem; border-radius: .2rem; }
";

/// The page of a device's table; `knowledge` is what is known beside it.
#[must_use]
pub fn html(table: &Table, caps: &DeviceCaps, knowledge: &Knowledge) -> String {
    let buckets = buckets(table);
    let versions = table.versions();
    let mut page = String::from("<!doctype html><html lang='en'><meta charset='utf-8'>");
    let device = text(if versions.device.is_empty() { table.name() } else { &versions.device });
    let _ = write!(page, "<title>Tuned: {device}</title><style>{STYLE}</style><h1>{device}</h1>");
    let _ = write!(
        page,
        "<p>{} {} {}: {} buckets, {} records. Kernels {}, spiral {}.</p>",
        text(&caps.to_string()),
        text(&versions.driver),
        text(&versions.date),
        buckets.len(),
        table.records().len(),
        versions.kernels,
        text(&versions.spiral)
    );
    page.push_str("<p class='key'>");
    for (mk, color) in MergeKind::ALL.iter().zip(COLORS) {
        let _ = write!(page, "<span style='background:{color}'>{mk}</span>");
    }
    page.push_str("</p><h2>What each way to plan costs</h2>");
    policies(&mut page, &regrets(table, caps, knowledge));
    page.push_str("<h2>Which kernel wins</h2>");
    winners(&mut page, &buckets);
    page.push_str(
        "<h2>Predicted and measured</h2><p>Every record; the line is where both are equal.</p>",
    );
    predicted(&mut page, &buckets, caps);
    page.push_str("<h2>Near the memory's speed</h2>");
    roofline(&mut page, &buckets, caps);
    page.push_str("</html>\n");
    page
}

fn policies(page: &mut String, regrets: &[Regret]) {
    page.push_str(
        "<p>Time of the choice over the best measured time, in the buckets where the choice was measured.</p>\
         <table><tr><th>policy<th>geometric mean<th>worst<th>not measured</tr>",
    );
    let ratio = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.3}"));
    for Regret { policy, mean, worst, unknown } in regrets {
        let (mean, worst) = (ratio(*mean), ratio(*worst));
        let _ = write!(page, "<tr><th>{policy}<td>{mean}<td>{worst}<td>{unknown}</tr>");
    }
    page.push_str("</table>");
}

/// For each kind, type and number of rows a map of columns and k.
fn winners(page: &mut String, buckets: &[Bucket<'_>]) {
    let about = |r: &Record| (r.kind, r.dtype.name(), r.rows);
    let maps: BTreeSet<_> = buckets.iter().map(|b| about(b.best)).collect();
    for map in maps {
        let here: Vec<&Bucket<'_>> = buckets.iter().filter(|b| about(b.best) == map).collect();
        let cols: BTreeSet<u32> = here.iter().map(|b| b.best.at.0).collect();
        let ks: BTreeSet<u32> = here.iter().map(|b| b.best.at.1).collect();
        let (kind, dtype, rows) = map;
        let _ = write!(page, "<table><tr><th>{kind} {dtype}, {rows} rows");
        for n in &cols {
            let _ = write!(page, "<th>{n} columns");
        }
        page.push_str("</tr>");
        for k in ks {
            let _ = write!(page, "<tr><th>k = {k}");
            for &n in &cols {
                match here.iter().find(|b| b.best.at == (n, k)) {
                    None => page.push_str("<td>"),
                    Some(bucket) => cell(page, bucket),
                }
            }
            page.push_str("</tr>");
        }
        page.push_str("</table>");
    }
}

fn cell(page: &mut String, bucket: &Bucket<'_>) {
    let best = bucket.best;
    let (Some(mk), Some(us)) = (best.choice.mk, best.median_us) else { return };
    let color = COLORS[mk as usize];
    let choice = best.choice.whole().map(|choice| choice.to_string()).unwrap_or_default();
    let _ = write!(
        page,
        "<td class='win' style='background:{color}' title='{}; best of {}'>{mk}<br>{us:.1} us",
        text(&choice),
        bucket.records.len()
    );
}

fn title(record: &Record) -> String {
    let (cols, k) = record.at;
    let choice = record.choice.whole().map(|choice| choice.to_string()).unwrap_or_default();
    let us = record.median_us.unwrap_or_default();
    format!("{} {}x{cols} k={k} {}: {us:.1} us, {choice}", record.kind, record.rows, record.dtype)
}

fn predicted(page: &mut String, buckets: &[Bucket<'_>], caps: &DeviceCaps) {
    let mut points = Vec::new();
    for bucket in buckets {
        let problem = bucket.best.problem();
        for record in &bucket.records {
            let model = record.choice.whole().and_then(|choice| predict(&problem, caps, &choice));
            points.extend(model.zip(record.median_us).map(|(model, us)| (model, us, *record)));
        }
    }
    let both = points.iter().flat_map(|&(a, b, _)| [(a, b), (b, a)]);
    let mut plot = Plot::around(both);
    let ([x0, x1], _) = plot.ends();
    plot.line((x0, x0), (x1, x1));
    for (model, us, record) in points {
        let color = record.choice.mk.map_or("gray", |mk| COLORS[mk as usize]);
        plot.dot((model, us), color, &title(record));
    }
    page.push_str(&plot.finish("predicted, microseconds", "measured, microseconds"));
}

fn roofline(page: &mut String, buckets: &[Bucket<'_>], caps: &DeviceCaps) {
    let point = |bucket: &Bucket<'_>| {
        let bytes = bucket.best.problem().input_bytes() as f64;
        Some((bytes, bytes / (bucket.best.median_us? * 1e3)))
    };
    let roof = caps.bandwidth as f64 / 1e9;
    let points: Vec<_> = buckets.iter().filter_map(|b| Some((point(b)?, b.best))).collect();
    let shown = points.iter().map(|&(point, _)| point);
    let with_roof = points.iter().take(1).filter(|_| roof > 0.0).map(|&((x, _), _)| (x, roof));
    let mut plot = Plot::around(shown.chain(with_roof));
    let ([x0, x1], _) = plot.ends();
    if roof > 0.0 {
        plot.line((x0, roof), (x1, roof));
        let _ = write!(page, "<p>The line is the device's read bandwidth, {roof:.0} GB/s.</p>");
    } else {
        page.push_str("<p>The device's read bandwidth is not known.</p>");
    }
    for (point, record) in points {
        let color = record.choice.mk.map_or("gray", |mk| COLORS[mk as usize]);
        plot.dot(point, color, &title(record));
    }
    page.push_str(&plot.finish("input, bytes", "input over time, GB/s"));
}
