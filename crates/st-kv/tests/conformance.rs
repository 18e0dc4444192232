//! The contract of a store, asked of each.

mod common;

use common::Server;
use st_kv::store::{MOST_ENTRIES, MOST_TEXT};
use st_kv::{FileStore, MemoryStore, RedisStore, Step, Store, StoreError};

/// Opens one and the same store.
type Open<'a> = &'a (dyn Fn() -> Box<dyn Store> + Sync);

fn put(store: &mut dyn Store, device: &str, key: &str, value: &str) {
    store
        .update(device, &[key.to_owned()], &mut |_, _| Step::Put(value.to_owned()))
        .unwrap_or_else(|e| panic!("{e}"));
}

fn list(store: &mut dyn Store, device: &str) -> Vec<(String, String)> {
    let entries = store.entries(device).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(entries.left_out, 0);
    entries.list
}

fn conforms(open: Open<'_>) {
    entries_stay(open);
    devices_are_apart(open);
    steps_are_taken(open);
    many_entries(open);
    limits(open);
    no_change_is_lost(open);
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn entries_stay(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    assert_eq!(list(&mut *one, "stay"), []);
    put(&mut *one, "stay", "b", "2 \u{e9} \" \\ \r\n");
    put(&mut *one, "stay", "a/with:all * [kinds]", "1");
    let both = [pair("a/with:all * [kinds]", "1"), pair("b", "2 \u{e9} \" \\ \r\n")];
    assert_eq!(list(&mut *other, "stay"), both, "in the order of keys");
    assert_eq!(other.clear("stay").unwrap(), 2);
    assert_eq!(list(&mut *one, "stay"), []);
    assert_eq!(one.clear("stay").unwrap(), 0);
    assert!(!one.place().is_empty());
}

fn devices_are_apart(open: Open<'_>) {
    let mut store = open();
    put(&mut *store, "cpu-16", "k", "1");
    put(&mut *store, "cpu-1", "k", "2");
    assert_eq!(list(&mut *store, "cpu-16"), [pair("k", "1")]);
    assert_eq!(store.clear("cpu-1").unwrap(), 1);
    assert_eq!(list(&mut *store, "cpu-16"), [pair("k", "1")]);
    for device in ["", "..", "a/b", "a\\b", "a b", "a\n", "a*", &"x".repeat(201)] {
        assert!(matches!(store.entries(device), Err(StoreError::Device)), "{device}");
        assert!(matches!(store.clear(device), Err(StoreError::Device)), "{device}");
        let keep = store.update(device, &["k".to_owned()], &mut |_, _| Step::Keep);
        assert!(matches!(keep, Err(StoreError::Device)), "{device}");
    }
}

fn steps_are_taken(open: Open<'_>) {
    let mut store = open();
    let keys = ["keep", "put", "remove", "missing"].map(str::to_owned);
    for key in &keys[..3] {
        put(&mut *store, "steps", key, "old");
    }
    let mut shown = Vec::new();
    store
        .update("steps", &keys, &mut |key, old| {
            shown.push((key.to_owned(), old.map(str::to_owned)));
            match key {
                "put" => Step::Put("new".to_owned()),
                "remove" | "missing" => Step::Remove,
                _ => Step::Keep,
            }
        })
        .unwrap();
    let old = Some("old".to_owned());
    let values = [old.clone(), old.clone(), old, None];
    assert_eq!(shown, keys.into_iter().zip(values).collect::<Vec<_>>());
    assert_eq!(list(&mut *store, "steps"), [pair("keep", "old"), pair("put", "new")]);
    store.update("steps", &[], &mut |_, _| Step::Remove).unwrap();
}

fn many_entries(open: Open<'_>) {
    let mut store = open();
    let keys: Vec<String> = (0..3000).map(|i| format!("key {i:05}")).collect();
    store.update("many", &keys, &mut |key, _| Step::Put(format!("of {key}"))).unwrap();
    let found = list(&mut *store, "many");
    assert!(found.iter().map(|(key, _)| key).eq(&keys));
    assert!(found.iter().all(|(key, value)| *value == format!("of {key}")));
    assert_eq!(store.clear("many").unwrap(), 3000);
}

fn limits(open: Open<'_>) {
    let mut store = open();
    let longest = "x".repeat(MOST_TEXT);
    put(&mut *store, "limits", &longest, &longest);
    assert_eq!(list(&mut *store, "limits"), [(longest.clone(), longest)]);
    let long = "x".repeat(MOST_TEXT + 1);
    for (key, value) in [("k", &*long), (&*long, "v"), ("", "v"), ("k", "")] {
        let result =
            store.update("limits", &[key.to_owned()], &mut |_, _| Step::Put(value.to_owned()));
        assert!(matches!(result, Err(StoreError::Text { .. })), "{} {}", key.len(), value.len());
    }
    assert_eq!(store.clear("limits").unwrap(), 1, "nothing was written");
}

/// Four threads count up three entries, each with a connection of its own.
fn no_change_is_lost(open: Open<'_>) {
    const EACH: usize = 50;
    let keys = ["a", "b", "c"].map(str::to_owned);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = open();
                for _ in 0..EACH {
                    store
                        .update("count", &keys, &mut |_, old| {
                            let n: usize = old.map_or(0, |n| n.parse().expect("a number"));
                            Step::Put((n + 1).to_string())
                        })
                        .unwrap_or_else(|e| panic!("{e}"));
                }
            });
        }
    });
    let total = (4 * EACH).to_string();
    let want = keys.map(|key| (key, total.clone()));
    assert_eq!(list(&mut *open(), "count"), want);
}

