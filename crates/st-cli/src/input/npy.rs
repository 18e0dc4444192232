//! `.npy`, formats 1 to 3.
//!
//! The header is read here and not by `npyz`: that allocates up to 4 GiB because a header says so,
//! before it has seen whether the file is so long, and neither overflowing shapes nor the `V2` of
//! bfloat16 are its business. What is needed is small: a dictionary of three keys.

use st_core::DType;

use super::{ReadError, byte_count, check_length, first_bytes};
use crate::tensor::{Bytes, Order, Tensor};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header read; NumPy itself refuses more than 10,000 bytes unless told otherwise.
const MAX_HEADER: usize = 1 << 20;

/// Most axes an array can have in NumPy.
const MAX_AXES: usize = 64;

/// Bytes from which [`data_offset`] can always tell.
pub(super) const PREFIX: usize = 12;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Element type.
    pub dtype: DType,
    /// Whether elements are in the other byte order than this machine's.
    pub swapped: bool,
    /// Order of the elements.
    pub order: Order,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Bytes of the elements.
    pub bytes: usize,
}

/// Reads a whole `.npy`. With `dtype` bf16, elements of the descr `V2` are taken for bfloat16.
///
/// # Errors
/// No `.npy`, an unknown version, a bad header, an unsupported type, or more or fewer bytes than
/// the header says.
pub fn parse(bytes: &[u8], dtype: Option<DType>) -> Result<Tensor<'_>, ReadError> {
    let offset = data_offset(bytes)?;
    let header = parse_header(
        bytes.get(..offset).ok_or(ReadError::Truncated {
            what: "the .npy header",
            need: offset as u64,
            have: bytes.len() as u64,
        })?,
        dtype,
    )?;
    let data = &bytes[offset..];
    check_length("the .npy data", header.bytes as u64, data.len() as u64)?;
    Ok(header.with(Bytes::Borrowed(data)))
}

impl Header {
    /// The tensor of this header over its bytes, whose length the caller has checked.
    pub(super) fn with(self, bytes: Bytes<'_>) -> Tensor<'_> {
        let Self { dtype, swapped, order, shape, .. } = self;
        Tensor { dtype, shape, order, swapped, bytes }
    }
}

/// Where the elements begin, from the first [`PREFIX`] bytes of a file (or all of a shorter one).
pub(super) fn data_offset(prefix: &[u8]) -> Result<usize, ReadError> {
    let short = |need: usize| ReadError::Truncated {
        what: "the .npy header",
        need: need as u64,
        have: prefix.len() as u64,
    };
    if !prefix.starts_with(MAGIC) {
        return Err(ReadError::Magic { format: ".npy", found: first_bytes(prefix) });
    }
    let &[major, minor] = prefix.get(6..8).and_then(|b| b.first_chunk()).ok_or(short(8))?;
    let (start, len) = match (major, minor) {
        (1, 0) => {
            let len = prefix.get(8..).and_then(|b| b.first_chunk()).ok_or(short(10))?;
            (10, usize::from(u16::from_le_bytes(*len)))
        }
        (2 | 3, 0) => {
            let len = prefix.get(8..).and_then(|b| b.first_chunk()).ok_or(short(12))?;
            (12, usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX))
        }
        _ => return Err(ReadError::Version { major, minor }),
    };
    if len > MAX_HEADER {
        return Err(header_error(format!("it claims {len} bytes, more than {MAX_HEADER}")));
    }
    Ok(start + len)
}

/// Reads a header, from the magic to where the elements begin.
pub(super) fn parse_header(bytes: &[u8], asked: Option<DType>) -> Result<Header, ReadError> {
    let start = if bytes.get(6) == Some(&1) { 10 } else { 12 };
    // Versions 1 and 2 are Latin-1, version 3 is UTF-8; nothing accepted is beyond ASCII.
    let text = String::from_utf8_lossy(bytes.get(start..).unwrap_or_default());
    let [descr, fortran, shape] = entries(&text)?;
    let (dtype, swapped) = element_type(descr, asked)?;
    let order = match fortran {
        "True" => Order::Fortran,
        "False" => Order::C,
        other => return Err(header_error(format!("fortran_order is {}", shown(other)))),
    };
    let shape = shape_of(shape)?;
    let bytes = byte_count(&shape, dtype)?;
    Ok(Header { dtype, swapped, order, shape, bytes })
}

fn header_error(why: String) -> ReadError {
    ReadError::Header { why }
}

/// At most so much of a hostile header is repeated in a message, and nothing that a terminal obeys.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let printable = |c: char| if c.is_control() { '?' } else { c };
    let mut cut: String = text.chars().take(MOST).map(printable).collect();
    if text.chars().nth(MOST).is_some() {
        cut.push_str("...");
    }
    cut
}

