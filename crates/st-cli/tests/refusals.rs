//! Everything that is refused: exit status 2, a short message, nothing written.

mod common;

use std::fs;

use common::{Files, f32s, i32s, npy, npy_of, spiral, zip_of};
use zip::CompressionMethod::{Deflated, Stored};

const X: [f32; 6] = [0.5, -1.0, 2.0, 7.0, 0.25, 7.0];

/// A run that must be refused, with an output asked for that must not appear.
#[track_caller]
fn refused(files: &Files, name: &str, bytes: &[u8], parts: &[&str]) {
    let path = files.put(name, bytes);
    files.run("topk", &path, 1, &["--out", "never.npz", "--json"]).refused(parts);
    assert!(!files.path("never.npz").exists());
}

#[test]
fn k_beyond_the_columns() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&X)));
    files.run("topk", &path, 4, &[]).refused(&["k = 4", "length 3", "row 0"]);
    files.run("midk", &path, 4, &[]).refused(&["k = 4"]);
    files.run("range", &path, 2, &["--start", "2"]).refused(&["2..4", "length 3"]);
    files.run("topk", &path, 3, &["--axis", "0"]).refused(&["k = 3", "length 2"]);
    let path = files.put("empty.npy", &npy("<f4", &[2, 0], &[]));
    files.run("topk", &path, 1, &[]).refused(&["k = 1", "length 0"]);
}

#[test]
fn truncated_and_overlong_files() {
    let files = Files::new();
    let whole = npy("<f4", &[2, 3], &f32s(&X));
    refused(&files, "x.npy", &whole[..whole.len() - 1], &["cut short", "24", "23"]);
    refused(&files, "x.npy", &whole[..30], &["header", "cut short"]);
    refused(&files, "x.npy", &whole[..9], &["cut short"]);
    refused(&files, "x.npy", &[&whole[..], b"junk!"].concat(), &["5 bytes follow"]);
    for method in [Stored, Deflated] {
        let zip = zip_of(&[("x.npy", &whole[..whole.len() - 1])], method);
        refused(&files, "x.npz", &zip, &["cut short", "24", "23"]);
        let zip = zip_of(&[("x.npy", &whole)], method);
        refused(&files, "x.npz", &zip[..zip.len() / 2], &[".npz"]);
    }
    refused(&files, "x.safetensors", b"\x10\0\0\0\0\0\0\0{}", &["header", "cut short"]);
}

#[test]
fn wrong_magic() {
    let files = Files::new();
    let whole = npy("<f4", &[2, 3], &f32s(&X));
    refused(&files, "x.npy", b"PK\x03\x04 not an array", &["no .npy", "PK"]);
    refused(&files, "x.npy", b"", &["no .npy", "empty"]);
    refused(&files, "x.npz", &whole, &["no .npz", "NUMPY"]);
    refused(&files, "x.safetensors", &whole, &[".safetensors", "another kind"]);
    let mut version = whole.clone();
    version[6] = 9;
    refused(&files, "x.npy", &version, &["9.0", "format 1, 2 or 3"]);
    // Its header is not taken for elements.
    let raw = ["--shape", "2,19", "--dtype", "f32"];
    let path = files.put("x.bin", &whole);
    files.run("topk", &path, 1, &raw).refused(&["--shape is for raw elements", ".npy", "leave"]);
}

#[test]
fn types_that_have_no_order_here() {
    let files = Files::new();
    for (descr, part) in [
        ("'|O'", "Python objects"),
        ("'<U8'", "text"),
        ("'|S8'", "text"),
        ("'<c8'", "complex"),
        ("'|b1'", "booleans"),
        ("'<M8[ns]'", "dates"),
        ("'|V7'", "bytes of no type"),
        ("'<f16'", "supported"),
        ("[('a', '<f4'), ('b', '<i4')]", "structured"),
    ] {
        let bytes = npy_of(1, descr, false, "(1,)", &[0; 8]);
        refused(&files, "x.npy", &bytes, &[descr, part]);
    }
    refused(&files, "x.npy", &npy("|O", &[1], &[0; 8]), &["never unpickled"]);
}