#[test]
fn memory() {
    let store = MemoryStore::default();
    conforms(&|| Box::new(store.clone()));
}

#[test]
fn file() {
    let folder = tempfile::tempdir().unwrap();
    // A folder that is not there yet.
    let place = folder.path().join("shared/hints");
    conforms(&|| Box::new(FileStore::new(place.clone())));
}

#[test]
fn redis() {
    let server = Server::start();
    conforms(&|| Box::new(RedisStore::new(&server.url()).unwrap()));
}

#[test]
fn redis_with_another_database() {
    let server = Server::start();
    let url = format!("{}/3", server.url());
    put(&mut RedisStore::new(&url).unwrap(), "d", "k", "v");
    assert_eq!(list(&mut RedisStore::new(&url).unwrap(), "d"), [pair("k", "v")]);
    assert_eq!(list(&mut RedisStore::new(&server.url()).unwrap(), "d"), []);
}

#[test]
fn redis_with_a_password() {
    let server = Server::start();
    let _ = server.run(&[b"CONFIG", b"SET", b"requirepass", b"s3cret/#"]);
    let refused = RedisStore::new(&server.url()).unwrap().entries("d").unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    let wrong = format!("redis://:wrong@127.0.0.1:{}", server.port);
    let refused = RedisStore::new(&wrong).unwrap().entries("d").unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    assert!(!refused.to_string().contains(":wrong"), "{refused}");
    let url = format!("redis://:s3cret%2F%23@127.0.0.1:{}", server.port);
    let mut store = RedisStore::new(&url).unwrap();
    put(&mut store, "d", "k", "v");
    assert_eq!(list(&mut store, "d"), [pair("k", "v")]);
    assert!(!format!("{store:?}").contains("s3cret"));
}

