//! Raw elements in this machine's byte order, C-ordered, nothing else in the file.

use st_core::DType;

use super::{ReadError, byte_count, check_length};
use crate::tensor::{Bytes, Order, Tensor};

/// Reads elements of that shape and type.
///
/// # Errors
/// More or fewer bytes than shape and type say.
pub fn parse<'a>(bytes: &'a [u8], shape: &[usize], dtype: DType) -> Result<Tensor<'a>, ReadError> {
    let need = byte_count(shape, dtype)?;
    check_length("the file", need as u64, bytes.len() as u64)?;
    Ok(Tensor {
        dtype,
        shape: shape.to_vec(),
        order: Order::C,
        swapped: false,
        bytes: Bytes::Borrowed(bytes),
    })
}
