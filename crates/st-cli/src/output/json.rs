//! The JSON document of a result.

use std::io::{self, Write};

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use st_core::ops::rank_entry::RankKind;

use super::Report;
use crate::tensor::Number;

/// Writes any document and a newline.
pub(crate) fn document(out: &mut (impl Write + ?Sized), value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Writes the document of a result and a newline.
pub(crate) fn write(out: &mut (impl Write + ?Sized), report: &Report<'_>) -> io::Result<()> {
    document(out, report)
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let problem = &self.plan.problem;
        let shape = self.result_shape();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", problem.kind.name())?;
        if let RankKind::Range { start } = problem.kind {
            map.serialize_entry("start", &start)?;
        }
        map.serialize_entry("k", &problem.k)?;
        map.serialize_entry("file", &self.file.to_string_lossy())?;
        map.serialize_entry("tensor", &self.tensor)?;
        map.serialize_entry("axis", &self.layout.axis)?;
        map.serialize_entry("shape", self.shape)?;
        map.serialize_entry("dtype", &problem.dtype)?;
        map.serialize_entry("nan", &problem.nan)?;
        map.serialize_entry("sorted", &problem.sorted)?;
        map.serialize_entry("device", self.plan.caps.backend.name())?;
        map.serialize_entry("auto", &self.auto)?;
        map.serialize_entry("isa", self.isa)?;
        map.serialize_entry("elapsed_us", &self.elapsed_us)?;
        match self.why {
            // The plan's fields are among an explanation's.
            Some(why) => map.serialize_entry("plan", why)?,
            None => map.serialize_entry("plan", self.plan)?,
        }
        map.serialize_entry("result_shape", &shape)?;
        map.serialize_entry("values", &Nested::new(&shape, &|i| self.values.number(i)))?;
        map.serialize_entry("indices", &Nested::new(&shape, &|i| self.indices[i]))?;
        map.end()
    }
}

/// An array as lists of lists.
struct Nested<'a, F> {
    shape: &'a [usize],
    /// Elements of this part and its first.
    len: usize,
    first: usize,
    get: &'a F,
}

impl<'a, F> Nested<'a, F> {
    fn new(shape: &'a [usize], get: &'a F) -> Self {
        // Where an axis is empty, the others may be too long for a product, and none is needed.
        let len = if shape.contains(&0) { 0 } else { shape.iter().product() };
        Self { shape, len, first: 0, get }
    }
}

impl<T: Serialize, F: Fn(usize) -> T> Serialize for Nested<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&n, shape)) = self.shape.split_first() else {
            return (self.get)(self.first).serialize(serializer);
        };
        let len = self.len.checked_div(n).unwrap_or(0);
        let mut list = serializer.serialize_seq(Some(n))?;
        for i in 0..n {
            let first = self.first + i * len;
            list.serialize_element(&Nested { shape, len, first, get: self.get })?;
        }
        list.end()
    }
}

impl Serialize for Number {
    /// Floats as f64, into which every narrower one goes exactly: a reader that works with f64
    /// has the element's very value. What JSON cannot write is a string.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let x = match *self {
            Self::Int(x) => return serializer.serialize_i64(x),
            Self::Uint(x) => return serializer.serialize_u64(x),
            Self::F32(x) => f64::from(x),
            Self::F64(x) => x,
        };
        if x.is_finite() {
            serializer.serialize_f64(x)
        } else if x.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if x > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }
}
