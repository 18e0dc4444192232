//! What a hyper-gradient is taken of: an update, and an outer loss.

use crate::error::UserError;

/// What users' functions return.
pub type Outcome<T = ()> = std::result::Result<T, UserError>;

/// An update `z <- Phi(z, lambda)` with its products. `J = dPhi/dz`, `B = dPhi/dlambda`.
///
/// Write it by hand for speed (and check it with [`check_vjp`](crate::check_vjp)), from closures
/// ([`MapFn`](crate::MapFn)), or let the products be derived from code that is generic over
/// [`Scalar`](crate::Scalar) ([`UpdateMap`](crate::UpdateMap), [`GradientDescent`](crate::GradientDescent)).
///
/// Slices have the lengths `dim()` and `params()`; results are written, not added.
pub trait FixedPoint {
    /// Numbers in the state `z`.
    fn dim(&self) -> usize;

    /// Numbers in the hyper-parameters `lambda`.
    fn params(&self) -> usize;

    /// `out = Phi(z, lambda)`
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome;

    /// `z_bar = J^T v` and `lambda_bar = B^T v` at a point.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn vjp(
        &self,
        z: &[f64],
        lambda: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome;

    /// Whether [`FixedPoint::jvp`] is there.
    fn has_jvp(&self) -> bool {
        false
    }

    /// `out = J dz + B dlambda` at a point.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with; without an implementation, that there is none.
    fn jvp(
        &self,
        z: &[f64],
        lambda: &[f64],
        dz: &[f64],
        dlambda: &[f64],
        out: &mut [f64],
    ) -> Outcome {
        let _ = (z, lambda, dz, dlambda, out);
        Err("this map has no forward product".into())
    }

    /// Prepares for many products at one point, and writes `Phi(z, lambda)` to `next` on the way.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn linearise<'a>(
        &'a self,
        z: &'a [f64],
        lambda: &'a [f64],
        next: &mut [f64],
    ) -> Outcome<Box<dyn Linearised + 'a>> {
        self.step(z, lambda, next)?;
        Ok(Box::new(AtPoint { map: self, z, lambda }))
    }
}

/// The products of a map at one point.
pub trait Linearised {
    /// `out = J^T v`
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome;

    /// `out = B^T v`
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome;

    /// `out = (I - J)^T v`. Maps whose `J` is close to the identity may know it better than by
    /// the difference.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn adjoint(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.vjp_state(v, out)?;
        for (out, v) in out.iter_mut().zip(v) {
            *out = v - *out;
        }
        Ok(())
    }

    /// Whether [`Linearised::adjoint`] is that difference, and so no more exact than `v`'s own
    /// rounding, however short its result. Maps with a better one say no.
    fn adjoint_is_difference(&self) -> bool {
        true
    }

    /// Whether [`Linearised::jvp_state`] is there.
    fn has_jvp(&self) -> bool {
        false
    }

    /// `out = J u`
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with; without an implementation, that there is none.
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        let _ = (u, out);
        Err("this map has no forward product".into())
    }

    /// Whether [`Linearised::precondition`] is there.
    fn has_preconditioner(&self) -> bool {
        false
    }

    /// `out = P r`, where `P` is symmetric, positive definite and close to the inverse of
    /// `I - J`. Conjugate gradients take fewer iterations with it; the residual that is checked
    /// is that of the system without it.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn precondition(&self, r: &[f64], out: &mut [f64]) -> Outcome {
        out.copy_from_slice(r);
        Ok(())
    }
}

/// Products of a map that prepares nothing.
struct AtPoint<'a, M: ?Sized> {
    map: &'a M,
    z: &'a [f64],
    lambda: &'a [f64],
}

impl<M: FixedPoint + ?Sized> Linearised for AtPoint<'_, M> {
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        let mut unused = vec![0.0; self.lambda.len()];
        self.map.vjp(self.z, self.lambda, v, out, &mut unused)
    }
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        let mut unused = vec![0.0; self.z.len()];
        self.map.vjp(self.z, self.lambda, v, &mut unused, out)
    }
    fn has_jvp(&self) -> bool {
        self.map.has_jvp()
    }
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        self.map.jvp(self.z, self.lambda, u, &vec![0.0; self.lambda.len()], out)
    }
}

/// An outer loss `E(z, lambda)`.
pub trait OuterLoss {
    /// `E`
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn value(&self, z: &[f64], lambda: &[f64]) -> Outcome<f64>;

    /// `E`, and `z_bar = dE/dz` and `lambda_bar = dE/dlambda` with the other held. Both come
    /// filled with zeros.
    ///
    /// # Errors
    ///
    /// Whatever the user's function fails with.
    fn gradient(
        &self,
        z: &[f64],
        lambda: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome<f64>;
}
