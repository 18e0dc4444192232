//! Servers that misbehave: typed errors, in bounded time and memory.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{Server, answering, free_port, hanging, misbehaving};
use st_kv::store::{MOST_BYTES, MOST_TIME};
use st_kv::{RedisStore, Step, Store, StoreError};

/// What reading and changing end with, and how long it took.
fn asked(url: &str) -> (StoreError, StoreError, Duration) {
    let mut store = RedisStore::new(url).unwrap();
    let start = Instant::now();
    let read = store.entries("d").unwrap_err();
    let changed =
        store.update("d", &["k".to_owned()], &mut |_, _| Step::Put("v".to_owned())).unwrap_err();
    (read, changed, start.elapsed())
}

/// More than two operations may take.
const LONG: Duration = MOST_TIME.saturating_mul(2).saturating_add(Duration::from_secs(3));

#[test]
fn absent() {
    let (read, changed, elapsed) = asked(&format!("redis://127.0.0.1:{}", free_port()));
    assert!(matches!(read, StoreError::Unreachable { .. }), "{read}");
    assert!(matches!(changed, StoreError::Unreachable { .. }), "{changed}");
    assert!(elapsed < Duration::from_secs(2));
    let (read, ..) = asked("redis://no-such-host.invalid");
    assert!(matches!(read, StoreError::Unreachable { .. }), "{read}");
    #[cfg(unix)]
    {
        let (read, ..) = asked("unix:///no/such/socket");
        assert!(matches!(read, StoreError::Unreachable { .. }), "{read}");
    }
}

#[test]
fn hanging_for_ever() {
    let (read, changed, elapsed) = asked(&hanging());
    assert!(matches!(read, StoreError::Late { .. }), "{read}");
    assert!(matches!(changed, StoreError::Late { .. }), "{changed}");
    assert!(elapsed >= 2 * MOST_TIME && elapsed < LONG, "{elapsed:?}");
}

#[test]
fn a_byte_now_and_then() {
    let url = misbehaving(|mut stream| {
        for _ in 0..600 {
            if stream.write_all(b"+").is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let (read, changed, elapsed) = asked(&url);
    assert!(matches!(read, StoreError::Late { .. }), "{read}");
    assert!(matches!(changed, StoreError::Late { .. }), "{changed}");
    assert!(elapsed < LONG, "{elapsed:?}");
}

#[test]
fn without_an_end() {
    for begin in
        [&b"+"[..], b"*1000000000\r\n", b"$1000000000000\r\n", b":1\r\n*3\r\n$99999999\r\n"]
    {
        let url = misbehaving(move |mut stream| {
            let block = match begin[0] {
                b'*' => b":1\r\n".repeat(1 << 14),
                _ => vec![b'x'; 1 << 16],
            };
            let mut sent = stream.write_all(begin);
            let mut total = 0;
            while sent.is_ok() {
                total += block.len();
                assert!(total < 4 * MOST_BYTES, "it reads and reads");
                sent = stream.write_all(&block);
            }
        });
        let (read, changed, elapsed) = asked(&url);
        for error in [read, changed] {
            let fine = matches!(error, StoreError::TooLarge { .. } | StoreError::Late { .. });
            assert!(fine, "{}: {error}", String::from_utf8_lossy(begin));
        }
        assert!(elapsed < LONG, "{elapsed:?}");
    }
}

#[test]
fn closing_midway() {
    for answer in [&b""[..], b"$", b":1\r\n", b":1\r\n*2\r\n$1\r\nx"] {
        let url = misbehaving(move |mut stream| {
            let mut command = [0; 4096];
            let _ = stream.read(&mut command);
            let _ = stream.write_all(answer);
        });
        let (read, changed, elapsed) = asked(&url);
        for error in [read, changed] {
            assert!(matches!(error, StoreError::Ended { .. }), "{answer:?}: {error}");
        }
        assert!(elapsed < Duration::from_secs(2));
    }
}

#[test]
fn rubbish() {
    let nested = b"*1\r\n".repeat(100_000);
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        b":nonsense\r\n",
        b"$x\r\n",
        b"*1\r\n*1\r\n>x\r\n",
        b"$3\r\n\xff\xff\xff\r\n",
        b"+OK\r\n",
        &nested,
    ] {
        let (read, changed, elapsed) = asked(&answering(answer));
        for error in [read, changed] {
            assert!(matches!(error, StoreError::Protocol { .. }), "{answer:?}: {error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
        assert!(elapsed < Duration::from_secs(2), "{answer:?} {elapsed:?}");
    }
    for answer in [&b"-ERR no\r\n"[..], b"-NOAUTH Authentication required.\r\n", b"-\x1b[31m\r\n"] {
        let (read, ..) = asked(&answering(answer));
        assert!(matches!(read, StoreError::Refused { .. }), "{answer:?}: {read}");
        assert!(!read.to_string().contains(char::is_control), "{read}");
    }
}

/// Wrong numbers of right form.
#[test]
fn lies() {
    for answers in
        [&b":5\r\n*1\r\n$1\r\nk\r\n:3\r\n*0\r\n"[..], b":1\r\n*1\r\n$1\r\nk\r\n:3\r\n*1\r\n$-1\r\n"]
    {
        let mut store = RedisStore::new(&answering(answers)).unwrap();
        let entries = store.entries("d").unwrap();
        assert_eq!((entries.list.len(), entries.left_out), (0, 1));
    }
    // Nothing, where a number belongs: an error, or no entries.
    for answer in [&b"*0\r\n"[..], b"$-1\r\n", b",nan\r\n", b"#t\r\n"] {
        let entries = RedisStore::new(&answering(answer)).unwrap().entries("d");
        assert!(entries.is_err() || entries.unwrap().list.is_empty(), "{answer:?}");
    }
    // An update that is told of entries it did not send: it ends.
    let url = answering(&b":0\r\n*2\r\n:77\r\n:-1\r\n"[..]);
    let result = RedisStore::new(&url)
        .unwrap()
        .update("d", &["k".to_owned()], &mut |_, _| Step::Put("v".to_owned()));
    assert!(matches!(result, Err(StoreError::Protocol { .. })));
}

#[test]
fn killed_midway() {
    let mut server = Server::start();
    let mut store = RedisStore::new(&server.url()).unwrap();
    store.update("d", &["k".to_owned()], &mut |_, _| Step::Put("v".to_owned())).unwrap();
    server.kill();
    let start = Instant::now();
    let error = store.entries("d").unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
