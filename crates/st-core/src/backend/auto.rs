//! Which device `auto` takes for a selection from host memory: the one on which it is expected to be done first, copies
//! counted.
//!
//! Every front end decides by [`choose`], which looks at caps alone; where devices come from, and when one is opened, is
//! its [`Devices`]' affair.

use std::fmt;

use serde::{Serialize, Serializer};
use st_rank::{Backend, DType, DeviceCaps, Error, Problem, RankPlan, Result};

use super::{cuda_exec, wgpu_exec};

/// Bytes in a microsecond from ordinary memory over a bus: what PCIe 4.0 gives where memory is not pinned.
const BUS: f64 = 8e3;
/// What a copy to a device and back takes beyond its bytes, in microseconds.
const LATENCY: f64 = 30.0;
/// What a device that is not open yet must promise to save, in microseconds: opening it takes a hundred times as long, once
/// in a process, and where there is none a driver may be loaded in vain.
const OPENING: f64 = 1e3;

/// The backends in this build beside the processor's, in the order that breaks ties between them. Metal is on Apple's
/// systems alone.
pub const IN_THIS_BUILD: &[Backend] =
    match (wgpu_exec::IN_THIS_BUILD, cuda_exec::IN_THIS_BUILD, cfg!(target_vendor = "apple")) {
        (true, true, true) => &[Backend::Wgpu, Backend::Cuda, Backend::Mps],
        (true, true, false) => &[Backend::Wgpu, Backend::Cuda],
        (true, false, true) => &[Backend::Wgpu, Backend::Mps],
        (true, false, false) => &[Backend::Wgpu],
        (false, true, _) => &[Backend::Cuda],
        (false, false, _) => &[],
    };

/// A device that was opened, as far as it is weighed.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// What it can do.
    pub caps: DeviceCaps,
    /// Its driver is a program for the processor.
    pub software: bool,
}

/// A machine's devices beside the processor: the first of each backend.
pub trait Devices {
    /// The backends to be asked; of equals the earlier is taken.
    fn backends(&self) -> &[Backend] {
        IN_THIS_BUILD
    }

    /// Whether [`open`](Self::open) has been called for the backend in this process, so that it costs nothing now.
    fn is_open(&self, backend: Backend) -> bool;

    /// The backend's device, opened if it is not.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is none.
    fn open(&self, backend: Backend) -> Result<Device>;
}

/// The plan for the device that is taken, `plan.caps.backend`, and why it is that one.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The plan.
    pub plan: RankPlan,
    /// Why.
    pub why: Why,
}

/// Why a device was taken: in words by `Display`, as a document by `serde`.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The device that is taken.
    pub taken: Backend,
    /// What is expected on the processor, in microseconds.
    pub cpu_us: Option<f64>,
    /// What the copies to another device and back take alone, in microseconds.
    pub copies_us: f64,
    /// What became of the others. Empty where nothing was asked of them: there are none in this build, or the copies
    /// alone would take as long as the processor.
    pub others: Vec<(Backend, Outcome)>,
}

/// What became of a device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Microseconds expected there, copies counted.
    Expected(f64),
    /// It is not open, and would not save what opening it takes.
    NotOpened,
    /// Its driver is a program for the processor.
    Software,
    /// Its kernels do not read such elements.
    NoSuchType(DType),
    /// Nothing is predicted for it.
    NotPredicted,
    /// There is none, or it cannot be opened.
    Absent(Error),
}

/// The device and the plan for a problem in host memory: whichever is expected to be done first by the plans that `plan`
/// makes, copies counted. Of equals the first of [`Devices::backends`] is taken, and the processor last; a driver that is a
/// program for the processor never is, nor a device whose kernels do not read such elements.
///
/// No device is asked where the copies alone would take as long as the processor, and none is opened that would not save a
/// millisecond.
pub fn choose(
    problem: &Problem,
    cpu: &DeviceCaps,
    plan: &dyn Fn(&DeviceCaps) -> RankPlan,
    devices: &dyn Devices,
) -> Taken {
    let own = plan(cpu);
    let cpu_us = own.predicted_us;
    let copies_us = LATENCY + moved_bytes(problem) / BUS;
    let mut others = Vec::new();
    let mut best = own;
    if let Some(mut least_us) = cpu_us.filter(|us| *us > copies_us) {
        let may_open = least_us > copies_us + OPENING;
        for &backend in devices.backends() {
            let outcome = match usable(devices, backend, problem.dtype, may_open) {
                Err(outcome) => outcome,
                Ok(caps) => {
                    let there = plan(&caps);
                    match there.predicted_us.map(|us| us + copies_us) {
                        None => Outcome::NotPredicted,
                        Some(us) => {
                            // Of equals the processor is last, of others the earlier stays.
                            let is_cpus = best.caps.backend == Backend::Cpu;
                            if us < least_us || is_cpus && us == least_us {
                                (least_us, best) = (us, there);
                            }
                            Outcome::Expected(us)
                        }
                    }
                }
            };
            others.push((backend, outcome));
        }
    }
    let why = Why { taken: best.caps.backend, cpu_us, copies_us, others };
    Taken { plan: best, why }
}

