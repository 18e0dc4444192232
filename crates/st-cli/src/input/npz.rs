//! `.npz`: a zip archive of `.npy` files, stored or deflated.

use std::io::{self, Cursor, Read};

use st_core::DType;
use zip::{CompressionMethod, ZipArchive};

use super::{ReadError, check_length, first_bytes, npy, pick};
use crate::tensor::{AlignedBytes, Bytes, Tensor};

/// Deflate makes at most 1,032 bytes of one; a claim beyond that is no reason to allocate.
const MAX_RATIO: u64 = 1032;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Reads the array of that name, or the only one. Names are those of the members without `.npy`.
/// `dtype` as in [`npy::parse`].
///
/// # Errors
/// No zip archive, no such member, a method other than stored or deflated, a wrong checksum, and
/// whatever is wrong with the `.npy` inside.
pub fn parse<'a>(
    bytes: &'a [u8],
    name: Option<&str>,
    dtype: Option<DType>,
) -> Result<Tensor<'a>, ReadError> {
    if !bytes.starts_with(b"PK") {
        return Err(ReadError::Magic { format: ".npz", found: first_bytes(bytes) });
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    let (places, names): (Vec<usize>, Vec<String>) = archive
        .file_names()
        .enumerate()
        .filter_map(|(i, n)| Some((i, n.ok()?.strip_suffix(".npy")?.to_owned())))
        .unzip();
    let name = name.map(|n| n.strip_suffix(".npy").unwrap_or(n));
    let place = places[pick(&names, name)?];
    let entry = archive.by_index_raw(place).map_err(bad)?;
    if entry.encrypted() {
        return Err(zip_error("the member is encrypted: save the array without a password"));
    }
    match entry.compression() {
        CompressionMethod::Stored => {
            let (start, len, crc) = (entry.data_start(), entry.compressed_size(), entry.crc32());
            check_length("the member", entry.size(), len)?;
            let data = start.and_then(|start| slice(bytes, start, len));
            let data = data.ok_or_else(|| zip_error("a member lies outside the file"))?;
            if crc32fast::hash(data) != crc {
                return Err(zip_error("the checksum is wrong: the file is damaged"));
            }
            npy::parse(data, dtype)
        }
        CompressionMethod::Deflated => {
            let (packed, size) = (entry.compressed_size(), entry.size());
            drop(entry);
            if size > packed.saturating_mul(MAX_RATIO) {
                return Err(ReadError::Zip {
                    why: format!("a member claims to hold {size} bytes in {packed}"),
                });
            }
            inflate(&mut archive, place, size, dtype)
        }
        method => Err(ReadError::Zip {
            why: format!(
                "the member is packed as {method}: save it with np.savez or \
                          np.savez_compressed"
            ),
        }),
    }
}

/// Unpacks a member: its header first, so that memory is taken only for data that the member's
/// size agrees with.
fn inflate<'a>(
    archive: &mut Archive<'_>,
    place: usize,
    size: u64,
    dtype: Option<DType>,
) -> Result<Tensor<'a>, ReadError> {
    let mut member = archive.by_index(place).map_err(bad)?;
    let mut head = vec![0; npy::PREFIX.min(usize::try_from(size).unwrap_or(usize::MAX))];
    member.read_exact(&mut head).map_err(unpacking)?;
    let offset = npy::data_offset(&head)?;
    if offset as u64 > size {
        let what = "the .npy header";
        return Err(ReadError::Truncated { what, need: offset as u64, have: size });
    }
    // The header of an empty version 1 dictionary would end within the prefix; such a header is
    // refused below, and what was read of the data with it.
    let read = head.len().min(offset);
    head.resize(offset, 0);
    member.read_exact(&mut head[read..]).map_err(unpacking)?;
    let header = npy::parse_header(&head, dtype)?;
    check_length("the .npy data", header.bytes as u64, size - offset as u64)?;
    let mut data = AlignedBytes::zeroed(header.bytes)?;
    member.read_exact(data.as_mut_slice()).map_err(unpacking)?;
    // The checksum is compared at the end of the member, so that has to be seen.
    if member.read(&mut [0]).map_err(unpacking)? != 0 {
        return Err(zip_error("a member is longer than the archive says"));
    }
    Ok(header.with(Bytes::Owned(data)))
}

fn slice(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

fn zip_error(why: &str) -> ReadError {
    ReadError::Zip { why: why.to_owned() }
}

fn bad(error: zip::result::ZipError) -> ReadError {
    ReadError::Zip { why: error.to_string() }
}

fn unpacking(error: io::Error) -> ReadError {
    ReadError::Zip { why: format!("a member cannot be unpacked: {error}") }
}
