//! The readers over damaged bytes: an error or an array, never a panic. The fuzz targets look
//! further; this is what every run of the tests looks at.

mod common;

use common::{f32s, npy, npy_of, safetensors_of, zip_of};
use st_cli::input::{npy as npy_reader, npz, raw, safetensors};
use st_core::DType;
use zip::CompressionMethod::{Deflated, Stored};

fn read(bytes: &[u8]) -> [bool; 5] {
    [
        npy_reader::parse(bytes, None).is_ok(),
        npy_reader::parse(bytes, Some(DType::Bf16)).is_ok(),
        npz::parse(bytes, None, None).is_ok(),
        npz::parse(bytes, Some("x"), None).is_ok(),
        safetensors::parse(bytes, None).is_ok(),
    ]
}

fn samples() -> Vec<Vec<u8>> {
    let array = npy("<f4", &[2, 3], &f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    vec![
        zip_of(&[("x.npy", &array)], Stored),
        zip_of(&[("x.npy", &array)], Deflated),
        safetensors_of(&[("x", "F32", &[2], &f32s(&[1.0, 2.0]))]),
        npy_of(2, "'<V2'", true, "(3,)", &[0; 6]),
        array,
    ]
}

#[test]
fn every_truncation_is_an_error() {
    for sample in samples() {
        assert!(read(&sample).contains(&true));
        for cut in 0..sample.len() {
            assert_eq!(read(&sample[..cut]), [false; 5], "cut at {cut} of {sample:?}");
        }
    }
}

#[test]
fn no_damaged_byte_makes_a_panic() {
    for sample in samples() {
        let mut damaged = sample.clone();
        for place in 0..sample.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF, b'0', b'9', b'(', b'\'', !sample[place]] {
                damaged[place] = value;
                read(&damaged);
            }
            damaged[place] = sample[place];
        }
    }
}

#[test]
fn claims_beyond_every_memory_are_errors() {
    let header = |text: &str, data: &[u8]| {
        let mut file = (text.len() as u64).to_le_bytes().to_vec();
        file.extend(text.as_bytes());
        file.extend(data);
        file
    };
    for text in [
        r#"{"x":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#,
        r#"{"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
        r#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#,
        r#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
        "[[[[[[[[[[[[[[[[[[[[",
    ] {
        assert!(safetensors::parse(&header(text, &[0; 4]), None).is_err(), "{text}");
    }
    let deep = "[".repeat(60_000);
    assert!(safetensors::parse(&header(&deep, &[]), None).is_err());
    assert!(npy_reader::parse(&npy_of(1, &deep, false, "(1,)", &[]), None).is_err());
    assert!(safetensors::parse(&u64::MAX.to_le_bytes(), None).is_err());
    assert!(raw::parse(&[0; 8], &[usize::MAX, 2], DType::U8).is_err());
    assert!(raw::parse(&[], &[1 << 40, 1 << 40, 0], DType::U8).is_err());
    // An archive that claims a petabyte in a few bytes.
    let mut zip = zip_of(&[("x.npy", &npy("|u1", &[1 << 50], &[]))], Deflated);
    let directory = zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    zip[directory + 24..directory + 28].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());
    assert!(npz::parse(&zip, None, None).unwrap_err().to_string().contains("claims to hold"));
}
