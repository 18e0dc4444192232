//! A device whose tuning somebody may want to end.

use st_plan::table::Versions;
use st_rank::{Choice, DeviceCaps, RankPlan};
use st_tune::session::{Body, Device, DynArena};
use st_tune::tournament::{Arena, Entrant};

use super::TuneError;

/// A device that is asked before each piece of work whether to go on. When not, what is left of the session fails at once;
/// what was measured of the cell at hand is lost, as it is when a process is killed.
pub struct Stoppable<'a> {
    device: &'a dyn Device<Error = TuneError>,
    is_stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Stoppable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stoppable").finish_non_exhaustive()
    }
}

impl<'a> Stoppable<'a> {
    /// A device, and whether to end. That is asked often, never while something is timed; once true it must stay so.
    #[must_use]
    pub const fn new(
        device: &'a dyn Device<Error = TuneError>,
        is_stopped: &'a dyn Fn() -> bool,
    ) -> Self {
        Self { device, is_stopped }
    }

    fn go_on(&self) -> Result<(), TuneError> {
        if (self.is_stopped)() { Err(TuneError::Stopped) } else { Ok(()) }
    }
}

impl Device for Stoppable<'_> {
    type Error = TuneError;

    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn versions(&self) -> Versions {
        self.device.versions()
    }

    fn is_software(&self) -> bool {
        self.device.is_software()
    }

    fn lacks_memory(&self, why: &TuneError) -> bool {
        self.device.lacks_memory(why)
    }

    fn with_cell(
        &self,
        planned: &RankPlan,
        body: &mut Body<'_, TuneError>,
    ) -> Result<(), TuneError> {
        self.go_on()?;
        self.device.with_cell(planned, &mut |arena| body(&mut Watched { arena, of: self }))
    }
}

struct Watched<'a, 'b> {
    arena: &'a mut DynArena<'b, TuneError>,
    of: &'a Stoppable<'a>,
}

impl Arena for Watched<'_, '_> {
    type Error = TuneError;

    fn together(&self) -> usize {
        self.arena.together()
    }

    fn prepare(&mut self, choices: &[Choice]) -> Result<(), TuneError> {
        self.of.go_on()?;
        self.arena.prepare(choices)
    }

    fn admit(&mut self, choice: Choice, asked: bool) -> Result<Option<f64>, TuneError> {
        self.of.go_on()?;
        self.arena.admit(choice, asked)
    }

    fn turns(&mut self, entrants: &mut [Entrant]) -> Result<(), TuneError> {
        self.of.go_on()?;
        self.arena.turns(entrants)
    }

    fn hard_inputs(&self) -> usize {
        self.arena.hard_inputs()
    }

    fn make_hard(&mut self, input: usize) -> Result<Option<String>, TuneError> {
        self.of.go_on()?;
        self.arena.make_hard(input)
    }

    fn hard_turns(&mut self, input: usize, entrants: &mut [Entrant]) -> Result<(), TuneError> {
        self.of.go_on()?;
        self.arena.hard_turns(input, entrants)
    }

    fn now(&self) -> std::time::Duration {
        self.arena.now()
    }
}
