//! Updates and losses written once, over [`Scalar`], with all products derived from them.

use crate::dual::{Dual, duals};
use crate::map::{FixedPoint, Linearised, Outcome, OuterLoss};
use crate::scalar::Scalar;
use crate::tape::Tape;

/// An update written once.
///
/// ```
/// use st_grad::{Scalar, Update, UpdateMap, FixedPoint};
///
/// /// `z = cos(lambda z)`
/// struct Cosine;
/// impl Update for Cosine {
///     fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
///         vec![(z[0] * lambda[0]).cos()]
///     }
/// }
///
/// let map = UpdateMap::new(Cosine, 1, 1);
/// let (mut z_bar, mut lambda_bar) = ([0.0], [0.0]);
/// map.vjp(&[0.5], &[2.0], &[1.0], &mut z_bar, &mut lambda_bar)?;
/// assert_eq!((z_bar[0], lambda_bar[0]), (-2.0 * 1f64.sin(), -0.5 * 1f64.sin()));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub trait Update {
    /// `Phi(z, lambda)`, as long as `z`.
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S>;
}

/// A loss written once: an inner one for [`GradientDescent`], or an outer one for [`Written`].
pub trait Loss {
    /// The loss.
    fn loss<S: Scalar>(&self, z: &[S], lambda: &[S]) -> S;
}

/// An [`Update`] with its products: forward ones by dual numbers, transposed ones by a tape.
#[derive(Clone, Copy, Debug)]
pub struct UpdateMap<U> {
    update: U,
    dim: usize,
    params: usize,
}

impl<U: Update> UpdateMap<U> {
    /// The map of an update with a state of `dim` numbers and `params` hyper-parameters.
    pub fn new(update: U, dim: usize, params: usize) -> Self {
        Self { update, dim, params }
    }
}

/// Checks how much a user's function gave.
fn long_as<T>(dim: usize, given: Vec<T>) -> Outcome<Vec<T>> {
    let expected = dim;
    let got = given.len();
    crate::error::shape("numbers that the update gives", expected, got)?;
    Ok(given)
}

impl<U: Update> FixedPoint for UpdateMap<U> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn params(&self) -> usize {
        self.params
    }
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        out.copy_from_slice(&long_as(self.dim, self.update.update(z, lambda))?);
        Ok(())
    }
    fn vjp(
        &self,
        z: &[f64],
        lambda: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome {
        Recorded::new(&self.update, self.dim, z, lambda)?.pull_back(v, z_bar, lambda_bar);
        Ok(())
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp(
        &self,
        z: &[f64],
        lambda: &[f64],
        dz: &[f64],
        dlambda: &[f64],
        out: &mut [f64],
    ) -> Outcome {
        let next = self.update.update(&duals(z, dz), &duals(lambda, dlambda));
        for (out, next) in out.iter_mut().zip(long_as(self.dim, next)?) {
            *out = next.tangent;
        }
        Ok(())
    }
    fn linearise<'a>(
        &'a self,
        z: &'a [f64],
        lambda: &'a [f64],
        next: &mut [f64],
    ) -> Outcome<Box<dyn Linearised + 'a>> {
        let recorded = Recorded::new(&self.update, self.dim, z, lambda)?;
        for (next, (_, value)) in next.iter_mut().zip(&recorded.results) {
            *next = *value;
        }
        Ok(Box::new(UpdateAt { map: self, z, lambda, recorded }))
    }
}

/// A tape of one update, for any number of products.
struct Recorded {
    tape: Tape<f64>,
    /// The results' places on the tape, and their values.
    results: Vec<(Option<u32>, f64)>,
    dim: usize,
}

impl Recorded {
    fn new(update: &impl Update, dim: usize, z: &[f64], lambda: &[f64]) -> Outcome<Self> {
        let tape = Tape::new();
        let results = {
            let z = tape.inputs(z);
            let lambda = tape.inputs(lambda);
            let next = long_as(dim, update.update(&z, &lambda))?;
            next.iter().map(|x| (x.index(), x.primal())).collect()
        };
        Ok(Self { tape, results, dim })
    }

    fn pull_back(&self, v: &[f64], z_bar: &mut [f64], lambda_bar: &mut [f64]) {
        let seeds: Vec<_> = self.results.iter().zip(v).map(|(&(at, _), &v)| (at, v)).collect();
        let bars = self.tape.pull_back(&seeds);
        let (for_z, for_lambda) = bars.split_at(self.dim);
        z_bar.copy_from_slice(for_z);
        lambda_bar.copy_from_slice(for_lambda);
    }
}

struct UpdateAt<'a, U> {
    map: &'a UpdateMap<U>,
    z: &'a [f64],
    lambda: &'a [f64],
    recorded: Recorded,
}

impl<U: Update> Linearised for UpdateAt<'_, U> {
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.recorded.pull_back(v, out, &mut vec![0.0; self.lambda.len()]);
        Ok(())
    }
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.recorded.pull_back(v, &mut vec![0.0; self.z.len()], out);
        Ok(())
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        self.map.jvp(self.z, self.lambda, u, &vec![0.0; self.lambda.len()], out)
    }
}

/// Gradient descent on an inner [`Loss`]: `Phi(w, lambda) = w - step * dL/dw`.
///
/// Its products hold second derivatives of the loss, which come from a tape over dual numbers
/// (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994): one product costs a few
/// evaluations of the loss.
#[derive(Clone, Copy, Debug)]
pub struct GradientDescent<L> {
    loss: L,
    dim: usize,
    params: usize,
    step: f64,
}

