//! Inputs and outputs that lie on the device.

use st_rank::{DType, Error, Problem, Result};
use wgpu::{Buffer, BufferUsages};

/// A place in a buffer of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) buffer: Buffer,
    /// Where it begins, in bytes.
    pub(crate) at: u64,
}

/// A matrix to select from, in a buffer on the executor's device. Rows, columns and row stride are
/// the plan's; elements lie as in host memory, 16-bit ones two to a word, little-endian.
///
/// The buffer needs the usage `STORAGE`. It may begin at any element, whatever the device's
/// alignment, and be larger than one binding: rows are then bound window by window. One row must fit
/// a binding (`max_storage_buffer_binding_size`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInput {
    pub(crate) rows: Place,
    pub(crate) dtype: DType,
    pub(crate) lengths: Option<Place>,
}

impl DeviceInput {
    /// Elements of this type from the beginning of the buffer.
    #[must_use]
    pub fn new(buffer: &Buffer, dtype: DType) -> Self {
        Self { rows: Place { buffer: buffer.clone(), at: 0 }, dtype, lengths: None }
    }

    /// The same from that byte on: a multiple of the element's size.
    #[must_use]
    pub const fn at(mut self, byte: u64) -> Self {
        self.rows.at = byte;
        self
    }

    /// The same with the length of each row: `rows` words from that byte of a buffer with the usage
    /// `STORAGE`.
    ///
    /// Lengths on a device are not read back, so nothing refuses them here. A row whose length does not
    /// do, being beyond the columns or too short for what is wanted, gets the value 0 and the index
    /// `u32::MAX` in all its places, and the [status word](DeviceOutput::with_status) becomes 1. If the
    /// plan asks for padding, a short row is not bad: what it lacks is filled so at its end.
    ///
    /// The byte is a multiple of the device's `min_storage_buffer_offset_alignment`, or where a
    /// row of lengths that begin at one has its length; see [`DeviceOutput::at`].
    #[must_use]
    pub fn with_lengths(mut self, buffer: &Buffer, byte: u64) -> Self {
        self.lengths = Some(Place { buffer: buffer.clone(), at: byte });
        self
    }

    /// Refuses what the problem does not describe, and buffers that cannot be bound.
    pub(crate) fn check(&self, problem: &Problem) -> Result<()> {
        if self.dtype != problem.dtype {
            return Err(Error::DTypeMismatch { plan: problem.dtype, input: self.dtype });
        }
        let ragged = problem.lengths.is_ragged();
        if ragged != self.lengths.is_some() {
            return Err(Error::LengthsMismatch { plan_is_ragged: ragged });
        }
        let &Problem { rows, cols, row_stride, .. } = problem;
        let elements = match rows {
            0 => 0,
            _ => (rows as u64 - 1) * row_stride as u64 + cols as u64,
        };
        let size = self.dtype.size() as u64;
        room("input", &self.rows, elements * size, size)?;
        match &self.lengths {
            Some(place) => room("lengths", place, rows as u64 * 4, 4),
            None => Ok(()),
        }
    }
}

/// Where results on the device go: values and indices, both `rows x k`, row-major, one word each.
///
/// **Values of 16-bit types take a word (`u32`) each, too**, their bits in its lower half: a shader
/// cannot write half a word alone.
///
/// Both buffers need the usage `STORAGE`, and neither may be the input's: a kernel may not write
/// what it reads. They may be one buffer, each part at a multiple of the alignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOutput {
    pub(crate) values: Place,
    pub(crate) indices: Place,
    pub(crate) status: Option<Place>,
}

impl DeviceOutput {
    /// From the beginning of these buffers.
    #[must_use]
    pub fn new(values: &Buffer, indices: &Buffer) -> Self {
        let place = |buffer: &Buffer| Place { buffer: buffer.clone(), at: 0 };
        Self { values: place(values), indices: place(indices), status: None }
    }