#[test]
fn headers_that_lie() {
    let files = Files::new();
    let header = |shape: &str| npy_of(1, "'<f4'", false, shape, &f32s(&X));
    refused(&files, "x.npy", &header("(4294967296, 4294967296)"), &["does not fit in memory"]);
    refused(&files, "x.npy", &header("(18446744073709551615,)"), &["does not fit in memory"]);
    refused(&files, "x.npy", &header("(1000000000000,)"), &["cut short", "4000000000000"]);
    refused(&files, "x.npy", &header("(4294967296, 4294967296, 0)"), &["does not fit in memory"]);
    for shape in ["(-1,)", "(6)", "6", "(1.5,)", "(99999999999999999999,)", "(,)", "(2,,3)"] {
        refused(&files, "x.npy", &header(shape), &["shape is"]);
    }
    for (method, part) in [(Stored, "cut short"), (Deflated, "cut short")] {
        let zip = zip_of(&[("x.npy", &header("(1000000000000,)"))], method);
        refused(&files, "x.npz", &zip, &[part, "4000000000000"]);
    }
    let huge = b"\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF{}";
    refused(&files, "x.npy", huge, &["4294967295"]);
    refused(&files, "x.npz", &zip_of(&[("x.npy", huge)], Deflated), &["4294967295"]);
    let no_order = b"\x93NUMPY\x01\x00\x12\x00{'descr': '<f4'}  ";
    refused(&files, "x.npy", no_order, &["missing"]);
}

#[test]
fn damaged_archives() {
    let files = Files::new();
    let whole = npy("<f4", &[2, 3], &f32s(&X));
    for method in [Stored, Deflated] {
        let mut zip = zip_of(&[("x.npy", &whole)], method);
        // The last byte of the member, before the central directory.
        let directory = zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        zip[directory - 5] ^= 0x40;
        refused(&files, "x.npz", &zip, &[".npz"]);
    }
    refused(&files, "x.npz", &zip_of(&[("readme.txt", b"hi")], Stored), &["no tensors"]);
}

#[test]
fn axes() {
    let files = Files::new();
    let cube = files.put("x.npy", &npy("<i4", &[2, 3, 4], &i32s(0..24)));
    files.run("topk", &cube, 1, &[]).refused(&["3 axes", "(2, 3, 4)", "--axis"]);
    files.run("topk", &cube, 1, &["--axis", "3"]).refused(&["axis 3", "-3 to 2"]);
    files.run("topk", &cube, 1, &["--axis", "-4"]).refused(&["axis -4", "-3 to 2"]);
    let scalar = files.put("s.npy", &npy_of(1, "'<f4'", false, "()", &f32s(&[1.0])));
    files.run("topk", &scalar, 1, &[]).refused(&["no axes"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&X)));
    let run = |out| files.run("topk", &path, 1, &["--out", out]);
    run("no/such/place.npz").refused(&["no/such/place.npz", "cannot write"]);
    run("x.txt").refused(&[".npz", ".json"]);
    fs::create_dir(files.path("dir.npz")).unwrap();
    run("dir.npz").refused(&["dir.npz", "no file"]);
    let locked = files.put("locked.npz", b"precious");
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).unwrap();
    run("locked.npz").refused(&["read-only"]);
    let own = files.put("own.npz", &zip_of(&[("x.npy", &npy("<f4", &[1], &f32s(&[1.0])))], Stored));
    files.run("topk", &own, 1, &["--out", "own.npz"]).refused(&["the input itself"]);
    assert_eq!(files.names(), ["dir.npz", "locked.npz", "own.npz", "x.npy"]);
}

