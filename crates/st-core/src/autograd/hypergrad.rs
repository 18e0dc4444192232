//! Everything of [`st_grad`].
//!
//! ```
//! use st_core::autograd::hypergrad::{Implicit, MapFn, OuterFn, iterate};
//!
//! // z = z / 2 + lambda, so z = 2 lambda; E = z^2 / 2, so dE/dlambda = 4 lambda.
//! let map = MapFn::new(
//!     1,
//!     1,
//!     |z, lambda, out| Ok(out[0] = z[0] / 2.0 + lambda[0]),
//!     |_, _, v, z_bar, lambda_bar| Ok((z_bar[0], lambda_bar[0]) = (v[0] / 2.0, v[0])),
//! );
//! let outer = OuterFn::new(|z, _, z_bar, _| {
//!     z_bar[0] = z[0];
//!     Ok(z[0] * z[0] / 2.0)
//! });
//! let z = iterate(&map, &[0.0], &[3.0], 1e-14, 1000)?.state;
//! let found = Implicit::new().gradient(&map, &outer, &z, &[3.0])?;
//! assert!((found.value[0] - 12.0).abs() < 1e-9);
//! # Ok::<(), st_core::autograd::hypergrad::HyperGradError>(())
//! ```

pub use st_grad::*;
