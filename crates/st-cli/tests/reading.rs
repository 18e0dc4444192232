//! Every kind of file that is read.

mod common;

use common::{Files, f32s, i32s, npy, npy_of, safetensors_of, zip_of};
use serde_json::json;
use st_core::{bf16, f16};
use zip::CompressionMethod::{Deflated, Stored};

const X: [f32; 6] = [0.5, -1.0, 2.0, 7.0, 0.25, 7.0];

#[track_caller]
fn top_two(files: &Files, name: &str, bytes: &[u8], more: &[&str]) {
    let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
    let got = files.run("topk", &files.put(name, bytes), 2, &more).json();
    assert_eq!(got["values"], json!([[2.0, 0.5], [7.0, 7.0]]), "{name} {more:?}");
    assert_eq!(got["indices"], json!([[2, 0], [0, 2]]), "{name} {more:?}");
    assert_eq!(got["shape"], json!([2, 3]));
}

#[test]
fn npy_of_every_format_version() {
    let files = Files::new();
    for version in 1..=3 {
        let bytes = npy_of(version, "'<f4'", false, "(2, 3)", &f32s(&X));
        top_two(&files, "x.npy", &bytes, &[]);
    }
}

#[test]
fn header_spellings() {
    let files = Files::new();
    for header in [
        "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
        "{'descr': '=f4', 'fortran_order': False, 'shape': (2L, 3L)}   \n",
        "{ 'fortran_order' :False , 'descr':'|f4', 'shape':( 2 , 3 , ) , }",
    ] {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(f32s(&X));
        top_two(&files, "x.npy", &bytes, &[]);
    }
}

#[test]
fn big_endian_is_read_right() {
    let files = Files::new();
    let f4: Vec<u8> = X.iter().flat_map(|x| x.to_be_bytes()).collect();
    let f8: Vec<u8> = X.iter().flat_map(|&x| f64::from(x).to_be_bytes()).collect();
    let f2: Vec<u8> = X.iter().flat_map(|&x| f16::from_f32(x).to_be_bytes()).collect();
    top_two(&files, "x.npy", &npy(">f4", &[2, 3], &f4), &[]);
    top_two(&files, "x.npy", &npy(">f8", &[2, 3], &f8), &[]);
    top_two(&files, "x.npy", &npy(">f2", &[2, 3], &f2), &[]);

    let wide: Vec<u8> = [1i64 << 40, -3, i64::MAX].iter().flat_map(|x| x.to_be_bytes()).collect();
    let path = files.put("i.npy", &npy(">i8", &[3], &wide));
    let got = files.run("bottomk", &path, 3, &["--json"]).json();
    assert_eq!(got["values"], json!([-3, 1i64 << 40, i64::MAX]));
    assert_eq!(got["dtype"], "i64");
}

#[test]
fn fortran_order_is_read_right() {
    let files = Files::new();
    let columns = [X[0], X[3], X[1], X[4], X[2], X[5]];
    top_two(&files, "x.npy", &npy_of(1, "'<f4'", true, "(2, 3)", &f32s(&columns)), &[]);
    // Three axes, each one; element (i, j, l) is i + 10 j + 100 l.
    let cube: Vec<i32> = (0..24).map(|n| n % 2 + n / 2 % 3 * 10 + n / 6 * 100).collect();
    let path = files.put("c.npy", &npy_of(1, "'<i4'", true, "(2, 3, 4)", &i32s(cube)));
    let top =
        |axis| files.run("topk", &path, 1, &["--json", "--axis", axis]).json()["values"].take();
    assert_eq!(top("0"), json!([[[1, 101, 201, 301], [11, 111, 211, 311], [21, 121, 221, 321]]]));
    assert_eq!(top("1"), json!([[[20, 120, 220, 320]], [[21, 121, 221, 321]]]));
    assert_eq!(top("2"), json!([[[300], [310], [320]], [[301], [311], [321]]]));
}

