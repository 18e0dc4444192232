//! What is measured: shapes, inputs and element types.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use st_core::DType;

use crate::Result;

/// What the numbers of an input are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pattern {
    /// Independent, normally distributed.
    Normal,
    /// Independent, uniform in `0..1`.
    Uniform,
    /// One value.
    Equal,
    /// Eight values at random.
    Ties,
    /// Keys that share their upper 20 bits.
    RadixAdv,
    /// Normal less 1, what is negative set to 0: five of six are equal.
    Relu,
    /// One value but for forty places of each row, which share a greater one.
    Pivot,
    /// Normal, and 1 more every 4096 columns: whatever passed before is soon outdone.
    BlockAsc,
    /// Normal, with the greatest all among the last 4096 columns.
    LastWin,
    /// Each row ascends.
    Sorted,
}

impl Pattern {
    /// Every one, least hostile first.
    #[cfg(any(test, feature = "cuda", feature = "wgpu"))]
    pub(crate) const ALL: [Self; 10] = [
        Self::Normal,
        Self::Uniform,
        Self::Equal,
        Self::Ties,
        Self::RadixAdv,
        Self::Relu,
        Self::Pivot,
        Self::BlockAsc,
        Self::LastWin,
        Self::Sorted,
    ];

    /// Those of the CPU's grid.
    pub(crate) const USUAL: [Self; 4] = [Self::Normal, Self::Equal, Self::Ties, Self::Sorted];
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Uniform => "uniform",
            Self::Equal => "all equal",
            Self::Ties => "8 values",
            Self::RadixAdv => "shared bits",
            Self::Relu => "relu",
            Self::Pivot => "pivot",
            Self::BlockAsc => "ascending blocks",
            Self::LastWin => "last win",
            Self::Sorted => "ascending",
        })
    }
}

/// Some ranks of each row of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Cell {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) k: usize,
    pub(crate) input: Pattern,
    pub(crate) dtype: DType,
}

impl Cell {
    /// Of f32.
    #[cfg(test)]
    pub(crate) const fn new(rows: usize, cols: usize, k: usize, input: Pattern) -> Self {
        Self { rows, cols, k, input, dtype: DType::F32 }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} k{} {}", self.rows, self.cols, self.k, self.input)?;
        if self.dtype != DType::F32 { write!(f, " {}", self.dtype) } else { Ok(()) }
    }
}

/// The grid: `[rows, cols, k]`.
const GRID: [[usize; 3]; 11] = [
    [8, 65_536, 8],
    [8, 65_536, 1024],
    [1, 1 << 20, 100],
    [1, 1 << 24, 100],
    [1, 1 << 24, 100_000],
    [1024, 4096, 64],
    [64, 131_072, 50],
    [16_384, 256, 8],
    [65_536, 128, 4],
    [100_000, 64, 10],
    [256, 151_936, 64],
];

/// `--quick` takes the shapes of at most this many elements, with two inputs.
const QUICK_ELEMENTS: usize = 1 << 22;

/// The cells of an f32 run: of the file if there is one, else the grid.
pub(crate) fn cells(file: Option<&Path>, quick: bool) -> Result<Vec<Cell>> {
    let patterns = if quick { &[Pattern::Normal, Pattern::Ties][..] } else { &Pattern::USUAL };
    let rows = match file {
        Some(path) => read(path)?,
        None => GRID.iter().map(|&shape| Row { shape, input: None, dtype: DType::F32 }).collect(),
    };
    if rows.iter().any(|row| row.dtype != DType::F32) {
        return Err("only f32 is measured here".into());
    }
    let mut cells = expand(rows, patterns);
    cells.retain(|c| !quick || c.rows * c.cols <= QUICK_ELEMENTS);
    // Cells with the same input follow each other, so that it is made once.
    cells.sort_by_key(|c| (c.rows * c.cols, c.rows, c.input as u8));
    Ok(cells)
}

/// Cells in the order given: of a file, then single ones. Where no input is named it is normal.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn given(file: Option<&Path>, single: &[String]) -> Result<Vec<Cell>> {
    let mut rows = match file {
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    for text in single {
        let cell: Vec<Value> = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        rows.push(Row::parse(&cell).map_err(|e| format!("{text}: {e}"))?);
    }
    if rows.is_empty() {
        rows.extend(GRID.map(|shape| Row { shape, input: None, dtype: DType::F32 }));
    }
    Ok(expand(rows, &[Pattern::Normal]))
}

