//! A connection with an end: so much time and so many bytes for an operation, whatever the server does.
//!
//! The `redis` crate's own connection bounds each read, but neither an operation as a whole nor what it reads: a
//! server that sends a byte now and then, or never stops, would hold it for ever. So connecting and reading are
//! ours; URLs, commands and the protocol are the crate's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, Parser, Value};

use crate::store::{MOST_BYTES, MOST_TIME};

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Cut {
    /// The time was up.
    Late,
    /// The bytes were used up.
    TooManyBytes,
    /// The connection ended.
    Ended(io::Error),
    /// What came is no answer, by the crate's words.
    Rubbish(String),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A read or write whose time is up says one or the other, by system.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::Late,
            _ => Self::Ended(error),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connection. [`Wire::begin`] begins an operation.
pub(super) struct Wire {
    stream: Stream,
    parser: Parser,
    end: Instant,
    bytes_left: usize,
}

impl Wire {
    /// Connects, and begins the first operation: its time is counted from when the name is resolved, which takes as
    /// long as it takes.
    pub(super) fn connect(address: &ConnectionAddr) -> io::Result<Self> {
        let mut end = Instant::now() + MOST_TIME;
        let stream = match address {
            ConnectionAddr::Tcp(host, port) => {
                let addresses: Vec<_> = (host.as_str(), *port).to_socket_addrs()?.collect();
                end = Instant::now() + MOST_TIME;
                let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
                let connected = addresses.iter().find_map(|address| {
                    let left = left(end).map_err(|e| last = e).ok()?;
                    TcpStream::connect_timeout(address, left).map_err(|e| last = e).ok()
                });
                let stream = connected.ok_or(last)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            other => return Err(io::Error::other(format!("{other} cannot be connected to"))),
        };
        Ok(Self { stream, parser: Parser::new(), end, bytes_left: MOST_BYTES })
    }

    /// Begins an operation: its time and its bytes are counted from here.
    pub(super) fn begin(&mut self) {
        self.end = Instant::now() + MOST_TIME;
        self.bytes_left = MOST_BYTES;
    }

    /// Sends packed commands and reads their answers.
    pub(super) fn ask(&mut self, packed: &[u8], answers: usize) -> Result<Vec<Value>, Cut> {
        self.send(packed)?;
        let Self { stream, parser, end, bytes_left } = self;
        let mut bounded = Bounded { stream, end: *end, bytes_left, cut: None };
        let read: redis::RedisResult<_> =
            (0..answers).map(|_| parser.parse_value(&mut bounded)).collect();
        read.map_err(|error| {
            bounded.cut.unwrap_or_else(|| match error.is_io_error() {
                true => Cut::Ended(ErrorKind::UnexpectedEof.into()),
                false => Cut::Rubbish(error.to_string()),
            })
        })
    }

    fn send(&mut self, mut packed: &[u8]) -> io::Result<()> {
        while !packed.is_empty() {
            let left = Some(left(self.end)?);
            let sent = match &mut self.stream {
                Stream::Tcp(s) => s.set_write_timeout(left).and_then(|()| s.write(packed)),
                #[cfg(unix)]
                Stream::Unix(s) => s.set_write_timeout(left).and_then(|()| s.write(packed)),
            };
            match sent {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => packed = &packed[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Reads until the operation's time or bytes are used up.
struct Bounded<'a> {
    stream: &'a mut Stream,
    end: Instant,
    bytes_left: &'a mut usize,
    /// Why it stopped reading: the crate's errors do not keep the system's.
    cut: Option<Cut>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if *self.bytes_left == 0 {
            self.cut = Some(Cut::TooManyBytes);
            return Err(io::Error::other("too many bytes"));
        }
        self.some(buffer).inspect_err(|e| {
            self.cut = Some(io::Error::new(e.kind(), e.to_string()).into());
        })
    }
}

impl Bounded<'_> {
    fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(*self.bytes_left);
        let (buffer, left) = (&mut buffer[..most], Some(left(self.end)?));
        let read = match &mut self.stream {
            Stream::Tcp(s) => s.set_read_timeout(left).and_then(|()| s.read(buffer)),
            #[cfg(unix)]
            Stream::Unix(s) => s.set_read_timeout(left).and_then(|()| s.read(buffer)),
        }?;
        *self.bytes_left -= read;
        Ok(read)
    }
}

/// The time until then, if there is any.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}
