//! What is selected and how it is written.

mod common;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use common::{Files, f32s, i32s, npy};
use serde_json::{Value, json};
use st_cli::input::npz;
use st_core::DType;

/// The members of a result, as shape and elements.
fn read<T: st_core::Element + bytemuck::Pod>(path: &Path, name: &str) -> (Vec<usize>, Vec<T>) {
    let bytes = fs::read(path).unwrap();
    let asked = (T::DTYPE == DType::Bf16).then_some(DType::Bf16);
    let tensor = npz::parse(&bytes, Some(name), asked).unwrap();
    let elements = tensor.elements::<T>().map(Cow::into_owned).unwrap();
    (tensor.shape.clone(), elements)
}

#[test]
fn every_kind_selects_its_ranks() {
    let files = Files::new();
    let path =
        files.put("x.npy", &npy("<i4", &[2, 6], &i32s([5, 1, 4, 1, 3, 9, 0, 0, 0, 7, 7, 7])));
    let run = |kind, k, more: &[&str]| {
        let got = files.run(kind, &path, k, &[more, &["--json"]].concat()).json();
        (got["values"].clone(), got["indices"].clone())
    };
    assert_eq!(run("topk", 2, &[]), (json!([[9, 5], [7, 7]]), json!([[5, 0], [3, 4]])));
    assert_eq!(run("bottomk", 2, &[]), (json!([[1, 1], [0, 0]]), json!([[1, 3], [0, 1]])));
    // Ascending: 1 1 3 4 5 9 and 0 0 0 7 7 7; the middle two are ranks 2 and 3.
    assert_eq!(run("midk", 2, &[]), (json!([[3, 4], [0, 7]]), json!([[4, 2], [2, 3]])));
    assert_eq!(run("midk", 1, &[]), (json!([[3], [0]]), json!([[4], [2]])), "lower median");
    let range = run("range", 3, &["--start", "3"]);
    assert_eq!(range, (json!([[4, 5, 9], [7, 7, 7]]), json!([[2, 0, 5], [3, 4, 5]])));
    let unsorted = run("topk", 3, &["--unsorted"]);
    assert_eq!(unsorted, (json!([[5, 4, 9], [7, 7, 7]]), json!([[0, 2, 5], [3, 4, 5]])));
    let columns = run("topk", 1, &["--axis", "0"]);
    assert_eq!(columns, (json!([[5, 1, 4, 7, 7, 9]]), json!([[0, 0, 0, 1, 1, 0]])));
}

#[test]
fn nan_stands_where_it_is_told_to() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[4], &f32s(&[1.0, f32::NAN, -2.0, f32::INFINITY])));
    let run =
        |kind, nan| files.run(kind, &path, 4, &["--nan", nan, "--json"]).json()["values"].clone();
    assert_eq!(run("topk", "greatest"), json!(["NaN", "Infinity", 1.0, -2.0]));
    assert_eq!(run("topk", "last"), json!(["Infinity", 1.0, -2.0, "NaN"]));
    assert_eq!(run("bottomk", "greatest"), json!([-2.0, 1.0, "Infinity", "NaN"]));
    assert_eq!(run("bottomk", "last"), json!([-2.0, 1.0, "Infinity", "NaN"]));
}

#[test]
fn values_keep_their_bits_in_npz() {
    let files = Files::new();
    let bits = [0x7FC0_1234u32, 0xFFA5_5A5A, 0x8000_0000, 0x0000_0000, 0x0000_0001, 0x7F80_0001];
    let data: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
    let path = files.put("x.npy", &npy("<f4", &[1, 6], &data));
    let out = files.path("out.npz");
    assert_eq!(files.run("topk", &path, 6, &["--out", "out.npz", "-q"]).stdout, "");
    let (shape, values) = read::<f32>(&out, "values");
    let (_, indices) = read::<u32>(&out, "indices");
    assert_eq!(shape, [1, 6]);
    assert_eq!(indices, [0, 1, 5, 4, 2, 3], "NaN is one key, the zeros are one key");
    for (value, index) in values.iter().zip(indices) {
        assert_eq!(value.to_bits(), bits[index as usize]);
    }
    let bf16s: Vec<u8> = [0x7FC1u16, 0x3F80, 0xFF81].iter().flat_map(|b| b.to_le_bytes()).collect();
    let path = files.put("b.npy", &npy("<V2", &[3], &bf16s));
    files.run("topk", &path, 3, &["--dtype", "bf16", "--out", "out.npz"]);
    let (shape, values) = read::<st_core::bf16>(&out, "values");
    assert_eq!(shape, [3]);
    assert_eq!(values.map_bits(), [0x7FC1, 0xFF81, 0x3F80]);
    assert_eq!(files.names(), ["b.npy", "out.npz", "x.npy"], "no temporary file is left");
}

