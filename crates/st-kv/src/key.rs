//! What a hint is about, as a text.
//!
//! `time/KIND/TYPE/SG/rROWS/cLEAST-MOST/kMOST/@COLUMNS,K/FIELD=NUMBER,..` is a measured choice: the shapes that it is
//! for, the shape at which it was measured, and the fields of the choice that are given, in the order of the contract.
//! `rule/LINE` is a soft rule, `turned/LINE` one that was withdrawn. A text has one meaning and a meaning one text: whatever is not
//! written as we write it is no key. The device is not in it: it names the place where keys lie.

use st_plan::table::{Partial, Record};
use st_rank::{DType, Field, MergeDetail, MergeKind};

/// What a hint is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A choice that was measured: a record less its time, spread and samples.
    Time(Record),
    /// A soft rule in SpiralK, on one line.
    Rule(String),
    /// A soft rule that was withdrawn: what speaks against it since.
    Turned(String),
}

impl Key {
    /// The key of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self::Time(Record { median_us: None, spread: None, samples: 0, ..*record })
    }

    /// As a text.
    #[must_use]
    pub fn encode(&self) -> String {
        let record = match self {
            Self::Rule(line) => return format!("rule/{line}"),
            Self::Turned(line) => return format!("turned/{line}"),
            Self::Time(record) => record,
        };
        let Record { rows, cols_min, cols_max, k_max, kind, dtype, at: (cols, k), .. } = record;
        let sg = match record.sg {
            None => "any",
            Some(true) => "sg",
            Some(false) => "nosg",
        };
        let choice: Vec<String> = Field::ALL
            .iter()
            .filter_map(|&f| Some(format!("{}={}", f.name(), record.choice.get(f)?)))
            .collect();
        let choice = choice.join(",");
        format!(
            "time/{kind}/{}/{sg}/r{rows}/c{cols_min}-{cols_max}/k{k_max}/@{cols},{k}/{choice}",
            dtype.name()
        )
    }

    /// Reads a text; none if it is no key of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let key = match text.split_once('/')? {
            ("rule", line) => Self::Rule(line.to_owned()),
            ("turned", line) => Self::Turned(line.to_owned()),
            ("time", rest) => Self::Time(record(rest)?),
            _ => return None,
        };
        let fine = match &key {
            Self::Rule(line) | Self::Turned(line) => {
                !line.trim().is_empty() && !line.contains(char::is_control)
            }
            Self::Time(record) => {
                record.rows > 0
                    && record.k_max > 0
                    && record.cols_max > 0
                    && record.cols_min <= record.cols_max
                    && record.choice != Partial::NONE
            }
        };
        (fine && key.encode() == text).then_some(key)
    }
}

fn record(text: &str) -> Option<Record> {
    let parts: Vec<&str> = text.split('/').collect();
    let [kind, dtype, sg, rows, cols, k_max, at, choice] = parts[..] else { return None };
    let kind = ["topk", "bottomk", "midk", "range"].into_iter().find(|&known| known == kind)?;
    let number = |text: &str| text.parse::<u32>().ok();
    let (least, most) = cols.strip_prefix('c')?.split_once('-')?;
    let (at_cols, at_k) = at.strip_prefix('@')?.split_once(',')?;
    let k_max = number(k_max.strip_prefix('k')?)?;
    let mut record =
        Record::new(number(rows.strip_prefix('r')?)?, number(least)?, number(most)?, k_max)
            .with_kind(kind, DType::from_name(dtype)?);
    record.at = (number(at_cols)?, number(at_k)?);
    record.sg = match sg {
        "any" => None,
        "sg" => Some(true),
        "nosg" => Some(false),
        _ => return None,
    };
    for part in choice.split(',') {
        let (name, value) = part.split_once('=')?;
        let field = Field::ALL.into_iter().find(|f| f.name() == name)?;
        set(&mut record.choice, field, number(value)?)?;
    }
    Some(record)
}

/// Sets a field; none if it has no such value.
fn set(choice: &mut Partial, field: Field, value: u32) -> Option<()> {
    let code = || u8::try_from(value).ok();
    match field {
        Field::Mk => choice.mk = Some(MergeKind::try_from(code()?).ok()?),
        Field::Mkd => choice.mkd = Some(MergeDetail::try_from(code()?).ok()?),
        Field::Use2ce if value > 1 => return None,
        Field::Use2ce => choice.use_2ce = Some(value == 1),
        Field::Tile => choice.tile = Some(value),
        Field::Ctile => choice.ctile = Some(value),
        Field::Wg => choice.wg = Some(value),
        Field::Kl => choice.kl = Some(value),
        Field::Ch => choice.ch = Some(value),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_text() {
        let choice = Partial {
            mk: Some(MergeKind::Warp),
            tile: Some(512),
            use_2ce: Some(false),
            ..Partial::NONE
        };
        let record = Record::new(1024, 4096, 8191, 128)
            .with_kind("midk", DType::Bf16)
            .with_choice(choice)
            .with_time(12.5, 5000, 100);
        let text = "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=2,tile=512,use_2ce=0";
        assert_eq!(Key::of(&record).encode(), text);
        let Some(Key::Time(back)) = Key::decode(text) else { panic!("{text}") };
        assert_eq!(Key::of(&back), Key::of(&record));
        assert_eq!(back.median_us, None);
        let rule = "rule/soft(tile, 2048, 0.20, topk && c / 2 > 100);";
        let Some(Key::Rule(line)) = Key::decode(rule) else { panic!("{rule}") };
        assert_eq!(line, "soft(tile, 2048, 0.20, topk && c / 2 > 100);");
        let turned = Key::Turned(line);
        assert_eq!(Key::decode(&turned.encode()), Some(turned));
    }

    #[test]
    fn everything_else_is_no_key() {
        for text in [
            "",
            "time",
            "time/",
            "rule/",
            "turned/",
            "turned/a\nb",
            "rule/ ",
            "rule/a\nb",
            "other/x",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/",
            "time/mode/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=2",
            "time/midk/bf17/any/r1024/c4096-8191/k128/@5000,100/mk=2",
            "time/midk/bf16/any/r01024/c4096-8191/k128/@5000,100/mk=2",
            "time/midk/bf16/any/r1024/c8191-4096/k128/@5000,100/mk=2",
            "time/midk/bf16/any/r0/c4096-8191/k128/@5000,100/mk=2",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=9",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/use_2ce=2",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/tile=1,mk=2",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=2,mk=2",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=4294967296",
            "time/midk/bf16/any/r1024/c4096-8191/k128/@5000,100/mk=2/more",
        ] {
            assert_eq!(Key::decode(text), None, "{text}");
        }
    }
}
