//! What predictions cost, many at a time: loops that compile to vector instructions.

use pulp::{Simd, WithSimd};

use crate::kernel::run;

/// What a prediction `t = x . w` costs against its target `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `(t - y)^2 / 2`
    Squared,
    /// `ln(1 + e^(-y t))`, of targets 1 and -1.
    Logistic,
}

/// Costs of several predictions.
struct Costs<'a> {
    link: Link,
    /// Predictions; becomes their slopes.
    t: &'a mut [f64],
    y: &'a [f64],
    curvatures: &'a mut [f64],
    /// Becomes the losses.
    losses: &'a mut [f64],
}

impl Link {
    /// Turns predictions into slopes of their losses; writes curvatures, and gives the losses'
    /// sum. The slices have one length.
    pub(crate) fn costs(self, t: &mut [f64], y: &[f64], curvatures: &mut [f64]) -> f64 {
        let mut losses = [0.0; CHUNK];
        let mut sum = 0.0;
        let chunks = t.chunks_mut(CHUNK).zip(y.chunks(CHUNK)).zip(curvatures.chunks_mut(CHUNK));
        for ((t, y), curvatures) in chunks {
            let losses = &mut losses[..t.len()];
            run(Costs { link: self, t, y, curvatures, losses });
            sum += losses.iter().sum::<f64>();
        }
        sum
    }
}

/// Predictions at a time: what lies on the stack.
const CHUNK: usize = 128;

impl WithSimd for Costs<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let n = self.t.len();
        let (y, curvatures, losses) =
            (&self.y[..n], &mut self.curvatures[..n], &mut self.losses[..n]);
        match self.link {
            Link::Squared => {
                for i in 0..n {
                    let gap = self.t[i] - y[i];
                    self.t[i] = gap;
                    curvatures[i] = 1.0;
                    losses[i] = gap * gap / 2.0;
                }
            }
            Link::Logistic => {
                for i in 0..n {
                    let margin = y[i] * self.t[i];
                    let e = exp_negative(margin.abs());
                    let whole = 1.0 / (1.0 + e);
                    let small = e * whole;
                    let share = if margin >= 0.0 { small } else { whole };
                    // A NaN has no sign: it must come out as such.
                    self.t[i] = -y[i] * share + margin * 0.0;
                    curvatures[i] = small * whole * (y[i] * y[i]);
                    losses[i] = ln_1p_unit(e) + if margin >= 0.0 { 0.0 } else { -margin };
                }
            }
        }
    }
}

/// `e^-x` for `x >= 0`; below `e^-708` it stays there. Reduction to `2^n e^r` with `|r| <= ln 2 / 2`
/// and Taylor's series, whose 14th term is below rounding.
#[inline(always)]
fn exp_negative(x: f64) -> f64 {
    // Adding it leaves the nearest integer in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = if x > 708.0 { 708.0 } else { x };
    let shifted = -x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = -x - n * LN2_HIGH - n * LN2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    for factorial in [
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5_040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
        1.0,
        1.0,
    ] {
        sum = sum * r + 1.0 / factorial;
    }
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0f64.to_bits()));
    sum * power
}

/// `ln(1 + e)` for `e` in 0..1, by the series of `2 artanh(e / (2 + e))`, whose square is at most
/// 1/9.
#[inline(always)]
fn ln_1p_unit(e: f64) -> f64 {
    let s = e / (2.0 + e);
    let square = s * s;
    let mut sum = 1.0 / 37.0;
    for odd in [
        35.0, 33.0, 31.0, 29.0, 27.0, 25.0, 23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0,
        5.0, 3.0, 1.0,
    ] {
        sum = sum * square + 1.0 / odd;
    }
    2.0 * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_right_to_rounding() {
        for i in 0..=200_000 {
            let x = f64::from(i) * 0.0035;
            let (got, want) = (exp_negative(x), (-x).exp());
            assert!((got / want - 1.0).abs() < 1e-15, "e^-{x}: {got:e}, not {want:e}");
            let e = f64::from(i) / 200_000.0;
            let (got, want) = (ln_1p_unit(e), e.ln_1p());
            assert!((got - want).abs() <= 7e-16 * want, "ln(1 + {e}): {got:e}, not {want:e}");
        }
        assert_eq!(ln_1p_unit(0.0), 0.0);
        assert_eq!(exp_negative(0.0), 1.0);
        assert!(exp_negative(1e300) < 1e-300);
    }

    #[test]
    fn costs_of_any_number_of_predictions() {
        for n in [0, 1, 7, 128, 129, 300] {
            for link in [Link::Squared, Link::Logistic] {
                let t: Vec<f64> = (0..n).map(|i| f64::from(i - 100) * 0.7).collect();
                let y: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
                let (mut slopes, mut curvatures) = (t.clone(), vec![0.0; t.len()]);
                let sum = link.costs(&mut slopes, &y, &mut curvatures);
                let mut want = 0.0;
                for i in 0..t.len() {
                    let (loss, slope, curvature) = match link {
                        Link::Squared => ((t[i] - y[i]).powi(2) / 2.0, t[i] - y[i], 1.0),
                        Link::Logistic => {
                            let m = y[i] * t[i];
                            let share = 1.0 / (1.0 + m.exp());
                            let loss =
                                if m > 0.0 { (-m).exp().ln_1p() } else { m.exp().ln_1p() - m };
                            (loss, -y[i] * share, share / (1.0 + (-m).exp()))
                        }
                    };
                    want += loss;
                    assert!((slopes[i] - slope).abs() <= 1e-14 * slope.abs());
                    assert!((curvatures[i] - curvature).abs() <= 1e-14 * curvature);
                }
                assert!((sum - want).abs() <= 1e-13 * want);
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for link in [Link::Squared, Link::Logistic] {
            let mut t = [1.0, f64::NAN, f64::INFINITY];
            let sum = link.costs(&mut t, &[1.0; 3], &mut [0.0; 3]);
            assert!(sum.is_nan() && t[1].is_nan() && !t[2].is_finite(), "{t:?}");
        }
    }
}
