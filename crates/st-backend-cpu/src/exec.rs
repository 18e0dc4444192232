//! The executor: binds inputs, obeys plans.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, DeviceCaps, Element, Error, ExecuteInto,
    HostInput, HostOutput, Input, RankKExecutor, RankOutput, RankPlan, Result,
};

use crate::call::{Call, RowsOut, lanes_of_mut};
use crate::compact::CompactCall;
use crate::isa::{self, Isa};
use crate::launch::Launch;
use crate::packed::Packs;
use crate::probe;
use crate::team::Team;
use crate::workspace::Workspace;

/// Runs plans on this processor.
///
/// Threads and buffers are kept from call to call: repeated calls of the same size allocate
/// nothing. It may be shared between threads; calls that come while another uses its threads run
/// on their caller's thread alone, with the same result.
pub struct CpuExecutor {
    isa: Isa,
    threads: u32,
    team: Mutex<Option<Arc<Team>>>,
    spaces: Mutex<Vec<Workspace>>,
    log: Option<Mutex<Vec<Launch>>>,
}

impl fmt::Debug for CpuExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuExecutor")
            .field("isa", &self.isa)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Default for CpuExecutor {
    /// The best instruction set and all cores.
    fn default() -> Self {
        Self::with(Isa::best(), None)
    }
}

impl CpuExecutor {
    /// An executor held to an instruction set and a number of threads (none: all cores).
    ///
    /// # Errors
    /// [`Error::Isa`] if the processor does not have that instruction set.
    pub fn new(isa: Isa, threads: Option<u32>) -> Result<Self> {
        if !isa.is_there() {
            return Err(isa::refused(isa.name()));
        }
        Ok(Self::with(isa, threads))
    }

    fn with(isa: Isa, threads: Option<u32>) -> Self {
        Self {
            isa,
            threads: threads.unwrap_or_else(probe::cores).max(1),
            team: Mutex::new(None),
            spaces: Mutex::new(Vec::new()),
            log: None,
        }
    }

    /// The same, recording every launch for [`launches`](Self::launches).
    #[must_use]
    pub fn with_launch_log(mut self) -> Self {
        self.log = Some(Mutex::new(Vec::new()));
        self
    }

    /// What was launched since the last time this was asked, if it is recorded.
    #[must_use]
    pub fn launches(&self) -> Vec<Launch> {
        let take = |log: &Mutex<Vec<Launch>>| {
            std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.log.as_ref().map(take).unwrap_or_default()
    }

    /// The instruction set in use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// What plans for this executor need to know. Caches are read from the system where it tells;
    /// the bandwidth is not measured (see [`probe`](Self::probe)).
    #[must_use]
    pub fn caps(&self) -> DeviceCaps {
        probe::caps(self.isa, self.threads)
    }

    /// [`caps`](Self::caps) with the read bandwidth measured: takes some tens of milliseconds and
    /// 64 MiB of memory.
    #[must_use]
    pub fn probe(&self) -> DeviceCaps {
        let team = self.team(self.threads as usize);
        self.caps().with_bandwidth(probe::bandwidth(&team, self.threads as usize))
    }

    /// Binds the executor to its input.
    #[must_use]
    pub fn on<'a, X: HostInput + ?Sized>(&'a self, x: &'a X) -> OnCpu<'a, X::Elem> {
        OnCpu { exec: self, input: x.input() }
    }

    /// A team of at least that many threads.
    fn team(&self, threads: usize) -> Arc<Team> {
        let mut team = self.team.lock().unwrap_or_else(PoisonError::into_inner);
        match &*team {
            Some(team) if team.asked() >= threads => Arc::clone(team),
            _ => Arc::clone(team.insert(Arc::new(Team::new(threads)))),
        }
    }

    fn log(&self, launch: impl FnOnce() -> Launch) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(launch());
        }
    }

    /// Lends a workspace to `f`.
    fn with_space<R>(&self, f: impl FnOnce(&mut Workspace) -> R) -> R {
        let spaces = || self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut space = spaces().pop().unwrap_or_default();
        let result = f(&mut space);
        spaces().push(space);
        result
    }
}

