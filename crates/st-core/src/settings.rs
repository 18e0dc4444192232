//! The environment, read in one place, into values that everything else takes.
//!
//! | variable | meaning |
//! |---|---|
//! | `SPIRAL_HOME` | where rules, tables and compiled kernels lie; `~/.spiraltorch` if not set |
//! | `SPIRAL_HEUR_FILE` | the file of rules; `heur.kdsl` in the home if not set; empty: none |
//! | `SPIRAL_HEUR_K` | rules themselves, after those of the file |
//! | `SPIRAL_HEUR_SOFT` | `0`: soft rules are left out |
//! | `SPIRAL_HEUR_GEN_WEIGHT` | what the measured table's word is worth, as a natural-log speed ratio; 0.10 if not set |
//! | `SPIRAL_HEUR_GEN_WEIGHT_WGPU`, `_CUDA`, `_HIP`, `_MPS`, `_CPU` | the same for one backend; wins over it |
//! | `REDIS_URL` | where [hints are shared](crate::hints), with the feature `kv-redis`: `redis://HOST:PORT`, or `file:///FOLDER` |
//! | `SPIRAL_CUDA_DRIVER`, `SPIRAL_NVRTC` | the files of CUDA's driver and of NVRTC; where the system has them if not set |
//! | `SPIRAL_WGPU_ADAPTER` | which of several adapters WGPU takes: its number in `spiral doctor`, or a part of its name; the first if not set |
//! | `SPIRAL_SELF_REWRITE` | `1`: choices that are shown to be faster become rules; off if not set |
//! | `SPIRAL_CPU_ISA` | the instruction set of the processor to use |
//!
//! A variable that cannot be understood is left out, and every plan says so in its notes.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use st_plan::{Knowledge, Prior, Table};
use st_rank::Backend;

use crate::backend::cuda_exec::Libraries;
use crate::backend::wgpu_exec::WgpuExecutor;
use crate::backend::wgpu_heuristics_generated;

/// The name that rules from the environment have in messages.
pub const RULES_VARIABLE: &str = "SPIRAL_HEUR_K";
const FILE_VARIABLE: &str = "SPIRAL_HEUR_FILE";
const SOFT_VARIABLE: &str = "SPIRAL_HEUR_SOFT";
const WEIGHT_VARIABLE: &str = "SPIRAL_HEUR_GEN_WEIGHT";
const HOME_VARIABLE: &str = "SPIRAL_HOME";
const DRIVER_VARIABLE: &str = "SPIRAL_CUDA_DRIVER";
const NVRTC_VARIABLE: &str = "SPIRAL_NVRTC";
const ADAPTER_VARIABLE: &str = "SPIRAL_WGPU_ADAPTER";
const REWRITE_VARIABLE: &str = "SPIRAL_SELF_REWRITE";
const ISA_VARIABLE: &str = "SPIRAL_CPU_ISA";
const REDIS_VARIABLE: &str = "REDIS_URL";

/// Longest file of rules or table that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    home: Option<PathBuf>,
    /// None: the home's.
    rules_file: Option<PathBuf>,
    rules: Option<OsString>,
    soft: Option<OsString>,
    weight: Option<OsString>,
    weight_of: [Option<OsString>; 5],
    rewrite: Option<OsString>,
    cpu_isa: Option<String>,
    cuda: Libraries,
    wgpu_adapter: Option<String>,
    redis_url: Option<Secret>,
}

/// A text that may hold a password.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Something that was to be known and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A program of rules with a fault in it, which begins with `NAME:LINE:COLUMN`, or one that cannot be read.
    Rules(String),
    /// Another file that cannot be read, a table that makes no sense, a variable that says nothing.
    Other(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rules(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

/// The folder of tables is there and cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnreadTables {
    /// The folder.
    pub folder: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl std::fmt::Display for UnreadTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { folder, source } = self;
        write!(
            f,
            "cannot read the folder {}: {source}: make it a folder that can be read, or set {HOME_VARIABLE} to another",
            folder.display()
        )
    }
}

impl std::error::Error for UnreadTables {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Knowledge, with what is wrong with its sources.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Loaded {
    /// For the planner. Its notes tell of the faults.
    pub knowledge: Knowledge,
    /// The faults alone.
    pub faults: Vec<Fault>,
    /// Programs of rules that are in it, by name.
    pub rules: Vec<String>,
}

impl Settings {
    /// Those of this process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var_os(name), std::env::home_dir())
    }

