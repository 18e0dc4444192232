//! Hard rules meet the device: what can be obeyed is fixed, the rest goes to the nearest that can.

use st_rank::{Choice, DeviceCaps, Field, MergeKind, Problem};

use crate::model::{Model, Wanted};
use crate::rules::{Hard, Place};

/// The order in which assignments that cannot be had together are kept.
const IMPORTANCE: [Field; 8] = [
    Field::Mk,
    Field::Use2ce,
    Field::Ch,
    Field::Wg,
    Field::Kl,
    Field::Tile,
    Field::Ctile,
    Field::Mkd,
];

/// What became of an assignment.
#[derive(Clone, Debug)]
pub(crate) struct Obeyed {
    pub(crate) field: Field,
    pub(crate) asked: f64,
    /// The value that it is fixed at.
    pub(crate) value: u32,
    pub(crate) place: Place,
}

impl Obeyed {
    /// Whether another value than the one asked for was taken.
    pub(crate) fn adjusted(&self) -> bool {
        f64::from(self.value) != self.asked
    }

    fn note(&self, caps: &DeviceCaps) -> String {
        let Self { field, asked, value, place } = self;
        let backend = caps.backend;
        format!(
            "{place}: {field}: {asked} cannot be run here ({backend}): {field} = {value} is the nearest that can"
        )
    }
}

/// Fixes what the rules assign, each as near to what it asks for as the device and those before it
/// in importance allow. There is at least one choice that obeys all of it.
pub(crate) fn obey(
    hard: Vec<Hard>,
    model: &Model<'_>,
    problem: &Problem,
    caps: &DeviceCaps,
    wanted: &mut Wanted,
    notes: &mut Vec<String>,
) -> Vec<Obeyed> {
    if hard.is_empty() {
        return Vec::new();
    }
    let mut obeyed: Vec<Obeyed> = hard
        .into_iter()
        .map(|Hard { field, asked, place }| {
            let value = st_kernels::nearest(field, asked, caps);
            Obeyed { field, asked, value, place }
        })
        .collect();
    let mut all = wanted.clone();
    for o in &obeyed {
        all.fix(o.field, o.value);
    }
    if any(model, &all, problem, caps).is_some() {
        *wanted = all;
    } else {
        obeyed.sort_by_key(|o| IMPORTANCE.iter().position(|&f| f == o.field));
        // A kernel is asked for together with its detail: a heap in shared memory that is too
        // small for it is not answered by another use of shared memory.
        let of = |field| obeyed.iter().find(|o| o.field == field).map(|o| o.value);
        let detail = of(Field::Mk).zip(of(Field::Mkd)).and_then(|(mk, mkd)| {
            let mk = MergeKind::ALL.get(mk as usize)?;
            let own = st_kernels::details(*mk, caps.backend);
            own.iter().any(|d| u32::from(d.code()) == mkd).then_some(mkd)
        });
        for o in &mut obeyed {
            let mut with = wanted.clone();
            with.fix(o.field, o.value);
            let mut tried = with.clone();
            if let (Field::Mk, Some(mkd)) = (o.field, detail) {
                tried.fix(Field::Mkd, mkd);
            }
            if any(model, &tried, problem, caps).is_none() {
                let instead = nearest(model, wanted, problem, caps, o);
                o.value = instead.unwrap_or(o.value);
                with.fix(o.field, o.value);
            }
            *wanted = with;
        }
    }
    notes.extend(obeyed.iter().filter(|o| o.adjusted()).map(|o| o.note(caps)));
    obeyed
}

/// Some feasible choice with all that is fixed.
fn any(model: &Model<'_>, wanted: &Wanted, problem: &Problem, caps: &DeviceCaps) -> Option<Choice> {
    let mut found = None;
    model.variants(wanted, &mut |choice| {
        if found.is_none() && st_kernels::check(&choice, problem, caps).is_ok() {
            found = Some(choice);
        }
    });
    found
}

/// Of the values that feasible choices have in the field, the one nearest to what was asked for
/// and cannot be had.
fn nearest(
    model: &Model<'_>,
    wanted: &Wanted,
    problem: &Problem,
    caps: &DeviceCaps,
    asked: &Obeyed,
) -> Option<u32> {
    let mut best: Option<(f64, u32)> = None;
    model.variants(wanted, &mut |choice| {
        let value = choice.get(asked.field);
        if value == asked.value {
            return;
        }
        let far = distance(asked.field, asked.value, value);
        if best.is_none_or(|least| (far, value) < least)
            && st_kernels::check(&choice, problem, caps).is_ok()
        {
            best = Some((far, value));
        }
    });
    best.map(|(_, value)| value)
}

/// How far a value is from another: by ratio, but for merge kinds.
fn distance(field: Field, asked: u32, value: u32) -> f64 {
    match field {
        Field::Mk => {
            // What stands in for a kernel that does not fit: each is the simplest that does what
            // the one before does with less of the device.
            let chain: &[MergeKind] = match asked {
                2 => &[MergeKind::Warp, MergeKind::Shared, MergeKind::Bitonic],
                1 => &[MergeKind::Shared, MergeKind::Bitonic],
                4 => &[MergeKind::Filter, MergeKind::Radix, MergeKind::Bitonic],
                3 => &[MergeKind::Radix, MergeKind::Bitonic],
                _ => &[MergeKind::Bitonic],
            };
            let place = chain.iter().position(|mk| u32::from(mk.code()) == value);
            place.unwrap_or(chain.len()) as f64
        }
        // Details are names: none is nearer than another, and the first in code wins.
        Field::Mkd => f64::from(u8::from(asked != value)),
        _ => ((f64::from(value) + 1.0) / (f64::from(asked) + 1.0)).ln().abs(),
    }
}
