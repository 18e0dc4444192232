//! Rules that Self-Rewrite wrote, in a text with others.
//!
//! Each is two lines: where it comes from, as a comment in a fixed form, and one `soft(...)`. A rule that is no longer
//! exactly as it was written belongs to whoever changed it, and is never touched again.

use std::fmt;
use std::ops::Range;

use st_kdsl::Program;

/// What a line of provenance begins with; the number is its form's.
const MARK: &str = "# spiral rewrite 1: ";

/// Where a rule comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// The device's fingerprint: rules cannot tell its drivers apart.
    pub device: String,
    /// The [bucket's shape](super::Bucket::shape).
    pub bucket: String,
    /// The [code](super::code) of the choice that was in use.
    pub from: String,
    /// Of the one that the rule speaks for.
    pub to: String,
    /// Pairs that it won, those as fast as halves.
    pub wins: f64,
    /// Pairs.
    pub trials: u64,
    /// How many times as fast it was, by the median.
    pub ratio: f64,
    /// What the median is at least.
    pub least: f64,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, device, bucket, from, to, wins, trials, ratio, least } = self;
        write!(
            f,
            "date={date} device={device} bucket={bucket} from={from} to={to} won={wins}/{trials} \
             ratio={ratio:.4} least={least:.4}"
        )
    }
}

impl Provenance {
    /// Reads what [`Display`](fmt::Display) writes; none for anything else.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let (date, device, bucket) = (value("date")?, value("device")?, value("bucket")?);
        let (from, to) = (value("from")?, value("to")?);
        let (wins, trials) = value("won")?.split_once('/')?;
        let (ratio, least) = (value("ratio")?, value("least")?);
        Some(Self {
            date: date.to_owned(),
            device: device.to_owned(),
            bucket: bucket.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            wins: wins.parse().ok()?,
            trials: trials.parse().ok()?,
            ratio: ratio.parse().ok()?,
            least: least.parse().ok()?,
        })
    }

    /// Whether both speak of the same bucket of a device.
    #[must_use]
    pub fn same_bucket(&self, other: &Self) -> bool {
        self.device == other.device && self.bucket == other.bucket
    }
}

/// A rule in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Where it comes from.
    pub provenance: Provenance,
    /// Its `soft(...)`.
    pub statement: String,
    /// Its bytes, both lines and their ends.
    pub range: Range<usize>,
}

/// The rules in a program that are as Self-Rewrite wrote them.
#[must_use]
pub fn written(program: &Program) -> Vec<Written> {
    program.statements().iter().filter_map(|s| read(program.text(), s)).collect()
}

fn read(text: &str, statement: &st_kdsl::Statement) -> Option<Written> {
    let (first, last) = (statement.span.start as usize, statement.span.end as usize);
    // It begins its line; the line above is its provenance.
    let above = text[..first].strip_suffix('\n')?;
    let above = above.strip_suffix('\r').unwrap_or(above);
    let start = above.rfind('\n').map_or(0, |at| at + 1);
    let line = above[start..].trim_start_matches('\u{feff}');
    let start = above.len() - line.len();
    let (words, sum) = line.strip_prefix(MARK)?.rsplit_once(" sum=")?;
    // Nothing but its end stands behind it.
    let rest = text[last..].strip_prefix(';')?;
    let rest = rest.strip_prefix('\r').unwrap_or(rest);
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix('\n')? };
    let written = &text[first..last];
    (sum == checksum(words, written)).then_some(())?;
    Some(Written {
        provenance: Provenance::parse(words)?,
        statement: written.to_owned(),
        range: start..text.len() - rest.len(),
    })
}

/// The text without some of its rules: everything else keeps its bytes.
#[must_use]
pub fn without(text: &str, rules: &[Written]) -> String {
    let mut ranges: Vec<&Range<usize>> = rules.iter().map(|rule| &rule.range).collect();
    ranges.sort_by_key(|range| range.start);
    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        kept.push_str(&text[at..range.start]);
        at = range.end;
    }
    kept.push_str(&text[at..]);
    kept
}