/// The values of `descr`, `fortran_order` and `shape` in a Python dictionary, as they are written.
fn entries(text: &str) -> Result<[&str; 3], ReadError> {
    let bad = |why: &str| header_error(format!("{why} in {}", shown(text.trim())));
    let mut rest = text.trim().strip_prefix('{').ok_or_else(|| bad("no dictionary"))?.trim_start();
    let mut found: [Option<&str>; 3] = [None; 3];
    while let Some(quote @ ('\'' | '"')) = rest.chars().next() {
        let (key, after) = rest[1..].split_once(quote).ok_or_else(|| bad("an open string"))?;
        let after = after.trim_start().strip_prefix(':').ok_or_else(|| bad("no colon"))?;
        let end = value_end(after).ok_or_else(|| bad("an open value"))?;
        let place = ["descr", "fortran_order", "shape"].iter().position(|&k| k == key);
        let place = place.ok_or_else(|| bad(&format!("an unknown key `{}`", shown(key))))?;
        if found[place].replace(after[..end].trim()).is_some() {
            return Err(bad(&format!("`{key}` twice")));
        }
        rest = after[end..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    if rest.trim_end() != "}" {
        return Err(bad("no end of the dictionary"));
    }
    match found {
        [Some(descr), Some(fortran), Some(shape)] => Ok([descr, fortran, shape]),
        _ => Err(bad("descr, fortran_order or shape is missing")),
    }
}

/// Where a value ends: at the comma or brace that no bracket or string encloses.
fn value_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut string = None;
    for (i, c) in text.char_indices() {
        match (string, c) {
            (Some(quote), _) if c == quote => string = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => string = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ',' | '}') if depth == 0 => return Some(i),
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, _) => {}
        }
    }
    None
}

fn shape_of(text: &str) -> Result<Vec<usize>, ReadError> {
    let bad = || header_error(format!("shape is {}", shown(text)));
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(bad)?.trim();
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    // `(3)` is a number in Python, `(3,)` a tuple.
    if !inner.contains(',') {
        return Err(bad());
    }
    let inner = inner.strip_suffix(',').unwrap_or(inner);
    let axes: Vec<usize> = inner
        .split(',')
        .map(|n| {
            let n = n.trim();
            // Python 2 wrote long integers as `3L`.
            let n = n.strip_suffix('L').unwrap_or(n);
            n.parse().ok().filter(|_| n.bytes().all(|b| b.is_ascii_digit())).ok_or_else(bad)
        })
        .collect::<Result<_, _>>()?;
    if axes.len() > MAX_AXES {
        return Err(header_error(format!("{} axes, more than {MAX_AXES}", axes.len())));
    }
    Ok(axes)
}

/// Type and whether its bytes are swapped.
fn element_type(descr: &str, asked: Option<DType>) -> Result<(DType, bool), ReadError> {
    let name = descr
        .strip_prefix(['\'', '"'])
        .and_then(|d| d.strip_suffix(['\'', '"']))
        .ok_or_else(|| unsupported(descr, "a structured type", FIELDS))?;
    let (order, code) = match name.as_bytes() {
        [b'<' | b'>' | b'=' | b'|', ..] => name.split_at(1),
        _ => ("=", name),
    };
    let foreign = if cfg!(target_endian = "little") { ">" } else { "<" };
    let dtype = match code {
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "bfloat16" => DType::Bf16,
        "V2" if asked == Some(DType::Bf16) => DType::Bf16,
        "V2" => return Err(unsupported(descr, "two bytes of no type", VOID2)),
        _ => {
            let (what, advice) = match code.chars().next() {
                Some('O') => ("Python objects", "objects are never unpickled; use a numeric type"),
                Some('U' | 'S' | 'a') => ("text", CONVERT),
                Some('c') => ("complex numbers have no order", "take x.real or abs(x) first"),
                Some('b' | '?') => ("booleans", "save x.view('u1') instead"),
                Some('M' | 'm') => ("dates or times", "save x.view('i8') instead"),
                Some('V') => ("bytes of no type", CONVERT),
                _ => ("not one of the supported types", CONVERT),
            };
            return Err(unsupported(descr, what, advice));
        }
    };
    Ok((dtype, order == foreign && dtype.size() > 1))
}

const CONVERT: &str = "supported are f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 and bfloat16; convert it \
                       first, as with x.astype('f4')";
const FIELDS: &str = "save one of its fields, as x['name'], of type f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 \
                      u8 or bfloat16";
const VOID2: &str = "if they are bfloat16, as ml_dtypes saves them, say so with --dtype bf16";

fn unsupported(descr: &str, what: &'static str, advice: &'static str) -> ReadError {
    ReadError::Type { descr: shown(descr), what, advice }
}