/// What goes to a device and comes back.
fn moved_bytes(problem: &Problem) -> f64 {
    let back = problem.output_len() as u64 * (problem.dtype.size() as u64 + 4);
    (problem.input_bytes() + back) as f64
}

/// The device of a backend, if it may be taken; opened if that is allowed.
fn usable(
    devices: &dyn Devices,
    backend: Backend,
    dtype: DType,
    may_open: bool,
) -> std::result::Result<DeviceCaps, Outcome> {
    // Asked first: a device is not opened for what it cannot do.
    if !backend.reads(dtype) {
        return Err(Outcome::NoSuchType(dtype));
    }
    if !may_open && !devices.is_open(backend) {
        return Err(Outcome::NotOpened);
    }
    match devices.open(backend) {
        Ok(device) if device.software => Err(Outcome::Software),
        Ok(device) => Ok(device.caps),
        Err(why) => Err(Outcome::Absent(why)),
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken, cpu_us, copies_us, others } = self;
        write!(f, "takes {taken}: ")?;
        match cpu_us {
            Some(us) => write!(f, "cpu {us:.1} us")?,
            None => write!(f, "nothing is predicted for the cpu")?,
        }
        if others.is_empty() {
            return match IN_THIS_BUILD {
                [] => write!(f, "; this build has no other device"),
                _ => write!(f, "; copies to another device would take {copies_us:.1} us"),
            };
        }
        others.iter().try_for_each(|(backend, outcome)| write!(f, "; {backend} {outcome}"))?;
        write!(f, " (copies {copies_us:.1} us)")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(us) => write!(f, "{us:.1} us"),
            Self::NotOpened => f.write_str("would not save the time to open it"),
            Self::Software => f.write_str("is software"),
            Self::NoSuchType(dtype) => write!(f, "does not read {dtype}"),
            Self::NotPredicted => f.write_str("has no prediction"),
            Self::Absent(Error::Unavailable { why, .. }) => write!(f, "is not there: {why}"),
            Self::Absent(why) => write!(f, "cannot be used: {why}"),
        }
    }
}

