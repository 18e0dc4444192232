//! Results: where they go and in what form.

mod destination;
pub(crate) mod json;
pub(crate) mod npz;
mod replacement;
pub(crate) mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use st_core::backend::auto::Why;
use st_core::ops::rank_entry::{Explanation, RankPlan};

pub(crate) use self::destination::Destination;
use self::replacement::Replacement;
use crate::error::Error;
use crate::tensor::{Number, RowLayout, Scalar};

/// The values of a result, whatever their type.
pub(crate) trait Values {
    /// Their bytes, bit for bit those of the input, in this machine's byte order.
    fn bytes(&self) -> &[u8];
    /// One of them.
    fn number(&self, place: usize) -> Number;
}

impl<T: Scalar> Values for Vec<T> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }

    fn number(&self, place: usize) -> Number {
        self[place].number()
    }
}

/// A finished selection. Values and indices are in the array's order of axes, with k in place of
/// the axis selected along.
pub(crate) struct Report<'a> {
    pub(crate) file: &'a Path,
    pub(crate) tensor: Option<&'a str>,
    pub(crate) layout: &'a RowLayout,
    pub(crate) shape: &'a [usize],
    pub(crate) isa: &'a str,
    pub(crate) plan: &'a RankPlan,
    /// Why it ran on that device, if none was named.
    pub(crate) auto: Option<&'a Why>,
    /// The plan with the reasons for it, if they are wanted.
    pub(crate) why: Option<&'a Explanation>,
    pub(crate) values: &'a dyn Values,
    pub(crate) indices: &'a [u32],
    pub(crate) elapsed_us: f64,
}

impl Report<'_> {
    /// The shape of values and indices.
    pub(crate) fn result_shape(&self) -> Vec<usize> {
        self.layout.result_shape(self.plan.problem.k)
    }
}

/// Replaces a file by a text: all of it or, on an error, nothing.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<(), Error> {
    Replacement::check(path)
        .and_then(|place| place.write(|out| out.write_all(text.as_bytes())))
        .map_err(|source| Error::Output { path: path.to_owned(), source })
}

/// Writes to standard output. A reader that has seen enough and closed the pipe is no error.
pub(crate) fn stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
            // What is still buffered has no reader; writing it again at drop would be in vain.
            let _ = out.into_parts();
            Ok(())
        }
        result => result.map_err(Error::Stdout),
    }
}
