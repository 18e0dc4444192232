//! The digits data set, softmax regression on it (P2b, P3) and its distillation (P4), with
//! products by hand.

use st_grad::{FixedPoint, Linearised, Matrix, Outcome, OuterLoss, Scalar, Unary};

/// 64 pixels in 0..1, then a constant 1.
pub(crate) const FEATURES: usize = 65;
pub(crate) const CLASSES: usize = 10;

pub(crate) struct Digits {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

/// The data of a `.npy` file: what follows its header.
fn payload(npy: &[u8]) -> &[u8] {
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    &npy[10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]))..]
}

pub(crate) fn digits() -> Digits {
    let pixels = payload(include_bytes!("../../../../examples/data/digits.npy"));
    let (pixels, rest) = pixels.as_chunks::<4>();
    assert!(rest.is_empty());
    let pixels = pixels.iter().map(|&bytes| f32::from_le_bytes(bytes) as u8).collect();
    let labels = payload(include_bytes!("../../../../examples/data/digits_labels.npy"));
    Digits { pixels, labels: labels.to_vec() }
}

impl Digits {
    /// Rows with the constant, and labels.
    pub(crate) fn rows(&self, rows: impl Iterator<Item = usize>) -> (Matrix, Vec<u8>) {
        let rows: Vec<usize> = rows.collect();
        let feature = |i: usize, j: usize| {
            if j == 64 { 1.0 } else { f64::from(self.pixels[rows[i] * 64 + j]) / 16.0 }
        };
        let x = Matrix::from_fn(rows.len(), FEATURES, feature).expect("there are columns");
        (x, rows.iter().map(|&i| self.labels[i]).collect())
    }
}

/// What the hyper-parameters of a softmax regression are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Params {
    /// The logarithm of each feature's penalty.
    Penalties,
    /// The logit of each row's weight; the penalty is fixed.
    RowWeights { penalty: f64 },
}

/// Softmax regression by gradient descent: state `W`, 65 x 10, feature by feature.
pub(crate) struct Softmax {
    pub(crate) x: Matrix,
    pub(crate) labels: Vec<u8>,
    pub(crate) params: Params,
    pub(crate) step: f64,
}

type Row = [f64; CLASSES];

impl Softmax {
    fn n(&self) -> f64 {
        self.labels.len() as f64
    }

    /// `X W`, a row each.
    pub(crate) fn logits(&self, w: &[f64]) -> Vec<Row> {
        let (w, _) = w.as_chunks::<CLASSES>();
        let logits = |i: usize| {
            let mut out = [0.0; CLASSES];
            for (x, w) in self.x.row(i).iter().zip(w) {
                for c in 0..CLASSES {
                    out[c] += x * w[c];
                }
            }
            out
        };
        (0..self.labels.len()).map(logits).collect()
    }

    /// `out = X^T R`
    fn back(&self, r: &[Row], out: &mut [f64]) {
        out.fill(0.0);
        let (out, _) = out.as_chunks_mut::<CLASSES>();
        for (i, r) in r.iter().enumerate() {
            for (x, out) in self.x.row(i).iter().zip(out.iter_mut()) {
                for c in 0..CLASSES {
                    out[c] += x * r[c];
                }
            }
        }
    }

    /// Each row's weight in the sum of losses.
    fn weights(&self, lambda: &[f64]) -> Vec<f64> {
        match self.params {
            Params::Penalties => vec![1.0 / self.n(); self.labels.len()],
            Params::RowWeights { .. } => {
                lambda.iter().map(|&l| Unary::Sigmoid.at(l) / self.n()).collect()
            }
        }
    }

    fn penalty(&self, lambda: &[f64], feature: usize) -> f64 {
        match self.params {
            Params::Penalties => lambda[feature].exp(),
            Params::RowWeights { penalty } => penalty,
        }
    }

    fn shares(&self, w: &[f64]) -> Vec<Row> {
        let shares = |logits: &Row| f64::softmax(logits).try_into().expect("as many shares");
        self.logits(w).iter().map(shares).collect()
    }

    /// Gradients by the logits: shares minus the label's indicator.
    fn residuals(&self, w: &[f64]) -> Vec<Row> {
        let mut shares = self.shares(w);
        for (row, &label) in shares.iter_mut().zip(&self.labels) {
            row[usize::from(label)] -= 1.0;
        }
        shares
    }

    pub(crate) fn mean_loss(&self, w: &[f64]) -> f64 {
        let loss =
            |(logits, &label): (Row, &u8)| f64::logsumexp(&logits) - logits[usize::from(label)];
        self.logits(w).into_iter().zip(&self.labels).map(loss).sum::<f64>() / self.n()
    }

    pub(crate) fn accuracy(&self, w: &[f64]) -> f64 {
        accuracy(&self.logits(w), &self.labels)
    }
}

