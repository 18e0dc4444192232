//! Vectors: the few operations that the solvers are made of.

/// The inner product, in eight sums that do not wait for each other.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y[..x.len().min(y.len())].as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest
}

/// The Euclidean norm, without overflow or underflow on the way.
pub(crate) fn norm(x: &[f64]) -> f64 {
    let square = dot(x, x);
    if (1e-200..1e200).contains(&square) {
        return square.sqrt();
    }
    let top = x.iter().fold(0.0f64, |top, x| top.max(x.abs()));
    if top == 0.0 || !top.is_finite() || square.is_nan() {
        // 0, infinity, or a NaN that max() would have passed over.
        return if square.is_nan() { square } else { top };
    }
    let scaled: f64 = x.iter().map(|x| (x / top) * (x / top)).sum();
    top * scaled.sqrt()
}

/// `y += a x`
pub(crate) fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// `y = x + a y`
pub(crate) fn xpay(x: &[f64], a: f64, y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x + a * *y;
    }
}

/// `x *= a`
pub(crate) fn scale(a: f64, x: &mut [f64]) {
    for x in x {
        *x *= a;
    }
}

/// `|x - y|`
pub(crate) fn distance(x: &[f64], y: &[f64]) -> f64 {
    let difference: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
    norm(&difference)
}

/// Whether all of them are finite.
pub(crate) fn finite(x: &[f64]) -> bool {
    // x * 0 is 0 for finite x alone; sums are faster than a branch on each.
    let (chunks, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for i in 0..8 {
            sums[i] += chunk[i] * 0.0;
        }
    }
    sums.iter().sum::<f64>() == 0.0 && rest.iter().all(|x| x.is_finite())
}

/// A direction without structure, the same on each machine: numbers in -1..1 by splitmix64
/// (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014).
pub(crate) fn direction(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_survive_their_squares() {
        assert!((norm(&[3e-200, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert!((norm(&[3e200, 4e200]) / 5e200 - 1.0).abs() < 1e-15);
        assert_eq!(norm(&[]), 0.0);
        assert!(norm(&[1.0, f64::NAN]).is_nan());
        assert!(norm(&[f64::NAN, 1e300]).is_nan());
        assert_eq!(norm(&[1e300, f64::NEG_INFINITY]), f64::INFINITY);
    }

    #[test]
    fn dots_of_any_length() {
        for n in 0..40 {
            let x: Vec<f64> = (0..n).map(f64::from).collect();
            let n = f64::from(n);
            assert_eq!(dot(&x, &x), (n - 1.0) * n * (2.0 * n - 1.0) / 6.0);
        }
    }

    #[test]
    fn what_is_not_finite_is_found() {
        for n in 1..20 {
            for i in 0..n {
                let mut x = vec![1e308; n];
                assert!(finite(&x));
                x[i] = f64::NAN;
                assert!(!finite(&x));
                x[i] = f64::INFINITY;
                assert!(!finite(&x));
            }
        }
    }
}
