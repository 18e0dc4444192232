//! Running other programs: each command is printed, then run in the repository's root.

use crate::error::{Error, Result};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root: the directory above this crate's. Cargo says at run time where that is;
/// several work trees may share a directory of builds.
pub(crate) fn root() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = Path::new(&here);
    here.parent().unwrap_or(here).to_path_buf()
}

/// A command to be run in the repository's root.
pub(crate) struct Shell {
    command: Command,
    line: String,
}

/// A command that runs `program` in the repository's root.
pub(crate) fn shell(program: impl AsRef<OsStr>) -> Shell {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.current_dir(root());
    Shell { command, line: shown(program) }
}

/// Cargo, the one that runs us.
pub(crate) fn cargo() -> Shell {
    let mut shell = shell(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    shell.line = "cargo".into();
    shell
}

impl Shell {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.line.push(' ');
        self.line.push_str(&shown(arg.as_ref()));
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Arguments given as in a shell, for those without blanks in them.
    pub(crate) fn words(self, words: &str) -> Self {
        self.args(words.split_whitespace())
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.line = format!("{name}={} {}", shown(value), self.line);
        self.command.env(name, value);
        self
    }

    /// Runs it; its output goes where ours goes.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.line);
        let status = match self.command.status() {
            Ok(status) => status,
            Err(source) => return Err(Error::NotStarted { line: self.line, source }),
        };
        if status.success() { Ok(()) } else { Err(Error::Failed { line: self.line, status }) }
    }

    /// Runs it in silence but for its errors, and gives what it wrote.
    pub(crate) fn read(mut self) -> Result<String> {
        let out = match self.command.stderr(Stdio::inherit()).output() {
            Ok(out) => out,
            Err(source) => return Err(Error::NotStarted { line: self.line, source }),
        };
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(Error::Failed { line: self.line, status: out.status })
        }
    }

    /// Whether it runs and succeeds; in silence.
    pub(crate) fn works(mut self) -> bool {
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// A word as it would be typed.
fn shown(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"$&|;<>()*?".contains(c))
    {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.into_owned()
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}
