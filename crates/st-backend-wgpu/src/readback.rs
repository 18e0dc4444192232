//! To the device and back: uploads within an encoder, and results that arrive when they do.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use st_rank::Result;
use wgpu::{Buffer, CommandEncoder, MapMode};

use crate::gpu::Gpu;
use crate::pool::Kind;

/// How results are waited for: by blocking until the device has nothing left to do, or by looking
/// once. Says whether the device is idle.
pub(crate) type Wait = fn(&Gpu) -> Result<bool>;

/// Another thread may be about to say that results are there when the device is found idle.
const GRACE: Duration = Duration::from_secs(10);

/// Results on their way.
pub(crate) struct Pending {
    /// Each with the words wanted of it.
    stagings: Vec<(Buffer, u64)>,
    arrivals: Arc<Mutex<Arrivals>>,
}

#[derive(Default)]
struct Arrivals {
    left: usize,
    failed: bool,
    waker: Option<Waker>,
}

fn lock(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Records a copy of these bytes, in whole words, to the beginning of a buffer.
    pub(crate) fn upload(
        &self,
        encoder: &mut CommandEncoder,
        to: &Buffer,
        bytes: &[u8],
    ) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let staging = self.pool.take(&self.device, Kind::Upload, bytes.len() as u64);
        self.write_mapped(&staging, bytes)?;
        let size = (bytes.len() as u64).next_multiple_of(4);
        encoder.copy_buffer_to_buffer(&staging, 0, to, 0, size);
        // Back in the pool when the device has read it. The pool does not outlive the device for it.
        let pool = Arc::downgrade(&self.pool);
        let kept = staging.clone();
        encoder.map_buffer_on_submit(&staging, MapMode::Write, .., move |mapped| {
            if let (Ok(()), Some(pool)) = (mapped, pool.upgrade()) {
                pool.give(Kind::Upload, kept);
            }
        });
        Ok(())
    }

    /// Submits, and asks for the words that these buffers begin with.
    pub(crate) fn submit(&self, mut encoder: CommandEncoder, wanted: &[(&Buffer, u64)]) -> Pending {
        let arrivals = Arc::new(Mutex::new(Arrivals { left: wanted.len(), ..Default::default() }));
        let mut stagings = Vec::with_capacity(wanted.len());
        for &(buffer, words) in wanted {
            let bytes = (words * 4).max(4);
            let staging = self.pool.take(&self.device, Kind::Readback, bytes);
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
            let arrived = Arc::clone(&arrivals);
            encoder.map_buffer_on_submit(&staging, MapMode::Read, ..bytes, move |mapped| {
                let mut arrivals = lock(&arrived);
                arrivals.left -= 1;
                arrivals.failed |= mapped.is_err();
                if let Some(waker) = arrivals.waker.take() {
                    waker.wake();
                }
            });
            stagings.push((staging, words));
        }
        self.queue.submit([encoder.finish()]);
        Pending { stagings, arrivals }
    }
}

impl Pending {
    /// The words, when they are there.
    pub(crate) async fn arrive(self, gpu: &Gpu, wait: Wait) -> Result<Vec<Vec<u32>>> {
        #[cfg(not(target_arch = "wasm32"))]
        let mut idle_since = None;
        poll_fn(|context| {
            lock(&self.arrivals).waker = Some(context.waker().clone());
            let idle = match wait(gpu) {
                Ok(idle) => idle,
                Err(error) => return Poll::Ready(Err(error)),
            };
            {
                let arrivals = lock(&self.arrivals);
                if arrivals.failed {
                    return Poll::Ready(Err(gpu.gone("it does not give results back")));
                }
                if arrivals.left == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
            // A browser says by itself when there is something to look for. Natively nobody else
            // looks.
            #[cfg(not(target_arch = "wasm32"))]
            {
                if idle {
                    let since = *idle_since.get_or_insert_with(std::time::Instant::now);
                    if gpu.alive().is_err() || since.elapsed() > GRACE {
                        return Poll::Ready(Err(gpu.gone("it never gave results back")));
                    }
                }
                context.waker().wake_by_ref();
            }
            #[cfg(target_arch = "wasm32")]
            let _ = (idle, GRACE);
            Poll::Pending
        })
        .await?;
        let mut results = Vec::with_capacity(self.stagings.len());
        for (staging, words) in self.stagings {
            let view = staging
                .slice(..(words * 4).max(4))
                .get_mapped_range()
                .map_err(|e| gpu.refused(&format!("to give results back: {e}")))?;
            results.push(bytemuck::pod_collect_to_vec(&view[..words as usize * 4]));
            drop(view);
            staging.unmap();
            gpu.pool.give(Kind::Readback, staging);
        }
        gpu.alive()?;
        Ok(results)
    }
}
