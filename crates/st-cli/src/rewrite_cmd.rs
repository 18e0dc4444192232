//! `spiral rewrite`: the evidence of Self-Rewrite, and the rules that follow from it.

use std::io::{self, Write};

use serde::Serialize;
use similar::TextDiff;
use st_core::hints;
use st_core::rewrite::settle::{devices, follow, read, rules_text};
use st_core::rewrite::{
    Bucket, Comparison, Config, Document, Done, Error as RewriteError, Files, Host, State, clock,
    code, journal, settle, undo,
};
use st_core::settings::Settings;

use crate::args::RewriteArgs;
use crate::error::Error;
use crate::output;
use crate::settings::warn;

/// Everything that is printed.
#[derive(Default, Serialize)]
struct Report {
    /// The file of rules.
    rules: String,
    comparisons: Vec<Row>,
    /// What was done.
    done: Vec<Act>,
    /// What would be done by `--write`, where that was not asked for.
    would_be_done: Vec<Act>,
    /// The change of the rules, if there is or would be one.
    diff: String,
    /// Changes that can be taken back, the last first.
    changes: Vec<String>,
    /// Evidence that is not used, and all else that is to be said.
    remarks: Vec<String>,
    /// Those remarks that are on standard error already.
    #[serde(skip)]
    warned: Vec<String>,
}

/// A comparison.
#[derive(Serialize)]
struct Row {
    device: String,
    bucket: String,
    in_use: String,
    challenger: String,
    state: &'static str,
    /// Why, or since when.
    about: String,
    wins: f64,
    trials: u64,
    median_ratio: Option<f64>,
    /// Of the e-value that the challenger is faster, and of the one that it must reach.
    ln_e_value: f64,
    ln_e_needed: f64,
}

/// Something done, or that would be.
#[derive(Serialize)]
struct Act {
    what: &'static str,
    bucket: String,
    in_use: String,
    challenger: String,
    about: String,
}

pub(crate) fn run(args: &RewriteArgs) -> Result<(), Error> {
    let settings = Settings::from_env();
    let files = settings.files().ok_or(RewriteError::Nowhere)?;
    let config = Config::default();
    let mut report = Report { rules: files.rules.display().to_string(), ..Report::default() };
    if args.undo {
        let change = undo(&files, &config)?;
        report.diff = diff(&change.after, change.before.as_deref().unwrap_or_default());
        let was = if change.before.is_some() { "as it was" } else { "gone, as it was" };
        report.remarks.push(format!("{} is {was} before {}", report.rules, change.date));
        // Evidence that makes no sense cannot note that its rules are gone.
        for device in devices(&files)? {
            if let Err(error) = read(&files, &device, &config) {
                report.warn(error.to_string());
            }
        }
    } else if args.write {
        let _no_fault = rules_text(&files)?;
        let mut changes: Vec<(String, String)> = Vec::new();
        let mut shared = 0;
        for device in devices(&files)? {
            let settled =
                settle(&files, &device, &[], &config, &|rules| settings.knowledge(rules))?;
            settled.remarks.iter().for_each(|remark| report.warn(remark.clone()));
            if let Some(fault) = settled.fault {
                return Err(Error::Unhealthy(fault));
            }
            shared += st_core::rewrite::share(&settled);
            report.take(&settled.document, &config);
            report.done.extend(settled.done.iter().map(act));
            // As they were under the lock: what others change meanwhile is none of this command's changes.
            let (before, after) = settled.rules;
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            match changes.last_mut() {
                Some((_, last)) if *last == before => *last = after,
                _ => changes.push((before, after)),
            }
        }
        report.diff = changes.iter().map(|(before, after)| diff(before, after)).collect();
        if shared > 0 {
            match hints::flush(hints::WAIT) {
                Ok(()) => {
                    report.remarks.push(format!("{shared} rules are shared with other machines"));
                }
                Err(why) => report.warn(not_shared(&why)),
            }
        }
    } else {
        report.would(&settings, &files, &config)?;
        if !args.check && !args.dry_run {
            // Told in words; the lines themselves are for those who ask.
            report.diff.clear();
        }
    }
    match journal::changes(&files) {
        Ok(changes) => report.changes = changes.into_iter().map(|change| change.date).collect(),
        Err(error @ RewriteError::Journal { .. }) => report.warn(error.to_string()),
        Err(error) => return Err(error.into()),
    }
    output::stdout(|out| {
        if args.json {
            return output::json::document(out, &report);
        }
        report.write(out, args)
    })
}

/// A change of the rules is published when it is made, and never again.
fn not_shared(why: &hints::Error) -> String {
    let what = match why {
        hints::Error::Late { .. } => "whether what was done is shared is not known",
        _ => "what was done is not shared",
    };
    format!("{what}: {why}; it stands here all the same, and nothing shares it later")
}

fn diff(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().header("before", "after").to_string()
}

