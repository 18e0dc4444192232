//! What is measured: shapes and inputs.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;

/// What the numbers of an input are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pattern {
    /// Independent, normally distributed.
    Normal,
    /// One value.
    Equal,
    /// Eight values at random.
    Ties,
    /// Each row ascends.
    Sorted,
}

impl Pattern {
    pub(crate) const ALL: [Self; 4] = [Self::Normal, Self::Equal, Self::Ties, Self::Sorted];
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Equal => "all equal",
            Self::Ties => "8 values",
            Self::Sorted => "ascending",
        })
    }
}

/// The k greatest of each row of an f32 matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) k: usize,
    pub(crate) input: Pattern,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} k{} {}", self.rows, self.cols, self.k, self.input)
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

/// The cells of a run: of the file if there is one, else the grid.
pub(crate) fn cells(file: Option<&Path>, quick: bool) -> Result<Vec<Cell>> {
    let patterns = if quick { &[Pattern::Normal, Pattern::Ties][..] } else { &Pattern::ALL };
    let shapes = match file {
        Some(path) => read(path)?,
        None => GRID.iter().map(|&[rows, cols, k]| (rows, cols, k, None)).collect(),
    };
    let mut cells = Vec::new();
    for (rows, cols, k, input) in shapes {
        let inputs = input.as_ref().map_or(patterns, std::slice::from_ref);
        if !quick || rows * cols <= QUICK_ELEMENTS {
            cells.extend(inputs.iter().map(|&input| Cell { rows, cols, k, input }));
        }
    }
    // Cells with the same input follow each other, so that it is made once.
    cells.sort_by_key(|c| (c.rows * c.cols, c.rows, c.input as u8));
    Ok(cells)
}

type Row = (usize, usize, usize, Option<Pattern>);

/// A JSON list of `[rows, cols, k]`, each with an input ("normal", "equal", "ties", "sorted") and
/// then "f32" if wanted.
fn read(path: &Path) -> Result<Vec<Row>> {
    let bad = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| bad(&e))?;
    let list: Vec<Vec<serde_json::Value>> = serde_json::from_str(&text).map_err(|e| bad(&e))?;
    list.into_iter()
        .map(|cell| {
            let number = |i: usize| {
                let n = cell.get(i).and_then(serde_json::Value::as_u64).filter(|&n| n > 0);
                n.map(|n| n as usize).ok_or_else(|| bad(&"a cell is [rows, cols, k, input, dtype]"))
            };
            let input = match cell.get(3) {
                Some(name) => Some(Pattern::deserialize(name).map_err(|e| bad(&e))?),
                None => None,
            };
            if cell.get(4).is_some_and(|dtype| dtype != "f32") {
                return Err(bad(&"only f32 is measured").into());
            }
            let (rows, cols, k) = (number(0)?, number(1)?, number(2)?);
            if k > cols {
                return Err(bad(&format!("k = {k} of {cols} columns")).into());
            }
            Ok((rows, cols, k, input))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_whole_and_the_quick_one_small() {
        assert_eq!(cells(None, false).unwrap().len(), GRID.len() * Pattern::ALL.len());
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
        assert_eq!(got[5], Cell { rows: 2, cols: 64, k: 3, input: Pattern::Ties });
        for bad in
            ["{", "[[1, 2]]", "[[1, 2, 3]]", r#"[[1,2,1,"odd"]]"#, r#"[[1,2,1,"ties","f16"]]"#]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
