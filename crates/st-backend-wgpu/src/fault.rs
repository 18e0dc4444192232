//! What can go wrong on a device, as errors: refusals, full memory, loss.

use std::future::Future;
use std::pin::pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use st_rank::{Error, Result};
use wgpu::{Device, ErrorFilter};

use crate::gpu::Gpu;

/// Runs what may make the driver refuse, with all that it says caught. The second value is what was
/// caught; natively it is there at once, in a browser it comes later.
pub(crate) fn scoped<T, F: FnOnce() -> Result<T>>(
    device: &Device,
    run: F,
) -> (Result<T>, impl Future<Output = Option<wgpu::Error>> + use<T, F>) {
    let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(ErrorFilter::Validation);
    let internal = device.push_error_scope(ErrorFilter::Internal);
    let done = run();
    // Popped before anything is waited for: scopes belong to a thread.
    let (internal, refused, full) = (internal.pop(), validation.pop(), memory.pop());
    let first = async move {
        let (full, refused, internal) = (full.await, refused.await, internal.await);
        full.or(refused).or(internal)
    };
    (done, first)
}

/// What a future has to say without being waited for.
pub(crate) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What a device of this name said, as an error.
pub(crate) fn fault(device: &str, what: &str, error: &wgpu::Error) -> Error {
    let device = device.to_owned();
    match error {
        wgpu::Error::OutOfMemory { .. } => Error::DeviceMemory { device, what: what.to_owned() },
        other => Error::Refused { device, what: format!("{what}: {other}") },
    }
}

impl Gpu {
    /// Runs what may make the driver refuse, and turns its refusal into an error.
    pub(crate) async fn caught<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alive()?;
        let (done, said) = scoped(&self.device, run);
        let said = said.await;
        self.settled(what, done, said)
    }

    /// The same without waiting. A browser's refusals come too late for it: there the commands
    /// recorded are void, and its console says why.
    pub(crate) fn caught_now<T>(&self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alive()?;
        let (done, said) = scoped(&self.device, run);
        self.settled(what, done, now(said).flatten())
    }

    fn settled<T>(&self, what: &str, done: Result<T>, said: Option<wgpu::Error>) -> Result<T> {
        let failure =
            self.alive().err().or_else(|| said.map(|error| fault(&self.name, what, &error)));
        match failure {
            None => done,
            Some(error) => {
                drop(done);
                self.forget_buffers();
                Err(error)
            }
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
        Error::DeviceLost {
            device: self.name.clone(),
            why: why.to_owned(),
            advice: "open it anew, with a new executor",
        }
    }

    /// The driver did not do what it should.
    pub(crate) fn refused(&self, what: &str) -> Error {
        Error::Refused { device: self.name.clone(), what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_says_is_told_apart() {
        // A full device cannot be had in a test: what wgpu says of it can.
        let full = wgpu::Error::OutOfMemory { source: "no memory".into() };
        let error = fault("a GPU", "a selection", &full);
        assert!(matches!(error, Error::DeviceMemory { .. }), "{error:?}");
        let said = "a GPU has no memory for a selection: take fewer rows at a time";
        assert!(error.to_string().starts_with(said), "{error}");
        let (source, description) = ("?".into(), "too many bindings".to_owned());
        let refused = wgpu::Error::Validation { source, description };
        let error = fault("a GPU", "a selection", &refused).to_string();
        assert!(error.starts_with("a GPU refused a selection: too many bindings;"), "{error}");
    }

    #[test]
    fn a_future_that_is_not_there_yet_is_not_waited_for() {
        assert_eq!(now(std::future::ready(1)), Some(1));
        assert_eq!(now(std::future::pending::<u8>()), None);
    }
}
