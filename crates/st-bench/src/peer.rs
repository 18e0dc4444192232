//! The peers' process: `peers/server.py`, spoken to a JSON line at a time.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use st_core::ops::rank_entry::RankOutput;

use st_tune::stats::{TURN_CALLS, TURN_TIME};

use crate::Result;
use crate::talk::{Nothing, Talk, Times};

const SERVER: &str = include_str!("../peers/server.py");

/// The peers by the names the server knows.
pub(crate) const PEERS: [&str; 3] = ["numpy", "onnxruntime", "torch"];

const REQUIREMENTS: &str = "crates/st-bench/peers/requirements.txt";

/// A running server.
#[derive(Debug)]
pub(crate) struct Server(Talk);

#[derive(Serialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
enum Request<'a> {
    Hello,
    Load { path: &'a Path },
    Time { peer: &'a str, k: usize, calls: usize, budget_ns: u64, warm: usize },
    Result { peer: &'a str, k: usize, values: &'a Path, indices: &'a Path },
}

/// What the server says of itself: versions of Python and the peers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Hello {
    pub(crate) versions: BTreeMap<String, String>,
}

impl Server {
    /// Starts the server with that many threads for those peers that have threads. `dir` is for
    /// its script.
    pub(crate) fn start(python: &Path, dir: &Path, threads: u32) -> Result<(Self, Hello)> {
        let threads = [threads.to_string()];
        let mut server = Self(Talk::start(python, dir, SERVER, &threads, REQUIREMENTS)?);
        let hello = server.0.ask(&Request::Hello)?;
        Ok((server, hello))
    }

    /// Loads the input from a `.npy` file.
    pub(crate) fn load(&mut self, path: &Path) -> Result<()> {
        self.0.ask(&Request::Load { path }).map(|Nothing {}| ())
    }

    /// A turn of a peer: its calls' times in nanoseconds, taken in its process.
    pub(crate) fn turn(&mut self, peer: &str, k: usize, warm: usize) -> Result<Vec<f64>> {
        let budget_ns = TURN_TIME.as_nanos() as u64;
        let times: Times =
            self.0.ask(&Request::Time { peer, k, calls: TURN_CALLS, budget_ns, warm })?;
        Ok(times.ns)
    }

    /// A peer's result. `dir` is for the files it comes through.
    pub(crate) fn result(&mut self, peer: &str, k: usize, dir: &Path) -> Result<RankOutput<f32>> {
        let (values, indices) = (&dir.join("values.bin"), &dir.join("indices.bin"));
        let Nothing {} = self.0.ask(&Request::Result { peer, k, values, indices })?;
        Ok(RankOutput {
            values: words(values)?.map(f32::from_le_bytes).collect(),
            indices: words(indices)?.map(u32::from_le_bytes).collect(),
        })
    }
}

fn words(path: &Path) -> Result<impl Iterator<Item = [u8; 4]>> {
    let bytes = std::fs::read(path)?;
    Ok((0..bytes.len() / 4)
        .map(move |i| [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}
