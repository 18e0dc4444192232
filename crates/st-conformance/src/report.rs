//! What ran, what could not, and what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

/// Counts for each group of executors and each kernel, and the first failure of each.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: BTreeMap<(String, String), Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    ran: usize,
    refused: usize,
    failed: usize,
    time: Duration,
    first_failure: Option<String>,
}

impl Report {
    fn at(&mut self, group: &str, kernel: &str) -> &mut Counts {
        self.counts.entry((group.to_owned(), kernel.to_owned())).or_default()
    }

    pub(crate) fn ran(&mut self, group: &str, kernel: &str) {
        self.at(group, kernel).ran += 1;
    }

    /// How long a run took, refused or not.
    pub(crate) fn took(&mut self, group: &str, kernel: &str, time: Duration) {
        self.at(group, kernel).time += time;
    }

    /// An infeasible choice was refused, as it must be.
    pub(crate) fn refused(&mut self, group: &str, kernel: &str) {
        self.at(group, kernel).refused += 1;
    }

    pub(crate) fn failed(&mut self, group: &str, kernel: &str, message: impl FnOnce() -> String) {
        let counts = self.at(group, kernel);
        counts.failed += 1;
        counts.first_failure.get_or_insert_with(message);
    }

    /// Prints the counts, and panics if anything failed or something required never ran.
    #[allow(clippy::print_stdout, reason = "this is what `--nocapture` is for")]
    pub(crate) fn finish(self, test: &str, required: &[(String, String)]) {
        let mut problems = Vec::new();
        for ((group, kernel), c) in &self.counts {
            let (ran, refused, ms) = (c.ran, c.refused, c.time.as_millis());
            println!(
                "{test} {group} {kernel}: {ran} ran in {ms} ms, {refused} infeasible and refused"
            );
            if let Some(first) = &c.first_failure {
                let n = c.failed;
                problems.push(format!("{group} {kernel}: {n} failed, the first is\n  {first}"));
            }
        }
        for key in required {
            if self.counts.get(key).is_none_or(|c| c.ran == 0) {
                problems.push(format!("{} {}: nothing ran, so nothing is known", key.0, key.1));
            }
        }
        assert!(problems.is_empty(), "{test}\n{}", problems.join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required() -> [(String, String); 1] {
        [("avx2".to_owned(), "radix".to_owned())]
    }

    #[test]
    #[should_panic(expected = "nothing ran")]
    fn a_kernel_that_never_ran_is_a_failure() {
        let mut report = Report::default();
        report.refused("avx2", "radix");
        report.finish("test", &required());
    }

    #[test]
    #[should_panic(expected = "2 failed, the first is\n  one")]
    fn the_first_failure_is_told() {
        let mut report = Report::default();
        report.ran("avx2", "radix");
        report.failed("avx2", "radix", || "one".to_owned());
        report.failed("avx2", "radix", || "two".to_owned());
        report.finish("test", &required());
    }
}
