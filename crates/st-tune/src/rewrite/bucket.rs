//! Which calls one comparison speaks of: those that a rule's condition can tell from others, and no more.
//!
//! Rules know the kind, the bytes of an element, the shape, and numbers of the device. Calls that differ in what rules do
//! not know (the order of NaN, ragged rows, where a range begins) are in one bucket; rows, columns and k go by powers of two.

use std::fmt::Write;

use st_rank::{Backend, Choice, DeviceCaps, Field, Problem};

/// A bucket of shapes on a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    /// What the evidence is true of: the device, its driver and the kernels ([`st_plan::identity`]).
    pub device: String,
    /// Which ranks.
    pub kind: &'static str,
    /// Bytes of an element.
    pub bytes: u8,
    /// Binary logarithms, rounded down, of rows, columns and k.
    pub logs: [u8; 3],
}

impl Bucket {
    /// The bucket of a problem; none for one without rows, columns or k.
    #[must_use]
    pub fn of(problem: &Problem, caps: &DeviceCaps) -> Option<Self> {
        Some(Self {
            device: device(caps),
            kind: problem.kind.name(),
            bytes: problem.dtype.size() as u8,
            logs: logs(problem)?,
        })
    }

    /// The bucket as provenance writes it: `topk/4/10.12.6`.
    #[must_use]
    pub fn shape(&self) -> String {
        let [rows, cols, k] = self.logs;
        format!("{}/{}/{rows}.{cols}.{k}", self.kind, self.bytes)
    }

    /// The condition of a rule that speaks of this bucket and nothing else. `caps` are of its device.
    #[must_use]
    pub(crate) fn condition(&self, caps: &DeviceCaps) -> String {
        let caps = caps.normalised();
        let DeviceCaps { backend, lane, max_workgroup, shared_mem, cores, .. } = caps;
        let no = if caps.subgroups { "" } else { "!" };
        let mut text = format!("{backend} && {} && es == {}", self.kind, self.bytes);
        for (name, log) in ["r", "c", "k"].into_iter().zip(self.logs) {
            let (from, to) = (2f64.powi(log.into()), 2f64.powi(i32::from(log) + 1));
            let _ = write!(text, " && {name} >= {from} && {name} < {to}");
        }
        let _ = write!(
            text,
            " && lane == {lane} && {no}sg && wgmax == {max_workgroup} && smem == {shared_mem} && cores == {cores}"
        );
        text
    }
}

/// What evidence from a device is kept under.
#[must_use]
pub(crate) fn device(caps: &DeviceCaps) -> String {
    st_plan::identity(&caps.normalised())
}

/// What decides the bucket, without making it: the shape alone.
pub(crate) fn logs(problem: &Problem) -> Option<[u8; 3]> {
    let log = |n: usize| n.checked_ilog2().map(|log| log as u8);
    Some([log(problem.rows)?, log(problem.cols)?, log(problem.k)?])
}

/// The choice with fields that its kernel does not use at 0: equal for two that launch the same.
#[must_use]
pub fn launch(choice: &Choice, backend: Backend) -> Choice {
    let used = st_kernels::uses(choice.mk, choice.mkd, backend);
    // The kernel and its detail stay: they say which fields are used.
    let unused =
        Field::ALL.into_iter().filter(|&f| !used.has(f) && f != Field::Mk && f != Field::Mkd);
    unused.fold(*choice, |choice, field| choice.with(field, 0).unwrap_or(choice))
}

/// The fields of a choice but its kernel, as a condition on a candidate.
pub(crate) fn candidate(choice: &Choice, backend: Backend) -> String {
    let used = st_kernels::uses(choice.mk, choice.mkd, backend);
    let mut text = String::new();
    for field in Field::ALL.into_iter().filter(|&f| used.has(f) && f != Field::Mk) {
        let value = choice.get(field);
        let _ = match field {
            Field::Use2ce if value == 0 => write!(text, " && !{field}"),
            Field::Use2ce => write!(text, " && {field}"),
            _ => write!(text, " && {field} == {value}"),
        };
    }
    text
}

/// A choice as provenance writes it: `warp.auto/512.2048.0.2.8.0`, the other fields in their order.
#[must_use]
pub fn code(choice: &Choice) -> String {
    let rest: Vec<String> = Field::ALL[2..].iter().map(|&f| choice.get(f).to_string()).collect();
    format!("{}.{}/{}", choice.mk, choice.mkd, rest.join("."))
}

#[cfg(test)]
mod tests {
    use st_rank::{DType, MergeDetail, MergeKind, RankKind};

    use super::*;

    #[test]
    fn what_rules_cannot_tell_apart_is_one_bucket() {
        let caps = DeviceCaps::cpu(16, 2);
        let problem = Problem::new(RankKind::Range { start: 3 }, 1024, 5000, 100);
        let of = |p: Problem| Bucket::of(&p, &caps);
        let same = Problem { rows: 2047, cols: 4096, k: 64, ..problem };
        assert_eq!(of(problem), of(same.with_dtype(DType::I32).with_sorted(false)));
        for other in [
            Problem { rows: 2048, ..problem },
            Problem { cols: 4095, ..problem },
            Problem { k: 63, ..problem },
            Problem { kind: RankKind::TopK, ..problem },
            problem.with_dtype(DType::F16),
        ] {
            assert_ne!(of(problem), of(other));
        }
        assert_ne!(of(problem), Bucket::of(&problem, &DeviceCaps::cpu(16, 4)));
        assert_eq!(of(problem), Bucket::of(&problem, &caps.with_bandwidth(7)));
        let driven = |driver| Bucket::of(&problem, &caps.with_names("a device", driver));
        assert_ne!(driven("its driver 1"), driven("its driver 2"), "evidence is of a driver");
        assert_eq!(of(Problem { k: 0, ..problem }), None);
        assert_eq!(of(problem).map(|b| b.shape()).as_deref(), Some("range/4/10.12.6"));
    }

    #[test]
    fn unused_fields_make_no_difference() {
        let warp = Choice {
            mk: MergeKind::Warp,
            mkd: MergeDetail::Auto,
            tile: 256,
            ctile: 4096,
            use_2ce: false,
            wg: 2,
            kl: 4,
            ch: 0,
        };
        let of = |choice: Choice| launch(&choice, Backend::Cpu);
        let used = st_kernels::uses(warp.mk, warp.mkd, Backend::Cpu);
        for field in Field::ALL.into_iter().skip(2) {
            let other = warp.with(field, 1 - warp.get(field).min(1)).expect("a value");
            assert_eq!(of(other) != of(warp), used.has(field), "{field}");
        }
        assert_eq!(code(&warp), "warp.auto/256.4096.0.2.4.0");
    }
}