/// The share of rows whose label has the greatest logit.
pub(crate) fn accuracy(logits: &[Row], labels: &[u8]) -> f64 {
    let right = logits.iter().zip(labels).filter(|(logits, label)| {
        let best = (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        best == Some(usize::from(**label))
    });
    right.count() as f64 / labels.len() as f64
}

impl FixedPoint for Softmax {
    fn dim(&self) -> usize {
        FEATURES * CLASSES
    }
    fn params(&self) -> usize {
        match self.params {
            Params::Penalties => FEATURES,
            Params::RowWeights { .. } => self.labels.len(),
        }
    }
    fn step(&self, w: &[f64], lambda: &[f64], out: &mut [f64]) -> Outcome {
        let mut residuals = self.residuals(w);
        for (row, weight) in residuals.iter_mut().zip(self.weights(lambda)) {
            row.iter_mut().for_each(|r| *r *= weight);
        }
        self.back(&residuals, out);
        for (at, (out, w)) in out.iter_mut().zip(w).enumerate() {
            *out = w - self.step * (*out + self.penalty(lambda, at / CLASSES) * w);
        }
        Ok(())
    }
    fn vjp(
        &self,
        w: &[f64],
        lambda: &[f64],
        v: &[f64],
        w_bar: &mut [f64],
        lambda_bar: &mut [f64],
    ) -> Outcome {
        let mut next = vec![0.0; w.len()];
        let at = self.linearise(w, lambda, &mut next)?;
        at.vjp_state(v, w_bar)?;
        at.vjp_params(v, lambda_bar)
    }
    fn linearise<'a>(
        &'a self,
        w: &'a [f64],
        lambda: &'a [f64],
        next: &mut [f64],
    ) -> Outcome<Box<dyn Linearised + 'a>> {
        self.step(w, lambda, next)?;
        Ok(Box::new(SoftmaxAt {
            of: self,
            w,
            lambda,
            shares: self.shares(w),
            weights: self.weights(lambda),
        }))
    }
}

struct SoftmaxAt<'a> {
    of: &'a Softmax,
    w: &'a [f64],
    lambda: &'a [f64],
    shares: Vec<Row>,
    weights: Vec<f64>,
}

impl Linearised for SoftmaxAt<'_> {
    fn vjp_state(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        self.adjoint(v, out)?;
        out.iter_mut().zip(v).for_each(|(out, v)| *out = v - *out);
        Ok(())
    }
    fn adjoint(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        let mut rows = self.of.logits(v);
        for ((row, shares), weight) in rows.iter_mut().zip(&self.shares).zip(&self.weights) {
            let mean: f64 = row.iter().zip(shares).map(|(u, p)| u * p).sum();
            for c in 0..CLASSES {
                row[c] = weight * shares[c] * (row[c] - mean);
            }
        }
        self.of.back(&rows, out);
        for (at, (out, v)) in out.iter_mut().zip(v).enumerate() {
            *out = self.of.step * (*out + self.of.penalty(self.lambda, at / CLASSES) * v);
        }
        Ok(())
    }
    fn adjoint_is_difference(&self) -> bool {
        false
    }
    fn vjp_params(&self, v: &[f64], out: &mut [f64]) -> Outcome {
        match self.of.params {
            Params::Penalties => {
                let pairs = self.w.chunks_exact(CLASSES).zip(v.chunks_exact(CLASSES));
                for ((out, l), (w, v)) in out.iter_mut().zip(self.lambda).zip(pairs) {
                    let product: f64 = w.iter().zip(v).map(|(w, v)| w * v).sum();
                    *out = -self.of.step * l.exp() * product;
                }
            }
            Params::RowWeights { .. } => {
                let rows = self.of.logits(v).into_iter().zip(self.of.residuals(self.w));
                for ((out, &l), (u, r)) in out.iter_mut().zip(self.lambda).zip(rows) {
                    let product: f64 = u.iter().zip(&r).map(|(u, r)| u * r).sum();
                    let slope = Unary::Sigmoid.with_slope(l).1;
                    *out = -self.of.step * slope / self.of.n() * product;
                }
            }
        }
        Ok(())
    }
}

impl OuterLoss for Softmax {
    fn value(&self, w: &[f64], _: &[f64]) -> Outcome<f64> {
        Ok(self.mean_loss(w))
    }
    fn gradient(&self, w: &[f64], _: &[f64], w_bar: &mut [f64], _: &mut [f64]) -> Outcome<f64> {
        let mut residuals = self.residuals(w);
        residuals.iter_mut().flatten().for_each(|r| *r /= self.n());
        self.back(&residuals, w_bar);
        Ok(self.mean_loss(w))
    }
}

