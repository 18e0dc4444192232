//! The executor bound to host memory.

use st_rank::{
    CompactOutput, CompactPlan, Element, HostOutput, Input, RankOutput, RankPlan, Result,
};

use crate::exec::WgpuExecutor;
use crate::readback::Wait;
use crate::{batches, compaction, look};

/// A [`WgpuExecutor`] bound to host memory: rows are copied to the device and results back.
#[derive(Clone, Copy, Debug)]
pub struct OnWgpu<'a, T> {
    pub(crate) exec: &'a WgpuExecutor,
    pub(crate) input: Input<'a, T>,
}

impl<T: Element> OnWgpu<'_, T> {
    /// Runs a plan without blocking: what there is to do is submitted at the first poll, and the
    /// future is ready when the results are there.
    ///
    /// Natively each poll looks at the device once and asks to be polled again, so that any runtime
    /// will do. Dropped early, the work goes on and its results are let go.
    ///
    /// # Errors
    /// Whatever [`Error`](st_rank::Error) lists.
    pub async fn execute_async(&self, plan: &RankPlan) -> Result<RankOutput<T>> {
        let mut out = RankOutput::default();
        self.fill(plan, &mut out, look).await?;
        Ok(out)
    }

    /// As [`execute_async`](Self::execute_async), into a place of the caller's.
    ///
    /// # Errors
    /// As there; `out` is left as it was then.
    pub async fn execute_into_async<O: HostOutput<T> + ?Sized>(
        &self,
        plan: &RankPlan,
        out: &mut O,
    ) -> Result<()> {
        self.fill(plan, out, look).await
    }

    /// A compaction without blocking; see [`CompactExecutor`](st_rank::CompactExecutor).
    ///
    /// # Errors
    /// As there.
    pub async fn compact_async(
        &self,
        plan: &CompactPlan,
        lo: T,
        hi: T,
    ) -> Result<CompactOutput<T>> {
        self.keep(plan, lo, hi, look).await
    }

    pub(crate) async fn fill<O: HostOutput<T> + ?Sized>(
        &self,
        plan: &RankPlan,
        out: &mut O,
        wait: Wait,
    ) -> Result<()> {
        let &Self { exec, input } = self;
        exec.refuse(&plan.caps, T::DTYPE)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        exec.opened().await?;
        let (gpu, layout) = exec.laid_out(plan)?;
        if plan.problem.output_len() == 0 {
            out.slots(0)?;
            return Ok(());
        }
        exec.prepared(plan, wait).await?;
        exec.note(&layout.dispatches(0, plan.problem.rows as u64, 0));
        // Results are complete before the caller's memory is touched.
        let mut done = Vec::new();
        batches::run(gpu, &layout, input.into(), wait, |row0, values, indices| {
            done.push((row0, values.to_vec(), indices.to_vec()));
        })
        .await?;
        let (all_values, all_indices) = out.slots(plan.problem.output_len())?;
        for (row0, values, indices) in done {
            let at = row0 * plan.problem.k;
            for (place, word) in all_values[at..].iter_mut().zip(values) {
                *place = batches::from_word(word);
            }
            all_indices[at..at + indices.len()].copy_from_slice(&indices);
        }
        Ok(())
    }

    pub(crate) async fn keep(
        &self,
        plan: &CompactPlan,
        lo: T,
        hi: T,
        wait: Wait,
    ) -> Result<CompactOutput<T>> {
        let &Self { exec, input } = self;
        exec.refuse(&plan.caps, T::DTYPE)?;
        plan.problem.check()?;
        plan.problem.check_input(T::DTYPE, input.values.len(), input.lengths)?;
        exec.prepared_compaction(plan, wait).await?;
        let (gpu, caps) = (exec.gpu()?, exec.caps_of(&plan.caps)?);
        let mut note = |dispatch: &_| exec.note(std::slice::from_ref(dispatch));
        compaction::run(gpu, &caps, plan, input, [lo, hi], wait, &mut note).await
    }
}
