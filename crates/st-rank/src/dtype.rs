//! Element types and how their bits are read.

use core::fmt;

pub use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::order::Lane;

/// The type of one element of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// IEEE binary64.
    F64,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
}

impl DType {
    /// Every type, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::I32,
        Self::U32,
        Self::F64,
        Self::I64,
        Self::U64,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
    ];

    /// The name used in commands, tables and JSON: `f32`, `bf16`, `u8` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F64 => "f64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }

    /// The type of that [name](Self::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Runs an expression with `$t` standing for the type that a [`DType`](crate::DType) names.
#[macro_export]
macro_rules! for_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F16 => {
                type $t = $crate::f16;
                $body
            }
            $crate::DType::Bf16 => {
                type $t = $crate::bf16;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
        }
    };
}

mod sealed {
    pub trait Sealed {}
}

/// How the bits of a type are read by the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Sign and magnitude with NaN above infinity; `inf` is the bit pattern of +infinity.
    Float {
        /// Bits of +infinity, zero-extended.
        inf: u64,
    },
    /// Two's complement.
    Signed,
    /// Plain binary.
    Unsigned,
}

/// A type that can be selected from. Sealed: the contract lists them all.
pub trait Element:
    Copy + Default + PartialEq + fmt::Debug + Send + Sync + bytemuck::Pod + sealed::Sealed + 'static
{
    /// This type as a value.
    const DTYPE: DType;
    /// How its bits are ordered.
    const ENCODING: Encoding;
    /// The signed integer of the same width, in which its codes live.
    type Lane: Lane;
    /// The element's own bits.
    fn to_lane(self) -> Self::Lane;
    /// The element with those bits.
    fn from_lane(bits: Self::Lane) -> Self;
}

macro_rules! elements {
    ($($t:ty, $dtype:ident, $lane:ty, $enc:expr, $to:expr, $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            const ENCODING: Encoding = $enc;
            type Lane = $lane;
            #[inline(always)]
            fn to_lane(self) -> $lane {
                ($to)(self)
            }
            #[inline(always)]
            fn from_lane(bits: $lane) -> Self {
                ($from)(bits)
            }
        }
    )*};
}

elements! {
    f32, F32, i32, Encoding::Float { inf: 0x7F80_0000 }, |x: f32| x.to_bits().cast_signed(), |b: i32| f32::from_bits(b.cast_unsigned());
    f64, F64, i64, Encoding::Float { inf: 0x7FF0_0000_0000_0000 }, |x: f64| x.to_bits().cast_signed(), |b: i64| f64::from_bits(b.cast_unsigned());
    f16, F16, i16, Encoding::Float { inf: 0x7C00 }, |x: f16| x.to_bits().cast_signed(), |b: i16| f16::from_bits(b.cast_unsigned());
    bf16, Bf16, i16, Encoding::Float { inf: 0x7F80 }, |x: bf16| x.to_bits().cast_signed(), |b: i16| bf16::from_bits(b.cast_unsigned());
    i8, I8, i8, Encoding::Signed, |x: i8| x, |b: i8| b;
    i16, I16, i16, Encoding::Signed, |x: i16| x, |b: i16| b;
    i32, I32, i32, Encoding::Signed, |x: i32| x, |b: i32| b;
    i64, I64, i64, Encoding::Signed, |x: i64| x, |b: i64| b;
    u8, U8, i8, Encoding::Unsigned, |x: u8| x.cast_signed(), |b: i8| b.cast_unsigned();
    u16, U16, i16, Encoding::Unsigned, |x: u16| x.cast_signed(), |b: i16| b.cast_unsigned();
    u32, U32, i32, Encoding::Unsigned, |x: u32| x.cast_signed(), |b: i32| b.cast_unsigned();
    u64, U64, i64, Encoding::Unsigned, |x: u64| x.cast_signed(), |b: i64| b.cast_unsigned();
}
