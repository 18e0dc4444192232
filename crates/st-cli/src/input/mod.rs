//! Reading arrays. Every reader takes the bytes of a whole file and refuses, without allocating
//! for it, whatever the bytes do not hold.

pub mod npy;
pub mod npz;
pub mod raw;
pub mod safetensors;
mod source;

use std::path::Path;

use st_core::DType;

pub(crate) use self::source::Source;
use crate::tensor::{NoMemory, Shape, Tensor, element_count};

/// Why the bytes of a file are no array to select from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The first bytes are those of no such file.
    #[error("this is no {format} file: it begins with {found}; name the file for what it is")]
    Magic {
        /// The format its name says.
        format: &'static str,
        /// What was found, printable.
        found: String,
    },
    /// A format version that no reader knows.
    #[error(".npy format {major}.{minor} is not known: save it again as format 1, 2 or 3")]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// Bytes are missing.
    #[error("{what} is cut short: {need} bytes are needed and {have} are there")]
    Truncated {
        /// The part that is cut short.
        what: &'static str,
        /// Bytes needed.
        need: u64,
        /// Bytes there.
        have: u64,
    },
    /// Bytes are left over.
    #[error(
        "{extra} bytes follow the last element: type and shape do not fit the data, or something \
         was appended"
    )]
    Trailing {
        /// Bytes left over.
        extra: u64,
    },
    /// A header that cannot be understood.
    #[error("bad .npy header: {why}; save the array again")]
    Header {
        /// What is wrong.
        why: String,
    },
    /// An element type that cannot be selected from.
    #[error("elements of type {descr} ({what}) cannot be selected from: {advice}")]
    Type {
        /// The type in the words of the file.
        descr: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// `--dtype` contradicts the file.
    #[error("--dtype {asked} was given, but the file says {found}: leave --dtype out")]
    TypeAsked {
        /// The type asked for.
        asked: DType,
        /// The type of the file.
        found: DType,
    },
    /// A shape beyond the address space.
    #[error("shape {} of {dtype} does not fit in memory", Shape(shape))]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
        /// The element type.
        dtype: DType,
    },
    /// A zip archive that cannot be read.
    #[error("bad .npz archive: {why}")]
    Zip {
        /// What is wrong.
        why: String,
    },
    /// A safetensors file that cannot be read.
    #[error("bad .safetensors file: {why}")]
    Safetensors {
        /// What is wrong.
        why: String,
    },
    /// No array of that name.
    #[error("there is no tensor `{name}`: there are {}", names.join(", "))]
    NoSuchTensor {
        /// The name asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// Several arrays, and none was named.
    #[error("there are {} tensors: name one of {} with --tensor", names.len(), names.join(", "))]
    WhichTensor {
        /// The names there are.
        names: Vec<String>,
    },
    /// An archive without arrays.
    #[error("the file holds no tensors")]
    NoTensors,
    /// A name where the format has none.
    #[error("--tensor was given, but only .npz and .safetensors files name their tensors")]
    NameNotUsed,
    /// A shape for a file that says its own.
    #[error(
        "--shape is for raw elements, and this is a .{format} file, which says its own: leave --shape out"
    )]
    ShapeNotUsed {
        /// What the file begins like.
        format: &'static str,
    },
    /// An unknown kind of file without a shape.
    #[error(
        "this is no .npy, .npz or .safetensors by its name: for raw elements give --shape and \
         --dtype"
    )]
    ShapeNeeded,
    /// The allocator refused.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

/// What the command line says about the array.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Which array of several.
    pub tensor: Option<&'a str>,
    /// Shape of raw elements.
    pub shape: Option<&'a [usize]>,
    /// Type of raw elements; for other files, the type they must have.
    pub dtype: Option<DType>,
}

/// Reads an array from the bytes of a file of that name: raw if a shape is given, else by the
/// name's extension.
///
/// # Errors
/// Whatever [`ReadError`] lists.
pub fn parse<'a>(
    name: &Path,
    bytes: &'a [u8],
    request: &Request<'_>,
) -> Result<Tensor<'a>, ReadError> {
    let extension = name.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let format = if request.shape.is_some() { None } else { extension.as_deref() };
    if request.tensor.is_some() && !matches!(format, Some("npz" | "safetensors")) {
        return Err(ReadError::NameNotUsed);
    }
    if let (Some(_), Some(format)) = (request.shape, says_its_shape(bytes)) {
        return Err(ReadError::ShapeNotUsed { format });
    }
    let tensor = match (format, request.shape, request.dtype) {
        (Some("npy"), ..) => npy::parse(bytes, request.dtype)?,
        (Some("npz"), ..) => npz::parse(bytes, request.tensor, request.dtype)?,
        (Some("safetensors"), ..) => safetensors::parse(bytes, request.tensor)?,
        (_, Some(shape), Some(dtype)) => raw::parse(bytes, shape, dtype)?,
        _ => return Err(ReadError::ShapeNeeded),
    };
    match request.dtype {
        Some(asked) if asked != tensor.dtype => {
            Err(ReadError::TypeAsked { asked, found: tensor.dtype })
        }
        _ => Ok(tensor),
    }
}

/// What kind of file begins so, of those that say their shapes and that raw elements hardly ever look like.
fn says_its_shape(bytes: &[u8]) -> Option<&'static str> {
    [("npy", npy::MAGIC), ("npz", b"PK\x03\x04")]
        .into_iter()
        .find_map(|(format, magic)| bytes.starts_with(magic).then_some(format))
}

/// Bytes of the elements of that shape.
fn byte_count(shape: &[usize], dtype: DType) -> Result<usize, ReadError> {
    element_count(shape, dtype)
        .map(|n| n * dtype.size())
        .ok_or_else(|| ReadError::TooLarge { shape: shape.to_vec(), dtype })
}

/// Refuses data of another length than type and shape say.
fn check_length(what: &'static str, need: u64, have: u64) -> Result<(), ReadError> {
    if have < need {
        return Err(ReadError::Truncated { what, need, have });
    }
    if have > need {
        return Err(ReadError::Trailing { extra: have - need });
    }
    Ok(())
}

/// Picks an array: the one of that name, or the only one.
fn pick(names: &[String], asked: Option<&str>) -> Result<usize, ReadError> {
    let mut listed = names.to_vec();
    listed.sort_unstable();
    match (asked, names.len()) {
        (_, 0) => Err(ReadError::NoTensors),
        (Some(name), _) => names
            .iter()
            .position(|n| n == name)
            .ok_or_else(|| ReadError::NoSuchTensor { name: name.to_owned(), names: listed }),
        (None, 1) => Ok(0),
        (None, _) => Err(ReadError::WhichTensor { names: listed }),
    }
}

/// The first bytes of a file for a message.
fn first_bytes(bytes: &[u8]) -> String {
    match bytes.get(..bytes.len().min(8)) {
        None | Some([]) => "nothing (it is empty)".to_owned(),
        Some(first) => format!("\"{}\"", first.escape_ascii()),
    }
}
