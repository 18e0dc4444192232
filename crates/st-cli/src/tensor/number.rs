//! Elements as numbers, and the way from a type's name to the type.

use core::fmt;

use bytemuck::Pod;
use st_core::{Element, bf16, f16};

/// An element as a number to print.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// f32, and exactly f16 and bf16.
    F32(f32),
    /// f64.
    F64(f64),
    /// Signed integers.
    Int(i64),
    /// Unsigned integers.
    Uint(u64),
}

impl fmt::Display for Number {
    /// The shortest text that reads back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32(x) => write!(f, "{x:?}"),
            Self::F64(x) => write!(f, "{x:?}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Uint(x) => write!(f, "{x}"),
        }
    }
}

/// An element that can be cast from bytes and printed.
pub trait Scalar: Element + Pod {
    /// Its value.
    fn number(self) -> Number;
}

macro_rules! scalars {
    ($($t:ty: $variant:ident;)*) => {$(
        impl Scalar for $t {
            fn number(self) -> Number {
                Number::$variant(self.into())
            }
        }
    )*};
}
scalars! {
    f32: F32; f16: F32; bf16: F32; f64: F64;
    i8: Int; i16: Int; i32: Int; i64: Int;
    u8: Uint; u16: Uint; u32: Uint; u64: Uint;
}

/// Runs `$body` with `$T` the type that `$dtype` names.
#[macro_export]
#[doc(hidden)]
macro_rules! with_scalar {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use st_core::DType;
        macro_rules! arm {
            ($t:ty) => {{
                type $T = $t;
                $body
            }};
        }
        match $dtype {
            DType::F32 => arm!(f32),
            DType::F16 => arm!(st_core::f16),
            DType::Bf16 => arm!(st_core::bf16),
            DType::F64 => arm!(f64),
            DType::I8 => arm!(i8),
            DType::I16 => arm!(i16),
            DType::I32 => arm!(i32),
            DType::I64 => arm!(i64),
            DType::U8 => arm!(u8),
            DType::U16 => arm!(u16),
            DType::U32 => arm!(u32),
            DType::U64 => arm!(u64),
        }
    }};
}
