//! jaxopt and NumPy, in their process.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::talk::{Nothing, Talk, Times};
use st_tune::stats::{TURN_CALLS, TURN_TIME};

const SERVER: &str = include_str!("../../peers/hypergrad_server.py");
const REQUIREMENTS: &str = "crates/st-bench/peers/hypergrad_requirements.txt";

/// The contenders by the names that the server knows.
pub(super) const PEERS: [&str; 4] = ["jaxopt_cg", "jaxopt_default", "jaxopt_lbfgs", "numpy_cg"];

/// The running process.
#[derive(Debug)]
pub(super) struct Peers(Talk);

#[derive(Serialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
enum Request<'a> {
    Hello { pid: u32 },
    Load { d: usize, w: &'a [f64] },
    Time { peer: &'a str, calls: usize, budget_ns: u64, warm: usize },
    Result { peer: &'a str },
}

#[derive(Deserialize)]
struct Hello {
    versions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Value {
    value: Vec<f64>,
}

impl Peers {
    /// Starts it; it holds itself and this process to one core.
    pub(super) fn start(python: &Path, dir: &Path) -> Result<(Self, BTreeMap<String, String>)> {
        let mut peers = Self(Talk::start(python, dir, SERVER, &[], REQUIREMENTS)?);
        let hello: Hello = peers.0.ask(&Request::Hello { pid: std::process::id() })?;
        Ok((peers, hello.versions))
    }

    /// Makes the problem of `d` weights; `w` is the inner one's minimum.
    pub(super) fn load(&mut self, d: usize, w: &[f64]) -> Result<()> {
        self.0.ask(&Request::Load { d, w }).map(|Nothing {}| ())
    }

    /// A turn's times in nanoseconds.
    pub(super) fn turn(&mut self, peer: &str, warm: usize) -> Result<Vec<f64>> {
        let budget_ns = TURN_TIME.as_nanos() as u64;
        let times: Times =
            self.0.ask(&Request::Time { peer, calls: TURN_CALLS, budget_ns, warm })?;
        Ok(times.ns)
    }

    /// A peer's hyper-gradient.
    pub(super) fn value(&mut self, peer: &str) -> Result<Vec<f64>> {
        self.0.ask(&Request::Result { peer }).map(|answer: Value| answer.value)
    }
}
