//! `.safetensors`: a JSON header and little-endian, C-ordered data.
//!
//! Only the crate's `Metadata` is used. `SafeTensors::deserialize` adds the header's own claim of
//! the data's length to other lengths unchecked, which overflows for a hostile header.

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use st_core::DType;

use super::{ReadError, byte_count, check_length, pick};
use crate::tensor::{Bytes, Order, Tensor};

/// Bytes of the header's length.
const LENGTH: usize = 8;

/// Longest header, as in the format's own reader.
const MAX_HEADER: u64 = 100_000_000;

/// Reads the tensor of that name, or the only one.
///
/// # Errors
/// A bad header, no such tensor, an unsupported type, or more or fewer bytes than the header says.
pub fn parse<'a>(bytes: &'a [u8], name: Option<&str>) -> Result<Tensor<'a>, ReadError> {
    let short = |need| ReadError::Truncated {
        what: "the .safetensors header",
        need,
        have: bytes.len() as u64,
    };
    let &length = bytes.first_chunk::<LENGTH>().ok_or_else(|| short(LENGTH as u64))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(bad(format!("its header claims {length} bytes; is it another kind of file?")));
    }
    let data_start = LENGTH + length as usize;
    let header = bytes.get(LENGTH..data_start).ok_or_else(|| short(data_start as u64))?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|e| bad(e.to_string()))?;
    let data = &bytes[data_start..];
    check_length("the .safetensors data", metadata.data_len() as u64, data.len() as u64)?;

    let names = metadata.offset_keys();
    let name = &names[pick(&names, name)?];
    let info = metadata.info(name).ok_or(ReadError::NoTensors)?;
    let dtype = element_type(info.dtype)?;
    let (start, end) = info.data_offsets;
    let data = data.get(start..end).ok_or_else(|| bad("a tensor lies outside the file".into()))?;
    let need = byte_count(&info.shape, dtype)?;
    check_length("the tensor", need as u64, data.len() as u64)?;
    Ok(Tensor {
        dtype,
        shape: info.shape.clone(),
        order: Order::C,
        swapped: cfg!(target_endian = "big"),
        bytes: Bytes::Borrowed(data),
    })
}

fn bad(why: String) -> ReadError {
    ReadError::Safetensors { why }
}

fn element_type(dtype: Dtype) -> Result<DType, ReadError> {
    Ok(match dtype {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::Bf16,
        Dtype::F64 => DType::F64,
        Dtype::I8 => DType::I8,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::U8 => DType::U8,
        Dtype::U16 => DType::U16,
        Dtype::U32 => DType::U32,
        Dtype::U64 => DType::U64,
        other => {
            return Err(ReadError::Type {
                descr: format!("{other:?}"),
                what: "not one of the supported types",
                advice: "supported are F32 F16 BF16 F64 I8 I16 I32 I64 U8 U16 U32 U64; convert \
                         the tensor first",
            });
        }
    })
}