trait MapBits {
    fn map_bits(&self) -> Vec<u16>;
}

impl MapBits for Vec<st_core::bf16> {
    fn map_bits(&self) -> Vec<u16> {
        self.iter().map(|x| x.to_bits()).collect()
    }
}

#[test]
fn the_npz_is_numpys() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("|u1", &[3, 1], &[3, 1, 2]));
    files.run("bottomk", &path, 2, &["--axis", "0", "--out", "out.npz"]);
    let bytes = fs::read(files.path("out.npz")).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let names: Vec<String> = zip.file_names().map(|n| n.unwrap().into_owned()).collect();
    assert_eq!(names, ["values.npy", "indices.npy"]);
    for (place, header) in [
        (0, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }"),
        (1, "{'descr': '<u4', 'fortran_order': False, 'shape': (2, 1), }"),
    ] {
        let member = zip.by_index(place).unwrap();
        assert_eq!(member.compression(), zip::CompressionMethod::Stored);
        let start = member.data_start().unwrap() as usize;
        assert_eq!(start % 64, 0, "members can be mapped");
        assert_eq!(&bytes[start..start + 8], b"\x93NUMPY\x01\x00");
        let text = std::str::from_utf8(&bytes[start + 10..start + 128]).unwrap();
        assert!(text.starts_with(header), "{text}");
        assert_eq!(bytes[start + 127], b'\n');
    }
    let (_, values) = read::<u8>(&files.path("out.npz"), "values");
    let (_, indices) = read::<u32>(&files.path("out.npz"), "indices");
    assert_eq!((values, indices), (vec![1, 2], vec![1, 2]));
}

#[test]
fn empty_results() {
    let files = Files::new();
    for (shape, k, result, values) in [
        (&[0usize, 4][..], 2, json!([0, 2]), json!([])),
        (&[3, 0], 0, json!([3, 0]), json!([[], [], []])),
        (&[3, 2], 0, json!([3, 0]), json!([[], [], []])),
        (&[0], 0, json!([0]), json!([])),
        (&[0, 0], 0, json!([0, 0]), json!([])),
    ] {
        let bytes = vec![0; shape.iter().product::<usize>() * 4];
        let path = files.put("x.npy", &npy("<f4", shape, &bytes));
        let got = files.run("topk", &path, k, &["--json", "--out", "out.npz"]).json();
        assert_eq!((&got["result_shape"], &got["values"]), (&result, &values), "{shape:?}");
        assert_eq!(got["indices"], values);
        let (written, values) = read::<f32>(&files.path("out.npz"), "values");
        assert_eq!(json!(written), result);
        assert!(values.is_empty());
        let ran = files.run("midk", &path, k, &[]);
        assert!(ran.code == 0 && ran.stdout.contains("empty result"), "{ran:?}");
    }
}

#[test]
fn one_column() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<f4", &[3, 1], &f32s(&[3.0, 1.0, 2.0])));
    let got = files.run("topk", &path, 1, &["--json"]).json();
    assert_eq!(
        (&got["values"], &got["indices"]),
        (&json!([[3.0], [1.0], [2.0]]), &json!([[0], [0], [0]]))
    );
    let got = files.run("topk", &path, 2, &["--json", "--axis", "0"]).json();
    assert_eq!((&got["values"], &got["indices"]), (&json!([[3.0], [2.0]]), &json!([[0], [2]])));
}