#[test]
fn three_axes_each() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<i4", &[2, 3, 4], &i32s(0..24)));
    let run = |axis| files.run("topk", &path, 1, &["--json", "--axis", axis]).json();
    for (axis, same, values, indices) in [
        (
            "0",
            "-3",
            json!([[[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]]),
            json!([[[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]]),
        ),
        (
            "1",
            "-2",
            json!([[[8, 9, 10, 11]], [[20, 21, 22, 23]]]),
            json!([[[2, 2, 2, 2]], [[2, 2, 2, 2]]]),
        ),
        (
            "2",
            "-1",
            json!([[[3], [7], [11]], [[15], [19], [23]]]),
            json!([[[3], [3], [3]], [[3], [3], [3]]]),
        ),
    ] {
        let got = run(axis);
        assert_eq!(got["values"], values, "axis {axis}");
        assert_eq!(got["indices"], indices, "axis {axis}");
        assert_eq!(got["axis"], axis.parse::<usize>().unwrap());
        assert_eq!(run(same)["values"], values, "axis {same}");
    }
}

#[test]
fn npz_stored_and_deflated() {
    let files = Files::new();
    let (x, y) = (npy("<f4", &[2, 3], &f32s(&X)), npy("<i4", &[1], &i32s([1])));
    for method in [Stored, Deflated] {
        top_two(&files, "one.npz", &zip_of(&[("x.npy", &x)], method), &[]);
        let two = zip_of(&[("readme.txt", b"hello"), ("y.npy", &y), ("x.npy", &x)], method);
        top_two(&files, "two.npz", &two, &["--tensor", "x"]);
        top_two(&files, "two.npz", &two, &["--tensor", "x.npy"]);
        let path = files.path("two.npz");
        files.run("topk", &path, 1, &[]).refused(&["2 tensors", "x, y", "--tensor"]);
        files.run("topk", &path, 1, &["--tensor", "z"]).refused(&["`z`", "x, y"]);
    }
}

#[test]
fn safetensors_of_many_types() {
    let files = Files::new();
    let halves: Vec<u8> = X.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let doubles: Vec<u8> = X.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    let bytes = safetensors_of(&[
        ("b", "BF16", &[2, 3], &halves),
        // One byte, so that what follows lies at no address that suits it.
        ("u", "U8", &[1], &[9]),
        ("d", "F64", &[2, 3], &doubles),
        ("flag", "BOOL", &[1], &[1]),
    ]);
    top_two(&files, "x.safetensors", &bytes, &["--tensor", "b"]);
    top_two(&files, "x.safetensors", &bytes, &["--tensor", "d"]);
    let path = files.path("x.safetensors");
    files.run("topk", &path, 1, &[]).refused(&["b, d, flag, u"]);
    files.run("topk", &path, 1, &["--tensor", "w"]).refused(&["`w`", "b, d, flag, u"]);
    files.run("topk", &path, 1, &["--tensor", "flag"]).refused(&["BOOL", "BF16"]);
    let one = safetensors_of(&[("x", "F32", &[2, 3], &f32s(&X))]);
    top_two(&files, "one.safetensors", &one, &[]);
}

#[test]
fn raw_elements() {
    let files = Files::new();
    let native: Vec<u8> = X.iter().flat_map(|x| x.to_ne_bytes()).collect();
    for name in ["x.bin", "x", "x.npy"] {
        top_two(&files, name, &native, &["--shape", "2,3", "--dtype", "f32"]);
    }
    let path = files.path("x.bin");
    files.run("topk", &path, 1, &[]).refused(&["--shape", "--dtype"]);
    files.run("topk", &path, 1, &["--shape", "2,4", "--dtype", "f32"]).refused(&["32", "24"]);
    files.run("topk", &path, 1, &["--shape", "2,2", "--dtype", "f32"]).refused(&["8 bytes"]);
    assert_eq!(files.run("topk", &path, 1, &["--shape", "2,3"]).code, 2);
    assert_eq!(files.run("topk", &path, 1, &["--shape", "6", "--dtype", "f31"]).code, 2);
}

#[test]
fn bfloat16_in_npy() {
    let files = Files::new();
    let halves: Vec<u8> = X.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    top_two(&files, "x.npy", &npy("bfloat16", &[2, 3], &halves), &[]);
    for descr in ["<V2", "|V2"] {
        let bytes = npy(descr, &[2, 3], &halves);
        top_two(&files, "x.npy", &bytes, &["--dtype", "bf16"]);
        files.run("topk", &files.path("x.npy"), 1, &[]).refused(&[descr, "--dtype bf16"]);
    }
}

#[test]
fn one_axis_is_one_row() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[6], &f32s(&X)));
    let got = files.run("topk", &path, 2, &["--json"]).json();
    assert_eq!((&got["values"], &got["indices"]), (&json!([7.0, 7.0]), &json!([3, 5])));
    assert!(files.run("topk", &path, 2, &[]).stdout.contains("7.0 @3"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read() {
    use std::process::Stdio;
    let files = Files::new();
    let bytes = npy("<f4", &[6], &f32s(&X));
    let path = files.put("x.npy", &bytes);
    let link = files.path("link.npy");
    std::os::unix::fs::symlink("/dev/stdin", &link).unwrap();
    let mut command = common::command();
    command.args(["topk", "-k", "1", "--json"]).arg(&link);
    let mut cat =
        std::process::Command::new("cat").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    command.stdin(cat.stdout.take().unwrap());
    assert_eq!(common::ran(&mut command).json()["values"], json!([7.0]));
    cat.wait().unwrap();
}
