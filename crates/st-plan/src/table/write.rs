//! Tables as JSON, one record a line, in an order that does not depend on how they came together.

use serde_json::{Map, Value, json};
use st_rank::Field;

use super::json::SCHEMA;
use super::{Record, Table};

impl Table {
    /// The tuner's document, as [`from_json`](Self::from_json) reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let device = json!(self.device);
        let versions = json!(self.versions);
        let shared = if self.shared { " \"shared\": true,\n" } else { "" };
        let mut text = format!(
            "{{\"schema\": {SCHEMA},\n{shared} \"device\": {device},\n \"versions\": {versions},\n \"records\": ["
        );
        for (i, record) in self.records.iter().enumerate() {
            text.push_str(if i == 0 { "\n  " } else { ",\n  " });
            text.push_str(&document(record).to_string());
        }
        text.push_str("\n]}\n");
        text
    }

    /// The same table without some of its records.
    #[must_use]
    pub fn without(self, unwanted: impl Fn(&Record) -> bool) -> Self {
        let kept = self.records.iter().filter(|record| !unwanted(record)).copied().collect();
        self.with_records(kept)
    }

    /// The same table with the records of another as well. Of two records of one choice for the same bucket, the
    /// one of more samples stays; of as many, that of the other table.
    #[must_use]
    pub fn merged(self, other: &[Record]) -> Self {
        let mut records = self.records.clone();
        // Own records come first among those about the same, and sorting keeps that order.
        records.extend_from_slice(other);
        records.sort_by(Record::in_order);
        records.dedup_by(|new, kept| {
            let same = kept.is_about(new);
            if same && new.samples >= kept.samples {
                *kept = *new;
            }
            same
        });
        self.with_records(records)
    }
}

/// A record with the keys that are read; what is not known is left out.
fn document(record: &Record) -> Value {
    let mut choice = Map::new();
    for field in Field::ALL {
        if let Some(value) = record.choice.get(field) {
            let value = if field == Field::Use2ce { json!(value != 0) } else { json!(value) };
            choice.insert(field.name().to_owned(), value);
        }
    }
    let Record { rows, cols_min, cols_max, k_max, sg, kind, dtype, at, samples, .. } = *record;
    let mut all = json!({
        "rows": rows, "cols_min": cols_min, "cols_max": cols_max, "k_max": k_max, "sg": sg,
        "kind": kind, "dtype": dtype, "cols": at.0, "k": at.1, "choice": choice,
        "samples": samples,
    });
    for (key, value) in [("median_us", record.median_us), ("spread", record.spread)] {
        if let Some(value) = value {
            all[key] = json!(value);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use st_rank::{Backend, DeviceCaps, MergeKind};

    use crate::table::{Partial, Record, Table, Versions};

    fn record(rows: u32, tile: u32, samples: u32) -> Record {
        let mk = Some(MergeKind::Filter);
        let choice = Partial { mk, tile: Some(tile), use_2ce: Some(true), ..Partial::NONE };
        let record = Record::new(rows, 64, 128, 8).with_choice(choice).with_sg(true);
        Record { samples, ..record.with_time(f64::from(tile) / 3.0, 100, 8) }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let kernels = st_kernels::version(Backend::Wgpu);
        let versions = Versions { kernels, date: "2026-11-29".into(), ..Versions::default() };
        let caps = DeviceCaps::wgpu(32, true, 256).with_names("a device", "its driver 1.0");
        let table = Table::measured("t", caps, &[record(8, 512, 9), record(8, 256, 9)])
            .with_versions(versions);
        let text = table.to_json();
        assert_eq!(Table::from_json("t", &text, Backend::Cpu).unwrap(), table, "{text}");
        let other = text.replace(&kernels.to_string(), "17");
        let why = Table::from_json("t", &other, Backend::Cpu).unwrap_err().to_string();
        assert!(why.contains("kernels 17") && why.contains("spiral tune"), "{why}");
        let newer = DeviceCaps { driver: DeviceCaps::tag("its driver 1.1"), ..caps };
        assert!(table.origin(&caps).is_some() && table.refusal(&caps).is_none());
        assert!(table.origin(&newer).is_none());
        assert!(table.refusal(&newer).unwrap().contains("another driver"));
    }

    #[test]
    fn merging_doubles_nothing_and_does_not_depend_on_the_order() {
        let (a, b) =
            ([record(8, 512, 9), record(16, 64, 3)], [record(8, 512, 4), record(8, 64, 9)]);
        let table = |records: &[Record]| Table::shipped("t", Backend::Wgpu, records).merged(&[]);
        let (ab, ba) = (table(&a).merged(&b), table(&b).merged(&a));
        assert_eq!(ab, ba);
        assert_eq!(ab.records().len(), 3);
        assert_eq!(ab.clone().merged(&a).merged(&b), ab);
        let kept = ab.records().iter().find(|r| r.choice.tile == Some(512)).unwrap();
        assert_eq!(kept.samples, 9);
    }
}
