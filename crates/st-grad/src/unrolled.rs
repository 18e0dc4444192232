//! Hyper-gradients of a fixed number of steps: backward through the loop, or along with it.

use crate::error::{self, HyperGradError, Result, Site};
use crate::iterate::{check, step};
use crate::map::{FixedPoint, OuterLoss};
use crate::vector;

/// Which states a backward pass keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checkpoints {
    /// All: `T` states, no step made twice.
    #[default]
    All,
    /// Every `sqrt(T)`-th, and those of one segment at a time: about `2 sqrt(T)` states, and each
    /// step made twice.
    Sqrt,
    /// Every n-th, and those of one segment at a time; at least 1.
    Every(usize),
}

/// What a pass held and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The most states (or, forward, rows of derivatives) held at a time.
    pub peak_states: usize,
    /// The same in numbers: states times their length.
    pub peak_numbers: usize,
    /// Steps made, those made twice counted twice.
    pub steps: usize,
    held: usize,
}

impl Memory {
    fn hold(&mut self, states: usize, len: usize) {
        self.held += states;
        self.peak_states = self.peak_states.max(self.held);
        self.peak_numbers = self.peak_numbers.max(self.held * len);
    }
    fn drop(&mut self, states: usize) {
        self.held -= states;
    }
}

/// The gradient of `E(z_T, lambda)` after `T` steps from `z_0`: exact for that number of steps,
/// whether or not `z_T` is a fixed point.
#[derive(Clone, Debug, PartialEq)]
pub struct UnrolledGrad {
    /// `dE/dlambda`, total.
    pub value: Vec<f64>,
    /// `dE/dz_0`; `None` if the pass was truncated or went forward.
    pub initial: Option<Vec<f64>>,
    /// `E(z_T, lambda)`.
    pub outer: f64,
    /// `z_T`
    pub state: Vec<f64>,
    /// `T`
    pub steps: usize,
    /// Through how many of the last steps derivatives went, if not through all: a biased value, by
    /// choice.
    pub truncated_to: Option<usize>,
    /// `|Phi(z_T) - z_T|`
    pub fixed_point_residual: f64,
    /// What was held and done.
    pub memory: Memory,
}

/// `T` steps, differentiated.
///
/// ```
/// use st_grad::{Checkpoints, Loss, Scalar, Unrolled, Update, UpdateMap, Written};
///
/// /// `z <- z / 2 + lambda`
/// struct Halve;
/// impl Update for Halve {
///     fn update<S: Scalar>(&self, z: &[S], lambda: &[S]) -> Vec<S> {
///         vec![z[0] * 0.5 + lambda[0]]
///     }
/// }
/// struct State;
/// impl Loss for State {
///     fn loss<S: Scalar>(&self, z: &[S], _: &[S]) -> S {
///         z[0]
///     }
/// }
/// let map = UpdateMap::new(Halve, 1, 1);
/// let three = Unrolled::new(3);
/// let backward = three.reverse(&map, &Written(State), &[8.0], &[1.0])?;
/// assert_eq!((backward.outer, backward.value[0]), (2.75, 1.75));
/// assert_eq!(backward.initial, Some(vec![0.125]));
/// assert_eq!(three.forward(&map, &Written(State), &[8.0], &[1.0])?.value, backward.value);
/// # Ok::<(), st_grad::HyperGradError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrolled {
    steps: usize,
    truncate: Option<usize>,
    checkpoints: Checkpoints,
}

