//! Tables as JSON: the founding document's list of records, and the tuner's document
//! `{"schema": 1, "device": {..}, "records": [..]}`, whose records have the same keys and more.

use serde::Deserialize;
use serde_json::Value;
use st_rank::{Backend, DType, DeviceCaps, MergeKind};

use super::{Partial, Record, Table, Versions};

/// The schema that is read and written.
pub(super) const SCHEMA: u64 = 1;

/// Reasons kept for records that are left out; the rest are counted.
const MOST_REASONS: usize = 20;

/// Microseconds that no call takes: a year. What is beyond would make expected times infinite.
const LONGEST_US: f64 = 3e13;

/// Why a table cannot be read at all. A single bad record is skipped instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It is not JSON.
    #[error("{name}: not JSON: {why}")]
    NotJson {
        /// The table's name.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// It is JSON of something else.
    #[error(
        "{name}: {why}: a table is a list of records or {{\"schema\": 1, \"device\": .., \"records\": [..]}}"
    )]
    NotATable {
        /// The table's name.
        name: String,
        /// What was found.
        why: String,
    },
    /// It was measured with other kernels than this build has.
    #[error(
        "{name}: measured with kernels {found} of {backend}, and this build has {own}: run `spiral tune` again"
    )]
    OtherKernels {
        /// The table's name.
        name: String,
        /// Whose kernels.
        backend: Backend,
        /// What it was measured with.
        found: u32,
        /// What this build has.
        own: u32,
    },
}

#[derive(Deserialize)]
struct RawRecord {
    rows: u32,
    cols_min: u32,
    cols_max: u32,
    k_max: u32,
    sg: Option<bool>,
    kind: Option<String>,
    dtype: Option<DType>,
    mk: Option<MergeKind>,
    tile: Option<u32>,
    #[serde(default)]
    choice: RawChoice,
    cols: Option<u32>,
    k: Option<u32>,
    median_us: Option<f64>,
    spread: Option<f64>,
    #[serde(default)]
    samples: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawChoice {
    mk: Option<MergeKind>,
    mkd: Option<st_rank::MergeDetail>,
    tile: Option<u32>,
    ctile: Option<u32>,
    use_2ce: Option<bool>,
    wg: Option<u32>,
    kl: Option<u32>,
    ch: Option<u32>,
}

impl TryFrom<RawRecord> for Record {
    type Error = String;

