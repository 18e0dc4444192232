//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use st_core::DType;
use st_core::backend::device_caps::{self, Backend, DeviceCaps};
use st_core::ops::rank_entry::NanOrder;

const SELECT_HELP: &str = "\
FILES
  .npy (format 1 to 3), .npz (stored or deflated), .safetensors, or raw elements in this machine's
  byte order with --shape and --dtype. Types: f32 f16 bf16 f64 i8 i16 i32 i64 u8 u16 u32 u64.
  NumPy has no bf16: a .npy of descr 'V2', as ml_dtypes saves it, is read with --dtype bf16.

OUTPUT
  --out x.npz holds `values` (the input's type; bf16 as descr '<V2') and `indices` (u32) with k in
  place of the selected axis; --out x.json holds the document of --json. A file is replaced only
  when the new one is complete.
  --json prints one JSON document. Floats are written so that they read back exactly; those that
  JSON cannot write are the strings \"NaN\", \"Infinity\" and \"-Infinity\". With --explain its `plan` has the
  reasons too, as the document of `spiral explain --json`.

Exit status is 2 when anything is refused; nothing is written then.";

/// Rank selection: the greatest, least, middle or any range of ranks of each row, with indices.
#[derive(Debug, Parser)]
#[command(name = "spiral", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The k greatest of each row, in descending order
    #[command(after_help = SELECT_HELP)]
    Topk(SelectArgs),
    /// The k least of each row, in ascending order
    #[command(after_help = SELECT_HELP)]
    Bottomk(SelectArgs),
    /// The k in the middle of each row's ascending order; with -k 1 the lower median
    #[command(after_help = SELECT_HELP)]
    Midk(SelectArgs),
    /// Ranks start..start+k of each row's ascending order
    #[command(after_help = SELECT_HELP)]
    Range(RangeArgs),
    /// Print how a selection would be run, here or on a device described by --caps
    Plan(PlanArgs),
    /// Print why: the candidates, their expected times, who spoke for them, why one won
    Explain(ExplainArgs),
    /// Check or format a program of rules
    #[command(after_help = crate::rules_cmd::names())]
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Measure every sensible choice for a grid of shapes on a device, and keep what is found
    Tune(crate::tune::TuneArgs),
    /// Time the planner's choices for the usual shapes, in one document to share
    Bench(crate::bench_cmd::BenchArgs),
    /// List, export, import, merge and compare measured tables
    Tables {
        #[command(subcommand)]
        command: crate::tables::TablesCommand,
    },
    /// Hints that machines share through REDIS_URL: without a command, list them for a device
    Hints(HintsArgs),
    /// Show, write or take back rules for what is shown to be faster here (SPIRAL_SELF_REWRITE=1 gathers evidence)
    Rewrite(RewriteArgs),
    /// Print what was found on this machine
    Doctor(DoctorArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// First rank, counted from the least
    #[arg(long, value_name = "S", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) start: usize,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SelectArgs {
    /// File to select from
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Ranks wanted of each row
    #[arg(short, long, value_name = "K", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) k: usize,
    /// Axis to select along; negative counts from the last. Needed for more than two axes
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub(crate) axis: Option<i64>,
    /// Array of an .npz, or tensor of a .safetensors, if there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) tensor: Option<String>,
    /// Shape of a raw file, as `rows,cols`
    #[arg(long, value_name = "N,..", value_delimiter = ',', requires = "dtype")]
    pub(crate) shape: Option<Vec<usize>>,
    /// Element type of a raw file; for others, the type they must have
    #[arg(long, value_name = "TYPE", value_parser = parse_dtype)]
    pub(crate) dtype: Option<DType>,
    #[command(flatten)]
    pub(crate) order: OrderArgs,
    /// Where to run. auto: where it is expected to be done first, copies to the device and back counted; never on a
    /// software driver. A device is opened only if that is expected to save a millisecond. What is taken, and why, is
    /// said; nothing falls back from a device that was named
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub(crate) device: Device,
    #[command(flatten)]
    pub(crate) cpu: CpuArgs,
    /// Write the result to a .npz or .json file
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Print why the plan was made; with --json it is in the document
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print no table and no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Which ranks
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    /// Rows
    #[arg(long, value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) rows: usize,
    /// Elements of a row
    #[arg(long, value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) cols: usize,
    /// Ranks wanted of each row
    #[arg(short, long, value_name = "K", value_parser = parse_count, allow_negative_numbers = true)]
    pub(crate) k: usize,
    /// First rank, counted from the least (range only)
    #[arg(long, value_name = "S", required_if_eq("kind", "range"), value_parser = parse_count,
          allow_negative_numbers = true)]
    pub(crate) start: Option<usize>,
    /// Element type
    #[arg(long, value_name = "TYPE", value_parser = parse_dtype, default_value = "f32")]
    pub(crate) dtype: DType,
    #[command(flatten)]
    pub(crate) order: OrderArgs,
    /// Plan for this device. auto: for the one that a selection from host memory would be run on, which is said, and why
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub(crate) device: Device,
    /// Plan for a device that need not be there: wgpu,lane=32,subgroup=true,wg=256,smem=32768 or
    /// cpu,lane=16,cores=8; also bandwidth= (bytes per second), l2= (bytes), cores=
    #[arg(long, value_name = "BACKEND,..", value_parser = device_caps::parse,
          conflicts_with = "device")]
    pub(crate) caps: Option<DeviceCaps>,
    #[command(flatten)]
    pub(crate) cpu: CpuArgs,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Print why the plan was made, as `spiral explain` does; with --json too
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    /// Candidates to show
    #[arg(long, value_name = "N", default_value_t = crate::explain::TOP as u16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) top: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Say what is wrong with a file of rules, by line and column
    Check(RulesFile),
    /// Write a file of rules in its canonical form; comments stay
    Fmt {
        #[command(flatten)]
        file: RulesFile,
        /// Change nothing; exit with status 2 if it is not in that form
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RulesFile {
    /// File of rules, as ~/.spiraltorch/heur.kdsl
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct HintsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<HintsCommand>,
    #[command(flatten)]
    pub(crate) device: HintsDevice,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HintsCommand {
    /// Share what tables have measured; the same measurement counts once
    Push {
        /// Tables that name their device
        #[arg(value_name = "FILE", required_unless_present = "tables")]
        files: Vec<PathBuf>,
        /// All tables of ~/.spiraltorch/tables that name their device
        #[arg(long)]
        tables: bool,
        /// Print one JSON document and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Write the measured choices as a table
    Pull {
        #[command(flatten)]
        device: HintsDevice,
        /// File to write
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
    },
    /// Remove all hints of a device, for everybody
    Clear {
        #[command(flatten)]
        device: HintsDevice,
    },
}

#[derive(Debug, Args)]
pub(crate) struct HintsDevice {
    /// The device whose hints; auto: the processor
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub(crate) device: Device,
    /// A device that need not be there, as in `spiral plan`
    #[arg(long, value_name = "BACKEND,..", value_parser = device_caps::parse,
          conflicts_with = "device")]
    pub(crate) caps: Option<DeviceCaps>,
    #[command(flatten)]
    pub(crate) cpu: CpuArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RewriteArgs {
    /// Say whether the file of rules is well formed, and what would be written; exit with status 2 if it is not
    #[arg(long, group = "rewrite")]
    pub(crate) check: bool,
    /// Print what would be written as a difference, and write nothing
    #[arg(long, group = "rewrite")]
    pub(crate) dry_run: bool,
    /// Write what the evidence has won, and take back what has turned
    #[arg(long, group = "rewrite")]
    pub(crate) write: bool,
    /// Take the last change of the file of rules back, byte for byte
    #[arg(long, group = "rewrite")]
    pub(crate) undo: bool,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    /// Where NaN stands: greater than every number, or after every number in the direction of
    /// the search
    #[arg(long, value_enum, default_value_t = Nan::Greatest)]
    pub(crate) nan: Nan,
    /// Order results by index instead of by rank
    #[arg(long)]
    pub(crate) unsorted: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CpuArgs {
    /// Threads of the processor to use; all if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..),
          allow_negative_numbers = true)]
    pub(crate) threads: Option<u32>,
    /// Instruction set to use instead of the best there is; SPIRAL_CPU_ISA sets the same
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Topk,
    Bottomk,
    Midk,
    Range,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nan {
    Greatest,
    Last,
}

impl From<Nan> for NanOrder {
    fn from(nan: Nan) -> Self {
        match nan {
            Nan::Greatest => Self::Greatest,
            Nan::Last => Self::Last,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Device {
    Auto,
    Cpu,
    Wgpu,
    Cuda,
    Hip,
    Mps,
}

impl Device {
    /// The backend that was named: nothing falls back from it. None: `auto`.
    pub(crate) fn backend(self) -> Option<Backend> {
        match self {
            Self::Auto => None,
            Self::Cpu => Some(Backend::Cpu),
            Self::Wgpu => Some(Backend::Wgpu),
            Self::Cuda => Some(Backend::Cuda),
            Self::Hip => Some(Backend::Hip),
            Self::Mps => Some(Backend::Mps),
        }
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("give a whole number from 0 to {}", usize::MAX))
}

fn parse_dtype(text: &str) -> Result<DType, String> {
    DType::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
        format!("use one of {}", names.join(", "))
    })
}
