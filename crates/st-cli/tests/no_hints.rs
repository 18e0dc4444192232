//! A build without `kv-redis`: nothing is tried, and that is said.
#![cfg(not(feature = "kv-redis"))]

mod common;

use std::net::TcpListener;

use common::{command, ran, spiral};

#[test]
fn nothing_is_tried() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let args = [
        "plan",
        "topk",
        "--rows",
        "8",
        "--cols",
        "100",
        "-k",
        "4",
        "--caps",
        "cpu,lane=16,cores=2",
    ];
    let with = ran(command().args(args).env("REDIS_URL", &url));
    assert_eq!((with.code, &with.stdout), (0, &spiral(args).stdout));
    assert_eq!(with.stderr.lines().count(), 1, "{with:?}");
    assert!(with.stderr.contains("planned without shared hints"), "{with:?}");
    assert!(with.stderr.contains("feature `kv-redis`"), "{with:?}");
    assert_eq!(spiral(args).stderr, "");
    for more in [&["hints"][..], &["hints", "push", "--tables"], &["hints", "clear"]] {
        ran(command().args(more).env("REDIS_URL", &url)).refused(&["feature `kv-redis`"]);
        spiral(more).refused(&["feature `kv-redis`"]);
    }
    let doctor = ran(command().args(["doctor", "--json"]).env("REDIS_URL", &url)).json();
    assert!(doctor["hints"].as_str().unwrap().contains("feature `kv-redis`"), "{doctor}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has called");
}