impl Unrolled {
    /// So many steps, differentiated through all of them.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self { steps, truncate: None, checkpoints: Checkpoints::All }
    }

    /// Goes back through the last `steps` only. The result says so.
    #[must_use]
    pub fn truncate(mut self, steps: usize) -> Self {
        self.truncate = Some(steps);
        self
    }

    /// Which states are kept.
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// Backward: memory of `T` states (see [`Checkpoints`]), time of a few times `T` steps,
    /// however many hyper-parameters there are.
    ///
    /// # Errors
    ///
    /// Wrong shapes, a failure of a user's function, NaN or infinity with the step of their
    /// appearance.
    pub fn reverse(
        &self,
        map: &(impl FixedPoint + ?Sized),
        outer: &(impl OuterLoss + ?Sized),
        z0: &[f64],
        lambda: &[f64],
    ) -> Result<UnrolledGrad> {
        check(map, z0, lambda)?;
        let back = self.truncate.unwrap_or(self.steps).min(self.steps);
        let segment = match self.checkpoints {
            Checkpoints::All => 1,
            Checkpoints::Sqrt => (back as f64).sqrt().ceil() as usize,
            Checkpoints::Every(0) => {
                let (what, allowed) = ("the distance of checkpoints", "at least 1");
                return Err(HyperGradError::Setting { what, got: 0.0, allowed });
            }
            Checkpoints::Every(n) => n,
        }
        .max(1);

        // Forward, keeping the first state of each segment.
        let first = self.steps - back;
        let mut memory = Memory::default();
        let mut kept: Vec<Vec<f64>> = Vec::new();
        let (mut state, mut next) = (z0.to_vec(), vec![0.0; z0.len()]);
        for t in 0..self.steps {
            if t >= first && (t - first).is_multiple_of(segment) {
                kept.push(state.clone());
                memory.hold(1, state.len());
            }
            step(map, &state, lambda, &mut next, t)?;
            memory.steps += 1;
            std::mem::swap(&mut state, &mut next);
        }
        let mut found = self.at_end(map, outer, state, lambda)?;

        // Backward, segment by segment.
        let (mut back_z, mut back_lambda) = (vec![0.0; z0.len()], vec![0.0; lambda.len()]);
        let mut v = std::mem::take(&mut found.1);
        for (s, start) in kept.into_iter().enumerate().rev() {
            let begin = first + s * segment;
            let len = segment.min(self.steps - begin);
            let mut states = vec![start];
            for t in begin..begin + len - 1 {
                let mut next = vec![0.0; z0.len()];
                step(map, &states[t - begin], lambda, &mut next, t)?;
                memory.steps += 1;
                memory.hold(1, next.len());
                states.push(next);
            }
            for (i, z) in states.iter().enumerate().rev() {
                map.vjp(z, lambda, &v, &mut back_z, &mut back_lambda)
                    .map_err(error::failed(Site::VjpState, begin + i))?;
                error::finite(Site::VjpState, begin + i, &back_z)?;
                error::finite(Site::VjpParams, begin + i, &back_lambda)?;
                vector::axpy(1.0, &back_lambda, &mut found.0.value);
                std::mem::swap(&mut v, &mut back_z);
            }
            memory.drop(states.len());
        }
        let mut found = found.0;
        if back == self.steps {
            found.initial = Some(v);
        } else {
            found.truncated_to = Some(back);
        }
        found.memory = memory;
        Ok(found)
    }

    /// Forward: carries `dz/dlambda` along, so memory does not grow with `T`, but time and memory
    /// grow with the number of hyper-parameters. Needs forward products. Checkpoints mean nothing
    /// here.
    ///
    /// # Errors
    ///
    /// As of [`Unrolled::reverse`]; [`HyperGradError::Unsupported`] without forward products, or
    /// with truncation.
    pub fn forward(
        &self,
        map: &(impl FixedPoint + ?Sized),
        outer: &(impl OuterLoss + ?Sized),
        z0: &[f64],
        lambda: &[f64],
    ) -> Result<UnrolledGrad> {
        check(map, z0, lambda)?;
        let what = "forward mode";
        if !map.has_jvp() {
            let needs = "forward products (`jvp`)";
            return Err(HyperGradError::Unsupported { what, needs });
        }
        if self.truncate.is_some() {
            let needs = "all steps: truncation is of the backward pass";
            return Err(HyperGradError::Unsupported { what, needs });
        }
        let mut memory = Memory::default();
        let mut rows = vec![vec![0.0; z0.len()]; lambda.len()];
        memory.hold(rows.len(), z0.len());
        let (mut state, mut next) = (z0.to_vec(), vec![0.0; z0.len()]);
        let mut along = vec![0.0; lambda.len()];
        for t in 0..self.steps {
            for (j, row) in rows.iter_mut().enumerate() {
                along[j] = 1.0;
                map.jvp(&state, lambda, row, &along, &mut next)
                    .map_err(error::failed(Site::Jvp, t))?;
                error::finite(Site::Jvp, t, &next)?;
                row.copy_from_slice(&next);
                along[j] = 0.0;
            }
            step(map, &state, lambda, &mut next, t)?;
            memory.steps += 1;
            std::mem::swap(&mut state, &mut next);
        }
        let (mut found, g) = self.at_end(map, outer, state, lambda)?;
        for (value, row) in found.value.iter_mut().zip(&rows) {
            *value += vector::dot(row, &g);
        }
        error::finite(Site::Jvp, self.steps, &found.value)?;
        found.memory = memory;
        Ok(found)
    }

    /// The outer loss at the last state: the result with the direct part, and `dE/dz`.
    fn at_end(
        &self,
        map: &(impl FixedPoint + ?Sized),
        outer: &(impl OuterLoss + ?Sized),
        state: Vec<f64>,
        lambda: &[f64],
    ) -> Result<(UnrolledGrad, Vec<f64>)> {
        let mut next = vec![0.0; state.len()];
        step(map, &state, lambda, &mut next, self.steps)?;
        let fixed_point_residual = vector::distance(&next, &state);
        let (mut g, mut value) = (vec![0.0; state.len()], vec![0.0; lambda.len()]);
        let outer = outer
            .gradient(&state, lambda, &mut g, &mut value)
            .map_err(error::failed(Site::OuterGradient, self.steps))?;
        error::finite(Site::OuterValue, self.steps, &[outer])?;
        error::finite(Site::OuterGradient, self.steps, &g)?;
        error::finite(Site::OuterGradient, self.steps, &value)?;
        let found = UnrolledGrad {
            value,
            initial: None,
            outer,
            state,
            steps: self.steps,
            truncated_to: None,
            fixed_point_residual,
            memory: Memory::default(),
        };
        Ok((found, g))
    }
}
