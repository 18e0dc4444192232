//! Two commands: parts of rows find candidates, then each row's are merged.
//!
//! For rows that are few and long. Rows are taken in batches, so that what the parts keep stays
//! small whatever the number of rows. The filter's seed is drawn from the whole row, so that a row
//! whose best elements are all in one part is no special case; whether it was right is known only
//! when the parts' candidates are counted together, and the row is done again alone if not.

use core::ops::Range;
use std::sync::atomic::AtomicUsize;

use st_rank::MergeKind;

use crate::call::{Call, RowsOut, take, write_row};
use crate::isa::{Isa, dispatch};
use crate::packed::{LaneJob, Packs};
use crate::row::sample::{Bracket, bracket};
use crate::row::{Part, collect, filter, whole};
use crate::scratch::Scratch;
use crate::simd::{Job, Simd, Vectors};
use crate::team::Team;
use crate::workspace::Workspace;

/// Parts in a batch, for each thread: enough to even out their times, and to make handing a batch
/// over cheap.
const PARTS_PER_THREAD: usize = 16;

pub(crate) fn run<L: Packs>(
    isa: Isa,
    team: &Team,
    call: &Call<'_, L>,
    out: &RowsOut<'_, L>,
    space: &mut Workspace,
) {
    let threads = call.choice.wg as usize;
    let parts = st_kernels::cpu::parts(&call.choice, call.problem.cols);
    let batch = (threads * PARTS_PER_THREAD).div_ceil(parts).min(call.problem.rows);
    space.reserve(threads, batch * parts);
    let space = &*space;
    let mut first = 0;
    while first < call.problem.rows {
        let rows = first..(first + batch).min(call.problem.rows);
        seed_parts(call, rows.clone(), parts, space);
        let (unit, row) = (AtomicUsize::new(0), AtomicUsize::new(0));
        team.run(threads, &|_| {
            while let Some(unit) = take(&unit, rows.len() * parts) {
                let mut arena = space.part(unit);
                let scratch = L::scratch(&mut arena);
                let row = call.row(rows.start + unit / parts);
                dispatch(isa, Candidates { call, row, part: unit % parts, scratch });
            }
        });
        team.run(threads, &|thread| {
            let mut arena = space.thread(thread);
            let scratch = L::scratch(&mut arena);
            while let Some(i) = take(&row, rows.len()) {
                join(scratch, i * parts..(i + 1) * parts, space);
                dispatch(isa, Merge { call, row: rows.start + i, out, scratch });
            }
        });
        first = rows.end;
    }
}

fn seed_parts<L: Packs>(call: &Call<'_, L>, rows: Range<usize>, parts: usize, space: &Workspace) {
    for (i, row) in rows.enumerate() {
        let seed = if call.choice.mk == MergeKind::Filter {
            let bits = call.row(row);
            let mut arena = space.thread(0);
            bracket(&call.map, bits, &call.ranks(bits.len()), &mut L::scratch(&mut arena).codes)
        } else {
            None
        };
        for part in 0..parts {
            L::scratch(&mut space.part(i * parts + part)).seed = seed;
        }
    }
}

/// Puts the candidates of all parts of a row together.
fn join<L: Packs>(scratch: &mut Scratch<L>, parts: Range<usize>, space: &Workspace) {
    scratch.cands.clear();
    scratch.skipped = Some(0);
    for part in parts {
        let mut arena = space.part(part);
        let found = L::scratch(&mut arena);
        scratch.seed = found.seed;
        scratch.cands.extend_from_slice(&found.cands);
        scratch.skipped = scratch.skipped.zip(found.skipped).map(|(a, b)| a + b);
    }
}

/// The first command: what of a part may be among the wanted ranks of its row.
struct Candidates<'a, 'b, L: Packs> {
    call: &'a Call<'b, L>,
    row: &'b [L],
    part: usize,
    scratch: &'a mut Scratch<L>,
}

impl<L: Packs> Job for Candidates<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        L::with(s, self);
    }
}

impl<L: Packs> LaneJob<L> for Candidates<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Vectors<L> + Simd>(self, s: S) {
        let Self { call, row, part, scratch } = self;
        let width = if call.choice.ch == 0 { row.len() } else { call.choice.ch as usize };
        let start = (part * width).min(row.len());
        let bits = &row[start..row.len().min(start + width)];
        let part = Part { bits, base: start as u32 };
        let b = call.ranks(row.len()).end;
        let ctx = call.context(s);
        scratch.cands.clear();
        scratch.skipped = Some(0);
        match scratch.seed {
            Some(Bracket { above, beyond: Some(beyond) }) => {
                scratch.skipped = filter::between(s, &ctx, part, above, beyond, &mut scratch.cands);
            }
            _ if b >= bits.len() => whole::collect(s, &ctx, part, scratch),
            Some(Bracket { above, beyond: None }) => {
                if !filter::best(s, &ctx, part, b, Some(above), scratch) {
                    collect_best(s, &ctx, part, b, scratch);
                }
            }
            None => collect_best(s, &ctx, part, b, scratch),
        }
    }
}

/// The b best of a part; none of the others can be wanted.
#[inline(always)]
fn collect_best<L: Packs, S: Vectors<L>>(
    s: S,
    ctx: &crate::row::Context<L, S::V>,
    part: Part<'_, L>,
    b: usize,
    scratch: &mut Scratch<L>,
) {
    scratch.skipped = Some(collect(s, ctx, part, 0..b, scratch));
}

/// The second command: the wanted ranks of a row, of the candidates of its parts.
struct Merge<'a, 'b, L: Packs> {
    call: &'a Call<'b, L>,
    row: usize,
    out: &'a RowsOut<'b, L>,
    scratch: &'a mut Scratch<L>,
}

impl<L: Packs> Job for Merge<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        L::with(s, self);
    }
}

impl<L: Packs> LaneJob<L> for Merge<'_, '_, L> {
    type Out = ();
    #[inline(always)]
    fn run<S: Vectors<L> + Simd>(self, s: S) {
        let Self { call, row, out, scratch } = self;
        let bits = call.row(row);
        let ranks = call.ranks(bits.len());
        let found = scratch.skipped.filter(|&skipped| {
            skipped <= ranks.start && skipped + scratch.cands.len() >= ranks.end
        });
        let skipped = found.unwrap_or_else(|| {
            let part = Part { bits, base: 0 };
            filter::collect(s, &call.context(s), part, ranks.clone(), None, scratch)
        });
        // SAFETY: each row is merged once.
        let (values, indices) = unsafe { out.row(row) };
        let ranks = ranks.start - skipped..ranks.end - skipped;
        write_row(s, call, bits, ranks, scratch, values, indices);
    }
}