/// A [`CpuExecutor`] bound to its input.
#[derive(Clone, Debug)]
pub struct OnCpu<'a, T> {
    exec: &'a CpuExecutor,
    input: Input<'a, T>,
}

impl<T: Element> OnCpu<'_, T> {
    /// Runs a plan whose problem has been checked against the input.
    fn run<L: Packs>(&self, plan: &RankPlan, values: &mut [T], indices: &mut [u32]) {
        let &Self { exec, input } = self;
        let problem = plan.problem;
        let call = Call::<L>::new(&input, problem, plan.choice, exec.isa.lane());
        let out = RowsOut::new(lanes_of_mut(values), indices, problem.rows, problem.k);
        let team = exec.team(plan.choice.wg as usize);
        exec.with_space(|space| L::select(exec.isa, &team, &call, &out, space));
    }

    fn run_compact<L: Packs>(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>> {
        let &Self { exec, input } = self;
        let call = CompactCall::<L>::new(&input, plan, lo, hi);
        let team = exec.team(plan.choice.wg as usize);
        let mut out = CompactOutput::default();
        let CompactOutput { offsets, values, indices } = &mut out;
        L::compact(exec.isa, &team, &call, offsets, indices, values)?;
        Ok(out)
    }
}

/// Calls a method with the lane type of an element type.
macro_rules! with_lane {
    ($elem:ty, $this:ident.$method:ident($($arg:expr),*)) => {
        match <$elem as Element>::DTYPE.size() {
            1 => $this.$method::<i8>($($arg),*),
            2 => $this.$method::<i16>($($arg),*),
            4 => $this.$method::<i32>($($arg),*),
            _ => $this.$method::<i64>($($arg),*),
        }
    };
}

impl<T: Element> RankKExecutor for OnCpu<'_, T> {
    type Output = RankOutput<T>;
    const RETURNS_WHEN_DONE: bool = true;

    fn execute(&self, plan: &RankPlan) -> Result<RankOutput<T>> {
        let mut out = RankOutput::default();
        self.execute_into(plan, &mut out)?;
        Ok(out)
    }

    fn written(&self, out: &RankOutput<T>) -> Vec<u8> {
        out.bytes()
    }
}

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnCpu<'_, T> {
    const RETURNS_WHEN_DONE: bool = true;

    fn execute_into(&self, plan: &RankPlan, out: &mut O) -> Result<()> {
        let &Self { exec, input } = self;
        refuse_other_backends(&plan.caps)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        st_kernels::cpu::check(&plan.choice, &plan.problem, exec.isa.lane())?;
        let (values, indices) = out.slots(plan.problem.output_len())?;
        if !values.is_empty() {
            exec.log(|| Launch::of_rank(plan, exec.isa));
            with_lane!(T, self.run(plan, values, indices));
        }
        Ok(())
    }

    fn written(&self, plan: &RankPlan, out: &mut O) -> Vec<u8> {
        out.bytes(plan.problem.output_len())
    }
}

impl<T: Element> CompactExecutor<T> for OnCpu<'_, T> {
    fn compact(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>> {
        let &Self { exec, input } = self;
        refuse_other_backends(&plan.caps)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        st_kernels::cpu::check_compact(&plan.choice)?;
        exec.log(|| Launch::of_compaction(plan, exec.isa));
        with_lane!(T, self.run_compact(plan, lo, hi))
    }
}

fn refuse_other_backends(plan: &DeviceCaps) -> Result<()> {
    if plan.backend != Backend::Cpu {
        return Err(Error::WrongBackend { plan: plan.backend, executor: Backend::Cpu });
    }
    Ok(())
}