fn expand(rows: Vec<Row>, patterns: &[Pattern]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for Row { shape: [rows, cols, k], input, dtype } in rows {
        let inputs = input.as_ref().map_or(patterns, std::slice::from_ref);
        cells.extend(inputs.iter().map(|&input| Cell { rows, cols, k, input, dtype }));
    }
    cells
}

struct Row {
    shape: [usize; 3],
    input: Option<Pattern>,
    dtype: DType,
}

/// A JSON list of `[rows, cols, k]`, each with an input and a type if wanted.
fn read(path: &Path) -> Result<Vec<Row>> {
    let bad = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| bad(&e))?;
    let list: Vec<Vec<Value>> = serde_json::from_str(&text).map_err(|e| bad(&e))?;
    list.iter().map(|cell| Row::parse(cell).map_err(|e| bad(&e).into())).collect()
}

impl Row {
    fn parse(cell: &[Value]) -> Result<Self> {
        let number = |i: usize| {
            let n = cell.get(i).and_then(Value::as_u64).filter(|&n| n > 0);
            n.map(|n| n as usize).ok_or("a cell is [rows, cols, k, input, dtype]")
        };
        let shape = [number(0)?, number(1)?, number(2)?];
        let input = cell.get(3).map(Pattern::deserialize).transpose()?;
        let dtype = match cell.get(4) {
            None => DType::F32,
            Some(name) => name
                .as_str()
                .and_then(DType::from_name)
                .ok_or_else(|| format!("{name} is no type; use \"f32\", \"bf16\" and so on"))?,
        };
        if shape[2] > shape[1] {
            return Err(format!("k = {} of {} columns", shape[2], shape[1]).into());
        }
        if cell.len() > 5 {
            return Err("a cell is [rows, cols, k, input, dtype], and no more".into());
        }
        Ok(Self { shape, input, dtype })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_whole_and_the_quick_one_small() {
        assert_eq!(cells(None, false).unwrap().len(), GRID.len() * Pattern::USUAL.len());
        let quick = cells(None, true).unwrap();
        assert!(!quick.is_empty() && quick.iter().all(|c| c.rows * c.cols <= QUICK_ELEMENTS));
    }

    #[test]
    fn a_file_of_cells_is_read_and_bad_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cells.json");
        let parse = |text: &str| {
            std::fs::write(&file, text).unwrap();
            cells(Some(&file), false)
        };
        let got = parse(r#"[[2, 64, 3, "ties", "f32"], [2, 64, 3, "normal"], [1, 8, 8]]"#).unwrap();
        assert_eq!(got.len(), 6);
        assert_eq!(got[5], Cell::new(2, 64, 3, Pattern::Ties));
        for bad in
            ["{", "[[1, 2]]", "[[1, 2, 3]]", r#"[[1,2,1,"odd"]]"#, r#"[[1,2,1,"ties","f16"]]"#]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cells_have_the_peers_form() {
        let parse = |text: &str| Row::parse(&serde_json::from_str::<Vec<Value>>(text).unwrap());
        let row = parse(r#"[64, 131072, 50, "radixadv", "bf16"]"#).unwrap();
        assert_eq!((row.shape, row.dtype), ([64, 131_072, 50], DType::Bf16));
        assert_eq!(row.input, Some(Pattern::RadixAdv));
        assert_eq!(parse("[1, 8, 8]").unwrap().input, None);
        for bad in [
            "[1, 8, 9]",
            "[1, -8, 1]",
            "[1, 8.5, 1]",
            r#"[1, 8, 1, "normal", "f31"]"#,
            r#"[1, 8, 1, "normal", 32]"#,
            r#"[1, 8, 1, "normal", "f32", 1]"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for pattern in Pattern::ALL {
            let name = serde_json::to_value(pattern).unwrap();
            assert_eq!(Pattern::deserialize(&name).unwrap(), pattern);
        }
    }

    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    #[test]
    fn single_cells_keep_their_order() {
        let single = ["[2, 64, 3]", r#"[1, 8, 8, "equal", "u32"]"#].map(str::to_owned);
        let got = given(None, &single).unwrap();
        assert_eq!(got[0], Cell::new(2, 64, 3, Pattern::Normal));
        assert_eq!((got[1].input, got[1].dtype), (Pattern::Equal, DType::U32));
        assert!(given(None, &["[2, 64".to_owned()]).is_err());
        assert_eq!(given(None, &[]).unwrap().len(), GRID.len());
    }
}
