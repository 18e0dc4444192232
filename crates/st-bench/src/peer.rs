//! The peers' process: `peers/server.py`, spoken to a JSON line at a time.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use st_core::ops::rank_entry::RankOutput;

use crate::Result;
use st_tune::stats::{TURN_CALLS, TURN_TIME};

const SERVER: &str = include_str!("../peers/server.py");

/// The peers by the names the server knows.
pub(crate) const PEERS: [&str; 3] = ["numpy", "onnxruntime", "torch"];

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

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

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply<T> {
    Failed { error: String },
    Done(T),
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
struct Times {
    ns: Vec<f64>,
}

impl Server {
    /// Starts the server with that many threads for those peers that have threads. `dir` is for
    /// its script.
    pub(crate) fn start(python: &Path, dir: &Path, threads: u32) -> Result<(Self, Hello)> {
        let script = dir.join("server.py");
        std::fs::write(&script, SERVER)?;
        let mut child = Command::new(python)
            .arg(script)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", python.display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe from the peers")?);
        let mut server = Self { child, requests, answers };
        let hello = server.ask(&Request::Hello)?;
        Ok((server, hello))
    }

    /// Loads the input from a `.npy` file.
    pub(crate) fn load(&mut self, path: &Path) -> Result<()> {
        self.ask(&Request::Load { path }).map(|Nothing {}| ())
    }

    /// A turn of a peer: its calls' times in nanoseconds, taken in its process.
    pub(crate) fn turn(&mut self, peer: &str, k: usize, warm: usize) -> Result<Vec<f64>> {
        let budget_ns = TURN_TIME.as_nanos() as u64;
        let times: Times =
            self.ask(&Request::Time { peer, k, calls: TURN_CALLS, budget_ns, warm })?;
        Ok(times.ns)
    }

    /// A peer's result. `dir` is for the files it comes through.
    pub(crate) fn result(&mut self, peer: &str, k: usize, dir: &Path) -> Result<RankOutput<f32>> {
        let (values, indices) = (&dir.join("values.bin"), &dir.join("indices.bin"));
        let Nothing {} = self.ask(&Request::Result { peer, k, values, indices })?;
        Ok(RankOutput {
            values: words(values)?.map(f32::from_le_bytes).collect(),
            indices: words(indices)?.map(u32::from_le_bytes).collect(),
        })
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let requests = self.requests.as_mut().ok_or("the peers' process is gone")?;
        requests.write_all(line.as_bytes()).map_err(gone)?;
        requests.flush().map_err(gone)?;
        line.clear();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the peers' process ended; are crates/st-bench/peers/requirements.txt \
                        installed in the Python given?"
                .into());
        }
        match serde_json::from_str(&line)? {
            Reply::Done(answer) => Ok(answer),
            Reply::Failed { error } => Err(error.into()),
        }
    }
}

fn gone(e: std::io::Error) -> String {
    format!("the peers' process ended: {e}")
}

fn words(path: &Path) -> Result<impl Iterator<Item = [u8; 4]>> {
    let bytes = std::fs::read(path)?;
    Ok((0..bytes.len() / 4)
        .map(move |i| [bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is its sign to leave.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
