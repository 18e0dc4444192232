//! The inner loops over a matrix's rows, compiled for each instruction set and chosen at run time
//! (by `pulp`, without unsafe code here).
//!
//! A product `X^T (w . (X p))` reads the matrix once: as soon as a block's inner products are
//! known, its rows, still in the cache, are added to the result. Two separate products would read
//! a matrix that fits in no cache twice.

use pulp::{Arch, Simd, WithSimd};

/// Rows of a block: enough sums for the multiplier's latency, and for each load of `p` and `out`
/// as many loads of the matrix.
const BLOCK: usize = 4;

/// `out += X^T w`, where `w_i = weigh(i, x_i . p)`, in one pass.
pub(crate) struct Fused<'a, F> {
    pub(crate) matrix: &'a [f64],
    pub(crate) p: &'a [f64],
    pub(crate) out: &'a mut [f64],
    /// Of the first row of a block and its inner products, the weights.
    pub(crate) weigh: F,
}

/// `weigh(i, x_i . p)` of each row.
pub(crate) struct Times<'a, F> {
    pub(crate) matrix: &'a [f64],
    pub(crate) p: &'a [f64],
    pub(crate) take: F,
}

/// `out += X^T w`
pub(crate) struct Transposed<'a> {
    pub(crate) matrix: &'a [f64],
    pub(crate) weights: &'a [f64],
    pub(crate) out: &'a mut [f64],
}

pub(crate) fn run<K: WithSimd>(kernel: K) -> K::Output {
    Arch::new().dispatch(kernel)
}

impl<F: FnMut(usize, &mut [f64])> WithSimd for Fused<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let cols = self.p.len();
        let (blocks, rest) =
            self.matrix.split_at(self.matrix.len() / (BLOCK * cols) * BLOCK * cols);
        let mut row = 0;
        for block in blocks.chunks_exact(BLOCK * cols) {
            let rows: [&[f64]; BLOCK] = split(block, cols);
            let mut weights = dots(simd, rows, self.p);
            (self.weigh)(row, &mut weights);
            add(simd, rows, weights, self.out);
            row += BLOCK;
        }
        for x in rest.chunks_exact(cols) {
            let mut weights = dots(simd, [x], self.p);
            (self.weigh)(row, &mut weights);
            add(simd, [x], weights, self.out);
            row += 1;
        }
    }
}

impl<F: FnMut(usize, &mut [f64])> WithSimd for Times<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let cols = self.p.len();
        let (blocks, rest) =
            self.matrix.split_at(self.matrix.len() / (BLOCK * cols) * BLOCK * cols);
        let mut row = 0;
        for block in blocks.chunks_exact(BLOCK * cols) {
            (self.take)(row, &mut dots(simd, split::<BLOCK>(block, cols), self.p));
            row += BLOCK;
        }
        for x in rest.chunks_exact(cols) {
            (self.take)(row, &mut dots(simd, [x], self.p));
            row += 1;
        }
    }
}

impl WithSimd for Transposed<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let cols = self.out.len();
        let (weights, last) = self.weights.as_chunks::<BLOCK>();
        let (blocks, rest) = self.matrix.split_at(weights.len() * BLOCK * cols);
        for (block, &weights) in blocks.chunks_exact(BLOCK * cols).zip(weights) {
            add(simd, split::<BLOCK>(block, cols), weights, self.out);
        }
        for (x, &weight) in rest.chunks_exact(cols).zip(last) {
            add(simd, [x], [weight], self.out);
        }
    }
}

#[inline(always)]
fn split<const R: usize>(block: &[f64], cols: usize) -> [&[f64]; R] {
    std::array::from_fn(|r| &block[r * cols..(r + 1) * cols])
}

/// The inner products of `R` rows with `p`.
#[inline(always)]
fn dots<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], p: &[f64]) -> [f64; R] {
    let (p, p_rest) = S::as_simd_f64s(p);
    let rows = rows.map(|row| S::as_simd_f64s(row));
    let zero = simd.splat_f64s(0.0);
    let (mut even, mut odd) = ([zero; R], [zero; R]);
    let (pairs, last) = p.as_chunks::<2>();
    let bodies = rows.map(|(body, _)| body.as_chunks::<2>());
    let heads: [&[[S::f64s; 2]]; R] = bodies.map(|(head, _)| &head[..pairs.len()]);
    for (j, &[p0, p1]) in pairs.iter().enumerate() {
        for r in 0..R {
            let [x0, x1] = heads[r][j];
            even[r] = simd.mul_add_e_f64s(x0, p0, even[r]);
            odd[r] = simd.mul_add_e_f64s(x1, p1, odd[r]);
        }
    }
    if let ([p], true) = (last, bodies.iter().all(|(_, last)| last.len() == 1)) {
        for r in 0..R {
            even[r] = simd.mul_add_e_f64s(bodies[r].1[0], *p, even[r]);
        }
    }
    let mut sums = [0.0; R];
    for r in 0..R {
        let rest: f64 = rows[r].1.iter().zip(p_rest).map(|(x, p)| x * p).sum();
        sums[r] = simd.reduce_sum_f64s(simd.add_f64s(even[r], odd[r])) + rest;
    }
    sums
}

/// `out += sum of weight * row`
#[inline(always)]
fn add<S: Simd, const R: usize>(simd: S, rows: [&[f64]; R], weights: [f64; R], out: &mut [f64]) {
    let (out, out_rest) = S::as_mut_simd_f64s(out);
    let rows = rows.map(|row| S::as_simd_f64s(row));
    let bodies: [&[S::f64s]; R] = rows.map(|(body, _)| &body[..out.len()]);
    let splats = weights.map(|weight| simd.splat_f64s(weight));
    for (j, out) in out.iter_mut().enumerate() {
        let mut sum = *out;
        for r in 0..R {
            sum = simd.mul_add_e_f64s(bodies[r][j], splats[r], sum);
        }
        *out = sum;
    }
    for (j, out) in out_rest.iter_mut().enumerate() {
        for r in 0..R {
            *out += rows[r].1[j] * weights[r];
        }
    }
}