#[test]
fn what_others_put_there_is_left_out() {
    let server = Server::start();
    let mut store = RedisStore::new(&server.url()).unwrap();
    put(&mut store, "d", "k", "v");
    let hash: &[u8] = b"spiral:hints:1:d";
    let huge = vec![b'x'; 8 << 20];
    for (field, value) in
        [(&b"huge"[..], &huge[..]), (b"no text", b"\xff\xfe"), (b"\xff", b"v"), (b"empty", b"")]
    {
        let _ = server.run(&[b"HSET", hash, field, value]);
    }
    // Together more than an operation reads: they are not read.
    for i in 0..4 {
        let _ = server.run(&[b"HSET", hash, format!("huge {i}").as_bytes(), &huge]);
    }
    let entries = store.entries("d").unwrap();
    assert_eq!((entries.list, entries.left_out), (vec![pair("k", "v")], 8));
    // They are taken for missing.
    let keys = ["huge", "no text", "empty"].map(str::to_owned);
    store
        .update("d", &keys, &mut |key, old| {
            assert_eq!(old, None, "{key}");
            Step::Put("mine".to_owned())
        })
        .unwrap();
    let entries = store.entries("d").unwrap();
    assert_eq!((entries.list.len(), entries.left_out), (4, 5));
    // Something else under our name.
    let _ = server.run(&[b"SET", b"spiral:hints:1:other", b"v"]);
    assert!(matches!(store.entries("other"), Err(StoreError::Refused { .. })));
    assert_eq!(store.entries("d").unwrap().list.len(), 4, "it goes on");
}

#[test]
fn redis_forgets_at_some_time() {
    let server = Server::start();
    put(&mut RedisStore::new(&server.url()).unwrap(), "d", "k", "v");
    let answer = server.run(&[b"TTL", b"spiral:hints:1:d"]);
    let seconds: u64 = String::from_utf8_lossy(&answer)[1..].trim().parse().unwrap();
    assert!((299 * 24 * 3600..=300 * 24 * 3600).contains(&seconds), "{seconds}");
}

#[test]
fn too_many_entries_are_refused() {
    let server = Server::start();
    let mut words: Vec<Vec<u8>> = vec![b"HSET".to_vec(), b"spiral:hints:1:d".to_vec()];
    for i in 0..=MOST_ENTRIES {
        words.extend([i.to_string().into_bytes(), b"v".to_vec()]);
    }
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let _ = server.run(&words);
    let error = RedisStore::new(&server.url()).unwrap().entries("d").unwrap_err();
    assert!(matches!(error, StoreError::TooMany { entries: 65_537, .. }), "{error}");
}

#[test]
fn a_connection_that_ended_is_made_again() {
    let server = Server::start();
    let mut store = RedisStore::new(&server.url()).unwrap();
    put(&mut store, "d", "k", "v");
    let _ = server.run(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"]);
    assert_eq!(list(&mut store, "d"), [pair("k", "v")]);
}

#[test]
fn files_that_are_no_stores_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.hints1.json");
    let mut store = FileStore::new(folder.path().to_owned());
    for text in ["", "nonsense", "[]", r#"{"schema": 2, "entries": {}}"#, r#"{"schema": 1}"#] {
        std::fs::write(&path, text).unwrap();
        let error = store.entries("d").unwrap_err();
        assert!(matches!(error, StoreError::NotHints { .. }), "{text}: {error}");
    }
    std::fs::write(&path, r#"{"schema": 1, "entries": {"k": "v", "e": ""}}"#).unwrap();
    let entries = store.entries("d").unwrap();
    assert_eq!((entries.list, entries.left_out), (vec![pair("k", "v")], 1));
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(matches!(store.entries("d"), Err(StoreError::TooLarge { .. })));
    assert_eq!(store.clear("d").unwrap(), 1);
    assert_eq!(list(&mut store, "d"), []);
}

#[test]
fn urls() {
    for url in ["", "nonsense", "http://x", "redis://", "rediss://x", "redis://x/y", "file://x"] {
        let error = match st_kv::open(url) {
            Err(error) => error.to_string(),
            Ok(store) => panic!("{url}: {}", store.place()),
        };
        assert!(error.contains("redis://HOST:PORT"), "{url}: {error}");
    }
    for (url, place) in [
        ("redis://user:pass@host", "host:6379"),
        ("valkey://host:7/2", "host:7"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("file:///srv/hints", "/srv/hints"),
    ] {
        assert_eq!(st_kv::open(url).unwrap().place(), place);
    }
    let wrong = RedisStore::new("redis://u:topsecret@h/x").unwrap_err().to_string();
    assert!(!wrong.contains("topsecret"), "{wrong}");
}
