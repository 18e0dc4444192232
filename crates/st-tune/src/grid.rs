//! What is tuned: shapes, kinds and element types.

use std::fmt;

use serde_json::Value;
use st_plan::table::Record;
use st_rank::{Backend, DType, DeviceCaps, Problem, RankKind};

/// Some ranks of each row of a matrix of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which ranks. A range's first rank is not recorded in tables; it counts from the least.
    pub kind: RankKind,
    /// Rows.
    pub rows: usize,
    /// Elements of a row.
    pub cols: usize,
    /// Ranks wanted of each row.
    pub k: usize,
    /// Element type.
    pub dtype: DType,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, rows, cols, k, dtype } = self;
        write!(f, "{} {rows}x{cols} k={k} {dtype}", kind.name())
    }
}

/// Why a list of cells is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name}: {why}: a grid is a JSON list of cells [rows, cols, k], [rows, cols, k, INPUT, \"f32\"] or \
     {{\"kind\": \"topk\", \"rows\": .., \"cols\": .., \"k\": .., \"dtype\": \"f32\"}}"
)]
pub struct GridError {
    /// What the list is called.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

const fn of_f32(rows: usize, cols: usize, k: usize) -> Cell {
    Cell { kind: RankKind::TopK, rows, cols, k, dtype: DType::F32 }
}

/// Shapes for a processor, a GPU, and a processor that plays one: `[rows, cols, k]`.
const ON_CPU: &[[usize; 3]] = &[
    [65_536, 128, 4],
    [100_000, 64, 10],
    [16_384, 256, 8],
    [1024, 4096, 64],
    [8, 65_536, 8],
    [8, 65_536, 1024],
    [1, 1 << 20, 100],
    [64, 131_072, 50],
    [1, 1 << 24, 100],
    [1, 1 << 24, 100_000],
    [256, 151_936, 64],
];
const ON_GPU: &[[usize; 3]] = &[
    [1, 4096, 64],
    [1024, 4096, 64],
    [16_384, 256, 8],
    [65_536, 128, 4],
    [1, 65_536, 2048],
    [8, 65_536, 1024],
    [64, 65_536, 2048],
    [1, 131_072, 50],
    [64, 131_072, 50],
    [64, 131_072, 1024],
    [1, 1 << 20, 100],
    [256, 151_936, 64],
    [1024, 65_536, 2048],
    [1 << 20, 256, 32],
];
const ON_SOFTWARE: &[[usize; 3]] = &[
    [64, 256, 8],
    [16, 1024, 32],
    [4, 4096, 64],
    [1, 16_384, 100],
    [8, 16_384, 16],
    [1, 65_536, 50],
];

impl Cell {
    /// The usual cells of a device, of which every type that matters there has its own.
    #[must_use]
    pub fn usual(caps: &DeviceCaps, software: bool) -> Vec<Self> {
        let (shapes, dtypes): (_, &[DType]) = match caps.backend {
            Backend::Cpu => (ON_CPU, &[DType::F32]),
            _ if software => (ON_SOFTWARE, &[DType::F32]),
            _ => (ON_GPU, &[DType::F32, DType::Bf16]),
        };
        let of = |dtype: DType| {
            shapes.iter().map(move |&[rows, cols, k]| Self { dtype, ..of_f32(rows, cols, k) })
        };
        dtypes.iter().flat_map(|&dtype| of(dtype)).collect()
    }

    /// Reads a list of cells; `name` is what messages call it.
    ///
    /// # Errors
    /// Anything but a list of cells of which each can be run.
    pub fn list(name: &str, text: &str) -> Result<Vec<Self>, GridError> {
        let bad = |why: String| GridError { name: name.to_owned(), why };
        let list: Vec<Value> = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if list.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        let numbered = list.iter().enumerate();
        let cells = numbered.map(|(i, cell)| {
            Self::parse(cell).map_err(|why| bad(format!("cell {i}, {cell}: {why}")))
        });
        cells.collect()
    }

