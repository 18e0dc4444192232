//! Everything that can be refused: what was given, what is allowed, what to do.

use crate::caps::Backend;
use crate::dtype::DType;
use crate::problem::RankKind;

/// Why a plan or a run was refused. Nothing is written to an output when one of these comes back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More ranks were asked for than a row has elements.
    #[error(
        "k = {k} is greater than the length {len} of row {row}: ask for at most {len}, or ask for \
         padding of short rows"
    )]
    KTooLarge {
        /// The k asked for.
        k: usize,
        /// The elements that row has.
        len: usize,
        /// The first such row.
        row: usize,
    },
    /// A range of ranks ends behind the last element of a row.
    #[error(
        "ranks {start}..{end} were asked for, but row {row} has length {len}: start + k must be at \
         most {len}"
    )]
    RangeTooLong {
        /// First rank.
        start: usize,
        /// One past the last rank, saturating.
        end: usize,
        /// The elements that row has.
        len: usize,
        /// The first such row.
        row: usize,
    },
    /// Indices are u32 with one value reserved.
    #[error("cols = {cols} is more than 4294967295 (2^32 - 1): split the rows")]
    TooManyCols {
        /// The columns given.
        cols: usize,
    },
    /// A product of sizes does not fit the address space.
    #[error("{what} of {rows} rows x {per_row} does not fit in memory: split the rows")]
    TooLarge {
        /// What would be that large.
        what: &'static str,
        /// Rows.
        rows: usize,
        /// Elements for each row.
        per_row: usize,
    },
    /// The memory for a result or workspace was refused by the allocator.
    #[error("no memory for {elements} elements of {what}: take fewer rows at a time")]
    OutOfMemory {
        /// What was being allocated.
        what: &'static str,
        /// How many elements.
        elements: usize,
    },
    /// Rows would overlap.
    #[error("row stride {row_stride} is less than cols = {cols}: rows may not overlap")]
    StrideTooSmall {
        /// Elements from one row to the next.
        row_stride: usize,
        /// Elements of a row.
        cols: usize,
    },
    /// The input's element count does not fit the plan's problem.
    #[error(
        "the input has {got} elements, but the plan is for {rows} rows x {cols} columns with row \
         stride {row_stride}: it needs {least} to {most}; plan again for this input"
    )]
    InputLength {
        /// Elements bound.
        got: usize,
        /// Rows of the plan.
        rows: usize,
        /// Columns of the plan.
        cols: usize,
        /// Row stride of the plan.
        row_stride: usize,
        /// Fewest elements that would do.
        least: usize,
        /// Most elements that would do.
        most: usize,
    },
    /// The input's element type is not the plan's.
    #[error("the plan is for {plan} but the input is {input}: plan again with dtype {input}")]
    DTypeMismatch {
        /// Type in the plan.
        plan: DType,
        /// Type of the input.
        input: DType,
    },
    /// Ragged lengths were given without a ragged plan, or the other way round.
    #[error(
        "the plan {} row lengths but the input {}: plan with the matching `lengths`",
        if *.plan_is_ragged { "expects" } else { "expects no" },
        if *.plan_is_ragged { "has none" } else { "has them" }
    )]
    LengthsMismatch {
        /// Whether the plan is for ragged rows.
        plan_is_ragged: bool,
    },
    /// There must be one length for each row.
    #[error("{got} row lengths were given for {rows} rows: give one for each row")]
    LengthsCount {
        /// Lengths given.
        got: usize,
        /// Rows of the plan.
        rows: usize,
    },
    /// A row cannot be longer than the matrix is wide.
    #[error("row {row} has length {len}, more than cols = {cols}")]
    LengthTooLong {
        /// The first such row.
        row: usize,
        /// Its length.
        len: usize,
        /// Columns of the plan.
        cols: usize,
    },
    /// A caller's output slice has the wrong size.
    #[error("the output slice for {what} has {got} elements, but rows x k = {want} are written")]
    OutputLength {
        /// `values` or `indices`.
        what: &'static str,
        /// Elements given.
        got: usize,
        /// Elements needed.
        want: usize,
    },
    /// An executor was given another backend's plan.
    #[error("the plan was made for {plan} but the executor is {executor}: plan with its caps")]
    WrongBackend {
        /// Backend of the plan.
        plan: Backend,
        /// Backend of the executor.
        executor: Backend,
    },
    /// The plan's choice cannot be run as it stands.
    #[error("{field} = {value} cannot be run for {kind}: {allowed}")]
    Infeasible {
        /// The field of the choice.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it was asked for.
        kind: RankKind,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// A compaction plan's choice cannot be run as it stands.
    #[error("{field} = {value} cannot be run for a compaction: {allowed}")]
    InfeasibleCompaction {
        /// The field of the choice.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// A backend's kernels do not read that type.
    #[error(
        "{backend} cannot select from {dtype}: use f32, f16, bf16, i32 or u32 there, or the cpu"
    )]
    UnsupportedType {
        /// The type of the input.
        dtype: DType,
        /// The backend asked.
        backend: Backend,
    },
    /// A backend is not there.
    #[error("no {backend} device: {why}; {advice}")]
    Unavailable {
        /// The backend asked for.
        backend: Backend,
        /// What is missing.
        why: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A buffer on a device cannot be used as it was given.
    #[error("the buffer of {what} {given}: it must {needed}")]
    DeviceBuffer {
        /// `input`, `lengths`, `values`, `indices`, `status`, or a part of the workspace.
        what: &'static str,
        /// What was given.
        given: String,
        /// What would do.
        needed: String,
    },
    /// A device has no memory left for a call's buffers.
    #[error("{device} has no memory for {what}: take fewer rows at a time, or free some of it")]
    DeviceMemory {
        /// The device, by name.
        device: String,
        /// What it was asked for.
        what: String,
    },
    /// A device was there and is no longer.
    #[error("{device} was lost: {why}; {advice}")]
    DeviceLost {
        /// The device, by name.
        device: String,
        /// What is known of it.
        why: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A driver refused what it should do.
    #[error("{device} refused {what}; use another device or the cpu, and tell us of it")]
    Refused {
        /// The device, by name.
        device: String,
        /// What it was asked for, and what it said.
        what: String,
    },
    /// A kernel gave wrong answers to a question whose answer is known.
    #[error("{variant} gives wrong answers on {device} and is not used there: {advice}")]
    SelfTest {
        /// The kernels, by name and constants.
        variant: String,
        /// The device, by name.
        device: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// An instruction set was asked for that is unknown or not there.
    #[error("instruction set `{asked}` cannot be used: this processor has {available}")]
    Isa {
        /// What was asked for.
        asked: String,
        /// What there is, by name.
        available: String,
    },
}
