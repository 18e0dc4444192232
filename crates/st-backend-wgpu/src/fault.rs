//! What can go wrong on a device, as errors: refusals, full memory, loss.

use std::future::Future;
use std::pin::pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use st_rank::{Error, Result};
use wgpu::ErrorFilter;

use crate::gpu::Gpu;

impl Gpu {
    /// Runs what may make the driver refuse, with all that it says caught. The second value is what
    /// was caught; natively it is there at once, in a browser it comes later.
    fn scoped<T, F: FnOnce() -> Result<T>>(
        &self,
        run: F,
    ) -> (Result<T>, impl Future<Output = Option<wgpu::Error>> + use<T, F>) {
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let done = run();
        // Popped before anything is waited for: scopes belong to a thread.
        let (internal, refused, full) = (internal.pop(), validation.pop(), memory.pop());
        let first = async move {
            let (full, refused, internal) = (full.await, refused.await, internal.await);
            full.or(refused).or(internal)
        };
        (done, first)
    }

    /// Runs what may make the driver refuse, and turns its refusal into an error.
    pub(crate) async fn caught<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alive()?;
        let (done, said) = self.scoped(run);
        let said = said.await;
        self.settled(what, done, said)
    }

    /// The same without waiting. A browser's refusals come too late for it: there the commands
    /// recorded are void, and its console says why.
    pub(crate) fn caught_now<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alive()?;
        let (done, said) = self.scoped(run);
        let mut context = Context::from_waker(Waker::noop());
        let said = match pin!(said).poll(&mut context) {
            Poll::Ready(said) => said,
            Poll::Pending => None,
        };
        self.settled(what, done, said)
    }

    fn settled<T>(&self, what: &str, done: Result<T>, said: Option<wgpu::Error>) -> Result<T> {
        let failure = self.alive().err().or_else(|| said.map(|error| self.fault(what, &error)));
        match failure {
            None => done,
            Some(error) => {
                drop(done);
                self.forget_buffers();
                Err(error)
            }
        }
    }

    pub(crate) fn fault(&self, what: &str, error: &wgpu::Error) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                Error::DeviceMemory { device: self.name.clone(), what: what.to_owned() }
            }
            other => self.refused(&format!("{what}: {other}")),
        }
    }

    /// Refuses to go on with a device that is gone.
    pub(crate) fn alive(&self) -> Result<()> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(why) => Err(self.gone(why)),
        }
    }

    /// The device is lost.
    pub(crate) fn gone(&self, why: &str) -> Error {
        Error::DeviceLost { device: self.name.clone(), why: why.to_owned() }
    }

    /// The driver did not do what it should.
    pub(crate) fn refused(&self, what: &str) -> Error {
        Error::Refused { device: self.name.clone(), what: what.to_owned() }
    }
}