    fn parse(cell: &Value) -> Result<Self, String> {
        let (shape, kind, dtype) = match cell {
            Value::Array(list) if (3..=5).contains(&list.len()) => {
                ([&list[0], &list[1], &list[2]], None, list.get(4))
            }
            Value::Object(map) => {
                if let Some(other) =
                    map.keys().find(|k| !["kind", "rows", "cols", "k", "dtype"].contains(&&***k))
                {
                    return Err(format!("`{other}` is none of its keys"));
                }
                let part = |key: &str| map.get(key).unwrap_or(&Value::Null);
                ([part("rows"), part("cols"), part("k")], map.get("kind"), map.get("dtype"))
            }
            _ => return Err("it is none".to_owned()),
        };
        let number = |value: &Value| {
            let n = value.as_u64().filter(|&n| (1..=u64::from(u32::MAX)).contains(&n));
            n.map(|n| n as usize).ok_or(format!("{value} is no whole number from 1 to 2^32 - 1"))
        };
        let [rows, cols, k] = shape;
        let (rows, cols, k) = (number(rows)?, number(cols)?, number(k)?);
        let kind = match kind.map(|kind| kind.as_str().unwrap_or_default()) {
            None | Some("topk") => RankKind::TopK,
            Some("bottomk") => RankKind::BottomK,
            Some("midk") => RankKind::MidK,
            Some("range") => RankKind::Range { start: 0 },
            Some(_) => return Err("the kinds are topk, bottomk, midk and range".to_owned()),
        };
        let dtype = match dtype {
            None => DType::F32,
            Some(name) => name
                .as_str()
                .and_then(DType::from_name)
                .ok_or_else(|| format!("{name} is no element type"))?,
        };
        let cell = Self { kind, rows, cols, k, dtype };
        cell.problem().check().map_err(|e| e.to_string())?;
        Ok(cell)
    }

    /// What is asked of the device.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        Problem::new(self.kind, self.rows, self.cols, self.k).with_dtype(self.dtype)
    }

    /// The bucket that the cell stands for, with no choice yet: columns and ranks up to the square root of two times
    /// as many, and columns as many times fewer.
    #[must_use]
    pub fn bucket(&self, caps: &DeviceCaps) -> Record {
        let times = |n: usize, factor: f64| (n as f64 * factor).min(f64::from(u32::MAX));
        let cols_min = times(self.cols, std::f64::consts::FRAC_1_SQRT_2).ceil() as u32;
        let cols_max = times(self.cols, std::f64::consts::SQRT_2).floor() as u32;
        let k_max = times(self.k, std::f64::consts::SQRT_2).floor() as u32;
        let record = Record::new(self.rows as u32, cols_min, cols_max, k_max)
            .with_kind(self.kind.name(), self.dtype)
            .with_sg(caps.subgroups);
        Record { at: (self.cols as u32, self.k as u32), ..record }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_and_refused_with_advice() {
        let text = r#"[[2, 64, 3], [2, 64, 3, "ties", "bf16"],
            {"kind": "midk", "rows": 1, "cols": 8, "k": 8, "dtype": "u32"}]"#;
        let got = Cell::list("g", text).unwrap();
        assert_eq!(got[0], of_f32(2, 64, 3));
        assert_eq!(got[1].dtype, DType::Bf16);
        assert_eq!(got[2].to_string(), "midk 1x8 k=8 u32");
        for (text, part) in [
            ("{", "g: invalid type"),
            ("[]", "empty"),
            ("[[1, 2]]", "cell 0, [1,2]: it is none"),
            ("[[1, 2, 3]]", "k = 3"),
            ("[[1, 2, 0]]", "0 is no whole number"),
            ("[[1, 2, -1]]", "-1 is no whole number"),
            (r#"[[1, 2, 1, "normal", "f31"]]"#, "\"f31\" is no element type"),
            (r#"[{"rows": 1, "cols": 2}]"#, "null is no whole number"),
            (r#"[{"rows": 1, "cols": 2, "k": 1, "axis": 3}]"#, "`axis` is none of its keys"),
            (r#"[{"rows": 1, "cols": 2, "k": 1, "kind": "mode"}]"#, "the kinds are"),
        ] {
            let why = Cell::list("g", text).unwrap_err().to_string();
            assert!(why.contains(part) && why.contains("a grid is"), "{text}: {why}");
        }
    }

    #[test]
    fn usual_cells_can_be_run_and_their_buckets_hold_them() {
        for (caps, software) in [
            (DeviceCaps::cpu(16, 2), false),
            (DeviceCaps::wgpu(32, true, 256), false),
            (DeviceCaps::wgpu(8, true, 256), true),
            (DeviceCaps::cuda(32, 1024), false),
        ] {
            for cell in Cell::usual(&caps, software) {
                cell.problem().check().unwrap();
                let bucket = cell.bucket(&caps);
                assert!(bucket.covers(&cell.problem(), caps.subgroups), "{cell}");
                assert_eq!(bucket.problem(), cell.problem());
            }
        }
    }
}