#[test]
fn a_failed_run_destroys_nothing() {
    let files = Files::new();
    let old = files.put("out.npz", b"precious");
    let path = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&X)));
    files.run("topk", &path, 9, &["--out", "out.npz"]).refused(&["k = 9"]);
    let broken = files.put("broken.npy", b"\x93NUMPY\x01\x00");
    files.run("topk", &broken, 1, &["--out", "out.npz"]).refused(&["cut short"]);
    assert_eq!(fs::read(&old).unwrap(), b"precious");
    assert_eq!(files.names(), ["broken.npy", "out.npz", "x.npy"]);
}

#[test]
fn inputs_that_are_not_there() {
    let files = Files::new();
    files.run("topk", &files.path("nope.npy"), 1, &[]).refused(&["cannot read", "nope.npy"]);
    files.run("topk", files.0.path(), 1, &[]).refused(&["a directory"]);
    let path = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&X)));
    files.run("topk", &path, 1, &["--tensor", "x"]).refused(&["--tensor"]);
    files.run("topk", &path, 1, &["--dtype", "f64"]).refused(&["f64", "f32", "leave --dtype out"]);
}

#[test]
fn devices_and_settings_that_are_not_there() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[2, 3], &f32s(&X)));
    for device in ["wgpu", "cuda", "hip", "mps"] {
        let ran = files.run("topk", &path, 1, &["--device", device, "--out", "never.npz"]);
        ran.refused(&[device, "no", "--device cpu"]);
        spiral(["plan", "topk", "--rows", "1", "--cols", "2", "-k", "1", "--device", device])
            .refused(&[device, "--caps"]);
    }
    files.run("topk", &path, 1, &["--isa", "sse9"]).refused(&["--isa", "sse9", "portable"]);
    let mut command = common::command();
    command.env("SPIRAL_CPU_ISA", "sse9").args(["topk", "-k", "1"]).arg(&path);
    common::ran(&mut command).refused(&["SPIRAL_CPU_ISA", "sse9", "portable"]);
    command.args(["--isa", "portable", "--json"]);
    assert_eq!(common::ran(&mut command).json()["isa"], "portable", "the flag wins");
    assert!(!files.path("never.npz").exists());
}

#[test]
fn arguments() {
    for args in [
        &["topk", "x.npy"][..],
        &["topk", "x.npy", "-k", "-1"],
        &["topk", "x.npy", "-k", "two"],
        &["topk", "x.npy", "-k", "1", "--threads", "0"],
        &["topk", "x.npy", "-k", "1", "--nan", "first"],
        &["topk", "x.npy", "-k", "1", "--start", "1"],
        &["range", "x.npy", "-k", "1"],
        &["plan", "range", "--rows", "1", "--cols", "1", "-k", "1"],
        &["plan", "topk", "--rows", "1", "--cols", "1", "-k", "1", "--start", "0"],
        &["plan", "topk", "--rows", "1", "--cols", "1", "-k", "1", "--caps", "tpu"],
        &["frobnicate"],
    ] {
        let ran = spiral(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.is_empty());
    }
    // Not ignored: they are of the processor here.
    let asked = ["plan", "topk", "--rows", "1", "--cols", "9", "-k", "1"];
    for (device, setting) in [
        (["--caps", "wgpu"], ["--isa", "portable"]),
        (["--caps", "cpu,cores=8"], ["--threads", "3"]),
        (["--device", "wgpu"], ["--threads", "3"]),
    ] {
        let ran = spiral([&asked[..], &device, &setting].concat());
        ran.refused(&[setting[0], "of the processor", device[0]]);
    }
    for value in ["-1", "two", "1e3", "18446744073709551616"] {
        let ran = spiral(["topk", "x.npy", "-k", value]);
        let said = ran.code == 2 && ran.stderr.contains("give a whole number from 0 to");
        assert!(said && ran.stderr.contains(value), "{ran:?}");
    }
}