impl Serialize for Why {
    /// `device`, `why` in words, `cpu_us`, `copies_us`, and of the others `device`, `us` (null where it was not weighed) and
    /// `outcome` in words.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Other {
            device: Backend,
            us: Option<f64>,
            outcome: String,
        }
        #[derive(Serialize)]
        struct Document {
            device: Backend,
            why: String,
            cpu_us: Option<f64>,
            copies_us: f64,
            others: Vec<Other>,
        }
        let other = |(device, outcome): &(Backend, Outcome)| Other {
            device: *device,
            us: match outcome {
                Outcome::Expected(us) => Some(*us),
                _ => None,
            },
            outcome: outcome.to_string(),
        };
        Document {
            device: self.taken,
            why: self.to_string(),
            cpu_us: self.cpu_us,
            copies_us: self.copies_us,
            others: self.others.iter().map(other).collect(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use st_plan::{Knowledge, plan};
    use st_rank::RankKind;

    use super::*;

    /// A machine of devices with made-up caps, which keeps which of them were opened.
    #[derive(Default)]
    struct Machine {
        devices: Vec<Device>,
        backends: Vec<Backend>,
        open_before: bool,
        opened: RefCell<Vec<Backend>>,
    }

    impl Machine {
        fn with(mut self, caps: DeviceCaps, software: bool) -> Self {
            self.backends.push(caps.backend);
            self.devices.push(Device { caps, software });
            self
        }
    }

    impl Devices for Machine {
        fn backends(&self) -> &[Backend] {
            &self.backends
        }

        fn is_open(&self, _backend: Backend) -> bool {
            self.open_before
        }

        fn open(&self, backend: Backend) -> Result<Device> {
            self.opened.borrow_mut().push(backend);
            let found = self.devices.iter().find(|device| device.caps.backend == backend);
            found.copied().ok_or_else(|| Error::Unavailable {
                backend,
                why: "it was sold".to_owned(),
                advice: "buy another",
            })
        }
    }

    const CPU: DeviceCaps = DeviceCaps::cpu(16, 2);
    const CUDA: DeviceCaps = DeviceCaps::cuda(32, 1024).with_cores(132);
    const WGPU: DeviceCaps = DeviceCaps::wgpu(32, true, 256);
    const MPS: DeviceCaps = DeviceCaps::mps(32, 1024);

    /// A problem that moves 1,000,008 bytes: 155.001 us of copies.
    fn problem() -> Problem {
        Problem::new(RankKind::TopK, 1, 250_000, 1)
    }

    const COPIES_US: f64 = 30.0 + 1_000_008.0 / 8e3;

    /// Chooses where devices take these times, copies not counted.
    fn timed(machine: &Machine, problem: &Problem, us: impl Fn(Backend) -> f64) -> Taken {
        let plan = |caps: &DeviceCaps| {
            let mut plan = plan(problem, caps, &Knowledge::default());
            plan.predicted_us = Some(us(caps.backend));
            plan
        };
        choose(problem, &CPU, &plan, machine)
    }

    #[test]
    fn copies_are_counted() {
        let machine = || Machine { open_before: true, ..Machine::default() }.with(CUDA, false);
        let taken = |cpu_us| {
            timed(&machine(), &problem(), |b| if b == Backend::Cpu { cpu_us } else { 100.0 }).why
        };
        let (slower, faster) = (taken(COPIES_US + 99.0), taken(COPIES_US + 101.0));
        assert_eq!((slower.taken, faster.taken), (Backend::Cpu, Backend::Cuda));
        assert_eq!(faster.others, [(Backend::Cuda, Outcome::Expected(COPIES_US + 100.0))]);
        assert_eq!(faster.to_string(), "takes cuda: cpu 256.0 us; cuda 255.0 us (copies 155.0 us)");
    }

    #[test]
    fn the_plan_is_for_the_device_that_is_taken() {
        let machine = Machine { open_before: true, ..Machine::default() }.with(CUDA, false);
        let to = |wanted| timed(&machine, &problem(), |b| if b == wanted { 1.0 } else { 1e6 }).plan;
        assert_eq!(to(Backend::Cuda).caps, CUDA);
        assert_eq!(to(Backend::Cpu).caps, CPU);
    }

    #[test]
    fn ties_go_to_the_earlier_and_to_the_cpu_last() {
        let machine = Machine { open_before: true, ..Machine::default() };
        let machine = machine.with(WGPU, false).with(CUDA, false).with(MPS, false);
        let of = |device: f64, cpu: f64| {
            let us = |backend| if backend == Backend::Cpu { cpu } else { device };
            timed(&machine, &problem(), us).why.taken
        };
        assert_eq!(of(512.0, 511.0 + COPIES_US), Backend::Cpu);
        assert_eq!(of(512.0, 512.0 + COPIES_US), Backend::Wgpu);
        let later = |backend| match backend {
            Backend::Cpu => 1e6,
            Backend::Wgpu => 300.0,
            _ => 299.0,
        };
        assert_eq!(timed(&machine, &problem(), later).why.taken, Backend::Cuda);
        for pair in IN_THIS_BUILD.windows(2) {
            let seeds = [Backend::Wgpu, Backend::Cuda, Backend::Mps];
            let place = |b| seeds.iter().position(|s| *s == b);
            assert!(place(pair[0]) < place(pair[1]), "the seed's order");
        }
    }

    #[test]
    fn software_is_never_taken() {
        let machine = Machine { open_before: true, ..Machine::default() }.with(WGPU, true);
        let why = timed(&machine, &problem(), |b| if b == Backend::Cpu { 1e9 } else { 1.0 }).why;
        assert_eq!(
            (why.taken, &why.others[..]),
            (Backend::Cpu, &[(Backend::Wgpu, Outcome::Software)][..])
        );
        assert!(why.to_string().contains("wgpu is software"), "{why}");
    }

    #[test]
    fn a_device_is_not_opened_for_elements_that_it_does_not_read() {
        let wide = |dtype: DType| {
            let machine = Machine::default().with(WGPU, false).with(CUDA, false);
            let problem = problem().with_dtype(dtype);
            let us = |backend| match backend {
                Backend::Cpu => 2e6,
                Backend::Wgpu => 1.0,
                _ => 2.0,
            };
            let taken = timed(&machine, &problem, us).why.taken;
            (taken, machine.opened.into_inner())
        };
        let both = vec![Backend::Wgpu, Backend::Cuda];
        assert_eq!(wide(DType::F32), (Backend::Wgpu, both.clone()));
        assert_eq!(wide(DType::Bf16), (Backend::Wgpu, both));
        for dtype in [DType::F64, DType::I64, DType::U8, DType::I16] {
            assert_eq!(wide(dtype), (Backend::Cuda, vec![Backend::Cuda]), "{dtype}");
        }
    }

    #[test]
    fn devices_are_opened_only_where_that_pays() {
        let of = |open_before, cpu_us| {
            let machine = Machine { open_before, ..Machine::default() }.with(CUDA, false);
            let why =
                timed(&machine, &problem(), |b| if b == Backend::Cpu { cpu_us } else { 1.0 }).why;
            (why.taken, why.others.len(), machine.opened.into_inner().len())
        };
        assert_eq!(of(false, COPIES_US), (Backend::Cpu, 0, 0), "nothing is asked");
        assert_eq!(of(true, COPIES_US), (Backend::Cpu, 0, 0), "nor of what is open");
        assert_eq!(
            of(false, COPIES_US + 999.0),
            (Backend::Cpu, 1, 0),
            "not for less than a millisecond"
        );
        assert_eq!(of(true, COPIES_US + 999.0), (Backend::Cuda, 1, 1), "but what is open");
        assert_eq!(of(false, COPIES_US + 1001.0), (Backend::Cuda, 1, 1));
    }

    #[test]
    fn what_is_not_there_is_told_and_left_out() {
        let machine = Machine { backends: vec![Backend::Cuda], ..Machine::default() };
        let why = timed(&machine, &problem(), |_| 1e6).why;
        assert_eq!(why.taken, Backend::Cpu);
        assert!(why.to_string().contains("cuda is not there: it was sold"), "{why}");
        let document = serde_json::to_value(&why).unwrap();
        assert_eq!(document["device"], "cpu");
        assert_eq!(document["others"][0]["device"], "cuda");
        assert_eq!(document["others"][0]["us"], serde_json::Value::Null);
        assert_eq!(document["why"], why.to_string());
    }

    #[test]
    fn without_other_devices_it_is_the_cpu() {
        let machine = Machine::default();
        let huge = Problem::new(RankKind::TopK, 1 << 14, 1 << 14, 1 << 13);
        let taken = timed(&machine, &huge, |_| 1e9);
        assert_eq!((taken.why.taken, taken.why.others), (Backend::Cpu, vec![]));
    }

    /// By the model's own times: a device is worth its copies where the processor has much to do with each byte.
    #[test]
    fn by_the_models_times_work_decides() {
        let taken = |problem: Problem| {
            let machine = Machine::default().with(CUDA, false);
            let plan = |caps: &DeviceCaps| plan(&problem, caps, &Knowledge::default());
            choose(&problem, &CPU, &plan, &machine).why.taken
        };
        assert_eq!(taken(Problem::new(RankKind::TopK, 8, 1000, 10)), Backend::Cpu, "small");
        let read_once = Problem::new(RankKind::TopK, 64, 1 << 20, 1);
        assert_eq!(taken(read_once), Backend::Cpu, "memory is read faster than a bus");
        let sorted = Problem::new(RankKind::TopK, 1024, 1 << 16, 1 << 15);
        assert_eq!(taken(sorted), Backend::Cuda, "half of each row in order");
    }

    /// The backends say themselves what they read; what is said here must be true of them.
    #[cfg(feature = "wgpu")]
    #[test]
    fn wgpu_reads_what_is_said() {
        use st_rank::RankKExecutor;
        let exec = wgpu_exec::WgpuExecutor::default();
        for dtype in DType::ALL {
            let none = Problem::new(RankKind::TopK, 0, 4, 1).with_dtype(dtype);
            let plan = plan(&none, &WGPU, &Knowledge::default());
            let done = st_rank::for_dtype!(dtype, T => {
                exec.on(&Vec::<T>::new()).execute(&plan).map(drop)
            });
            let read = !matches!(done, Err(Error::UnsupportedType { .. }));
            assert_eq!(read, Backend::Wgpu.reads(dtype), "{dtype}");
        }
    }
}
