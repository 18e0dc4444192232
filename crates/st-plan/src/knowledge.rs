//! What the planner is told beyond the problem and the device.

use st_rank::{Backend, DeviceCaps};

use crate::rules::RuleBook;
pub use crate::rules::RuleError;
use crate::table::Table;

/// How much the measured table's word is worth beyond its predicted time, as a natural-log speed
/// ratio: 0.10 lets its choice win where the model thinks it up to a tenth slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// For every backend without a weight of its own.
    pub default: f64,
    /// For one backend.
    pub of: [Option<f64>; 5],
}

impl Default for Prior {
    fn default() -> Self {
        Self { default: 0.10, of: [None; 5] }
    }
}

impl Prior {
    /// The weight for a backend.
    #[must_use]
    pub fn get(&self, backend: Backend) -> f64 {
        self.of[backend as usize].unwrap_or(self.default)
    }

    /// Sets the weight for one backend.
    pub fn set(&mut self, backend: Backend, weight: f64) {
        self.of[backend as usize] = Some(weight);
    }
}

/// Rules, tables and weights. Empty by default: then the cost model alone decides.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    pub(crate) rules: RuleBook,
    pub(crate) tables: Vec<Table>,
    pub(crate) prior: Prior,
    pub(crate) soft_off: bool,
    pub(crate) notes: Vec<String>,
}

impl Knowledge {
    /// Adds a program of rules, which come after those added before. `name` is shown with each
    /// rule's line.
    ///
    /// # Errors
    /// A program with a fault is left out as a whole, and every plan says so in its notes.
    pub fn add_rules(&mut self, name: &str, text: &[u8]) -> Result<(), RuleError> {
        self.rules.add(name, text).inspect_err(|error| {
            self.notes.push(format!("planned without the rules of {name}: {error}"));
        })
    }

    /// Adds a program of soft rules that others share, for devices with this one's fingerprint. They come before all
    /// others, so that a user's rules have the last word; hard rules among them are not heard.
    ///
    /// # Errors
    /// A program with a fault is left out as a whole; plans do not tell of it.
    pub fn add_shared_rules(
        &mut self,
        name: &str,
        device: &DeviceCaps,
        text: &str,
    ) -> Result<(), RuleError> {
        self.rules.add_shared(name, device, text)
    }

    /// Adds a measured table.
    pub fn add_table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// The same without tables.
    #[must_use]
    pub fn without_tables(mut self) -> Self {
        self.tables.clear();
        self
    }

    /// Adds a remark that every plan carries: something that should be known and is not.
    pub fn add_note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Turns soft rules on or off; hard rules hold either way.
    pub fn set_soft(&mut self, on: bool) {
        self.soft_off = !on;
    }

    /// Sets how much the table's word is worth.
    pub fn set_prior(&mut self, prior: Prior) {
        self.prior = prior;
    }

    /// The tables, in the order in which they were added.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What every plan made with it says in its notes.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