impl<L: Loss> GradientDescent<L> {
    /// Descent on `loss` of `dim` weights and `params` hyper-parameters. Implicit gradients do not
    /// depend on the step; unrolled ones do.
    pub fn new(loss: L, dim: usize, params: usize, step: f64) -> Self {
        Self { loss, dim, params, step }
    }

    /// The second derivatives of the loss along `(dw, dlambda)`, by `w` and by `lambda`.
    fn second(
        &self,
        (w, dw): (&[f64], &[f64]),
        (lambda, dlambda): (&[f64], &[f64]),
    ) -> (Vec<f64>, Vec<f64>) {
        let tape = Tape::<Dual>::new();
        let (w, lambda) = (tape.inputs(&duals(w, dw)), tape.inputs(&duals(lambda, dlambda)));
        let bars = tape.gradient(self.loss.loss(&w, &lambda));
        let mut tangents: Vec<f64> = bars.iter().map(|bar| bar.tangent).collect();
        let of_lambda = tangents.split_off(self.dim);
        (tangents, of_lambda)
    }
}

impl<L: Loss> FixedPoint for GradientDescent<L> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn params(&self) -> usize {
        self.params
    }
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        let tape = Tape::<f64>::new();
        let w = tape.inputs(z);
        // The hyper-parameters are constants here.
        let lambda: Vec<_> = lambda.iter().map(|&x| Scalar::constant(x)).collect();
        let gradient = tape.gradient(self.loss.loss(&w, &lambda));
        for ((out, w), gradient) in out.iter_mut().zip(z).zip(gradient) {
            *out = w - self.step * gradient;
        }
        Ok(())
    }
    fn vjp(
        &self,
        z: &[f64],
        lambda: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome {
        let (hv, mixed) = self.second((z, v), (lambda, &vec![0.0; lambda.len()]));
        for ((out, v), hv) in z_bar.iter_mut().zip(v).zip(hv) {
            *out = v - self.step * hv;
        }
        for (out, mixed) in lambda_bar.iter_mut().zip(mixed) {
            *out = -self.step * mixed;
        }
        Ok(())
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp(
        &self,
        z: &[f64],
        lambda: &[f64],
        dz: &[f64],
        dlambda: &[f64],
        out: &mut [f64],
    ) -> Outcome {
        let (second, _) = self.second((z, dz), (lambda, dlambda));
        for ((out, dz), second) in out.iter_mut().zip(dz).zip(second) {
            *out = dz - self.step * second;
        }
        Ok(())
    }
    fn linearise<'a>(
        &'a self,
        z: &'a [f64],
        lambda: &'a [f64],
        next: &mut [f64],
    ) -> Outcome<Box<dyn Linearised + 'a>> {
        self.step(z, lambda, next)?;
        Ok(Box::new(DescentAt { map: self, z, lambda }))
    }
}

struct DescentAt<'a, L> {
    map: &'a GradientDescent<L>,
    z: &'a [f64],
    lambda: &'a [f64],
}

impl<L: Loss> DescentAt<'_, L> {
    fn second(&self, v: &[f64]) -> (Vec<f64>, Vec<f64>) {
        self.map.second((self.z, v), (self.lambda, &vec![0.0; self.lambda.len()]))
    }
}

impl<L: Loss> Linearised for DescentAt<'_, L> {
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.adjoint(v, out)?;
        for (out, v) in out.iter_mut().zip(v) {
            *out = v - *out;
        }
        Ok(())
    }
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        for (out, mixed) in out.iter_mut().zip(self.second(v).1) {
            *out = -self.map.step * mixed;
        }
        Ok(())
    }
    // I - J is the step times the Hessian: no digits are lost in a difference.
    fn adjoint(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        for (out, hv) in out.iter_mut().zip(self.second(v).0) {
            *out = self.map.step * hv;
        }
        Ok(())
    }
    fn adjoint_is_difference(&self) -> bool {
        false
    }
    fn has_jvp(&self) -> bool {
        true
    }
    fn jvp_state(&self, u: &[f64], out: &mut [f64]) -> Outcome {
        self.vjp_state(u, out)
    }
}

/// An outer loss written over [`Scalar`], with its gradient by a tape.
#[derive(Clone, Copy, Debug)]
pub struct Written<L>(pub L);

impl<L: Loss> OuterLoss for Written<L> {
    fn value(&self, z: &[f64], lambda: &[f64]) -> Outcome<f64> {
        Ok(self.0.loss(z, lambda))
    }
    fn gradient(
        &self,
        z: &[f64],
        lambda: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome<f64> {
        let tape = Tape::<f64>::new();
        let (z, lambda) = (tape.inputs(z), tape.inputs(lambda));
        let value = self.0.loss(&z, &lambda);
        let bars = tape.gradient(value);
        let (for_z, for_lambda) = bars.split_at(z.len());
        z_bar.copy_from_slice(for_z);
        lambda_bar.copy_from_slice(for_lambda);
        Ok(value.value())
    }
}

impl<L: Loss> Loss for &L {
    fn loss<S: Scalar>(&self, z: &[S], lambda: &[S]) -> S {
        (**self).loss(z, lambda)
    }
}

impl<U: Update> Update for &U {
    fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
        (**self).update(z, lambda)
    }
}
