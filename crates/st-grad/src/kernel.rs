//! The inner loops over a matrix's rows, compiled for each instruction set and chosen at run time
//! (by `pulp`, without unsafe code here).
//!
//! A product `X^T (w . (X p))` reads the matrix once: as soon as a block's inner products are
//! known, its rows, still in the cache, are added to the result. Two separate products would read
//! a matrix that fits in no cache twice. The addition of a block goes along with the inner
//! products of the next, so that memory is never idle.
//!
//! Rows, `p` and `out` have one length, a multiple of the longest vector's.

use pulp::{Arch, Simd, WithSimd};

/// `out += X^T w`, where `w = weigh(i, X p)`, in one pass.
pub(crate) struct Fused<'a, F> {
    pub(crate) matrix: &'a [f64],
    pub(crate) p: &'a [f64],
    pub(crate) out: &'a mut [f64],
    /// Turns inner products, of which the first is the given row's, into weights.
    pub(crate) weigh: F,
}

/// `out = X p`
pub(crate) struct Times<'a> {
    pub(crate) matrix: &'a [f64],
    pub(crate) p: &'a [f64],
    pub(crate) out: &'a mut [f64],
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

// Rows of a block: enough sums for the multiplier's latency, few enough for the registers, of
// which AVX-512 has 32 and all others here 16 or little use.

impl<F: FnMut(usize, &mut [f64])> WithSimd for Fused<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F64_LANES >= 8 { self.by::<S, 8>(simd) } else { self.by::<S, 4>(simd) }
    }
}

impl<F: FnMut(usize, &mut [f64])> Fused<'_, F> {
    #[inline(always)]
    fn by<S: Simd, const R: usize>(mut self, simd: S) {
        let cols = self.p.len();
        let blocks = self.matrix.chunks_exact(R * cols);
        let rest = blocks.remainder();
        let mut row = 0;
        let mut before: Option<(&[f64], [f64; R])> = None;
        for block in blocks {
            let mut weights = match before {
                None => dots(simd, block, self.p),
                Some((known, weights)) => {
                    dots_and_add(simd, block, self.p, known, weights, self.out)
                }
            };
            (self.weigh)(row, &mut weights);
            before = Some((block, weights));
            row += R;
        }
        if let Some((known, weights)) = before {
            add(simd, known, weights, self.out);
        }
        for x in rest.chunks_exact(cols) {
            let mut weights: [f64; 1] = dots(simd, x, self.p);
            (self.weigh)(row, &mut weights);
            add(simd, x, weights, self.out);
            row += 1;
        }
    }
}

impl WithSimd for Times<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F64_LANES >= 8 { self.by::<S, 8>(simd) } else { self.by::<S, 4>(simd) }
    }
}

impl Times<'_> {
    #[inline(always)]
    fn by<S: Simd, const R: usize>(self, simd: S) {
        let cols = self.p.len();
        let (out, last) = self.out.as_chunks_mut::<R>();
        let (blocks, rest) = self.matrix.split_at(out.len() * R * cols);
        for (block, out) in blocks.chunks_exact(R * cols).zip(out) {
            *out = dots(simd, block, self.p);
        }
        for (x, out) in rest.chunks_exact(cols).zip(last) {
            [*out] = dots(simd, x, self.p);
        }
    }
}

impl WithSimd for Transposed<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F64_LANES >= 8 { self.by::<S, 8>(simd) } else { self.by::<S, 4>(simd) }
    }
}

impl Transposed<'_> {
    #[inline(always)]
    fn by<S: Simd, const R: usize>(self, simd: S) {
        let cols = self.out.len();
        let (weights, last) = self.weights.as_chunks::<R>();
        let (blocks, rest) = self.matrix.split_at(weights.len() * R * cols);
        for (block, &weights) in blocks.chunks_exact(R * cols).zip(weights) {
            add(simd, block, weights, self.out);
        }
        for (x, &weight) in rest.chunks_exact(cols).zip(last) {
            add(simd, x, [weight], self.out);
        }
    }
}

// Loops over rows, not `map`: closures over vectors are not reliably inlined, and code that is
// not inlined loses the instruction set.

/// A block's rows as vectors, each as many as `n`.
#[inline(always)]
fn rows<S: Simd, const R: usize>(block: &[f64], n: usize) -> [&[S::f64s]; R] {
    let (vectors, _) = S::as_simd_f64s(block);
    let mut rows: [&[S::f64s]; R] = [&[]; R];
    for r in 0..R {
        rows[r] = &vectors[r * n..(r + 1) * n];
    }
    rows
}

#[inline(always)]
fn splats<S: Simd, const R: usize>(simd: S, weights: [f64; R]) -> [S::f64s; R] {
    let mut splats = [simd.splat_f64s(0.0); R];
    for r in 0..R {
        splats[r] = simd.splat_f64s(weights[r]);
    }
    splats
}

#[inline(always)]
fn totals<S: Simd, const R: usize>(simd: S, sums: [S::f64s; R]) -> [f64; R] {
    let mut totals = [0.0; R];
    for r in 0..R {
        totals[r] = simd.reduce_sum_f64s(sums[r]);
    }
    totals
}

/// The inner products of a block's rows with `p`.
#[inline(always)]
fn dots<S: Simd, const R: usize>(simd: S, block: &[f64], p: &[f64]) -> [f64; R] {
    let (p, _) = S::as_simd_f64s(p);
    let rows = rows::<S, R>(block, p.len());
    let mut acc = [simd.splat_f64s(0.0); R];
    for (j, &p) in p.iter().enumerate() {
        for r in 0..R {
            acc[r] = simd.mul_add_e_f64s(rows[r][j], p, acc[r]);
        }
    }
    totals(simd, acc)
}

/// `out += sum of weight * row`
#[inline(always)]
fn add<S: Simd, const R: usize>(simd: S, block: &[f64], weights: [f64; R], out: &mut [f64]) {
    let (out, _) = S::as_mut_simd_f64s(out);
    let rows = rows::<S, R>(block, out.len());
    let weights = splats(simd, weights);
    for (j, out) in out.iter_mut().enumerate() {
        let mut sum = *out;
        for r in 0..R {
            sum = simd.mul_add_e_f64s(rows[r][j], weights[r], sum);
        }
        *out = sum;
    }
}

/// [`dots`] of a block and [`add`] of another, in one loop.
#[inline(always)]
fn dots_and_add<S: Simd, const R: usize>(
    simd: S,
    block: &[f64],
    p: &[f64],
    known: &[f64],
    weights: [f64; R],
    out: &mut [f64],
) -> [f64; R] {
    let (p, _) = S::as_simd_f64s(p);
    let (out, _) = S::as_mut_simd_f64s(out);
    let rows_next = rows::<S, R>(block, p.len());
    let rows_known = rows::<S, R>(known, p.len());
    let weights = splats(simd, weights);
    let mut acc = [simd.splat_f64s(0.0); R];
    for (j, (&p, out)) in p.iter().zip(out).enumerate() {
        let mut sum = *out;
        for r in 0..R {
            acc[r] = simd.mul_add_e_f64s(rows_next[r][j], p, acc[r]);
            sum = simd.mul_add_e_f64s(rows_known[r][j], weights[r], sum);
        }
        *out = sum;
    }
    totals(simd, acc)
}
