//! What kernels are told, in the layouts of their files, and how keys are made.

use bytemuck::{Pod, Zeroable};
use st_rank::order::{CodeMap, Lane};
use st_rank::{DType, Direction, Element, Lengths, NanOrder, Problem, RankKind};

/// Where a call's data lie.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) input: u64,
    /// 0: full rows.
    pub(crate) lengths: u64,
    pub(crate) values: u64,
    pub(crate) indices: u64,
    /// 0: nobody reads it.
    pub(crate) status: u64,
    /// The workspace: zeros, and what need not be.
    pub(crate) zeroed: u64,
    pub(crate) scratch: u64,
    /// Whether indices are written with 64 bits.
    pub(crate) wide: bool,
}

/// The layouts of the structs in the kernels' files, to which the names are those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Map {
    and: u64,
    xor: u64,
    base: u64,
    nan_first: u64,
    nan_span: u64,
    zero_first: u64,
    zero_twin: u64,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct ProblemParams {
    x: u64,
    lengths: u64,
    values: u64,
    indices: u64,
    status: u64,
    row_stride: u64,
    map: Map,
    rows: u32,
    cols: u32,
    k: u32,
    start: u32,
    middle: u32,
    sorted: u32,
    padded: u32,
    quick: u32,
}

#[cfg(test)]
impl ProblemParams {
    /// Where values and indices go.
    pub(crate) const fn places(&self) -> (u64, u64) {
        (self.values, self.indices)
    }
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct BlockParams {
    pub(crate) p: ProblemParams,
    pub(crate) lists: u64,
    pub(crate) counts: u64,
    pub(crate) done: u64,
    pub(crate) parts: u32,
    pub(crate) part_columns: u32,
    pub(crate) sample_rank: u32,
    pub(crate) first_rank: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct GroupParams {
    pub(crate) p: ProblemParams,
    pub(crate) wanted: u32,
    pub(crate) unused: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct RanksParams {
    pub(crate) p: ProblemParams,
    pub(crate) states: u64,
    pub(crate) bins: u64,
    pub(crate) done: u64,
    pub(crate) tallies: u64,
    pub(crate) lists: u64,
    pub(crate) parts: u32,
    pub(crate) part_columns: u32,
    pub(crate) shift: u32,
    pub(crate) above: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct SortParams {
    pub(crate) p: ProblemParams,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) counts: u64,
    pub(crate) parts: u32,
    pub(crate) part_entries: u32,
    pub(crate) shift: u32,
    pub(crate) last: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct OrderParams {
    pub(crate) p: ProblemParams,
    pub(crate) lists: u64,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct MemoryParams {
    pub(crate) p: ProblemParams,
    pub(crate) states: u64,
    pub(crate) list: u64,
    pub(crate) tables: u64,
    pub(crate) totals: u64,
    pub(crate) flags: u64,
    pub(crate) again: u64,
    pub(crate) room: u32,
    pub(crate) runs: u32,
    pub(crate) parts: u32,
    pub(crate) column_bits: u32,
    pub(crate) first_rank: u32,
    pub(crate) last_rank: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct AgainParams {
    pub(crate) ranks: RanksParams,
    pub(crate) others: u64,
    pub(crate) counts: u64,
    pub(crate) again: u64,
    pub(crate) sort_parts: u32,
    pub(crate) part_entries: u32,
    pub(crate) sorts: u32,
    pub(crate) unused: u32,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct CompactParams {
    pub(crate) p: ProblemParams,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) counts: u64,
    pub(crate) begins: u64,
    pub(crate) parts: u32,
    pub(crate) part_columns: u32,
}

/// Elements may be compared as floats of 32 bits or the leading 16 of them; the least are looked for; elements are
/// floats of 16 bits of their own kind.
const QUICK: u32 = 1;
const QUICK_LEAST: u32 = 2;
const QUICK_HALF: u32 = 4;

/// The greatest block of parameters.
pub(crate) const MOST_PARAMS: usize = 256;

/// What kernels are told of a problem's rows.
pub(crate) fn problem_params(
    problem: &Problem,
    rows: usize,
    map: Map,
    at: &Addresses,
) -> ProblemParams {
    let start = match problem.kind {
        RankKind::Range { start } => start,
        _ => 0,
    };
    let least = match problem.kind.direction() {
        Direction::Descending => 0,
        Direction::Ascending => QUICK_LEAST,
    };
    ProblemParams {
        x: at.input,
        lengths: at.lengths,
        values: at.values,
        indices: at.indices,
        status: at.status,
        row_stride: problem.row_stride as u64,
        map,
        rows: rows as u32,
        cols: problem.cols as u32,
        k: u32::try_from(problem.k).unwrap_or(u32::MAX),
        start: u32::try_from(start).unwrap_or(u32::MAX),
        middle: u32::from(problem.kind == RankKind::MidK),
        sorted: u32::from(problem.sorted),
        padded: u32::from(problem.lengths == Lengths::Padded),
        quick: match problem.dtype {
            DType::F32 | DType::Bf16 => QUICK | least,
            DType::F16 => QUICK_HALF | least,
            _ => 0,
        },
    }
}

/// How keys are made from that type's bits.
pub(crate) fn map_of(dtype: DType, direction: Direction, nan: NanOrder) -> Map {
    fn of<T: Element>(direction: Direction, nan: NanOrder) -> Map {
        let map = CodeMap::<T::Lane>::new::<T>(direction, nan);
        // Bits of the element's width, above them zeros.
        let mask = u64::MAX >> (64 - T::Lane::BITS);
        let bits = |lane: T::Lane| lane.to_i64().cast_unsigned() & mask;
        let key = |code: T::Lane| bits(T::Lane::MAX.sub(code));
        let one = T::Lane::from_i64(1);
        let mut own = Map {
            and: bits(map.and),
            xor: bits(map.xor),
            base: bits(T::Lane::MAX.sub(map.add)),
            ..Map::default()
        };
        if map.float {
            own.nan_first = key(map.nan_high);
            own.nan_span = bits(map.nan_high.sub(map.nan_low));
            own.zero_first = key(map.zero_low.add(one));
            own.zero_twin = key(map.zero_low);
        }
        own
    }
    st_rank::for_dtype!(dtype, T => of::<T>(direction, nan))
}

/// The key of an element, with that map.
pub(crate) fn key_of(map: &Map, bits: u64, width: u32) -> u64 {
    let mask = u64::MAX >> (64 - width);
    let sign = if bits >> (width - 1) & 1 == 1 { mask } else { 0 };
    let raw = map.base.wrapping_sub((bits ^ (sign & map.and)) ^ map.xor) & mask;
    if raw.wrapping_sub(map.nan_first) & mask <= map.nan_span {
        map.nan_first
    } else if raw == map.zero_twin {
        map.zero_first
    } else {
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_orders() {
        fn check<T: Element>(values: &[T]) {
            for direction in [Direction::Descending, Direction::Ascending] {
                for nan in [NanOrder::Greatest, NanOrder::Last] {
                    let map = map_of(T::DTYPE, direction, nan);
                    let width = T::Lane::BITS;
                    let own = |x: T| {
                        let bits =
                            x.to_lane().to_i64().cast_unsigned() & (u64::MAX >> (64 - width));
                        key_of(&map, bits, width)
                    };
                    for &a in values {
                        for &b in values {
                            let order = |x| st_rank::order::key(x, direction, nan);
                            let want = match direction {
                                Direction::Descending => order(b).cmp(&order(a)),
                                Direction::Ascending => order(a).cmp(&order(b)),
                            };
                            assert_eq!(
                                own(a).cmp(&own(b)),
                                want,
                                "{a:?} {b:?} {direction:?} {nan:?}"
                            );
                        }
                    }
                }
            }
        }
        let nans = [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xff80_0001)];
        let floats = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            1e-45,
            -1e-45,
        ];
        let all: Vec<f32> = nans.iter().chain(&floats).copied().collect();
        check(&all);
        check(&all.iter().map(|&x| st_rank::f16::from_f32(x)).collect::<Vec<_>>());
        check(&all.iter().map(|&x| st_rank::bf16::from_f32(x)).collect::<Vec<_>>());
        check(&all.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[0u8, 1, 127, 128, 255]);
        check(&[i16::MIN, -1, 0, i16::MAX]);
        check(&[i64::MIN, -1, 0, 1, i64::MAX]);
        check(&[0u64, 1, u64::MAX, 1 << 63]);
    }
}
