//! A Redis server of the tests' own, and servers that misbehave.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `redis-server` on a free port, in a folder of its own; it ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        // Another process may take a port between the question and its use.
        for _ in 0..20 {
            if let Some(server) = Self::try_start() {
                return server;
            }
        }
        panic!("redis-server did not start on any of 20 ports");
    }

    fn try_start() -> Option<Self> {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is there: `cargo xtask setup` installs it");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if child.try_wait().expect("its state").is_some() {
                return None;
            }
            if ask(port, b"PING\r\n").is_some_and(|answer| answer.starts_with(b"+PONG")) {
                return Some(Self { child, port, _folder: folder });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command given as words, and gives the beginning of its answer.
    pub(crate) fn run(&self, words: &[&[u8]]) -> Vec<u8> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).bytes());
            command.extend_from_slice(word);
            command.extend(b"\r\n");
        }
        ask(self.port, &command).expect("an answer")
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ask(port: u16, command: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(command).ok()?;
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).ok()?;
    answer.truncate(read);
    Some(answer)
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A server that does this with each connection, on a thread that lives as long as the test; its URL.
pub(crate) fn misbehaving(act: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let act = std::sync::Arc::new(act);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = act.clone();
            std::thread::spawn(move || act(stream));
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// Answers the first command that arrives with these bytes, then keeps the connection open and says no more.
pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    misbehaving(move |mut stream| {
        let mut command = [0; 4096];
        let _ = stream.read(&mut command);
        let _ = stream.write_all(&bytes);
        std::thread::sleep(Duration::from_secs(60));
    })
}

/// Never answers.
pub(crate) fn hanging() -> String {
    misbehaving(|_stream| std::thread::sleep(Duration::from_secs(60)))
}