/// A statement as a program has it, which its checksum, and others who hear of it, know it by.
///
/// # Errors
/// A text that is no statement.
pub fn canonical(name: &str, statement: &str) -> Result<String, st_kdsl::EditError> {
    let program = Program::parse(name, statement)?;
    Ok(program.statements().first().map(|s| s.kind.to_string()).unwrap_or_default())
}

/// The text with a rule at its end. A `;` or a line end that is missing before it is added.
///
/// # Errors
/// A text that is no program, or a statement that is none.
pub fn with(
    name: &str,
    text: &str,
    provenance: &Provenance,
    statement: &str,
) -> Result<String, st_kdsl::EditError> {
    let canonical = canonical(name, statement)?;
    let words = provenance.to_string();
    let sum = checksum(&words, &canonical);
    let comment = format!("{}{words} sum={sum}", &MARK["# ".len()..]);
    Ok(Program::parse(name, text)?.append(&comment, &canonical)?.text().to_owned())
}

/// FNV-1a of both lines: it tells whether somebody has changed them, and is no guard against forgery.
fn checksum(words: &str, statement: &str) -> String {
    let bytes = words.bytes().chain([b'\n']).chain(statement.bytes());
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(to: &str) -> Provenance {
        Provenance {
            date: "2026-11-29".to_owned(),
            device: "cpu-lane16".to_owned(),
            bucket: "topk/4/10.12.6".to_owned(),
            from: "warp.auto/1".to_owned(),
            to: to.to_owned(),
            wins: 38.5,
            trials: 40,
            ratio: 1.3125,
            least: 1.25,
        }
    }

    fn rules(text: &str) -> Vec<Written> {
        written(&Program::parse("rules", text).expect("a program"))
    }

    const SOFT: &str = "soft(mk, 2, 0.3510, cpu && !sg && r >= 1024)";

    #[test]
    fn what_is_added_is_found_and_taken_away_again() {
        for before in [
            "",
            "\u{feff}",
            "mk: 2",
            "mk: 2;\r\ntile: 512;\r\n",
            "# mine\nmk: 2; # why\n\n# at the end",
            "\u{feff}# mine\r\n",
        ] {
            let added = with("rules", before, &provenance("filter"), SOFT).expect("added");
            let found = rules(&added);
            assert_eq!(found.len(), 1, "{added:?}");
            assert_eq!(found[0].provenance, provenance("filter"));
            assert_eq!(rules(&without(&added, &found)).len(), 0);
            let rest = without(&added, &found);
            assert!(rest.starts_with(before.trim_end_matches(['\r', '\n'])), "{rest:?}");
            let again = with("rules", &rest, &provenance("filter"), SOFT).expect("added");
            assert_eq!(again, added, "what comes and goes leaves nothing");
            let two = with("rules", &added, &provenance("radix"), SOFT).expect("added");
            let both = rules(&two);
            assert_eq!(without(&two, &both[1..]), added);
            assert_eq!(without(&two, &both[..1]).matches("# spiral rewrite").count(), 1);
        }
    }

    #[test]
    fn what_somebody_has_changed_is_theirs() {
        let text = with("rules", "", &provenance("filter"), SOFT).expect("added");
        assert_eq!(rules(&text).len(), 1);
        for (from, to) in [
            ("0.351", "0.9"),
            ("won=38.5", "won=40"),
            (";\n", "; # mine\n"),
            ("soft", " soft"),
            ("soft", "\nsoft"),
            ("# spiral", "# Spiral"),
            ("rewrite 1", "rewrite 2"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert_eq!(rules(&changed), [], "{changed}");
        }
        // A remark above it is not part of it.
        let remarked = format!("# mine\n{text}");
        assert_eq!(without(&remarked, &rules(&remarked)), "# mine\n");
    }
}
