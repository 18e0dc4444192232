//! The coefficients of the CPU's cost model.

/// What each part of a CPU kernel's work costs, in nanoseconds. Predicted times are linear in
/// them, which is what fitting them to measured times needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuCosts {
    /// Waking the other threads and waiting for the last of them.
    pub team: f64,
    /// A call, whatever it does.
    pub call: f64,
    /// A row, whatever is done with it.
    pub row: f64,
    /// Loading a vector, making codes and comparing them, from the first-level cache.
    pub vector: f64,
    /// Storing a vector's codes and raising a maximum, on top; then loading and comparing them
    /// again.
    pub codes: f64,
    /// Comparing a vector of words when ranking by comparison.
    pub compare: f64,
    /// Appending a candidate.
    pub append: f64,
    /// Selecting among unordered elements, for each.
    pub select: f64,
    /// Sorting and writing a candidate by buckets.
    pub bucket: f64,
    /// Ordering a candidate that shares its bucket with many.
    pub crowd: f64,
    /// One digit of one element: staging, counting, deciding.
    pub digit: f64,
    /// Sampling one element of a long row: a cache miss, most of them overlapped.
    pub sample: f64,
    /// The same where the input does not stay in any cache.
    pub sample_memory: f64,
    /// Inserting into a sorted list or a heap, mispredicted branch included, and per element
    /// moved.
    pub insert: f64,
    /// Testing a tile for hits.
    pub test: f64,
    /// Looking again for hits in one vector of a tile that has some.
    pub look: f64,
    /// Turning a tile of columns into codes, whatever its length.
    pub tile: f64,
}

impl CpuCosts {
    /// How many there are.
    pub const LEN: usize = 17;

    /// Their names, in the order of [`CpuCosts::to_array`].
    pub const NAMES: [&'static str; Self::LEN] = [
        "team",
        "call",
        "row",
        "vector",
        "codes",
        "compare",
        "append",
        "select",
        "bucket",
        "crowd",
        "digit",
        "sample",
        "sample_memory",
        "insert",
        "test",
        "look",
        "tile",
    ];

    /// Fitted by hand to `st-bench cpu-sweep` on a Xeon with AVX-512 (one vector operation chain and
    /// one miss cost about the same on its neighbours).
    pub const BY_HAND: Self = Self {
        team: 6_000.0,
        call: 200.0,
        row: 15.0,
        vector: 0.8,
        codes: 0.9,
        compare: 0.8,
        append: 3.0,
        select: 4.0,
        bucket: 9.0,
        crowd: 1.5,
        digit: 1.6,
        sample: 6.0,
        sample_memory: 25.0,
        insert: 14.0,
        test: 1.5,
        look: 0.5,
        tile: 20.0,
    };

    /// As a list.
    #[must_use]
    pub const fn to_array(&self) -> [f64; Self::LEN] {
        [
            self.team,
            self.call,
            self.row,
            self.vector,
            self.codes,
            self.compare,
            self.append,
            self.select,
            self.bucket,
            self.crowd,
            self.digit,
            self.sample,
            self.sample_memory,
            self.insert,
            self.test,
            self.look,
            self.tile,
        ]
    }

    /// From a list in the order of [`CpuCosts::NAMES`].
    #[must_use]
    pub const fn from_array(costs: [f64; Self::LEN]) -> Self {
        let [team, call, row, vector, codes, compare, append, select, bucket, rest @ ..] = costs;
        let [crowd, digit, sample, sample_memory, insert, test, look, tile] = rest;
        Self {
            team,
            call,
            row,
            vector,
            codes,
            compare,
            append,
            select,
            bucket,
            crowd,
            digit,
            sample,
            sample_memory,
            insert,
            test,
            look,
            tile,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CpuCosts;

    #[test]
    fn lists_and_fields_agree() {
        let hand = CpuCosts::BY_HAND;
        assert_eq!(CpuCosts::from_array(hand.to_array()), hand);
        let numbered: [f64; CpuCosts::LEN] = std::array::from_fn(|i| i as f64);
        assert_eq!(CpuCosts::from_array(numbered).to_array(), numbered);
        let text = format!("{:?}", CpuCosts::from_array(numbered));
        for (i, name) in CpuCosts::NAMES.iter().enumerate() {
            assert!(text.contains(&format!(" {name}: {i}.0")), "{name} in {text}");
        }
    }
}
