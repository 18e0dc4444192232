//! In a browser nothing may block: a device is opened and plans are prepared by the calls that end
//! in `_async`, before anything else.

use st_rank::{Error, RankPlan, Result};

use crate::exec::WgpuExecutor;
use crate::gpu::Gpu;

/// The browser looks by itself.
pub(crate) fn look(_gpu: &Gpu) -> Result<bool> {
    Ok(false)
}

impl WgpuExecutor {
    pub(crate) async fn opened(&self) -> Result<&Gpu> {
        if self.gpu.get().is_none() {
            let opened = self.newly_opened().await;
            // Another call may have been faster; then this one is not needed.
            let _ = self.gpu.set(opened);
        }
        self.gpu()
    }

    /// Refuses: opening takes time.
    pub(crate) fn open_now(&self) -> Result<&Gpu> {
        Err(Error::Unavailable {
            backend: self.backend(),
            why: "it is not open yet, and a browser opens devices only asynchronously".to_owned(),
            advice: "await open_async first",
        })
    }

    /// Refuses what was not prepared: self-tests take time.
    pub(crate) fn prepared_now(&self, plan: &RankPlan) -> Result<()> {
        if self.is_prepared(plan)? {
            return Ok(());
        }
        Err(Error::Unavailable {
            backend: self.backend(),
            why: "the plan is not prepared, which a browser does only asynchronously".to_owned(),
            advice: "await prepare_async first",
        })
    }
}
