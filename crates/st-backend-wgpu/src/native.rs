//! Everything that blocks, and so is not there in a browser. Nothing else of this crate blocks, but that
//! natively devices are opened here whoever asks.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use st_rank::{
    Backend, CompactExecutor, CompactOutput, CompactPlan, Element, ExecuteInto, HostOutput,
    RankKExecutor, RankOutput, RankPlan, Result,
};
use wgpu::{PollStatus, PollType};

use crate::device::{self, AdapterReport};
use crate::exec::WgpuExecutor;
use crate::gpu::Gpu;
use crate::host::OnWgpu;

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

/// Waits until the device has nothing left to do.
pub(crate) fn block(gpu: &Gpu) -> Result<bool> {
    polled(gpu, PollType::wait_indefinitely())
}

/// Looks once.
pub(crate) fn look(gpu: &Gpu) -> Result<bool> {
    polled(gpu, PollType::Poll)
}

fn polled(gpu: &Gpu, how: PollType) -> Result<bool> {
    gpu.alive()?;
    // wgpu panics where a device is lost while it is polled; here that is an error.
    match catch_unwind(AssertUnwindSafe(|| gpu.device.poll(how))) {
        Ok(Ok(status)) => Ok(status == PollStatus::QueueEmpty),
        Ok(Err(error)) => Err(gpu.refused(&format!("to finish: {error}"))),
        Err(_) => Err(gpu.gone("it cannot be waited for")),
    }
}

/// Held while adapters are listed and devices opened, by one thread of the process at a time: a driver
/// (NVIDIA's, 580.159) came to a stand for ever when sixteen threads did so at once.
fn alone() -> MutexGuard<'static, ()> {
    static OPENING: Mutex<()> = Mutex::new(());
    OPENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The adapters there are, the one that an executor would take first.
#[must_use]
pub fn adapters(backend: Backend) -> Vec<AdapterReport> {
    let _alone = alone();
    block_on(device::reports(backend))
}

impl Gpu {
    /// Runs what may make the driver refuse, and turns its refusal into an error.
    pub(crate) fn guarded<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        block_on(self.caught(what, run))
    }
}

impl WgpuExecutor {
    /// Opens the device at its first use.
    pub(crate) fn open_now(&self) -> Result<&Gpu> {
        let opened = self.gpu.get_or_init(|| {
            let _alone = alone();
            block_on(self.newly_opened())
        });
        opened.as_ref().map_err(Clone::clone)
    }

    /// The same, for what is written once for here and for a browser: a device is there at once.
    #[allow(clippy::unused_async, reason = "as in a browser")]
    pub(crate) async fn opened(&self) -> Result<&Gpu> {
        self.gpu()
    }

    /// Compiles and tests what a plan needs, if that was not done before.
    pub(crate) fn prepared_now(&self, plan: &RankPlan) -> Result<()> {
        block_on(self.prepared(plan, block))
    }

    /// Compiles the kernels of a plan, runs their self-test, and makes room for their workspace, so
    /// that no later [`record`](Self::record) of it does. Waits for the device.
    ///
    /// # Errors
    /// A plan that cannot be run here; no device; [`Error::SelfTest`](st_rank::Error::SelfTest).
    pub fn prepare(&self, plan: &RankPlan) -> Result<()> {
        block_on(async {
            self.prepared(plan, block).await?;
            self.reserve(plan)
        })
    }
}

impl<T: Element> RankKExecutor for OnWgpu<'_, T> {
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

impl<T: Element, O: HostOutput<T> + ?Sized> ExecuteInto<O> for OnWgpu<'_, T> {
    const RETURNS_WHEN_DONE: bool = true;

    fn execute_into(&self, plan: &RankPlan, out: &mut O) -> Result<()> {
        self.exec.gpu()?;
        block_on(self.fill(plan, out, block))
    }

    fn written(&self, plan: &RankPlan, out: &mut O) -> Vec<u8> {
        out.bytes(plan.problem.output_len())
    }
}

impl<T: Element> CompactExecutor<T> for OnWgpu<'_, T> {
    fn compact(&self, plan: &CompactPlan, lo: T, hi: T) -> Result<CompactOutput<T>> {
        self.exec.gpu()?;
        block_on(self.keep(plan, lo, hi, block))
    }
}
