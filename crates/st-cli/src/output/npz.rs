//! The `.npz` of a result: `values` and `indices`, stored.
//!
//! bf16 values have the descr `<V2`, which is what `ml_dtypes` writes: NumPy has no bfloat16.
//! `np.load(..)["values"].view(ml_dtypes.bfloat16)` reads them.

use std::io::{self, Seek, Write};

use st_core::DType;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Report;
use crate::tensor::Shape;

/// Where the elements of a `.npy` begin is a multiple of this, by its specification; so are the
/// members here, so that a program may map them.
const ALIGNMENT: u16 = 64;

/// Members from this size on need the 64-bit fields of zip; below the limit of 32 bits by more
/// than a header.
const LARGE: usize = 0xFFFF_0000;

pub(super) fn write(out: &mut (impl Write + Seek), report: &Report<'_>) -> io::Result<()> {
    let shape = report.result_shape();
    let mut zip = ZipWriter::new(out);
    let indices = bytemuck::cast_slice(report.indices);
    let values = report.values.bytes();
    for (name, dtype, bytes) in
        [("values.npy", report.plan.problem.dtype, values), ("indices.npy", DType::U32, indices)]
    {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .with_alignment(ALIGNMENT)
            .large_file(bytes.len() >= LARGE);
        zip.start_file(name, options)?;
        zip.write_all(&header(dtype, &shape))?;
        zip.write_all(bytes)?;
    }
    zip.finish()?;
    Ok(())
}

/// The header of a C-ordered `.npy` in this machine's byte order.
fn header(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let dictionary = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
        descr(dtype),
        Shape(shape)
    );
    // Magic, version and length come first, a newline last.
    let used = 10 + dictionary.len() + 1;
    let padding = used.next_multiple_of(ALIGNMENT.into()) - used;
    let length = (dictionary.len() + padding + 1) as u16;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(dictionary.as_bytes());
    bytes.resize(bytes.len() + padding, b' ');
    bytes.push(b'\n');
    bytes
}

fn descr(dtype: DType) -> String {
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    let code = match dtype {
        DType::I8 => return "|i1".into(),
        DType::U8 => return "|u1".into(),
        DType::F32 => "f4",
        DType::F16 => "f2",
        DType::Bf16 => "V2",
        DType::F64 => "f8",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
    };
    format!("{order}{code}")
}