    /// Those of an environment given as a function, for a user with that home directory.
    #[must_use]
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>, user: Option<PathBuf>) -> Self {
        let full = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name| full(name).map(|value| value.to_string_lossy().into_owned());
        let home = full(HOME_VARIABLE).map(PathBuf::from);
        let home = home.or_else(|| user.map(|user| user.join(".spiraltorch")));
        Self {
            cuda: Libraries {
                driver: full(DRIVER_VARIABLE).map(PathBuf::from),
                nvrtc: full(NVRTC_VARIABLE).map(PathBuf::from),
                cache: home.as_ref().map(|home| home.join("cache/cuda")),
            },
            home,
            rules_file: var(FILE_VARIABLE).map(PathBuf::from),
            rules: full(RULES_VARIABLE),
            soft: full(SOFT_VARIABLE),
            weight: full(WEIGHT_VARIABLE),
            weight_of: BACKENDS.map(|backend| full(&weight_variable(backend))),
            rewrite: full(REWRITE_VARIABLE),
            cpu_isa: text(ISA_VARIABLE),
            wgpu_adapter: text(ADAPTER_VARIABLE),
            redis_url: text(REDIS_VARIABLE).map(Secret),
        }
    }

    /// Where rules and tables lie, if the user has a home.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The file of rules that is read, whether it is there or not.
    #[must_use]
    pub fn rules_file(&self) -> Option<PathBuf> {
        match &self.rules_file {
            Some(file) if file.as_os_str().is_empty() => None,
            Some(file) => Some(file.clone()),
            None => self.home.as_ref().map(|home| home.join("heur.kdsl")),
        }
    }

    /// Why no file of rules is read; none if one is.
    #[must_use]
    pub fn why_no_rules_file(&self) -> Option<String> {
        match &self.rules_file {
            Some(file) if file.as_os_str().is_empty() => {
                Some(format!("{FILE_VARIABLE} is set to nothing"))
            }
            None if self.home.is_none() => Some("there is no home directory".to_owned()),
            _ => None,
        }
    }

    /// The instruction set asked for, and the variable that did.
    #[must_use]
    pub fn cpu_isa(&self) -> Option<(&'static str, &str)> {
        self.cpu_isa.as_deref().map(|isa| (ISA_VARIABLE, isa))
    }

    /// Where hints are shared, if that is said. May hold a password.
    #[must_use]
    pub fn redis_url(&self) -> Option<&str> {
        self.redis_url.as_ref().map(|url| url.0.as_str())
    }

    /// Where CUDA's libraries are, and where its compiled kernels are kept: in the home.
    #[must_use]
    pub const fn cuda(&self) -> &Libraries {
        &self.cuda
    }

    /// The executor of wgpu, or of Metal, held to the adapter that is named, if one is. Touches no device.
    #[must_use]
    pub fn wgpu(&self, backend: Backend) -> WgpuExecutor {
        let exec = match backend {
            Backend::Mps => WgpuExecutor::metal(),
            _ => WgpuExecutor::default(),
        };
        match &self.wgpu_adapter {
            Some(which) => exec.with_adapter(which),
            None => exec,
        }
    }

    /// Whether rules are to be rewritten.
    #[must_use]
    pub fn rewrite(&self) -> bool {
        crate::rewrite::IN_THIS_BUILD && self.rewrite.as_ref().is_some_and(|on| on == "1")
    }

    /// Reads the rules and tables that the settings name, and the shipped ones.
    #[must_use]
    pub fn load(&self) -> Loaded {
        self.load_with(None)
    }

    /// As [`load`](Self::load), but with this text, if it is given, in place of what is in the file of rules.
    #[must_use]
    pub fn load_with(&self, rules: Option<&[u8]>) -> Loaded {
        let mut loaded = Loaded::default();
        self.load_rules(&mut loaded, rules);
        self.check_rewrite(&mut loaded);
        self.load_weights(&mut loaded);
        self.load_tables(&mut loaded);
        let shipped = wgpu_heuristics_generated::RECORDS;
        loaded.knowledge.add_table(Table::shipped("shipped for wgpu", Backend::Wgpu, shipped));
        loaded
    }

    fn check_rewrite(&self, loaded: &mut Loaded) {
        let Some(asked) = &self.rewrite else { return };
        let why = match (&*asked.to_string_lossy(), crate::rewrite::IN_THIS_BUILD) {
            ("0", _) | ("1", true) => return,
            ("1", false) => "this build does not have the feature `rewrite`".to_owned(),
            (other, _) => format!("{other} is neither 0 nor 1"),
        };
        loaded.fault(Fault::Other(format!("{REWRITE_VARIABLE}: {why}: rules are not rewritten")));
    }

    fn load_rules(&self, loaded: &mut Loaded, text: Option<&[u8]>) {
        if let Some(file) = self.rules_file() {
            let name = file.display().to_string();
            match text.map_or_else(|| read(&file), |text| Ok(text.to_owned())) {
                Ok(text) => loaded.add_rules(&name, &text),
                // The usual file need not be there; one that was named must.
                Err(e) if e.kind() == ErrorKind::NotFound && self.rules_file.is_none() => {}
                Err(e) => loaded.fault(Fault::Rules(format!(
                    "planned without the rules of {name}: {e}: set {FILE_VARIABLE} to a file of \
                     rules, or to nothing"
                ))),
            }
        }
        if let Some(rules) = &self.rules {
            loaded.add_rules(RULES_VARIABLE, rules.as_encoded_bytes());
        }
        match self.soft.as_ref().map(|soft| soft.to_string_lossy()) {
            None => {}
            Some(soft) => match &*soft {
                "0" => loaded.knowledge.set_soft(false),
                "1" => loaded.knowledge.set_soft(true),
                other => loaded.fault(Fault::Other(format!(
                    "{SOFT_VARIABLE}={other} is neither 0 nor 1: soft rules are on"
                ))),
            },
        }
    }

    fn load_weights(&self, loaded: &mut Loaded) {
        let mut prior = Prior::default();
        let mut number = |name: &str, value: &OsString| {
            let text = value.to_string_lossy();
            let weight = text.trim().parse::<f64>().ok().filter(|w| w.is_finite());
            if weight.is_none() {
                loaded.fault(Fault::Other(format!(
                    "{name}={text} is no finite number: it is left out"
                )));
            }
            weight
        };
        if let Some(weight) = self.weight.as_ref().and_then(|v| number(WEIGHT_VARIABLE, v)) {
            prior.default = weight;
        }
        for (backend, value) in BACKENDS.into_iter().zip(&self.weight_of) {
            let name = weight_variable(backend);
            if let Some(weight) = value.as_ref().and_then(|v| number(&name, v)) {
                prior.set(backend, weight);
            }
        }
        loaded.knowledge.set_prior(prior);
    }

    /// Where the tables lie, if the user has a home.
    #[must_use]
    pub fn tables_folder(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join("tables"))
    }

    /// Every table of the home, by name: the order must not depend on the file system.
    ///
    /// # Errors
    /// A folder of tables that is there and cannot be read.
    pub fn table_files(&self) -> Result<Vec<PathBuf>, UnreadTables> {
        let Some(folder) = self.tables_folder() else { return Ok(Vec::new()) };
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.and_then(|entries| {
                entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()
            }),
        };
        let mut files = entries.map_err(|source| UnreadTables { folder, source })?;
        files.retain(|file| file.extension().is_some_and(|e| e == "json"));
        files.sort();
        Ok(files)
    }

    fn load_tables(&self, loaded: &mut Loaded) {
        let files = self.table_files().unwrap_or_else(|why| {
            loaded.fault(Fault::Other(format!("planned without tables: {why}")));
            Vec::new()
        });
        for file in files {
            let name = file.display().to_string();
            let backend = backend_of(&file);
            let table = read(&file)
                .map_err(|e| format!("{name}: {e}"))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .and_then(|text| {
                    Table::from_json(&name, &text, backend).map_err(|e| e.to_string())
                });
            match table {
                Ok(table) => {
                    // A word for a table: it may have thousands of bad records.
                    loaded.faults.extend(table.left_out_in_short().map(Fault::Other));
                    loaded.knowledge.add_table(table);
                }
                Err(why) => {
                    loaded.fault(Fault::Other(format!("planned without a table: {why}")));
                }
            }
        }
    }
}

impl Loaded {
    fn add_rules(&mut self, name: &str, text: &[u8]) {
        match self.knowledge.add_rules(name, text) {
            Ok(()) => self.rules.push(name.to_owned()),
            // The knowledge has made its own note.
            Err(error) => self.faults.push(Fault::Rules(error.to_string())),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.knowledge.add_note(fault.to_string());
        self.faults.push(fault);
    }
}

const BACKENDS: [Backend; 5] =
    [Backend::Cpu, Backend::Wgpu, Backend::Cuda, Backend::Hip, Backend::Mps];

/// The backend of a table that names no device: the one that its file's name begins with, else WGPU.
#[must_use]
pub fn backend_of(file: &Path) -> Backend {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let named = BACKENDS.into_iter().find(|b| stem.split('-').next() == Some(b.name()));
    named.unwrap_or(Backend::Wgpu)
}

fn weight_variable(backend: Backend) -> String {
    format!("{WEIGHT_VARIABLE}_{}", backend.name().to_uppercase())
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let length = fs::metadata(file)?.len();
    if length > MOST_BYTES {
        let why = format!("{length} bytes are more than the {MOST_BYTES} that are read");
        return Err(std::io::Error::other(why));
    }
    fs::read(file)
}
