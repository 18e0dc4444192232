//! Files made byte by byte, and the command run over them.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What a run gave back.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as exactly one JSON document.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Exit status 2, nothing on standard output, a short message with all of `parts`.
    pub(crate) fn refused(&self, parts: &[&str]) {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let lines = self.stderr.lines().count();
        assert!((1..=2).contains(&lines), "one or two lines: {self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is missing: {self:?}");
        }
    }
}

/// The command, with no settings from outside.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spiral"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SPIRAL_") {
            command.env_remove(name);
        }
    }
    // Whoever runs the tests may have rules and tables of their own.
    command.env_remove("REDIS_URL");
    command.env("SPIRAL_HOME", "/nonexistent/spiraltorch").stdin(Stdio::null());
    // Without it the software Vulkan driver complains on standard error.
    command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

pub(crate) fn spiral<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    ran(command().args(args))
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    let out = command.output().expect("spiral runs");
    Ran {
        code: out.status.code().expect("ended by itself"),
        stdout: String::from_utf8(out.stdout).expect("UTF-8"),
        stderr: String::from_utf8(out.stderr).expect("UTF-8"),
    }
}

/// A directory of files for one test.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// Every name in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .expect("the directory")
            .map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    /// `spiral KIND FILE -k K ...`
    pub(crate) fn run(&self, kind: &str, file: &Path, k: usize, more: &[&str]) -> Ran {
        let k = k.to_string();
        let first: [&OsStr; 4] = [kind.as_ref(), file.as_ref(), "-k".as_ref(), k.as_ref()];
        let more = more.iter().map(AsRef::<OsStr>::as_ref);
        ran(command().current_dir(self.0.path()).args(first.into_iter().chain(more)))
    }
}

/// A `.npy` of format `version` with that text for a shape.
pub(crate) fn npy_of(version: u8, descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((text.len() as u16).to_le_bytes());
    } else {
        bytes.extend((text.len() as u32).to_le_bytes());
    }
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// A C-ordered `.npy` of format 1.
pub(crate) fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    npy_of(1, &format!("'{descr}'"), false, &shape_text(shape), data)
}

pub(crate) fn shape_text(shape: &[usize]) -> String {
    let axes: String = shape.iter().map(|n| format!("{n},")).collect();
    format!("({axes})")
}

/// Little-endian bytes.
pub(crate) fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Little-endian bytes.
pub(crate) fn i32s(values: impl IntoIterator<Item = i32>) -> Vec<u8> {
    values.into_iter().flat_map(i32::to_le_bytes).collect()
}

/// A zip archive of those members.
pub(crate) fn zip_of(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).expect("a member");
        zip.write_all(bytes).expect("its bytes");
    }
    zip.finish().expect("an archive").into_inner()
}

/// A `.safetensors` of tensors (name, type, shape, bytes).
pub(crate) fn safetensors_of(tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let info = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
        header.insert((*name).to_owned(), info);
        data.extend_from_slice(bytes);
    }
    let header = serde_json::to_vec(&header).expect("a header");
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    file
}
