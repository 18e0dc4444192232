//! Predicted times: what a choice costs on a device, in nanoseconds, and which choices are worth
//! predicting.

pub(crate) mod costs;
pub(crate) mod cpu;
pub(crate) mod cuda;
pub(crate) mod gpu;
#[cfg(test)]
mod measured;

use st_rank::{Backend, Choice, DeviceCaps, Field, MergeKind, Problem};

/// The cost model of a device's backend, for one problem.
pub(crate) enum Model<'a> {
    Cpu(cpu::Model<'a>),
    Gpu(gpu::Model<'a>),
    Cuda(cuda::Model<'a>),
}

impl<'a> Model<'a> {
    pub(crate) fn new(problem: &'a Problem, caps: &DeviceCaps) -> Self {
        match caps.backend {
            Backend::Cpu => Self::Cpu(cpu::Model::new(problem, caps)),
            Backend::Wgpu | Backend::Mps => Self::Gpu(gpu::Model::new(problem, caps)),
            Backend::Cuda | Backend::Hip => Self::Cuda(cuda::Model::new(problem, caps)),
        }
    }

    /// Predicted time of a feasible choice, in nanoseconds: finite and positive.
    pub(crate) fn ns(&self, choice: &Choice) -> f64 {
        match self {
            Self::Cpu(model) => model.ns(choice),
            Self::Gpu(model) => model.ns(choice),
            Self::Cuda(model) => model.ns(choice),
        }
    }

    /// Offers choices with all that is fixed, feasible or not, some perhaps twice.
    pub(crate) fn variants(&self, wanted: &Wanted, offer: &mut dyn FnMut(Choice)) {
        let admitted = &mut |choice: Choice| {
            if wanted.admits(&choice) {
                offer(choice);
            }
        };
        match self {
            Self::Cpu(model) => model.variants(wanted, admitted),
            Self::Gpu(model) => model.variants(wanted, admitted),
            Self::Cuda(model) => model.variants(wanted, admitted),
        }
    }
}

/// Values of one field that rules and tables may have weighed beside the model's own: settings of
/// different fields multiply.
const MOST_ALSO: usize = 8;

/// A few values of a field, none twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values {
    values: [u32; Self::MOST],
    len: usize,
}

impl Values {
    /// More values of one field than rules ask for in earnest.
    const MOST: usize = 16;

    /// Adds a value, if it is new. False if there is no room for it.
    pub(crate) fn push(&mut self, value: u32) -> bool {
        if self.as_slice().contains(&value) {
            return true;
        }
        if self.len == Self::MOST {
            return false;
        }
        self.values[self.len] = value;
        self.len += 1;
        true
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.values[..self.len]
    }
}

impl IntoIterator for Values {
    type Item = u32;
    type IntoIter = std::iter::Take<std::array::IntoIter<u32, { Self::MOST }>>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter().take(self.len)
    }
}

/// Values of fields that somebody asks for: they are among the choices offered, whatever the model
/// thinks of them.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    caps: DeviceCaps,
    /// Nothing else will do.
    fixed: [Option<u32>; 8],
    /// To be weighed too.
    also: [Values; 8],
}

impl Wanted {
    pub(crate) fn new(caps: &DeviceCaps) -> Self {
        Self { caps: *caps, fixed: [None; 8], also: [Values::default(); 8] }
    }

    /// Nothing but this value will do.
    pub(crate) fn fix(&mut self, field: Field, value: u32) {
        self.fixed[field as usize] = Some(value);
    }

    /// This value is to be weighed too. False if too many of the field are.
    pub(crate) fn also(&mut self, field: Field, value: u32) -> bool {
        let also = &mut self.also[field as usize];
        (also.len < MOST_ALSO || also.as_slice().contains(&value)) && also.push(value)
    }

    /// The values to be weighed too.
    #[cfg(feature = "logic")]
    pub(crate) fn others(&self, field: Field) -> &[u32] {
        self.also[field as usize].as_slice()
    }

    pub(crate) fn fixed(&self, field: Field) -> Option<u32> {
        self.fixed[field as usize]
    }

    /// Whether a choice has every value that is fixed.
    pub(crate) fn admits(&self, choice: &Choice) -> bool {
        Field::ALL.iter().all(|&f| self.fixed(f).is_none_or(|value| choice.get(f) == value))
    }

    /// Whether a field's value is asked for.
    fn asks(&self, field: Field) -> bool {
        self.fixed(field).is_some() || !self.also[field as usize].as_slice().is_empty()
    }

    /// The values to weigh: the fixed one alone, or the usual ones and those asked for; each
    /// brought to what the device can have.
    fn values(&self, field: Field, usual: &[u32]) -> Values {
        let mut values = Values::default();
        if let Some(value) = self.fixed(field) {
            let _ = values.push(value);
            return values;
        }
        // There is room for the few usual ones and all others.
        for &value in usual {
            let _ = values.push(st_kernels::nearest(field, f64::from(value), &self.caps));
        }
        for value in self.also[field as usize] {
            let _ = values.push(value);
        }
        values
    }

    /// As [`values`](Self::values) for a field that the kernel uses; for another, the first alone.
    fn values_if(&self, used: bool, field: Field, usual: &[u32]) -> Values {
        let mut values = self.values(field, usual);
        if !used {
            values.len = values.len.min(1);
        }
        values
    }

    /// The values of `use_2ce` to weigh.
    fn flags(&self, usual: bool) -> impl Iterator<Item = bool> + use<> {
        self.values(Field::Use2ce, &[u32::from(usual)]).into_iter().map(|flag| flag == 1)
    }

    /// The merge kinds to weigh.
    fn kinds(&self) -> &[MergeKind] {
        match self.fixed(Field::Mk) {
            Some(code) => MergeKind::ALL.get(code as usize..code as usize + 1).unwrap_or_default(),
            None => MergeKind::ALL,
        }
    }
}
