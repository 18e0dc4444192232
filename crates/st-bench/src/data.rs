//! Inputs: made from a seed, kept in memory and in a file for the peers.

use std::io::{BufWriter, Write};
use std::path::Path;

use st_tune::Pages;

use crate::Result;
use crate::cells::{Cell, Pattern};

/// Sebastiano Vigna's `SplitMix64`.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In (0, 1].
    fn unit(&mut self) -> f32 {
        ((self.next() >> 40) + 1) as f32 / (1 << 24) as f32
    }

    /// Two normally distributed numbers (Box and Muller).
    fn normals(&mut self) -> [f32; 2] {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let (sin, cos) = (self.unit() * std::f32::consts::TAU).sin_cos();
        [radius * cos, radius * sin]
    }
}

/// The input of a cell, in pages like those of NumPy's arrays, so that no side has the better memory.
pub(crate) struct Matrix {
    values: Pages<f32>,
}

impl Matrix {
    pub(crate) fn new(cell: &Cell) -> Result<Self> {
        Self::copy(cell, 0)
    }

    /// Another input of the same kind, of its own numbers if any are drawn.
    pub(crate) fn copy(cell: &Cell, copy: u64) -> Result<Self> {
        let mut values = Pages::new(cell.rows * cell.cols)?;
        fill(&mut values, cell, copy);
        Ok(Self { values })
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Writes `.npy`, version 1.0.
    pub(crate) fn write_npy(&self, cell: &Cell, path: &Path) -> Result<()> {
        let (rows, cols) = (cell.rows, cell.cols);
        let header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
        // Magic, version and length take 10 bytes; all of it is padded to a multiple of 64.
        let width = (header.len() + 11).next_multiple_of(64) - 11;
        let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
        file.write_all(b"\x93NUMPY\x01\x00")?;
        file.write_all(&u16::try_from(width + 1)?.to_le_bytes())?;
        writeln!(file, "{header:<width$}")?;
        if cfg!(target_endian = "little") {
            file.write_all(bytemuck::cast_slice(self.values()))?;
        } else {
            for x in self.values() {
                file.write_all(&x.to_le_bytes())?;
            }
        }
        Ok(file.flush()?)
    }
}

fn fill(values: &mut [f32], cell: &Cell, copy: u64) {
    let shape = (cell.rows as u64) << 40 ^ cell.cols as u64;
    let mut random = SplitMix64(0x5350_4952_414C ^ shape ^ copy << 20);
    match cell.input {
        Pattern::Normal => {
            for pair in values.chunks_mut(2) {
                pair.copy_from_slice(&random.normals()[..pair.len()]);
            }
        }
        Pattern::Uniform => values.fill_with(|| random.unit()),
        Pattern::Equal => values.fill(1.5),
        Pattern::Ties => values.fill_with(|| (random.next() >> 61) as f32 - 3.5),
        Pattern::RadixAdv => {
            values.fill_with(|| f32::from_bits(0x3F80_0000 + (random.next() >> 52) as u32));
        }
        Pattern::Relu => values.fill_with(|| (random.normals()[0] - 1.0).max(0.0)),
        Pattern::Pivot => {
            let step = (cell.cols / 40).max(1);
            by_column(values, cell.cols, |i| if i % step == 0 { 2.0 } else { 1.0 });
        }
        Pattern::BlockAsc => {
            by_column(values, cell.cols, |i| random.normals()[0] + (i / 4096) as f32);
        }
        Pattern::LastWin => by_column(values, cell.cols, |i| {
            random.normals()[0] + if i + 4096 >= cell.cols { 20.0 } else { 0.0 }
        }),
        Pattern::Sorted => {
            // Exact, and so strictly ascending, up to 2^25 columns.
            let half = (cell.cols / 2) as f32;
            by_column(values, cell.cols, |i| i as f32 - half);
        }
    }
}

/// Sets every element from its column.
fn by_column(values: &mut [f32], cols: usize, mut of: impl FnMut(usize) -> f32) {
    for row in values.chunks_mut(cols) {
        row.iter_mut().enumerate().for_each(|(i, x)| *x = of(i));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, cols: usize, input: Pattern) -> Matrix {
        Matrix::new(&Cell::new(rows, cols, 1, input)).unwrap()
    }

    #[test]
    fn inputs_are_what_they_are_called() {
        let normal = matrix(3, 33_333, Pattern::Normal);
        let n = normal.values().len() as f64;
        let mean = normal.values().iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let square = normal.values().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.03, "{mean} {square}");
        assert_eq!(normal.values(), matrix(3, 33_333, Pattern::Normal).values(), "the same again");
        let other = Matrix::copy(&Cell::new(3, 33_333, 1, Pattern::Normal), 1).unwrap();
        assert_ne!(normal.values()[..9], other.values()[..9]);

        let mut ties = matrix(2, 999, Pattern::Ties).values().to_vec();
        ties.sort_by(f32::total_cmp);
        ties.dedup();
        assert_eq!(ties, [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]);
        let sorted = matrix(2, 1 << 24, Pattern::Sorted);
        assert!(sorted.values()[..1 << 24].windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn npy_files_have_aligned_data() {
        let dir = tempfile::tempdir().unwrap();
        let cell = Cell::new(2, 3, 1, Pattern::Sorted);
        let path = dir.path().join("x.npy");
        Matrix::new(&cell).unwrap().write_npy(&cell, &path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((header % 64, bytes.len() - header, bytes[header - 1]), (0, 24, b'\n'));
        assert_eq!(bytes[header..][..4], (-1f32).to_le_bytes());
    }
}