    fn try_from(raw: RawRecord) -> Result<Self, String> {
        let kind = match raw.kind.as_deref() {
            None | Some("topk") => "topk",
            Some("bottomk") => "bottomk",
            Some("midk") => "midk",
            Some("range") => "range",
            Some(other) => return Err(format!("kind `{other}`: use topk, bottomk, midk or range")),
        };
        if raw.cols_min > raw.cols_max || raw.cols_max == 0 {
            let (min, max) = (raw.cols_min, raw.cols_max);
            return Err(format!("columns {min}..={max}: cols_min must be at most cols_max"));
        }
        if raw.rows == 0 || raw.k_max == 0 {
            return Err("rows and k_max must be at least 1".to_owned());
        }
        if raw.median_us.is_some_and(|us| !(us > 0.0 && us <= LONGEST_US)) {
            return Err(format!("median_us must be above 0 and at most {LONGEST_US:e}"));
        }
        let given = raw.choice;
        let choice = Partial {
            mk: given.mk.or(raw.mk),
            mkd: given.mkd,
            tile: given.tile.or(raw.tile),
            ctile: given.ctile,
            use_2ce: given.use_2ce,
            wg: given.wg,
            kl: given.kl,
            ch: given.ch,
        };
        if choice == Partial::NONE {
            return Err("it has no choice: give mk and tile, or `choice`".to_owned());
        }
        let record = Self::new(raw.rows, raw.cols_min, raw.cols_max, raw.k_max);
        Ok(Self {
            sg: raw.sg,
            kind,
            dtype: raw.dtype.unwrap_or(DType::F32),
            choice,
            at: (raw.cols.unwrap_or(record.at.0), raw.k.unwrap_or(record.at.1)),
            median_us: raw.median_us,
            spread: raw.spread,
            samples: raw.samples,
            ..record
        })
    }
}

impl Table {
    /// Reads a table. A list of records, or a document without a device, is for any device of
    /// `backend`. Records that make no sense are [skipped](Table::skipped).
    ///
    /// # Errors
    /// Text that is not JSON, or not a table.
    pub fn from_json(name: &str, text: &str, backend: Backend) -> Result<Self, TableError> {
        let not = |why: &str| TableError::NotATable { name: name.to_owned(), why: why.to_owned() };
        let value: Value = serde_json::from_str(text)
            .map_err(|e| TableError::NotJson { name: name.to_owned(), why: e.to_string() })?;
        let mut shared = false;
        let (records, device, versions) = match value {
            Value::Array(records) => (records, None, Versions::default()),
            Value::Object(mut document) => {
                match document.get("schema").and_then(Value::as_u64) {
                    Some(SCHEMA) => {}
                    Some(other) => return Err(not(&format!("schema {other}"))),
                    None => return Err(not("no `schema`")),
                }
                let Some(Value::Array(records)) = document.remove("records") else {
                    return Err(not("no list of `records`"));
                };
                // What others measured does not become this machine's own by being a file.
                shared = document.get("shared") == Some(&Value::Bool(true));
                let device = match document.remove("device") {
                    None | Some(Value::Null) => None,
                    Some(device) => Some(
                        serde_json::from_value::<DeviceCaps>(device)
                            .map_err(|e| not(&format!("device: {e}")))?,
                    ),
                };
                let versions = document.remove("versions").unwrap_or_default();
                let versions = match versions {
                    Value::Null => Versions::default(),
                    versions => serde_json::from_value::<Versions>(versions)
                        .map_err(|e| not(&format!("versions: {e}")))?,
                };
                (records, device, versions)
            }
            _ => return Err(not("neither list nor object")),
        };
        let mut table = Self::shipped(name, device.map_or(backend, |caps| caps.backend), &[]);
        table.shipped = false;
        table.device = device;
        table.shared = shared;
        let (found, own) = (versions.kernels, st_kernels::version(table.backend));
        if found != 0 && found != own {
            let (name, backend) = (name.to_owned(), table.backend);
            return Err(TableError::OtherKernels { name, backend, found, own });
        }
        table.versions = versions;
        let (mut bad, mut good) = (0, Vec::with_capacity(records.len()));
        for (place, record) in records.into_iter().enumerate() {
            let read = serde_json::from_value::<RawRecord>(record).map_err(|e| e.to_string());
            match read.and_then(Record::try_from) {
                Ok(record) => good.push(record),
                Err(why) => {
                    bad += 1;
                    if bad <= MOST_REASONS {
                        table.skipped.push(format!("{name}: record {place} left out: {why}"));
                    }
                }
            }
        }
        if bad > MOST_REASONS {
            table.skipped.push(format!("{name}: {} more left out", bad - MOST_REASONS));
        }
        table.left_out = bad;
        Ok(table.with_records(good))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUNDING: &str = include_str!("../../../../tools/tuner/tuner_results.json");

    #[test]
    fn the_founding_documents_list_is_read() {
        let table = Table::from_json("seed", FOUNDING, Backend::Wgpu).unwrap();
        assert_eq!((table.records().len(), table.skipped().len()), (5, 0));
        let first = table.records()[0];
        assert_eq!(
            (first.rows, first.cols_min, first.cols_max, first.k_max),
            (1024, 4096, 8191, 128)
        );
        assert_eq!(
            (first.sg, first.choice.mk, first.choice.tile),
            (Some(true), Some(MergeKind::Warp), Some(512))
        );
        assert_eq!(table.records()[4].choice.mk, Some(MergeKind::Bitonic), "0 is a value");
    }

    #[test]
    fn the_tuners_document_is_read() {
        let device = serde_json::to_string(&DeviceCaps::cpu(16, 2)).unwrap();
        let text = format!(
            r#"{{"schema": 1, "device": {device}, "versions": {{"spiral": "0.1"}}, "records": [
                {{"rows": 8, "cols_min": 100, "cols_max": 200, "k_max": 10, "cols": 128, "k": 8,
                  "kind": "midk", "dtype": "bf16", "median_us": 12.5, "spread": 0.02, "samples": 30,
                  "choice": {{"mk":4,"mkd":0,"tile":512,"ctile":2048,"use_2ce":false,"wg":1,"kl":4,"ch":0}}}},
                {{"rows": 8}},
                {{"rows": 8, "cols_min": 9, "cols_max": 2, "k_max": 10, "mk": 1}},
                {{"rows": 8, "cols_min": 1, "cols_max": 2, "k_max": 10, "mk": 9}},
                {{"rows": 8, "cols_min": 1, "cols_max": 2, "k_max": 10}},
                {{"rows": 8, "cols_min": 1, "cols_max": 2, "k_max": 10, "mk": 1, "median_us": 0}},
                {{"rows": 8, "cols_min": 1, "cols_max": 2, "k_max": 10, "mk": 1, "median_us": 1e308}},
                {{"rows": 8, "cols_min": 1, "cols_max": 2, "k_max": 10, "mk": 1, "kind": "mode"}},
                17]}}"#
        );
        let table = Table::from_json("t", &text, Backend::Wgpu).unwrap();
        assert_eq!(table.device().map(|d| d.backend), Some(Backend::Cpu));
        assert_eq!((table.records().len(), table.skipped().len()), (1, 8), "{:?}", table.skipped());
        assert!(table.skipped()[0].contains("record 1 left out: missing field"));
        assert_eq!(table.left_out(), 8);
        let short = table.left_out_in_short().unwrap();
        assert!(short.starts_with("t: 8 records are not used: record 1 left out: "), "{short}");
        assert!(short.contains("; record 3 left") && !short.contains("record 4"), "{short}");
        assert!(short.contains("; and 5 more"), "{short}");
        let record = table.records()[0];
        assert_eq!((record.kind, record.dtype, record.at), ("midk", DType::Bf16, (128, 8)));
        assert_eq!((record.median_us, record.choice.ch), (Some(12.5), Some(0)));
        assert!(!table.is_shared());
        let pulled = text.replacen("\"schema\": 1", "\"schema\": 1, \"shared\": true", 1);
        assert!(Table::from_json("t", &pulled, Backend::Wgpu).unwrap().is_shared());
    }

    #[test]
    fn records_left_out_are_counted_beyond_the_reasons_that_are_kept() {
        let of = |bad: usize| {
            let text = format!("[{}]", vec![r#"{"rows": 0}"#; bad].join(","));
            Table::from_json("t", &text, Backend::Cpu).unwrap()
        };
        let counts = |bad| (of(bad).left_out(), of(bad).skipped().len());
        assert_eq!([counts(55), counts(20), counts(0)], [(55, 21), (20, 20), (0, 0)]);
        assert!(of(55).left_out_in_short().unwrap().starts_with("t: 55 records"));
        assert_eq!(of(1).left_out_in_short().as_deref(), Some(&*of(1).skipped()[0]));
        assert_eq!(of(0).left_out_in_short(), None);
    }

    #[test]
    fn rubbish_is_refused_with_a_reason() {
        for (text, part) in [
            ("", "not JSON"),
            ("[", "not JSON"),
            ("3", "neither list nor object"),
            ("{}", "no `schema`"),
            (r#"{"schema": 2, "records": []}"#, "schema 2"),
            (r#"{"schema": 1}"#, "no list of `records`"),
            (r#"{"schema": 1, "device": 3, "records": []}"#, "device"),
        ] {
            let error = Table::from_json("t", text, Backend::Wgpu).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
