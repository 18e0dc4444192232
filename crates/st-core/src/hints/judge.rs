//! Which hints count.

use st_kv::Evidence;
use st_kv::hints::Heard;
use st_kv::key::Key;
use st_plan::table::Record;
use st_rank::DeviceCaps;
use st_tune::Bar;

use super::{Hints, Rule, Time};

/// Most rules that count: planning takes longer with each.
const MOST_RULES: usize = 32;

/// Hints as the planner and people get them, at a time in seconds since 1970.
pub(super) fn judged(device: &DeviceCaps, heard: Heard, now: u64) -> Hints {
    let age = |e: &Evidence| now.saturating_sub(e.at);
    let time = |(record, evidence): (Record, Evidence)| Time {
        key: Key::of(&record).encode(),
        median_us: evidence.median,
        spread: evidence.spread,
        weight: evidence.weight(now),
        age_s: age(&evidence),
        record,
    };
    let turned = heard.turned;
    let rule = |(line, evidence): (String, Evidence)| Rule {
        unheard: stands(&line, &evidence, &turned)
            .and_then(|()| judge(&line, &evidence, now))
            .err(),
        wins: evidence.wins,
        ratio: evidence.median,
        weight: evidence.weight(now),
        age_s: age(&evidence),
        line,
    };
    let mut rules: Vec<Rule> = heard.rules.into_iter().map(rule).collect();
    // The best proven first; those with as much to show for them in the order of their lines.
    let rank = |r: &Rule| (r.unheard.is_some(), r.wins * r.weight);
    rules.sort_by(|a, b| {
        let (x, y) = (rank(a), rank(b));
        x.0.cmp(&y.0).then(y.1.total_cmp(&x.1)).then(a.line.cmp(&b.line))
    });
    let counting = rules.iter_mut().filter(|rule| rule.unheard.is_none());
    for rule in counting.skip(MOST_RULES) {
        rule.unheard = Some(format!("{MOST_RULES} others have more to show for them"));
    }
    let left_out = heard.left_out;
    Hints { device: *device, times: heard.times.into_iter().map(time).collect(), rules, left_out }
}

/// Whether a rule was not withdrawn since it last won: the last word counts. That it is not heard costs no more than what it
/// gains, and that is gone for somebody with this device.
fn stands(line: &str, won: &Evidence, turned: &[(String, Evidence)]) -> Result<(), String> {
    let against = turned.iter().find(|(other, _)| other == line);
    match against.filter(|(_, against)| against.at >= won.at) {
        None => Ok(()),
        Some((_, against)) => {
            let (share, pairs) = (100.0 * against.wins, against.samples.round());
            Err(format!("it was withdrawn: {share:.0} % of {pairs} pairs won since"))
        }
    }
}

/// Whether a rule counts: one soft statement, and what is left of its evidence would still win a comparison.
fn judge(line: &str, evidence: &Evidence, now: u64) -> Result<(), String> {
    check(line)?;
    let bar = Bar::default();
    let pairs = evidence.weight(now).round();
    let half_wins = (2.0 * evidence.wins * pairs).round();
    let needed = bar.half_wins_needed(pairs as u64, 1);
    if needed.is_none_or(|least| half_wins < least as f64) {
        let share = 100.0 * evidence.wins;
        return Err(format!(
            "{share:.0} % of {pairs} pairs won, as far as they count now: too few"
        ));
    }
    if evidence.median < bar.least_ratio {
        let (ratio, least) = (evidence.median, bar.least_ratio);
        return Err(format!("{ratio:.3} times as fast: less than {least}"));
    }
    Ok(())
}

/// Whether a text is one soft statement that the planner understands.
#[cfg(feature = "kdsl")]
pub(super) fn check(line: &str) -> Result<(), String> {
    use st_kdsl::ast::StatementKind;

    use crate::rules::{Program, Rules, SCHEMA};

    let program = Program::parse(super::NAME, line).map_err(|e| e.first().message.clone())?;
    let [statement] = program.statements() else {
        return Err(format!("{} statements: give one", program.statements().len()));
    };
    match &statement.kind {
        StatementKind::Vote { penalty: false, .. } if line.ends_with(';') => {}
        _ => return Err("it is no `soft(..);`".to_owned()),
    }
    Rules::check(&program, &SCHEMA, &[]).map_err(|e| e.first().message.clone())?;
    Ok(())
}

#[cfg(not(feature = "kdsl"))]
pub(super) fn check(_line: &str) -> Result<(), String> {
    Err("this build has no rules language: build with the feature `kdsl`".to_owned())
}
