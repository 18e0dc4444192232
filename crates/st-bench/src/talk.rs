//! A process of peers, spoken to a JSON line at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A running process.
#[derive(Debug)]
pub(crate) struct Talk {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    requirements: &'static str,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply<T> {
    Failed { error: String },
    Done(T),
}

/// An answer that says nothing.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// Times of calls.
#[derive(Deserialize)]
pub(crate) struct Times {
    pub(crate) ns: Vec<f64>,
}

impl Talk {
    /// Starts a script, which is written to `dir`. `requirements` is the file that says what it
    /// needs installed.
    pub(crate) fn start(
        python: &Path,
        dir: &Path,
        script: &str,
        args: &[String],
        requirements: &'static str,
    ) -> Result<Self> {
        let file = dir.join("server.py");
        std::fs::write(&file, script)?;
        let mut child = Command::new(python)
            .arg(file)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", python.display()))?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe from the peers")?);
        Ok(Self { child, requests, answers, requirements })
    }

    /// A request and its answer.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<T> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let requests = self.requests.as_mut().ok_or("the peers' process is gone")?;
        requests.write_all(line.as_bytes()).map_err(gone)?;
        requests.flush().map_err(gone)?;
        line.clear();
        if self.answers.read_line(&mut line)? == 0 {
            let list = self.requirements;
            let what =
                format!("the peers' process ended; is {list} installed in the Python given?");
            return Err(what.into());
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

impl Drop for Talk {
    fn drop(&mut self) {
        // The end of its input is its sign to leave.
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
