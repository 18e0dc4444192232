//! Which core a thread runs on, and leaving it.
//!
//! Some systems wake a thread on the core of the one that wakes it, and leave it there although
//! others are idle: on a virtual machine with two cores that was seen for as long as calls went
//! on. A team whose threads share a core is no faster than one thread.

pub(crate) use imp::Core;

#[cfg(target_os = "linux")]
mod imp {
    /// A core, by the system's number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Core(usize);

    impl Core {
        /// The core that runs this thread.
        pub(crate) fn current() -> Option<Self> {
            // SAFETY: takes nothing and touches nothing.
            let number = unsafe { libc::sched_getcpu() };
            usize::try_from(number).ok().map(Self)
        }

        /// The system's number of it.
        pub(crate) fn number(self) -> usize {
            self.0
        }

        /// Moves this thread to another core it may run on, if there is one. It may come back:
        /// the set of cores it may run on stays as it was.
        pub(crate) fn leave(self) {
            let size = size_of::<libc::cpu_set_t>();
            // SAFETY: the sets are plain bits, all zero is one, and they outlive the calls, which
            // get their size. CPU_CLR is within the set, whose bits are counted first.
            unsafe {
                let mut allowed: libc::cpu_set_t = core::mem::zeroed();
                if libc::sched_getaffinity(0, size, &raw mut allowed) != 0
                    || libc::CPU_COUNT(&allowed) < 2
                    || self.0 >= 8 * size
                {
                    return;
                }
                let mut others = allowed;
                libc::CPU_CLR(self.0, &mut others);
                // Where this is forbidden, sharing a core is no error.
                if libc::sched_setaffinity(0, size, &raw const others) == 0 {
                    libc::sched_setaffinity(0, size, &raw const allowed);
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    /// Not known here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Core {}

    impl Core {
        pub(crate) fn current() -> Option<Self> {
            None
        }

        pub(crate) fn number(self) -> usize {
            match self {}
        }

        pub(crate) fn leave(self) {
            match self {}
        }
    }
}