impl Report {
    /// What would be done now, device by device; nothing is written.
    fn would(&mut self, settings: &Settings, files: &Files, config: &Config) -> Result<(), Error> {
        let before = rules_text(files)?;
        let mut text = before.clone();
        for device in devices(files)? {
            let (mut document, left_out) = match read(files, &device, config) {
                Ok(read) => read,
                Err(error) => {
                    self.warn(error.to_string());
                    continue;
                }
            };
            self.remarks.extend(left_out);
            let shown = document.clone();
            let knows = |rules: &[u8]| settings.knowledge(rules);
            let settled = follow(&mut document, Ok(text), files, config, &knows);
            text = settled.rules.1;
            self.take(&shown, config);
            self.would_be_done.extend(settled.done.iter().map(act));
        }
        self.diff = diff(&before.unwrap_or_default(), &text.unwrap_or_default());
        Ok(())
    }

    /// Says what is wrong, on standard error too.
    fn warn(&mut self, remark: String) {
        warn(&remark);
        self.remarks.push(remark.clone());
        self.warned.push(remark);
    }

    fn take(&mut self, document: &Document, config: &Config) {
        self.comparisons
            .extend(document.comparisons.iter().filter_map(|c| row(c, document, config)));
    }

    fn write(&self, out: &mut dyn Write, args: &RewriteArgs) -> io::Result<()> {
        for remark in self.remarks.iter().filter(|remark| !self.warned.contains(remark)) {
            writeln!(out, "{remark}")?;
        }
        let done_only = args.check || args.dry_run || args.write || args.undo;
        if !done_only {
            for row in &self.comparisons {
                row.write(out)?;
            }
            if self.comparisons.is_empty() {
                writeln!(out, "no evidence: SPIRAL_SELF_REWRITE=1 lets programs gather it")?;
            }
        }
        for (would, acts) in [("", &self.done), ("would be ", &self.would_be_done)] {
            for Act { what, bucket, in_use, challenger, about } in acts {
                writeln!(out, "{would}{what}: {bucket}: {in_use} -> {challenger}{about}")?;
            }
        }
        if args.check {
            writeln!(out, "{}: no fault found", self.rules)?;
        }
        let nothing = self.done.is_empty() && self.would_be_done.is_empty();
        if nothing && done_only && !args.undo {
            writeln!(out, "{}: nothing to write", self.rules)?;
        }
        out.write_all(self.diff.as_bytes())
    }
}

fn row(c: &Comparison, document: &Document, config: &Config) -> Option<Row> {
    let key = c.key()?;
    let (state, about) = match &c.state {
        State::UnderWay => ("under way", String::new()),
        State::Won { day } => ("won", clock::date(*day)),
        State::Dropped { why } => ("dropped", why.clone()),
        State::Withdrawn { day } => ("withdrawn", clock::date(*day)),
        State::Undone { day } => ("undone", clock::date(*day)),
    };
    Some(Row {
        device: key.bucket.device.clone(),
        bucket: key.bucket.shape(),
        in_use: code(&key.in_use),
        challenger: code(&key.challenger),
        state,
        about,
        wins: c.pairs.wins(),
        trials: c.pairs.trials(),
        median_ratio: c.pairs.median_ratio(),
        ln_e_value: c.pairs.ln_e_faster(),
        ln_e_needed: (document.allowed_for(c) as f64 / config.bar.false_wins).ln(),
    })
}

impl Row {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { device, bucket, in_use, challenger, state, about, wins, trials, .. } = self;
        write!(out, "{device} {bucket}: {in_use} -> {challenger}: {wins}/{trials} won")?;
        if let Some(ratio) = self.median_ratio {
            write!(out, ", median {ratio:.3} times as fast")?;
        }
        let (own, needed) = (self.ln_e_value, self.ln_e_needed);
        write!(out, ", ln e {own:.1} of {needed:.1}; {state}")?;
        writeln!(out, "{}{about}", if about.is_empty() { "" } else { ": " })
    }
}

fn act(done: &Done) -> Act {
    let (what, key, about) = match done {
        Done::Wrote { key, rule, superseded } => {
            let rule = match rule {
                Some((provenance, _)) => format!(": {:.3} times as fast", provenance.ratio),
                None => ": the planner needs no rule for it".to_owned(),
            };
            let gone = match superseded {
                0 => String::new(),
                n => format!(", in place of {n}"),
            };
            ("written", key, format!("{rule}{gone}"))
        }
        Done::Withdrew { key, watch, .. } => {
            let about = format!(": {} of {} pairs won since", watch.wins(), watch.trials());
            ("withdrawn", key, about)
        }
        Done::Refused { key, why } => ("left out", key, format!(": {why}")),
    };
    let Bucket { device, .. } = &key.bucket;
    Act {
        what,
        bucket: format!("{device} {}", key.bucket.shape()),
        in_use: code(&key.in_use),
        challenger: code(&key.challenger),
        about,
    }
}