    /// The same from those bytes on: multiples of the device's
    /// `min_storage_buffer_offset_alignment`, or row r of matrices with k columns that begin at
    /// such multiples, with the same r for values, indices and lengths.
    #[must_use]
    pub const fn at(mut self, values_byte: u64, indices_byte: u64) -> Self {
        self.values.at = values_byte;
        self.indices.at = indices_byte;
        self
    }

    /// The same with a `u32` at that byte of a buffer with the usage `STORAGE`, which is set to 1 if the
    /// length of a row on the device does not do ([`DeviceInput::with_lengths`]), and else left alone.
    ///
    /// The byte is a multiple of the device's `min_storage_buffer_offset_alignment`. The buffer is none
    /// that is read; it may be that of values or indices, apart from them.
    #[must_use]
    pub fn with_status(mut self, buffer: &Buffer, byte: u64) -> Self {
        self.status = Some(Place { buffer: buffer.clone(), at: byte });
        self
    }

    /// The buffer of values.
    #[must_use]
    pub const fn values(&self) -> &Buffer {
        &self.values.buffer
    }

    /// The buffer of indices.
    #[must_use]
    pub const fn indices(&self) -> &Buffer {
        &self.indices.buffer
    }

    /// Refuses buffers that results do not fit or cannot be bound beside that input. `align`: what
    /// bindings begin at multiples of.
    pub(crate) fn check(&self, problem: &Problem, input: &DeviceInput, align: u64) -> Result<()> {
        let bytes = problem.output_len() as u64 * 4;
        let mut written = vec![("values", &self.values, bytes), ("indices", &self.indices, bytes)];
        if let Some(word) = &self.status {
            written.push(("status", word, 4));
            if !word.at.is_multiple_of(align) {
                return Err(Error::DeviceBuffer {
                    what: "status",
                    given: format!("begins at byte {}", word.at),
                    needed: format!("begin at a multiple of {align} bytes"),
                });
            }
        }
        for (nth, &(what, place, bytes)) in written.iter().enumerate() {
            room(what, place, bytes, 4)?;
            let read = Some(&input.rows).into_iter().chain(&input.lengths);
            if read.into_iter().any(|read| read.buffer == place.buffer) {
                let given = "is one that is read, too".to_owned();
                let needed = "be another: a kernel may not write what it reads".to_owned();
                return Err(Error::DeviceBuffer { what, given, needed });
            }
            for &(other, place_of_other, bytes_of_other) in &written[nth + 1..] {
                let apart = place.at.abs_diff(place_of_other.at);
                let first = if place.at <= place_of_other.at { bytes } else { bytes_of_other };
                if place.buffer == place_of_other.buffer && apart < first {
                    return Err(Error::DeviceBuffer {
                        what,
                        given: format!("has the {other}, too, {apart} bytes away"),
                        needed: format!("have {bytes} bytes of its own"),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Refuses a place that lacks the usage or the room for `bytes` bytes of elements of this size.
fn room(what: &'static str, place: &Place, bytes: u64, element: u64) -> Result<()> {
    let refuse = |given, needed| Err(Error::DeviceBuffer { what, given, needed });
    let Place { buffer, at } = place;
    if !buffer.usage().contains(BufferUsages::STORAGE) {
        let needed = "be made with BufferUsages::STORAGE".to_owned();
        return refuse(format!("has the usages {:?}", buffer.usage()), needed);
    }
    if !at.is_multiple_of(element) {
        let needed = format!("begin at a multiple of {element} bytes, an element");
        return refuse(format!("begins at byte {at}"), needed);
    }
    // Whole words are bound.
    if at.saturating_add(bytes).div_ceil(4) > buffer.size() / 4 {
        let needed = format!("have {bytes} bytes from byte {at} on, in whole words");
        return refuse(format!("has {} bytes", buffer.size()), needed);
    }
    Ok(())
}
