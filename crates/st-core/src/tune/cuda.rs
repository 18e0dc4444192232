//! An NVIDIA device.

use std::collections::HashMap;

use st_backend_cuda::CudaExecutor;
use st_backend_cuda::timing::Resident;
use st_plan::table::Versions;
use st_rank::{Choice, DeviceCaps, Element, RankPlan, Result, for_dtype};
use st_tune::Pages;
use st_tune::inputs::Check;
use st_tune::session::{Body, Device};
use st_tune::stats::median;
use st_tune::tournament::{Arena, Entrant, NoChoice};

use super::{TuneError, inputs, is_hopeless, processors, versions, with, with_each};

/// A graph's calls together take about so long, and are at most so many.
const GRAPH_US: f64 = 1000.0;
const MOST_CALLS: f64 = 20.0;
/// Replays of a candidate before it is said how long it takes: the clock rises under load.
const WARM_US: f64 = 5000.0;
const MOST_WARM: f64 = 50.0;
/// A candidate that takes so many times the shortest is not timed.
const HOPELESS: f64 = 5.0;

/// A device, timed by its own clock: graphs of calls over inputs that lie on it.
#[derive(Debug)]
pub struct CudaDevice<'e> {
    exec: &'e CudaExecutor,
    caps: DeviceCaps,
    versions: Versions,
}

impl<'e> CudaDevice<'e> {
    /// The one of this executor.
    ///
    /// # Errors
    /// No device.
    pub fn new(exec: &'e CudaExecutor) -> Result<Self> {
        let found = exec.report()?;
        let nvrtc = found.nvrtc.map(|(a, b)| format!(", NVRTC {a}.{b}")).unwrap_or_default();
        let driver =
            format!("driver for CUDA {}.{}{nvrtc}", found.driver / 1000, found.driver % 1000 / 10);
        let versions = versions(&found.caps, found.name, driver);
        Ok(Self { exec, caps: found.caps, versions })
    }
}

impl Device for CudaDevice<'_> {
    type Error = TuneError;

    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn lacks_memory(&self, why: &TuneError) -> bool {
        why.is_memory()
    }

    fn with_cell(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> std::result::Result<(), TuneError> {
        for_dtype!(planned.problem.dtype, T => self.cell::<T>(planned, body))
    }
}

impl CudaDevice<'_> {
    fn cell<T: Element>(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> std::result::Result<(), TuneError> {
        let problem = &planned.problem;
        let mut inputs = inputs::<T>(planned)?;
        let check = Check::new(problem)?;
        let mut resident =
            self.exec.resident::<T>(problem.rows, problem.cols, problem.k, inputs.len())?;
        for (copy, input) in inputs.iter().enumerate() {
            resident.upload(copy, input)?;
        }
        let input = inputs.swap_remove(0);
        drop(inputs);
        body(&mut Place {
            exec: self.exec,
            resident: &mut resident,
            plan: planned,
            input,
            check,
            right: None,
            calls: HashMap::new(),
            least_us: f64::INFINITY,
        })
    }
}

/// A device with inputs.
struct Place<'a, 'r, T> {
    exec: &'a CudaExecutor,
    resident: &'a mut Resident<'r, T>,
    plan: &'a RankPlan,
    /// The first of them.
    input: Pages<T>,
    /// Says whether a result is right, until one is.
    check: Check,
    right: Option<(Vec<T>, Vec<u32>)>,
    calls: HashMap<Choice, u32>,
    least_us: f64,
}

impl<T: Element> Arena for Place<'_, '_, T> {
    type Error = TuneError;

    fn together(&self) -> usize {
        processors()
    }

    fn prepare(&mut self, choices: &[Choice]) -> std::result::Result<(), TuneError> {
        Ok(self.exec.compile_ahead(&with_each(self.plan, choices))?)
    }

    fn admit(
        &mut self,
        choice: Choice,
        asked: bool,
    ) -> std::result::Result<Option<f64>, TuneError> {
        let plan = with(self.plan, choice);
        self.resident.prepare(&plan)?;
        self.resident.run(&plan)?;
        let (values, indices) = self.resident.results(0..plan.problem.rows)?;
        match &self.right {
            None => {
                let fault = self.check.fault(&plan.problem, &self.input, &values, &indices);
                if let Some(why) = fault {
                    return Err(TuneError::Wrong(why));
                }
                self.right = Some((values, indices));
            }
            Some((right, columns)) => {
                let bytes = bytemuck::cast_slice::<T, u8>;
                let same = bytes(right) == bytes(&values);
                if *columns != indices || !same {
                    return Err(TuneError::Wrong("it differs from the first choice's".to_owned()));
                }
            }
        }
        let graph = self.resident.graph(&plan, 1)?;
        let first = graph.replay_us()?;
        let mut us = first;
        if !is_hopeless(first, self.least_us, HOPELESS, WARM_US) {
            let warm = (WARM_US / first.max(1.0)).clamp(1.0, MOST_WARM) as u32;
            let times: Result<Vec<f64>> = (0..warm).map(|_| graph.replay_us()).collect();
            us = median(times?).ok_or(NoChoice)?;
        }
        self.least_us = self.least_us.min(us);
        if !asked && is_hopeless(us, self.least_us, HOPELESS, 0.0) {
            return Ok(None);
        }
        self.calls.insert(choice, (GRAPH_US / us.max(1.0)).clamp(1.0, MOST_CALLS) as u32);
        Ok(Some(us))
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> std::result::Result<(), TuneError> {
        for entrant in entrants {
            let plan = with(self.plan, entrant.choice);
            // Every entrant was admitted.
            let calls = self.calls.get(&entrant.choice).copied().unwrap_or(1);
            let graph = self.resident.graph(&plan, calls)?;
            graph.replay_us()?;
            entrant.samples.push_turn(vec![graph.replay_us()? * 1e3]);
        }
        Ok(())
    }
}