#[test]
fn json_is_one_document_with_exact_numbers() {
    let files = Files::new();
    let x = [0.1f32, f32::MIN_POSITIVE, -0.0, 3.402_823_5e38, 1e-45];
    let path = files.put("x.npy", &npy("<f4", &[1, 5], &f32s(&x)));
    let ran = files.run("topk", &path, 5, &["--json", "--explain", "--out", "out.json"]);
    let got = ran.json();
    assert_eq!(ran.stderr, "");
    for (value, index) in got["values"][0].as_array().unwrap().iter().zip([3, 0, 1, 4, 2]) {
        let exact: f64 = x[index].into();
        assert_eq!(value.as_f64().unwrap().to_bits(), exact.to_bits());
    }
    for (key, value) in [
        ("kind", json!("topk")),
        ("k", json!(5)),
        ("axis", json!(1)),
        ("shape", json!([1, 5])),
        ("dtype", json!("f32")),
        ("nan", json!("greatest")),
        ("sorted", json!(true)),
        ("device", json!("cpu")),
        ("tensor", Value::Null),
    ] {
        assert_eq!(got[key], value, "{key}");
    }
    assert!(got["elapsed_us"].as_f64().unwrap() >= 0.0);
    assert_eq!(got["auto"]["device"], "cpu", "no device was named");
    assert!(got["plan"]["choice"]["wg"].as_u64().unwrap() >= 1);
    let plan = &got["plan"];
    assert_eq!(plan["candidates"][0]["choice"], plan["choice"], "no rule, no table: the best");
    assert!(
        plan["considered"].as_u64().unwrap() >= plan["candidates"].as_array().unwrap().len() as u64
    );
    assert!(!plan["why"].as_str().unwrap().is_empty());
    let written = fs::read_to_string(files.path("out.json")).unwrap();
    assert_eq!(written, ran.stdout);
    let bare = files.run("topk", &path, 5, &["--json"]).json();
    assert_eq!((&bare["plan"]["choice"], &bare["plan"]["why"]), (&plan["choice"], &Value::Null));

    let big: Vec<u8> = [u64::MAX, 1 << 53].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = files.put("u.npy", &npy("<u8", &[2], &big));
    let ran = files.run("topk", &path, 2, &["--json"]);
    assert!(ran.stdout.contains("[18446744073709551615,9007199254740992]"), "{ran:?}");
}

#[test]
fn a_person_gets_the_plan_and_the_first_rows() {
    let files = Files::new();
    let path = files.put("x.npy", &npy("<i4", &[12, 10], &i32s(0..120)));
    let ran = files.run("topk", &path, 9, &["--explain"]);
    assert!(ran.stdout.starts_with("topk k=9 of 12x10 i32 on cpu"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n  auto       takes cpu: "), "{}", ran.stdout);
    let named = files.run("topk", &path, 9, &["--device", "cpu"]);
    assert!(!named.stdout.contains("  auto  "), "{}", named.stdout);
    for part in ["rank 0", "rank 7", "19 @9", "7 more rows", "1 more ranks", "use_2ce", "ctile"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("rank 8"));
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_existing_output_is_replaced_by_a_whole_one() {
    let files = Files::new();
    let out = files.put("out.npz", b"old");
    let path = files.put("x.npy", &npy("<i4", &[2], &i32s([1, 2])));
    assert_eq!(files.run("topk", &path, 1, &["--out", "out.npz"]).code, 0);
    assert_eq!(read::<i32>(&out, "values").1, [2]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        fs::set_permissions(&out, PermissionsExt::from_mode(0o640)).unwrap();
        symlink("out.npz", files.path("link.npz")).unwrap();
        assert_eq!(files.run("bottomk", &path, 1, &["--out", "link.npz"]).code, 0);
        assert_eq!(read::<i32>(&out, "values").1, [1], "the link's target is replaced");
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o640);
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::Stdio;
    let files = Files::new();
    let path = files.put("x.npy", &npy("<i4", &[20_000, 5], &i32s(0..100_000)));
    let mut command = common::command();
    command.args(["topk", "-k", "5", "--json"]).arg(&path);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spiral runs");
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    assert_eq!(out.status.code(), Some(0));
}
