//! The instruction sets the kernels are compiled for.

use st_rank::{Error, Result};

use crate::simd::portable::Portable;
use crate::simd::{Job, Simd as _};

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust in 16-byte vectors.
    Portable,
    /// NEON: 16 bytes.
    Neon,
    /// AVX2, BMI1, BMI2, POPCNT: 32 bytes.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and what AVX2 has: 64 bytes.
    Avx512,
}

impl Isa {
    /// Every instruction set the kernels know, the widest first.
    const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// What this processor has, the best first. Never empty.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_there()).collect()
    }

    /// The best this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|isa| isa.is_there()).unwrap_or(Self::Portable)
    }

    /// The name used in settings: `portable`, `neon`, `avx2`, `avx512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The instruction set of that name, if this processor has it.
    ///
    /// # Errors
    /// [`Error::Isa`] with what there is.
    pub fn from_name(name: &str) -> Result<Self> {
        let available = Self::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| refused(name))
    }

    /// Lanes of 32 bits in a vector.
    #[must_use]
    pub const fn lane(self) -> u32 {
        match self {
            Self::Portable | Self::Neon => 4,
            Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    pub(crate) fn is_there(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => crate::simd::avx2::Avx2::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => crate::simd::avx512::Avx512::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => crate::simd::neon::Neon::new().is_some(),
            #[allow(unreachable_patterns, reason = "which are left depends on the target")]
            _ => false,
        }
    }
}

pub(crate) fn refused(asked: &str) -> Error {
    let names: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
    Error::Isa { asked: asked.to_owned(), available: names.join(", ") }
}

/// Runs a job with an instruction set. One that is not there, which no executor is made with, runs
/// as portable code.
pub(crate) fn dispatch<J: Job>(isa: Isa, job: J) -> J::Out {
    #[cfg(target_arch = "x86_64")]
    {
        use crate::simd::{avx2::Avx2, avx512::Avx512};
        if isa == Isa::Avx512
            && let Some(s) = Avx512::new()
        {
            return s.run(job);
        }
        if isa == Isa::Avx2
            && let Some(s) = Avx2::new()
        {
            return s.run(job);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if isa == Isa::Neon
        && let Some(s) = crate::simd::neon::Neon::new()
    {
        return s.run(job);
    }
    let _ = isa;
    Portable.run(job)
}
