//! Maps and losses from closures, for products written elsewhere: by hand, or in another language.

use std::fmt;

use crate::map::{FixedPoint, Outcome, OuterLoss};

type Step<'f> = dyn Fn(&[f64], &[f64], &mut [f64]) -> Outcome + 'f;
type Vjp<'f> = dyn Fn(&[f64], &[f64], &[f64], &mut [f64], &mut [f64]) -> Outcome + 'f;
type Jvp<'f> = dyn Fn(&[f64], &[f64], &[f64], &[f64], &mut [f64]) -> Outcome + 'f;
type Value<'f> = dyn Fn(&[f64], &[f64]) -> Outcome<f64> + 'f;
type Gradient<'f> = dyn Fn(&[f64], &[f64], &mut [f64], &mut [f64]) -> Outcome<f64> + 'f;

/// A map from closures, whose errors come back as
/// [`HyperGradError::User`](crate::HyperGradError::User). The arguments are those of
/// [`FixedPoint`]'s methods.
///
/// ```
/// use st_grad::{Implicit, MapFn, OuterFn, iterate};
///
/// // z = z / 2 + lambda, so z = 2 lambda; E = z^2 / 2, so dE/dlambda = 4 lambda.
/// let map = MapFn::new(
///     1,
///     1,
///     |z, lambda, out| Ok(out[0] = z[0] / 2.0 + lambda[0]),
///     |_, _, v, z_bar, lambda_bar| Ok((z_bar[0], lambda_bar[0]) = (v[0] / 2.0, v[0])),
/// );
/// let outer = OuterFn::new(|z, _, z_bar, _| {
///     z_bar[0] = z[0];
///     Ok(z[0] * z[0] / 2.0)
/// });
/// let z = iterate(&map, &[0.0], &[3.0], 1e-14, 1000)?.state;
/// let found = Implicit::new().gradient(&map, &outer, &z, &[3.0])?;
/// assert!((found.value[0] - 12.0).abs() < 1e-9);
/// # Ok::<(), st_grad::HyperGradError>(())
/// ```
pub struct MapFn<'f> {
    dim: usize,
    params: usize,
    step: Box<Step<'f>>,
    vjp: Box<Vjp<'f>>,
    jvp: Option<Box<Jvp<'f>>>,
}

impl<'f> MapFn<'f> {
    /// A map with a state of `dim` numbers and `params` hyper-parameters, from
    /// `step(z, lambda, out)` and `vjp(z, lambda, v, z_bar, lambda_bar)`.
    pub fn new(
        dim: usize,
        params: usize,
        step: impl Fn(&[f64], &[f64], &mut [f64]) -> Outcome + 'f,
        vjp: impl Fn(&[f64], &[f64], &[f64], &mut [f64], &mut [f64]) -> Outcome + 'f,
    ) -> Self {
        Self { dim, params, step: Box::new(step), vjp: Box::new(vjp), jvp: None }
    }

    /// Adds `jvp(z, lambda, dz, dlambda, out)`, which forward mode and CGNR need.
    #[must_use]
    pub fn with_jvp(
        mut self,
        jvp: impl Fn(&[f64], &[f64], &[f64], &[f64], &mut [f64]) -> Outcome + 'f,
    ) -> Self {
        self.jvp = Some(Box::new(jvp));
        self
    }
}

impl fmt::Debug for MapFn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dim, params, jvp) = (self.dim, self.params, self.jvp.is_some());
        write!(f, "MapFn {{ dim: {dim}, params: {params}, jvp: {jvp} }}")
    }
}

impl FixedPoint for MapFn<'_> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn params(&self) -> usize {
        self.params
    }
    fn step(&self, z: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        (self.step)(z, lambda, out)
    }
    fn vjp(
        &self,
        z: &[f64],
        lambda: &[f64],
        v: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome {
        (self.vjp)(z, lambda, v, z_bar, lambda_bar)
    }
    fn has_jvp(&self) -> bool {
        self.jvp.is_some()
    }
    fn jvp(
        &self,
        z: &[f64],
        lambda: &[f64],
        dz: &[f64],
        dlambda: &[f64],
        out: &mut [f64],
    ) -> Outcome {
        match &self.jvp {
            Some(jvp) => jvp(z, lambda, dz, dlambda, out),
            None => Err("this map was made without a forward product".into()),
        }
    }
}

/// An outer loss from a closure.
pub struct OuterFn<'f> {
    value: Option<Box<Value<'f>>>,
    gradient: Box<Gradient<'f>>,
}

impl<'f> OuterFn<'f> {
    /// A loss from `gradient(z, lambda, z_bar, lambda_bar)`, which gives the loss and writes its
    /// derivatives; both come filled with zeros.
    pub fn new(
        gradient: impl Fn(&[f64], &[f64], &mut [f64], &mut [f64]) -> Outcome<f64> + 'f,
    ) -> Self {
        Self { value: None, gradient: Box::new(gradient) }
    }

    /// Adds a cheaper way to the loss alone.
    #[must_use]
    pub fn with_value(mut self, value: impl Fn(&[f64], &[f64]) -> Outcome<f64> + 'f) -> Self {
        self.value = Some(Box::new(value));
        self
    }
}

impl fmt::Debug for OuterFn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OuterFn {{ value: {} }}", self.value.is_some())
    }
}

impl OuterLoss for OuterFn<'_> {
    fn value(&self, z: &[f64], lambda: &[f64]) -> Outcome<f64> {
        match &self.value {
            Some(value) => value(z, lambda),
            None => {
                let (mut z_bar, mut lambda_bar) = (vec![0.0; z.len()], vec![0.0; lambda.len()]);
                (self.gradient)(z, lambda, &mut z_bar, &mut lambda_bar)
            }
        }
    }
    fn gradient(
        &self,
        z: &[f64],
        lambda: &[f64],
        z_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome<f64> {
        (self.gradient)(z, lambda, z_bar, lambda_bar)
    }
}