/// P4: ridge regression on ten points, which are the hyper-parameters (10 x 64).
pub(crate) struct Distilled {
    pub(crate) step: f64,
}

const PENALTY: f64 = 0.01;

impl Distilled {
    /// `A v` of `A = [S, 1]`.
    fn forward(s: &[f64], v: &[f64]) -> Vec<Row> {
        let (v, _) = v.as_chunks::<CLASSES>();
        let row = |s: &[f64]| {
            let mut out = v[64];
            for (s, v) in s.iter().zip(v) {
                for c in 0..CLASSES {
                    out[c] += s * v[c];
                }
            }
            out
        };
        s.chunks_exact(64).map(row).collect()
    }

    /// `out = A^T r / 10 + penalty v`
    fn back(s: &[f64], r: &[Row], v: &[f64], out: &mut [f64]) {
        for (out, v) in out.iter_mut().zip(v) {
            *out = PENALTY * v;
        }
        let (out, _) = out.as_chunks_mut::<CLASSES>();
        for (s, r) in s.chunks_exact(64).zip(r) {
            for (s, out) in s.iter().chain([&1.0]).zip(out.iter_mut()) {
                for c in 0..CLASSES {
                    out[c] += s * r[c] / 10.0;
                }
            }
        }
    }

    /// `A W - I`
    fn residuals(s: &[f64], w: &[f64]) -> Vec<Row> {
        let mut rows = Self::forward(s, w);
        for (c, row) in rows.iter_mut().enumerate() {
            row[c] -= 1.0;
        }
        rows
    }
}

impl FixedPoint for Distilled {
    fn dim(&self) -> usize {
        FEATURES * CLASSES
    }
    fn params(&self) -> usize {
        10 * 64
    }
    fn step(&self, w: &[f64], s: &[f64], out: &mut [f64]) -> Outcome {
        Self::back(s, &Self::residuals(s, w), w, out);
        out.iter_mut().zip(w).for_each(|(out, w)| *out = w - self.step * *out);
        Ok(())
    }
    fn vjp(
        &self,
        w: &[f64],
        s: &[f64],
        v: &[f64],
        w_bar: &mut [f64],
        s_bar: &mut [f64],
    ) -> Outcome {
        let u = Self::forward(s, v);
        Self::back(s, &u, v, w_bar);
        w_bar.iter_mut().zip(v).for_each(|(out, v)| *out = v - self.step * *out);
        let residuals = Self::residuals(s, w);
        for (i, out) in s_bar.chunks_exact_mut(64).enumerate() {
            for (j, out) in out.iter_mut().enumerate() {
                let of = |rows: &[Row], x: &[f64]| -> f64 {
                    (0..CLASSES).map(|c| rows[i][c] * x[j * CLASSES + c]).sum()
                };
                *out = -self.step / 10.0 * (of(&residuals, v) + of(&u, w));
            }
        }
        Ok(())
    }
}

/// P4's outer loss: squares against the labels' indicators, by `X^T X` and `X^T Y`.
pub(crate) struct Squares {
    gram: Vec<f64>,
    cross: Vec<f64>,
    n: f64,
}

impl Squares {
    pub(crate) fn new(x: &Matrix, labels: &[u8]) -> Self {
        let mut gram = vec![0.0; FEATURES * FEATURES];
        let mut cross = vec![0.0; FEATURES * CLASSES];
        for (i, &label) in labels.iter().enumerate() {
            let row = x.row(i);
            for (j, &a) in row.iter().enumerate() {
                for (k, &b) in row.iter().enumerate() {
                    gram[j * FEATURES + k] += a * b;
                }
                cross[j * CLASSES + usize::from(label)] += a;
            }
        }
        Self { gram, cross, n: labels.len() as f64 }
    }
}

impl OuterLoss for Squares {
    fn value(&self, w: &[f64], s: &[f64]) -> Outcome<f64> {
        self.gradient(w, s, &mut vec![0.0; w.len()], &mut [])
    }
    fn gradient(&self, w: &[f64], _: &[f64], w_bar: &mut [f64], _: &mut [f64]) -> Outcome<f64> {
        // (W^T G W - 2 W^T C + n) / 2n, and (G W - C) / n.
        let mut sum = self.n;
        for (j, out) in w_bar.chunks_exact_mut(CLASSES).enumerate() {
            for (g, w) in self.gram[j * FEATURES..].iter().zip(w.chunks_exact(CLASSES)) {
                out.iter_mut().zip(w).for_each(|(out, w)| *out += g * w);
            }
            for (c, out) in out.iter_mut().enumerate() {
                let at = j * CLASSES + c;
                sum += w[at] * (*out - 2.0 * self.cross[at]);
                *out = (*out - self.cross[at]) / self.n;
            }
        }
        Ok(sum / (2.0 * self.n))
    }
}
